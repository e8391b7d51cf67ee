# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys and key rings (RFC 9580; RFC 4880), by their packet headers and the public part of key packets.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii

from .._formats.der import DerError, oid_text
from .._formats.oids import CURVES
from .._formats.ssh_keys import short_line
from .secret_safe_reads import Base64Bytes

# RFC 9580, 5: packet types.
_SECRET_KEY, _PUBLIC_KEY, _SECRET_SUBKEY, _PUBLIC_SUBKEY = 5, 6, 7, 14
_KNOWN_PACKETS = frozenset((2, 5, 6, 7, 10, 12, 13, 14, 17, 21, 60, 61, 62, 63))  # those a key ring may hold
_MAX_PACKETS = 4000
_MAX_HEADERS = 20  # lines of an armor header
_MIN_BITS, _MAX_BITS = 512, 65536  # of the first number of an RSA, ElGamal or DSA key; anything else is not one

# RFC 9580, 9.1: public key algorithms -> name, bits where fixed.
_ALGORITHMS = {
    1: ("RSA", None), 2: ("RSA", None), 3: ("RSA", None), 16: ("ElGamal", None), 17: ("DSA", None), 18: ("ECDH", None), 19: ("EC", None),
    22: ("EdDSA", None), 25: ("X25519", 256), 26: ("X448", 448), 27: ("Ed25519", 256), 28: ("Ed448", 456),
}
_WITH_CURVE = (18, 19, 22)
_WITH_NUMBER = (1, 2, 3, 16, 17)
# RFC 9580, 9.2: curve identifiers that only OpenPGP uses.
_CURVES = {
    "1.3.6.1.4.1.11591.15.1": ("Ed25519", 256), "1.3.6.1.4.1.3029.1.5.1": ("Curve25519", 256),
    "1.3.101.113": ("Ed448", 456), "1.3.101.111": ("X448", 448),
}

# First byte of a file that begins with a key packet: legacy format with a length of 1, 2 or 4 bytes, and new format (RFC 9580, 4.2).
STARTS = frozenset(0x80 | kind << 2 | size for kind in (_SECRET_KEY, _PUBLIC_KEY) for size in (0, 1, 2)) | {0xC0 | _SECRET_KEY, 0xC0 | _PUBLIC_KEY}


class _MemoryBytes:
    """Bytes in memory with the interface of `FileBytes`."""

    def __init__(self, data):
        self._data = data
        self.size = len(data)

    def read(self, offset, length):
        return self._data[offset:offset + length]


def _packet(source, offset):
    """Read the packet header at offset.

    :arg source: `FileBytes`, `Base64Bytes` or `_MemoryBytes`.
    :arg offset: int, bytes.
    :returns: tuple of int: type, offset of the content, offset of its end; None where there is no packet, or one of unknown length.
    """
    first = source.read(offset, 2)
    if len(first) < 2 or not first[0] & 0x80:
        return None
    if first[0] & 0x40:
        kind = first[0] & 0x3F
        if first[1] < 192:
            return kind, offset + 2, offset + 2 + first[1]
        size = {255: 5}.get(first[1], 2 if first[1] < 224 else 0)
        more = source.read(offset + 2, size - 1) if size else b""
        if not size or len(more) < size - 1:
            return None
        length = int.from_bytes(more, "big") if size == 5 else (first[1] - 192 << 8) + more[0] + 192
        return kind, offset + 1 + size, offset + 1 + size + length
    size = {0: 1, 1: 2, 2: 4}.get(first[0] & 3)
    if size is None:
        return None
    more = source.read(offset + 1, size)
    if len(more) < size:
        return None
    return first[0] >> 2 & 15, offset + 1 + size, offset + 1 + size + int.from_bytes(more, "big")


