# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS handshake messages: what a ClientHello offers, what a ServerHello chose, and what TLS up to 1.2 says of the key exchange.

Bodies are those of handshake messages, without the octets of type and length (and of DTLS, sequence and fragment). Strict on purpose: every
length must add up to the body's, so that encrypted bytes that happen to begin like a hello are refused. What is unknown (extensions, codes) is
passed over or kept as a number.
Codes are ints; `_wire.tls_names` names them. GREASE (RFC 8701) is in no list.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple, Optional, Tuple

from .tls_names import cipher_suite_name

# IANA "TLS ExtensionType Values"; RFC 6066 3, RFC 8422 5.1.1, RFC 8446 4.2, RFC 7301, RFC 9849
_SERVER_NAME = 0
_GROUPS = 10
_SIGNATURE_ALGORITHMS = 13
_ALPN = 16
_PRE_SHARED_KEY = 41
_EARLY_DATA = 42
_VERSIONS = 43
_KEY_SHARE = 51
_ENCRYPTED_CLIENT_HELLO = 0xFE0D

HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3
_FALLBACK = 0x5600  # TLS_FALLBACK_SCSV, RFC 7507
_GREASE = frozenset(octet << 8 | octet for octet in range(0x0A, 0x100, 0x10))  # RFC 8701 2
_NO_SUITES = _GREASE | {0x00FF, _FALLBACK}  # the signalling values among the cipher suites: RFC 5746 3.3 is the other
_GREASE_ALPN = frozenset(bytes((octet, octet)) for octet in range(0x0A, 0x100, 0x10))
_MAJOR_VERSIONS = frozenset((0x03, 0xFE, 0x01))  # TLS, DTLS, and TLCP or the first DTLS
_MAX_SESSION_ID = 32
_MAX_NAME = 255  # octets of a host name (RFC 1035 2.3.4) or of an ALPN protocol (RFC 7301 3.1)
_MAX_CERTIFICATES = 10
_MAX_CERTIFICATE_OCTETS = 64 * 1024

_PRIME_CURVE, _CHAR2_CURVE, _NAMED_CURVE = 1, 2, 3  # ECCurveType, RFC 8422 5.4
_EXPLICIT_CURVES = {_PRIME_CURVE: 0xFF01, _CHAR2_CURVE: 0xFF02}  # arbitrary_explicit_*_curves, RFC 8422 5.1.1
_VERSIONS_WITH_ALGORITHM = frozenset((0x0303, 0xFEFD))  # a signature names its algorithm in (D)TLS 1.2 (RFC 5246 4.7) and not before

_word = struct.Struct(">H").unpack_from
_two_words = struct.Struct(">HH").unpack_from
_hello_start = struct.Struct(">H32sB").unpack_from
_suite_and_compression = struct.Struct(">HB").unpack_from
_MANY_WORDS = [struct.Struct(">%dH" % count).unpack_from for count in range(129)]  # more is rare


class MalformedMessage(ValueError):
    """The bytes are not the message that was expected."""


class ClientHello(NamedTuple):
    """What a client offers, in its order."""

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: Tuple[int, ...]  # without the signalling values
    compression: bytes  # one octet each; 0 is none
    server_name: Optional[str]  # RFC 6066 host_name; what is not printable ASCII is written \xHH
    alpn: Tuple[str, ...]  # the same
    versions: Tuple[int, ...]  # supported_versions; where that extension is missing, legacy_version alone
    groups: Tuple[int, ...]
    key_shares: Tuple[int, ...]  # the groups of the key shares
    signature_algorithms: Tuple[int, ...]
    psk: bool  # a pre_shared_key of TLS 1.3 is offered
    early_data: bool
    encrypted_client_hello: bool  # then server_name may be that of the outer hello, or this is GREASE
    fallback_scsv: bool


