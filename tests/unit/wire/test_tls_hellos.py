# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS hellos of real peers, read as Wireshark reads them; and bytes that are no hello."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_hellos as tls
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_names as names
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_messages import MalformedMessage
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, as_wireshark_reads, hellos, messages
from hypothesis import given, settings
from hypothesis import strategies as st

GREASE = {octet << 8 | octet for octet in range(0x0A, 0x100, 0x10)}
CLIENT_HELLOS = [body for recording in RECORDINGS.values() for body in hellos(recording.from_client)]
SERVER_HELLOS = [body for recording in RECORDINGS.values() for body in hellos(recording.from_server)]


def numbers(values):
    return tuple(number for number in (int(value, 0) for value in values) if number not in GREASE)


def test_client_hellos_are_read_as_wireshark_reads_them(tmp_path):
    theirs = as_wireshark_reads([(1, body) for body in CLIENT_HELLOS], tmp_path)
    assert len(theirs) == len(CLIENT_HELLOS) > 35
    for body, fields in zip(CLIENT_HELLOS, theirs):
        hello = tls.client_hello(body)
        offered = numbers(fields["tls.handshake.ciphersuite"])
        extensions = numbers(fields["tls.handshake.extension.type"])
        assert [hello.legacy_version] == [int(value, 0) for value in fields["tls.handshake.version"]]
        assert [hello.random.hex()] == fields["tls.handshake.random"]
        assert [hello.session_id.hex()] == (fields["tls.handshake.session_id"] or [""])
        assert hello.cipher_suites == tuple(code for code in offered if code not in (0xFF, 0x5600))
        assert hello.fallback_scsv == (0x5600 in offered)
        assert list(hello.compression) == [int(value, 0) for value in fields["tls.handshake.comp_method"]]
        assert [hello.server_name] == (fields["tls.handshake.extensions_server_name"] or [None])
        assert list(hello.alpn) == fields["tls.handshake.extensions_alpn_str"]
        assert hello.versions == (numbers(fields["tls.handshake.extensions.supported_version"]) or (hello.legacy_version,))
        assert hello.groups == numbers(fields["tls.handshake.extensions_supported_group"])
        assert hello.key_shares == numbers(fields["tls.handshake.extensions_key_share_group"])
        # Wireshark counts delegated_credentials (34) and signature_algorithms_cert (50) in
        schemes = numbers(fields["tls.handshake.sig_hash_alg"])
        assert hello.signature_algorithms == schemes or {34, 50} & set(extensions) and set(hello.signature_algorithms) <= set(schemes)
        assert (hello.psk, hello.early_data, hello.encrypted_client_hello) == (41 in extensions, 42 in extensions, 0xFE0D in extensions)


def test_server_hellos_are_read_as_wireshark_reads_them(tmp_path):
    theirs = as_wireshark_reads([(2, body) for body in SERVER_HELLOS], tmp_path)
    assert len(theirs) == len(SERVER_HELLOS) > 35
    for body, fields in zip(SERVER_HELLOS, theirs):
        hello = tls.server_hello(body)
        assert [hello.legacy_version] == [int(value, 0) for value in fields["tls.handshake.version"]]
        assert (hello.version,) == (numbers(fields["tls.handshake.extensions.supported_version"]) or (hello.legacy_version,))
        assert [hello.random.hex()] == fields["tls.handshake.random"]
        assert [hello.session_id.hex()] == (fields["tls.handshake.session_id"] or [""])
        assert [hello.cipher_suite] == [int(value, 0) for value in fields["tls.handshake.ciphersuite"]]
        assert [hello.compression] == [int(value, 0) for value in fields["tls.handshake.comp_method"]]
        groups = fields["tls.handshake.extensions_key_share_group"] + fields["tls.handshake.extensions_key_share_selected_group"]
        assert [hello.group] == ([int(value, 0) for value in groups] or [None])
        assert [hello.alpn] == (fields["tls.handshake.extensions_alpn_str"] or [None])
        assert hello.psk == ("41" in fields["tls.handshake.extension.type"])
        assert hello.hello_retry == bool(fields["tls.handshake.extensions_key_share_selected_group"])


