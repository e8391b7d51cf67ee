# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key exchanges and certificates of real TLS peers up to TLS 1.2; and bytes that are none."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats import certificate
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_messages as tls
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_names as names
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import server_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_messages import MalformedMessage
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, messages
from hypothesis import given, settings
from hypothesis import strategies as st

BODIES = [body for recording in RECORDINGS.values() for kind in ("certificate", "server_key_exchange") for body in messages(recording.from_server, kind)]


@pytest.mark.parametrize("name, group, bits, algorithm", [
    ("openssl_tls12_ecdhe_ecdsa", "x25519", None, "ecdsa_secp256r1_sha256"),
    ("openssl_tls12_ecdhe_rsa_p384", "secp384r1", None, "rsa_pss_rsae_sha256"),
    ("openssl_tls12_dhe_rsa", None, 2048, "rsa_pss_rsae_sha256"),
    ("openssl_tls12_dh_anon", None, 2048, None),
    ("openssl_tls12_ecdh_anon", "x25519", None, None),
    ("openssl_tls12_ecdhe_psk", "x25519", None, None),
    ("openssl_tls12_dhe_psk", None, 2048, None),
    ("openssl_tls12_psk", None, None, None),
    ("openssl_tls11_ecdhe_rsa", "x25519", None, None),
    ("openssl_tls10_dhe_rsa", None, 2048, None),
    ("gnutls_tls12", "secp256r1", None, "rsa_pkcs1_sha256"),
    ("go_tls12", "x25519", None, "ecdsa_secp256r1_sha256"),
    ("safari", "x25519", None, "ecdsa_secp256r1_sha256")])
def test_the_key_exchange_up_to_tls12(name, group, bits, algorithm):
    octets = RECORDINGS[name].from_server
    hello = server_hello(messages(octets, "server_hello")[0])
    body, = messages(octets, "server_key_exchange")
    found = tls.server_key_exchange(body, hello.cipher_suite, hello.version)
    assert (found.group and names.group_name(found.group), found.dh_bits, found.signature_algorithm and names.signature_scheme_name(
        found.signature_algorithm)) == (group, bits, algorithm)
    if group or bits:
        for damaged in (body[:-1], body + b"\0", b""):
            with pytest.raises(MalformedMessage):
                tls.server_key_exchange(damaged, hello.cipher_suite, hello.version)


def test_rsa_key_exchange_has_no_message():
    assert messages(RECORDINGS["openssl_tls12_rsa"].from_server, "server_key_exchange") == []


@pytest.mark.parametrize("kind, group", [(1, 0xFF01), (2, 0xFF02)])
def test_explicit_curves_are_named_as_such(kind, group):
    assert tls.server_key_exchange(bytes((kind, 1, 2, 3)), 0xC02F, 0x0303) == (group, None, None)


def test_unknown_key_exchanges_are_not_read():
    assert tls.server_key_exchange(b"anything", 0xC020, 0x0303) == (None, None, None)
    assert tls.server_key_exchange(b"anything", 0x9999, 0x0303) == (None, None, None)


def test_certificates_up_to_tls12():
    body, = messages(RECORDINGS["openssl_tls12_rsa"].from_server, "certificate")
    found, = tls.certificates(body)
    assert certificate.certificate_facts(found)["subject"] == "CN=site.example"
    for damaged in (body[:-1], body + b"\0", b"", b"\0\0", b"\0\0\1\0"):
        with pytest.raises(MalformedMessage):
            tls.certificates(damaged)
    assert tls.certificates(b"\0\0\0") == []


def certificate_list(sizes):
    entries = b"".join(size.to_bytes(3, "big") + bytes(size) for size in sizes)
    return len(entries).to_bytes(3, "big") + entries


def test_certificates_are_bounded():
    assert len(tls.certificates(certificate_list([5] * 50))) == 10
    assert sum(map(len, tls.certificates(certificate_list([30_000] * 5)))) == 60_000
    assert tls.certificates(certificate_list([70_000, 5])) == []


def parsers():
    return st.sampled_from([tls.certificates, lambda body: tls.server_key_exchange(body, 0xC02F, 0x0303),
                            lambda body: tls.server_key_exchange(body, 0xC0AA, 0x0303), lambda body: tls.server_key_exchange(body, 0x0033, 0x0301)])


@settings(max_examples=500, deadline=None)
@given(parsers(), st.binary(max_size=400))
def test_anything_is_a_message_or_malformed(parse, body):
    try:
        parse(body)
    except MalformedMessage:
        pass


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8), parsers())
def test_a_damaged_message_is_a_message_or_malformed(body, changes, parse):
    damaged = bytearray(body)
    for place, octet in changes:
        damaged[place % len(damaged)] = octet
    try:
        parse(bytes(damaged))
    except MalformedMessage:
        pass
