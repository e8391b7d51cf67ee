# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClientHello and ServerHello: what a TLS client offers, and what the server chose.

Bodies are those of handshake messages, without the bytes of type and length (and of DTLS, sequence and fragment). Strict on purpose: every
length must add up to the body's, so that encrypted bytes that happen to begin like a hello are refused. Unknown extensions are skipped, unknown
codes are kept as numbers. Codes are ints; `_wire.tls_names` names them. GREASE (RFC 8701) is in no list.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional, Tuple

from . import tls_extensions as extensions
from .tls_messages import MalformedMessage

# How a hello begins (RFC 8446 4.1.2, 4.1.3): version, random, length of the session id, session id
RANDOM = slice(2, 34)
SESSION_ID_SIZE, SESSION_ID = 34, 35

HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3
_FALLBACK = 0x5600  # TLS_FALLBACK_SCSV, RFC 7507
_NO_SUITES = extensions.GREASE | {0x00FF, _FALLBACK}  # the signalling values among the cipher suites: RFC 5746 3.3 is the other
_MAJOR_VERSIONS = frozenset((0x03, 0xFE, 0x01))  # TLS, DTLS, and TLCP or the first DTLS
_MAX_SESSION_ID = 32

_word = extensions.word
_hello_start = struct.Struct(">H32sB").unpack_from
_suite_and_compression = struct.Struct(">HB").unpack_from


class ClientHello(NamedTuple):
    """What a client offers, in its order."""

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: Tuple[int, ...]  # without the signalling values
    compression: bytes  # one byte each; 0 is none
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


def _parse_start(body):
    """The fields with which both hellos begin. :returns: ``(legacy version, random, session id, offset of what follows)``."""
    legacy_version, random, size = _hello_start(body)
    if body[0] not in _MAJOR_VERSIONS or size > _MAX_SESSION_ID:
        raise MalformedMessage("not the beginning of a hello")
    end = SESSION_ID + size
    return legacy_version, random, body[SESSION_ID:end], end


def _parse_client_hello(body):
    legacy_version, random, session_id, offset = _parse_start(body)
    if body[0] == 0xFE or legacy_version == 0x0100:
        offset += 1 + body[offset]  # the cookie of DTLS, RFC 6347 4.2.1
    size, = _word(body, offset)
    offset += 2
    suites = extensions.read_words(body, offset, size)
    offset += size
    start = offset + 1
    offset = start + body[offset]
    compression = body[start:offset]
    if not suites or not compression or offset > len(body):
        raise MalformedMessage("no cipher suite or no compression method")
    found = extensions.read_extensions(body, offset)
    name, alpn, versions = found.get(extensions.SERVER_NAME), found.get(extensions.ALPN), found.get(extensions.VERSIONS)
    groups, key_shares = found.get(extensions.GROUPS), found.get(extensions.KEY_SHARE)
    signature_algorithms = found.get(extensions.SIGNATURE_ALGORITHMS)
    return ClientHello(
        legacy_version=legacy_version, random=random, session_id=session_id,
        cipher_suites=extensions.without(suites, _NO_SUITES), compression=compression,
        server_name=None if name is None else extensions.server_name(name),
        alpn=() if alpn is None else extensions.alpn_protocols(alpn),
        versions=(legacy_version,) if versions is None else extensions.offered_versions(versions),
        groups=() if groups is None else extensions.word_list(groups),
        key_shares=() if key_shares is None else extensions.offered_key_shares(key_shares),
        signature_algorithms=() if signature_algorithms is None else extensions.word_list(signature_algorithms),
        psk=extensions.PRE_SHARED_KEY in found, early_data=extensions.EARLY_DATA in found,
        encrypted_client_hello=extensions.ENCRYPTED_CLIENT_HELLO in found, fallback_scsv=_FALLBACK in suites)


def _parse_server_hello(body):
    legacy_version, random, session_id, offset = _parse_start(body)
    cipher_suite, compression = _suite_and_compression(body, offset)
    found = extensions.read_extensions(body, offset + 3)
    hello_retry = random == HELLO_RETRY
    version, key_share, alpn = found.get(extensions.VERSIONS), found.get(extensions.KEY_SHARE), found.get(extensions.ALPN)
    protocols = () if alpn is None else extensions.alpn_protocols(alpn)
    return ServerHello(
        legacy_version=legacy_version, version=legacy_version if version is None else extensions.chosen_version(version),
        random=random, session_id=session_id, cipher_suite=cipher_suite, compression=compression,
        group=None if key_share is None else extensions.chosen_key_share(key_share, hello_retry),
        alpn=protocols[0] if protocols else None, psk=extensions.PRE_SHARED_KEY in found, hello_retry=hello_retry)


def client_hello(body):
    """Parse a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), also of SSL 3.0 and, recognized by its version, of DTLS (RFC 6347 4.2.1).

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

    :arg body: bytes, the handshake message without its header.
    :returns: `ServerHello`.
    :raises MalformedMessage:
    """
    try:
        return _parse_server_hello(body)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("ends too early") from error