class ServerHello(NamedTuple):
    """What a server chose, or with hello_retry what it asks for."""

    legacy_version: int
    version: int  # negotiated
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression: int
    group: Optional[int]  # of TLS 1.3
    alpn: Optional[str]  # up to TLS 1.2; later it is encrypted
    psk: bool  # a pre-shared key of TLS 1.3 was accepted
    hello_retry: bool


class ServerKeyExchange(NamedTuple):
    """The parameters of an ephemeral key exchange up to TLS 1.2. All None where the cipher suite has none, or has others than (EC)DHE."""

    group: Optional[int]
    dh_bits: Optional[int]
    signature_algorithm: Optional[int]


def _words(data, offset, size):
    """The 16-bit numbers of size octets of data at offset. Size must be even and within data."""
    count, odd = divmod(size, 2)
    if odd or offset + size > len(data):
        raise MalformedMessage("a list of 16-bit numbers does not fit")
    return _MANY_WORDS[count](data, offset) if count <= 128 else struct.unpack_from(">%dH" % count, data, offset)


def _word_list(data):
    """An extension that is a list of 16-bit numbers with its length in two octets; GREASE left out."""
    size, = _word(data)
    if size + 2 != len(data):
        raise MalformedMessage("a list that is not all of its extension")
    return _without(_words(data, 2, size), _GREASE)


def _without(codes, unwanted):
    return codes if unwanted.isdisjoint(codes) else tuple([code for code in codes if code not in unwanted])


def _printable(raw):
    """Octets as one line of ASCII that no terminal obeys: the rest is ``\\xHH``, a backslash is doubled, what is too long ends in ``...``."""
    cut = raw[:_MAX_NAME]
    text = cut.decode("latin-1")
    if not cut.isascii() or not text.isprintable() or "\\" in text:
        text = "".join([chr(octet) if 0x20 <= octet < 0x7F and octet != 0x5C else "\\\\" if octet == 0x5C else "\\x%02x" % octet for octet in cut])
    return text if len(raw) <= _MAX_NAME else text + "..."


def _server_name(data):
    """The host_name of a server_name extension (RFC 6066 3), or None."""
    if not data:
        return None  # empty in a ServerHello, and some clients send it so
    size, = _word(data)
    end = size + 2
    if end != len(data):
        raise MalformedMessage("server_name")
    offset, name = 2, None
    while offset < end:
        size, = _word(data, offset + 1)
        start = offset + 3
        if data[offset] == 0 and name is None:
            name = data[start:start + size]
        offset = start + size
    if offset != end:
        raise MalformedMessage("server_name")
    return None if name is None else _printable(name)


def _protocols(data):
    """The names in an ALPN extension (RFC 7301 3.1)."""
    size, = _word(data)
    end = size + 2
    if end != len(data):
        raise MalformedMessage("ALPN")
    offset, names = 2, []
    while offset < end:
        start = offset + 1
        offset = start + data[offset]
        name = data[start:offset]
        if name not in _GREASE_ALPN:
            names.append(_printable(name))
    if offset != end:
        raise MalformedMessage("ALPN")
    return tuple(names)


def _supported_versions(data):
    if data[0] + 1 != len(data):
        raise MalformedMessage("supported_versions")
    return _without(_words(data, 1, len(data) - 1), _GREASE)


def _client_key_shares(data):
    """The groups of a client's key_share extension (RFC 8446 4.2.8); the keys are passed over."""
    size, = _word(data)
    end = size + 2
    if end != len(data):
        raise MalformedMessage("key_share")
    offset, groups = 2, []
    while offset < end:
        group, size = _two_words(data, offset)
        offset += 4 + size
        if group not in _GREASE:
            groups.append(group)
    if offset != end:
        raise MalformedMessage("key_share")
    return tuple(groups)


def _extensions(body, offset):
    """The extensions that are the rest of body: code -> data. None of them may occur twice (RFC 8446 4.2)."""
    found = {}
    length = len(body)
    if offset == length:
        return found  # before RFC 3546 there were none
    size, = _word(body, offset)
    offset += 2
    if offset + size != length:
        raise MalformedMessage("the extensions are not the rest of the message")
    count = 0
    while offset < length:
        code, size = _two_words(body, offset)
        offset += 4
        found[code] = body[offset:offset + size]
        offset += size
        count += 1
    if offset != length or count != len(found):
        raise MalformedMessage("an extension is too long or occurs twice")
    return found


