# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other messages of a TLS handshake up to TLS 1.2: the server's key exchange, and its certificates. Hellos are in `_wire.tls_hellos`.

Bodies are those of handshake messages, without the bytes of type and length (and of DTLS, sequence and fragment). Strict on purpose, as for hellos:
every length must add up to the body's.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from .tls_names import cipher_suite_name

_MAX_CERTIFICATES = 10
_MAX_CERTIFICATE_BYTES = 64 * 1024

_PRIME_CURVE, _CHAR2_CURVE, _NAMED_CURVE = 1, 2, 3  # ECCurveType, RFC 8422 5.4
_EXPLICIT_CURVES = {_PRIME_CURVE: 0xFF01, _CHAR2_CURVE: 0xFF02}  # arbitrary_explicit_*_curves, RFC 8422 5.1.1
_VERSIONS_WITH_ALGORITHM = frozenset((0x0303, 0xFEFD))  # a signature names its algorithm in (D)TLS 1.2 (RFC 5246 4.7) and not before

_word = struct.Struct(">H").unpack_from


class MalformedMessage(ValueError):
    """The bytes are not the message that was expected."""


class ServerKeyExchange(NamedTuple):
    """The parameters of an ephemeral key exchange up to TLS 1.2. All None where the cipher suite has none, or has others than (EC)DHE."""

    group: Optional[int]
    dh_bits: Optional[int]
    signature_algorithm: Optional[int]


def _vector(body, offset, length_size):
    """Where a vector is whose length stands before it.

    :arg body: bytes that hold it.
    :arg offset: int, where its length begins.
    :arg length_size: int, bytes of the length.
    :returns: ``(begin, end)`` of its content.
    :raises MalformedMessage: it is longer than the body.
    """
    start = offset + length_size
    end = start + int.from_bytes(body[offset:start], "big")
    if end > len(body):
        raise MalformedMessage("a vector passes the end of the message")
    return start, end


def _read_ecdhe(body, offset):
    """ServerECDHParams (RFC 8422 5.4). :returns: ``(group, None, their end or None where no signature is looked for behind them)``."""
    kind = body[offset]
    if kind in _EXPLICIT_CURVES:
        return _EXPLICIT_CURVES[kind], None, None
    if kind != _NAMED_CURVE:
        raise MalformedMessage("curve type")
    group, = _word(body, offset + 1)
    return group, None, _vector(body, offset + 3, 1)[1]


def _read_dhe(body, offset):
    """ServerDHParams (RFC 5246 7.4.3). :returns: ``(None, bits of the prime, their end)``."""
    start, end = _vector(body, offset, 2)
    bits = int.from_bytes(body[start:end], "big").bit_length()
    _start, end = _vector(body, end, 2)
    _start, end = _vector(body, end, 2)
    return None, bits, end


def _read_signature(body, offset, signed, version):
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


def _key_exchange_of(cipher_suite):
    """What the name of a cipher suite says of its ServerKeyExchange.

    :arg cipher_suite: int.
    :returns: ``(function that reads the parameters, or None where there are none, whether a key is pre-shared, whether the message is signed)``.
    """
    exchange = (cipher_suite_name(cipher_suite) or "").partition("WITH_")[0]  # such as TLS_ECDHE_RSA_
    read = None
    if "_ECDHE_" in exchange or exchange == "TLS_ECDH_anon_":
        read = _read_ecdhe
    elif "_DHE_" in exchange or exchange.startswith("TLS_DH_anon_"):
        read = _read_dhe
    pre_shared = "_PSK_" in exchange
    return read, pre_shared, not pre_shared and "_anon_" not in exchange


def _parse_server_key_exchange(body, cipher_suite, version):
    read, pre_shared, signed = _key_exchange_of(cipher_suite)
    if read is None:
        return ServerKeyExchange(None, None, None)
    # a pre-shared key's identity hint comes first (RFC 4279 2, RFC 5489 2); such exchanges and anonymous ones are not signed
    group, bits, end = read(body, _vector(body, 0, 2)[1] if pre_shared else 0)
    return ServerKeyExchange(group, bits, None if end is None else _read_signature(body, end, signed, version))


def server_key_exchange(body, cipher_suite, version):
    """Parse a ServerKeyExchange of TLS up to 1.2 (RFC 5246 7.4.3, RFC 8422 5.4, RFC 4279, RFC 5489).

    :arg body: bytes, the handshake message without its header.
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
    """Parse a Certificate message of TLS up to 1.2 (RFC 5246 7.4.2).

    :arg body: bytes, the handshake message without its header.
    :returns: list of bytes, each the DER of a certificate as the peer sent it (nothing is checked), its own first; at most 10 and 64 KiB of them.
    :raises MalformedMessage:
    """
    offset, end = _vector(body, 0, 3)
    if end != len(body):
        raise MalformedMessage("the certificates are not all of the message")
    found = []
    total = 0
    while offset < end:
        start, offset = _vector(body, offset, 3)
        total += offset - start
        if len(found) < _MAX_CERTIFICATES and total <= _MAX_CERTIFICATE_BYTES:
            found.append(body[start:offset])
    return found