def _key(source, start, end):
    """Read the public part of a key packet.

    :arg source: as for `_packet`.
    :arg start: int, offset of the packet's content.
    :arg end: int, offset of its end.
    :returns: dict: algorithm, key_bits, curve, version; None where it is malformed.
    """
    front = source.read(start, 6)
    if len(front) < 6 or front[0] not in (3, 4, 5, 6):
        return None
    offset = start + {3: 7, 4: 5}.get(front[0], 9)
    algorithm = source.read(offset, 1)
    if not algorithm or algorithm[0] not in _ALGORITHMS or offset + 3 > end:
        return None
    name, bits = _ALGORITHMS[algorithm[0]]
    facts = {"algorithm": name, "key_bits": bits, "version": front[0]}
    more = source.read(offset + 1, 1)
    if algorithm[0] in _WITH_NUMBER:
        more += source.read(offset + 2, 1)
        facts["key_bits"] = int.from_bytes(more, "big")
        if not _MIN_BITS <= facts["key_bits"] <= _MAX_BITS:
            return None
    elif algorithm[0] in _WITH_CURVE:
        identifier = source.read(offset + 2, more[0] if more and more[0] <= 16 else 0)
        try:
            dotted = oid_text(identifier)
        except DerError:
            return None
        facts["curve"], facts["key_bits"] = _CURVES.get(dotted) or CURVES.get(dotted, (dotted, None))
    return facts


def key_ring(source):
    """Read a sequence of packets that begins with a key.

    :arg source: `FileBytes` or `_MemoryBytes`.
    :returns: tuple: kind (public_key or private_key for one primary key, keystore for several) and facts (dict, those of the first key, with
        keys, the number of primary keys, and subkeys); None where the packets are not contiguous up to the end.
    """
    offset = primary = subkeys = 0
    first = None
    secret = False
    for number in range(_MAX_PACKETS):
        packet = _packet(source, offset)
        if packet is None or packet[2] > source.size or packet[0] not in _KNOWN_PACKETS:
            return None
        if packet[0] in (_SECRET_KEY, _PUBLIC_KEY):
            secret = secret or packet[0] == _SECRET_KEY
            facts = _key(source, packet[1], packet[2])
            if facts is None:
                return None
            first = first or facts
            primary += 1
        elif first is None:
            return None
        elif packet[0] in (_SECRET_SUBKEY, _PUBLIC_SUBKEY):
            subkeys += 1
        offset = packet[2]
        if offset == source.size:
            break
    facts = dict(first, keys=primary, subkeys=subkeys)
    if offset < source.size:
        facts["truncated"] = True
    kind = "private_key" if secret else "public_key"
    return ("keystore" if primary > 1 else kind), facts


def armored_public_facts(body):
    """Read the body of a PGP PUBLIC KEY BLOCK (RFC 9580, 6.2).

    :arg body: bytes between the BEGIN and the END line.
    :returns: dict, the facts of `key_ring`; None where it is malformed.
    """
    lines = body.replace(b"\r", b"").split(b"\n")
    if b"" not in lines:
        return None
    text = lines[lines.index(b"") + 1:]
    if not any(text[:1]) and text:  # the blank line was the first: armor without headers
        text = text[1:]
    try:
        data = binascii.a2b_base64(b"".join(line for line in text if line[:1] != b"="))
    except binascii.Error:
        return None
    found = key_ring(_MemoryBytes(data)) if data else None
    return found[1] if found else None


def armored_private_facts(cursor):
    """Read the public part of the first packet of a PGP PRIVATE KEY BLOCK.

    :arg cursor: `TextCursor` behind the BEGIN line. Header lines are read up to the blank line, then only base64 that is public.
    :returns: dict, the facts of `_key`; None where it is malformed.
    """
    for number in range(_MAX_HEADERS):
        line = short_line(cursor)
        if not line or not line.strip():
            break
        if b": " not in line:
            return None
    source = Base64Bytes(cursor)
    packet = _packet(source, 0)
    if packet is None or packet[0] != _SECRET_KEY:
        return None
    return _key(source, packet[1], packet[2])
