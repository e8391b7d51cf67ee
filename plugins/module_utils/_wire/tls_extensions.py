# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extensions of TLS hellos, and what is read of those that say which cryptography is offered or chosen.

Each reader takes the content of one extension and is strict: every length must add up to the content's. A content that ends too early raises
struct.error or IndexError, which the readers of whole hellos (`_wire.tls_hellos`) turn into MalformedMessage.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct

from .tls_messages import MalformedMessage

# IANA "TLS ExtensionType Values"; RFC 6066 3, RFC 8422 5.1.1, RFC 8446 4.2, RFC 7301, RFC 5077, RFC 7685, RFC 9849
SERVER_NAME = 0
GROUPS = 10
SIGNATURE_ALGORITHMS = 13
ALPN = 16
PADDING = 21
SESSION_TICKET = 35
PRE_SHARED_KEY = 41
EARLY_DATA = 42
VERSIONS = 43
COOKIE = 44
KEY_SHARE = 51
ENCRYPTED_CLIENT_HELLO = 0xFE0D

GREASE = frozenset(byte << 8 | byte for byte in range(0x0A, 0x100, 0x10))  # RFC 8701 2
_GREASE_ALPN = frozenset(bytes((byte, byte)) for byte in range(0x0A, 0x100, 0x10))
_HOST_NAME = 0  # NameType, RFC 6066 3
_MAX_NAME = 255  # bytes of a host name (RFC 1035 2.3.4) or of an ALPN protocol (RFC 7301 3.1)

word = struct.Struct(">H").unpack_from
two_words = struct.Struct(">HH").unpack_from


def read_extensions(body, offset):
    """Split the extensions, which are the rest of a hello. None of them may occur twice (RFC 8446 4.2).

    :arg body: bytes, the hello.
    :arg offset: int, where their length is in it.
    :returns: dict of int -> bytes, code -> content.
    :raises MalformedMessage:
    """
    found = {}
    length = len(body)
    if offset == length:
        return found  # before RFC 3546 there were none
    size, = word(body, offset)
    offset += 2
    if offset + size != length:
        raise MalformedMessage("the extensions are not the rest of the message")
    count = 0
    while offset < length:
        code, size = two_words(body, offset)
        offset += 4
        found[code] = body[offset:offset + size]
        offset += size
        count += 1
    if offset != length or count != len(found):
        raise MalformedMessage("an extension is too long or occurs twice")
    return found


def read_words(data, offset, size):
    """Read 16-bit numbers.

    :arg data: bytes that hold them.
    :arg offset: int, where they begin.
    :arg size: int, their size in bytes.
    :returns: tuple of int.
    :raises MalformedMessage: the size is odd, or data ends before.
    """
    count, odd = divmod(size, 2)
    if odd or offset + size > len(data):
        raise MalformedMessage("a list of 16-bit numbers does not fit")
    return struct.unpack_from(">%dH" % count, data, offset)


def without(codes, unwanted):
    """The codes that are not in unwanted.

    :arg codes: tuple of int.
    :arg unwanted: frozenset of int.
    :returns: tuple of int.
    """
    return codes if unwanted.isdisjoint(codes) else tuple([code for code in codes if code not in unwanted])


def word_list(data):
    """An extension that is one list of 16-bit numbers with its length in two bytes: supported_groups, signature_algorithms.

    :arg data: bytes, the content.
    :returns: tuple of int, without GREASE.
    """
    size, = word(data)
    if size + 2 != len(data):
        raise MalformedMessage("a list that is not all of its extension")
    return without(read_words(data, 2, size), GREASE)


def _printable(raw):
    """Bytes as one line of ASCII that no terminal obeys: the rest is ``\\xHH``, a backslash is doubled, what is too long ends in ``...``."""
    cut = raw[:_MAX_NAME]
    text = cut.decode("latin-1")
    if not cut.isascii() or not text.isprintable() or "\\" in text:
        text = "".join([chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else "\\\\" if byte == 0x5C else "\\x%02x" % byte for byte in cut])
    return text if len(raw) <= _MAX_NAME else text + "..."


def server_name(data):
    """server_name (RFC 6066 3).

    :arg data: bytes, the content.
    :returns: str, its host_name; None where it has none.
    """
    if not data:
        return None  # empty in a ServerHello, and some clients send it so
    size, = word(data)
    end = size + 2
    if end != len(data):
        raise MalformedMessage("server_name")
    offset, name = 2, None
    while offset < end:
        size, = word(data, offset + 1)
        start = offset + 3
        if data[offset] == _HOST_NAME and name is None:
            name = data[start:start + size]
        offset = start + size
    if offset != end:
        raise MalformedMessage("server_name")
    return None if name is None else _printable(name)


def alpn_protocols(data):
    """application_layer_protocol_negotiation (RFC 7301 3.1).

    :arg data: bytes, the content.
    :returns: tuple of str, without GREASE.
    """
    size, = word(data)
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


def offered_versions(data):
    """supported_versions of a client (RFC 8446 4.2.1).

    :arg data: bytes, the content.
    :returns: tuple of int, without GREASE.
    """
    if data[0] + 1 != len(data):
        raise MalformedMessage("supported_versions")
    return without(read_words(data, 1, len(data) - 1), GREASE)


def chosen_version(data):
    """supported_versions of a server (RFC 8446 4.2.1).

    :arg data: bytes, the content.
    :returns: int.
    """
    if len(data) != 2:
        raise MalformedMessage("supported_versions")
    return word(data)[0]


def offered_key_shares(data):
    """key_share of a client (RFC 8446 4.2.8); the keys are skipped.

    :arg data: bytes, the content.
    :returns: tuple of int, the groups of the keys, without GREASE.
    """
    size, = word(data)
    end = size + 2
    if end != len(data):
        raise MalformedMessage("key_share")
    offset, groups = 2, []
    while offset < end:
        group, size = two_words(data, offset)
        offset += 4 + size
        if group not in GREASE:
            groups.append(group)
    if offset != end:
        raise MalformedMessage("key_share")
    return tuple(groups)


def chosen_key_share(data, hello_retry):
    """key_share of a server (RFC 8446 4.2.8): a group alone in a HelloRetryRequest, else with a key.

    :arg data: bytes, the content.
    :arg hello_retry: bool, whether it is one of a HelloRetryRequest.
    :returns: int, the group.
    """
    if hello_retry:
        if len(data) != 2:
            raise MalformedMessage("key_share")
        return word(data)[0]
    group, size = two_words(data)
    if size + 4 != len(data):
        raise MalformedMessage("key_share")
    return group