def _parse_client_hello(body):
    legacy_version, random, size = _hello_start(body)
    if body[0] not in _MAJOR_VERSIONS or size > _MAX_SESSION_ID:
        raise MalformedMessage("not the beginning of a hello")
    offset = 35 + size
    session_id = body[35:offset]
    if body[0] == 0xFE or legacy_version == 0x0100:
        offset += 1 + body[offset]  # the cookie of DTLS, RFC 6347 4.2.1
    size, = _word(body, offset)
    offset += 2
    suites = _words(body, offset, size)
    offset += size
    start = offset + 1
    offset = start + body[offset]
    compression = body[start:offset]
    if not suites or not compression or offset > len(body):
        raise MalformedMessage("no cipher suite or no compression method")
    found = _extensions(body, offset)
    get = found.get
    name, alpn, versions, groups, shares, schemes = get(_SERVER_NAME), get(_ALPN), get(_VERSIONS), get(_GROUPS), get(_KEY_SHARE), get(_SIGNATURE_ALGORITHMS)
    return ClientHello(
        legacy_version, random, session_id,
        _without(suites, _NO_SUITES), compression,
        None if name is None else _server_name(name),
        () if alpn is None else _protocols(alpn),
        (legacy_version,) if versions is None else _supported_versions(versions),
        () if groups is None else _word_list(groups),
        () if shares is None else _client_key_shares(shares),
        () if schemes is None else _word_list(schemes),
        _PRE_SHARED_KEY in found, _EARLY_DATA in found, _ENCRYPTED_CLIENT_HELLO in found, _FALLBACK in suites)


def _server_key_share(data, hello_retry):
    """The group of a server's key_share extension (RFC 8446 4.2.8): a group alone in a HelloRetryRequest, else with a key."""
    if hello_retry:
        if len(data) != 2:
            raise MalformedMessage("key_share")
        return _word(data)[0]
    group, size = _two_words(data)
    if size + 4 != len(data):
        raise MalformedMessage("key_share")
    return group


def _parse_server_hello(body):
    legacy_version, random, size = _hello_start(body)
    if body[0] not in _MAJOR_VERSIONS or size > _MAX_SESSION_ID:
        raise MalformedMessage("not the beginning of a hello")
    offset = 35 + size
    suite, compression = _suite_and_compression(body, offset)
    found = _extensions(body, offset + 3)
    hello_retry = random == HELLO_RETRY
    version, group, alpn = found.get(_VERSIONS), found.get(_KEY_SHARE), found.get(_ALPN)
    if version is not None and len(version) != 2:
        raise MalformedMessage("supported_versions")
    protocols = () if alpn is None else _protocols(alpn)
    return ServerHello(
        legacy_version, legacy_version if version is None else _word(version)[0], random, body[35:offset], suite, compression,
        None if group is None else _server_key_share(group, hello_retry),
        protocols[0] if protocols else None, _PRE_SHARED_KEY in found, hello_retry)


def _vector(body, offset, octets):
    """Where a vector at offset begins and ends whose length is in that many octets."""
    start = offset + octets
    end = start + int.from_bytes(body[offset:start], "big")
    if end > len(body):
        raise MalformedMessage("a vector passes the end of the message")
    return start, end


def _ecdhe(body, offset):
    """ServerECDHParams (RFC 8422 5.4). :returns: (group, None, where they end or None where that is not looked for)."""
    kind = body[offset]
    if kind in _EXPLICIT_CURVES:
        return _EXPLICIT_CURVES[kind], None, None
    if kind != _NAMED_CURVE:
        raise MalformedMessage("curve type")
    group, = _word(body, offset + 1)
    return group, None, _vector(body, offset + 3, 1)[1]


