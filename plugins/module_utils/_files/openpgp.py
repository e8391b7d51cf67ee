# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys and key rings (RFC 9580; RFC 4880): packet headers and the public part of key packets.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii

from .._formats.der import DerError, oid_text
from .._formats.oids import CURVES
from .._formats.ssh_keys import short_line
from .careful_reads import Base64Octets

# RFC 9580, 5: packet types.
_SECRET_KEY, _PUBLIC_KEY, _SECRET_SUBKEY, _PUBLIC_SUBKEY = 5, 6, 7, 14
_KNOWN_PACKETS = frozenset((2, 5, 6, 7, 10, 12, 13, 14, 17, 21, 60, 61, 62, 63))  # those a key ring may hold
_MAX_PACKETS = 4000
_MAX_HEADERS = 20  # lines of an armor header

# RFC 9580, 9.1: public key algorithms -> name, bits where fixed.
_ALGORITHMS = {
    1: ("RSA", None), 2: ("RSA", None), 3: ("RSA", None), 16: ("ElGamal", None), 17: ("DSA", None), 18: ("ECDH", None), 19: ("EC", None),
    22: ("EdDSA", None), 25: ("X25519", 256), 26: ("X448", 448), 27: ("Ed25519", 256), 28: ("Ed448", 456),
}
_WITH_CURVE = (18, 19, 22)
_WITH_NUMBER = (1, 2, 3, 16, 17)
# RFC 9580, 9.2: the curve identifiers OpenPGP has of its own.
_CURVES = {
    "1.3.6.1.4.1.11591.15.1": ("Ed25519", 256), "1.3.6.1.4.1.3029.1.5.1": ("Curve25519", 256),
    "1.3.101.113": ("Ed448", 456), "1.3.101.111": ("X448", 448),
}

# First octet of a ring that begins with a key packet: old format with a length of 1, 2 or 4 octets, and new format (RFC 9580, 4.2).
STARTS = frozenset(0x80 | kind << 2 | size for kind in (_SECRET_KEY, _PUBLIC_KEY) for size in (0, 1, 2)) | {0xC0 | _SECRET_KEY, 0xC0 | _PUBLIC_KEY}


class _Memory:
    """Bytes in memory with the interface of `FileOctets`."""

    def __init__(self, data):
        self._data = data
        self.size = len(data)

    def get(self, offset, length):
        return self._data[offset:offset + length]


def _packet(octets, offset):
    """The packet at offset. :returns: ``(type, start of its content, end of it)`` or None: no packet, or one of unknown length."""
    first = octets.get(offset, 2)
    if len(first) < 2 or not first[0] & 0x80:
        return None
    if first[0] & 0x40:
        kind = first[0] & 0x3F
        if first[1] < 192:
            return kind, offset + 2, offset + 2 + first[1]
        size = {255: 5}.get(first[1], 2 if first[1] < 224 else 0)
        more = octets.get(offset + 2, size - 1) if size else b""
        if not size or len(more) < size - 1:
            return None
        length = int.from_bytes(more, "big") if size == 5 else (first[1] - 192 << 8) + more[0] + 192
        return kind, offset + 1 + size, offset + 1 + size + length
    size = {0: 1, 1: 2, 2: 4}.get(first[0] & 3)
    if size is None:
        return None
    more = octets.get(offset + 1, size)
    if len(more) < size:
        return None
    return first[0] >> 2 & 15, offset + 1 + size, offset + 1 + size + int.from_bytes(more, "big")


def _key(octets, start, end):
    """Facts of a key packet's public part: algorithm, key_bits, curve, version. None where it is none."""
    front = octets.get(start, 6)
    if len(front) < 6 or front[0] not in (3, 4, 5, 6):
        return None
    offset = start + {3: 7, 4: 5}.get(front[0], 9)
    algorithm = octets.get(offset, 1)
    if not algorithm or algorithm[0] not in _ALGORITHMS or offset + 3 > end:
        return None
    name, bits = _ALGORITHMS[algorithm[0]]
    facts = {"algorithm": name, "key_bits": bits, "version": front[0]}
    more = octets.get(offset + 1, 1)
    if algorithm[0] in _WITH_NUMBER:
        more += octets.get(offset + 2, 1)
        facts["key_bits"] = int.from_bytes(more, "big")
        if not 512 <= facts["key_bits"] <= 65536:
            return None
    elif algorithm[0] in _WITH_CURVE:
        identifier = octets.get(offset + 2, more[0] if more and more[0] <= 16 else 0)
        try:
            dotted = oid_text(identifier)
        except DerError:
            return None
        facts["curve"], facts["key_bits"] = _CURVES.get(dotted) or CURVES.get(dotted, (dotted, None))
    return facts


def ring(octets):
    """What a sequence of packets that begins with a key holds.

    :arg octets: `FileOctets` (or `_Memory`).
    :returns: ``(kind, facts)``: public_key or private_key for one primary key, keystore for several; None where the packets don't follow
        each other up to the end. facts are those of the first key, with keys (primary) and subkeys.
    """
    offset = primary = subkeys = 0
    first = None
    secret = False
    for number in range(_MAX_PACKETS):
        packet = _packet(octets, offset)
        if packet is None or packet[2] > octets.size or packet[0] not in _KNOWN_PACKETS:
            return None
        if packet[0] in (_SECRET_KEY, _PUBLIC_KEY):
            secret = secret or packet[0] == _SECRET_KEY
            facts = _key(octets, packet[1], packet[2])
            if facts is None:
                return None
            first = first or facts
            primary += 1
        elif first is None:
            return None
        elif packet[0] in (_SECRET_SUBKEY, _PUBLIC_SUBKEY):
            subkeys += 1
        offset = packet[2]
        if offset == octets.size:
            break
    facts = dict(first, keys=primary, subkeys=subkeys)
    if offset < octets.size:
        facts["truncated"] = True
    kind = "private_key" if secret else "public_key"
    return ("keystore" if primary > 1 else kind), facts


def armored_public_facts(body):
    """Facts of the body of a PGP PUBLIC KEY BLOCK (RFC 9580, 6.2); None where it is malformed. :arg body: bytes between the two lines."""
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
    found = ring(_Memory(data)) if data else None
    return found[1] if found else None


def armored_private_facts(cursor):
    """Facts of a PGP PRIVATE KEY BLOCK: the public part of its first packet. None where it is malformed.

    :arg cursor: `TextCursor` behind the BEGIN line. Header lines are read up to the blank line, then as much base64 as is public.
    """
    for number in range(_MAX_HEADERS):
        line = short_line(cursor)
        if not line or not line.strip():
            break
        if b": " not in line:
            return None
    octets = Base64Octets(cursor)
    packet = _packet(octets, 0)
    if packet is None or packet[0] != _SECRET_KEY:
        return None
    return _key(octets, packet[1], packet[2])