# what the arguments of each peer make it negotiate: version, cipher suite, group of TLS 1.3, hello retry, accepted pre-shared key
@pytest.mark.parametrize("name, expected", [
    ("openssl_tls13", [("TLS 1.3", "TLS_AES_256_GCM_SHA384", "x25519", False, False)]),
    ("openssl_tls13_hello_retry", [("TLS 1.3", "TLS_AES_256_GCM_SHA384", "secp521r1", True, False),
                                   ("TLS 1.3", "TLS_AES_256_GCM_SHA384", "secp521r1", False, False)]),
    ("openssl_tls13_resumed", [("TLS 1.3", "TLS_AES_256_GCM_SHA384", "x25519", False, True)]),
    ("openssl_tls12_dhe_rsa", [("TLS 1.2", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", None, False, False)]),
    ("openssl_tls11_ecdhe_rsa", [("TLS 1.1", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None, False, False)]),
    ("openssl_tls10_dhe_rsa", [("TLS 1.0", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", None, False, False)]),
    ("openssl4_pq", [("TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768", False, False)]),
    ("openssl4_pq_hello_retry", [("TLS 1.3", "TLS_AES_128_GCM_SHA256", "SecP256r1MLKEM768", True, False),
                                 ("TLS 1.3", "TLS_AES_128_GCM_SHA256", "SecP256r1MLKEM768", False, False)]),
    ("go_pq", [("TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768", False, False)]),
    ("go_pq_p384", [("TLS 1.3", "TLS_AES_128_GCM_SHA256", "SecP384r1MLKEM1024", False, False)]),
    ("openssl_no_shared_cipher", []), ("openssl_protocol_version", [])])
def test_what_was_negotiated(name, expected):
    found = [tls.server_hello(body) for body in messages(RECORDINGS[name].from_server, "server_hello")]
    assert [(names.version_name(hello.version), names.cipher_suite_name(hello.cipher_suite), hello.group and names.group_name(hello.group),
             hello.hello_retry, hello.psk) for hello in found] == expected


def test_early_data_and_a_session_are_read():
    recording = RECORDINGS["openssl_tls13_early_data"]
    hello = tls.client_hello(messages(recording.from_client, "client_hello")[0])
    assert (hello.psk, hello.early_data) == (True, True)
    resumed = RECORDINGS["openssl_tls12_resumed"]
    offered = tls.client_hello(messages(resumed.from_client, "client_hello")[0])
    accepted = tls.server_hello(messages(resumed.from_server, "server_hello")[0])
    assert len(offered.session_id) == 32 and offered.session_id == accepted.session_id


def test_alpn_up_to_tls12_is_read():
    assert tls.server_hello(messages(RECORDINGS["openssl_tls12_ecdhe_ecdsa"].from_server, "server_hello")[0]).alpn == "http/1.1"


def vector(octets, size):
    return len(octets).to_bytes(size, "big") + octets


def extension(code, data):
    return code.to_bytes(2, "big") + vector(data, 2)


def client_hello(*extensions, version=b"\x03\x03", suites=b"\x13\x01", cookie=b"", block=True):
    octets = b"".join(extensions)
    return version + bytes(32) + vector(b"", 1) + cookie + vector(suites, 2) + b"\x01\x00" + (vector(octets, 2) if block else b"")


def server_name(name, kind=0):
    return extension(0, vector(bytes((kind,)) + vector(name, 2), 2))


def test_a_hello_of_old_has_no_extensions():
    hello = tls.client_hello(client_hello(version=b"\x03\x00", suites=b"\x00\x0a\x00\xff\x56\x00", block=False))
    assert (hello.versions, hello.cipher_suites, hello.fallback_scsv) == ((0x0300,), (0x000A,), True)
    server = tls.server_hello(b"\x03\x00" + bytes(32) + b"\0" + b"\x00\x0a\x00")
    assert (server.version, server.cipher_suite, server.group) == (0x0300, 0x000A, None)


@pytest.mark.parametrize("version", [b"\xfe\xfd", b"\xfe\xff", b"\x01\x00"])
def test_a_hello_of_dtls_has_a_cookie(version):
    for cookie in (b"", b"cookie"):
        hello = tls.client_hello(client_hello(version=version, cookie=vector(cookie, 1)))
        assert hello.cipher_suites == (0x1301,) and hello.versions == (int.from_bytes(version, "big"),)


def test_a_draft_keeps_its_number():
    hello = tls.server_hello(b"\x03\x03" + bytes(32) + b"\0\x13\x01\0" + vector(extension(43, b"\x7f\x1c"), 2))
    assert (hello.legacy_version, hello.version) == (0x0303, 0x7F1C)


@pytest.mark.parametrize("name, expected", [
    (b"site.example", "site.example"), (b"", ""), ("b\u00fccher.example".encode(), "b\\xc3\\xbccher.example"), (b"a\nb", "a\\x0ab"),
    (b"\x1b[31m", "\\x1b[31m"), (b"back\\slash", "back\\\\slash"), (b"\x7f\x00", "\\x7f\\x00"), (b"a" * 300, "a" * 255 + "...")])
def test_names_cannot_do_harm(name, expected):
    assert tls.client_hello(client_hello(server_name(name))).server_name == expected


def test_only_host_names_are_read():
    assert tls.client_hello(client_hello(server_name(b"x", kind=7))).server_name is None
    assert tls.client_hello(client_hello(extension(0, b""))).server_name is None


def test_grease_is_in_no_list():
    grease = b"\x3a\x3a"
    hello = tls.client_hello(client_hello(
        extension(0x2A2A, b""), extension(10, vector(grease + b"\x00\x1d", 2)), extension(43, vector(grease + b"\x03\x04", 1)),
        extension(13, vector(grease + b"\x04\x03", 2)), extension(51, vector(grease + vector(b"\0", 2) + b"\x00\x1d" + vector(b"k", 2), 2)),
        extension(16, vector(vector(b"\x0a\x0a", 1) + vector(b"h2", 1), 2)), suites=grease + b"\x13\x02"))
    assert (hello.cipher_suites, hello.groups, hello.versions, hello.signature_algorithms, hello.key_shares, hello.alpn) == (
        (0x1302,), (0x1D,), (0x0304,), (0x0403,), (0x1D,), ("h2",))


@pytest.mark.parametrize("body", [
    client_hello(extension(99, b""), extension(99, b"")),  # twice the same
    client_hello(extension(10, vector(b"\0\x1d\0", 2))),  # half a group
    client_hello(extension(10, vector(b"\0\x1d", 2) + b"\0")),  # something behind the list
    client_hello(extension(43, vector(b"\x03\x04", 1) + b"\0")),
    client_hello(extension(43, b"")),
    client_hello(extension(51, vector(b"\0\x1d\0\5key", 2))),
    client_hello(extension(16, vector(b"\5h2", 2))),
    client_hello(extension(0, vector(b"\0\0\5name", 2))),
    client_hello(suites=b""), client_hello(suites=b"\x13"),
    client_hello(version=b"\x13\x37"),
    client_hello() + b"\0", client_hello(block=False) + b"\0", b"",
    b"\x03\x03" + bytes(32) + vector(bytes(33), 1) + vector(b"\x13\x01", 2) + b"\x01\x00"])  # a session id of 33 octets
def test_what_does_not_add_up_is_refused(body):
    with pytest.raises(MalformedMessage):
        tls.client_hello(body)


@pytest.mark.parametrize("data", [extension(43, b"\x03"), extension(51, b"\0\x1d"), extension(51, b"\0\x1d\0\5key"), extension(16, b"\0\3\5h2")])
def test_what_does_not_add_up_in_a_server_hello_is_refused(data):
    with pytest.raises(MalformedMessage):
        tls.server_hello(b"\x03\x03" + bytes(32) + b"\0\x13\x01\0" + vector(data, 2))


@pytest.mark.parametrize("parse, bodies", [(tls.client_hello, CLIENT_HELLOS), (tls.server_hello, SERVER_HELLOS)])
def test_no_beginning_of_a_hello_is_a_hello(parse, bodies):
    """But that it may end before its extensions, as those of old do."""
    for body in bodies:
        accepted = 0
        for size in range(len(body)):
            try:
                parse(body[:size])
                accepted += 1
            except MalformedMessage:
                pass
        assert accepted <= 1


def parsers():
    return st.sampled_from([tls.client_hello, tls.server_hello])


@settings(max_examples=500, deadline=None)
@given(parsers(), st.binary(max_size=400))
def test_anything_is_a_hello_or_malformed(parse, body):
    try:
        parse(body)
    except MalformedMessage:
        pass


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(CLIENT_HELLOS + SERVER_HELLOS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8), parsers())
def test_a_damaged_hello_is_a_hello_or_malformed(body, changes, parse):
    damaged = bytearray(body)
    for place, octet in changes:
        damaged[place % len(damaged)] = octet
    try:
        found = parse(bytes(damaged))
    except MalformedMessage:
        return
    if isinstance(found, tls.ClientHello):
        assert not GREASE & set(found.cipher_suites + found.groups + found.versions + found.key_shares + found.signature_algorithms)
        assert all(text.isascii() and text.isprintable() for text in found.alpn + (found.server_name or "",))