def _dhe(body, offset):
    """ServerDHParams (RFC 5246 7.4.3). :returns: (None, bits of the prime, where they end)."""
    start, end = _vector(body, offset, 2)
    bits = int.from_bytes(body[start:end], "big").bit_length()
    _start, end = _vector(body, end, 2)
    _start, end = _vector(body, end, 2)
    return None, bits, end


def _signature(body, offset, signed, version):
    """The algorithm of the signature that ends the message, or None where there is none or it does not say."""
    algorithm = None
    if signed:
        if version in _VERSIONS_WITH_ALGORITHM:
            algorithm, = _word(body, offset)
            offset += 2
        _start, offset = _vector(body, offset, 2)
    if offset != len(body):
        raise MalformedMessage("bytes left over")
    return algorithm


@functools.lru_cache(maxsize=64)
def _exchange(cipher_suite):
    """``(how the parameters are read, or None, whether a key is shared, whether it is signed)`` of a cipher suite."""
    exchange = (cipher_suite_name(cipher_suite) or "").partition("_WITH_")[0].split("_")[1:]
    read = None
    if "ECDHE" in exchange or exchange == ["ECDH", "anon"]:
        read = _ecdhe
    elif "DHE" in exchange or exchange[:2] == ["DH", "anon"]:
        read = _dhe
    shared = "PSK" in exchange
    return read, shared, not shared and "anon" not in exchange


def _parse_server_key_exchange(body, cipher_suite, version):
    read, shared, signed = _exchange(cipher_suite)
    if read is None:
        return ServerKeyExchange(None, None, None)
    # a pre-shared key's identity hint comes first (RFC 4279 2, RFC 5489 2); such exchanges and anonymous ones are not signed
    group, bits, end = read(body, _vector(body, 0, 2)[1] if shared else 0)
    return ServerKeyExchange(group, bits, None if end is None else _signature(body, end, signed, version))


def _parse_certificates(body):
    offset, end = _vector(body, 0, 3)
    if end != len(body):
        raise MalformedMessage("the certificates are not all of the message")
    found = []
    octets = 0
    while offset < end:
        start, offset = _vector(body, offset, 3)
        octets += offset - start
        if len(found) < _MAX_CERTIFICATES and octets <= _MAX_CERTIFICATE_OCTETS:
            found.append(body[start:offset])
    return found


def client_hello(body):
    """Parse a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), also of SSL 3.0 and, told by its version, of DTLS (RFC 6347 4.2.1).

    :arg body: bytes, the handshake message without its header.
    :returns: `ClientHello`.
    :raises MalformedMessage:
    """
    try:
        return _parse_client_hello(body)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early") from error


def server_hello(body):
    """Parse a ServerHello or a HelloRetryRequest (RFC 8446 4.1.3 and 4.1.4, RFC 5246 7.4.1.3).

    :arg body: bytes, as for `client_hello`.
    :returns: `ServerHello`.
    :raises MalformedMessage:
    """
    try:
        return _parse_server_hello(body)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early") from error


def server_key_exchange(body, cipher_suite, version):
    """Parse a ServerKeyExchange of TLS up to 1.2 (RFC 5246 7.4.3, RFC 8422 5.4, RFC 4279, RFC 5489).

    :arg body: bytes, as for `client_hello`.
    :arg cipher_suite: int, of the ServerHello: it decides what the body is.
    :arg version: int, of the ServerHello.
    :returns: `ServerKeyExchange`.
    :raises MalformedMessage:
    """
    try:
        return _parse_server_key_exchange(body, cipher_suite, version)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early") from error


def certificates(body):
    """The certificates in a Certificate message of TLS up to 1.2 (RFC 5246 7.4.2).

    :arg body: bytes, as for `client_hello`.
    :returns: list of bytes, each the DER of a certificate as the peer sent it (nothing is checked), its own first; at most 10 and 64 KiB of them.
    :raises MalformedMessage:
    """
    return _parse_certificates(body)
