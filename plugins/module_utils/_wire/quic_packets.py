# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""QUIC's long headers (RFC 9000, 17.2; RFC 9369, 3.2) and the protection of its Initial packets, whose keys everyone can compute (RFC 9001, 5.2).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from .aes import Aes128Gcm, encrypt_blocks, expand_key

VERSION_1 = 1  # RFC 9000, 15
VERSION_2 = 0x6B3343CF  # RFC 9369, 3.1
INITIAL, ZERO_RTT, HANDSHAKE, RETRY, NEGOTIATION = "initial", "0-rtt", "handshake", "retry", "version negotiation"

_KINDS = {VERSION_1: (INITIAL, ZERO_RTT, HANDSHAKE, RETRY), VERSION_2: (RETRY, INITIAL, ZERO_RTT, HANDSHAKE)}  # by bits 0x30 of the first byte
_SALTS = {
    VERSION_1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),  # RFC 9001, 5.2
    VERSION_2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),  # RFC 9369, 3.3.1
}
_LABELS = {VERSION_1: b"quic", VERSION_2: b"quicv2"}  # RFC 9001, 5.1; RFC 9369, 3.3.2
_RETRY_KEYS = {  # key and nonce: RFC 9001, 5.8; RFC 9369, 3.3.3
    VERSION_1: (bytes.fromhex("be0c690b9f66575a1d766b54e368c84e"), bytes.fromhex("461599d35d632bf2239825bb")),
    VERSION_2: (bytes.fromhex("8fb4b01b56ac48e260fbcbcead7ccc92"), bytes.fromhex("d86969bc2d7c6d9990efb04a")),
}
_MAX_ID = 20  # bytes of a connection ID (RFC 9000, 17.2)
_SAMPLE_AT = 4  # bytes from the packet number to the sample (RFC 9001, 5.4.2)
_SAMPLE = 16
_KEY, _IV = 16, 12  # bytes


class Header(NamedTuple):
    """The head of a packet."""

    kind: str  # INITIAL and so on
    version: int
    destination: bytes  # connection ID
    source: bytes  # connection ID
    begin: int  # offset of the packet in the datagram
    number_at: int  # offset of the packet number; of packets without a length the end of the connection IDs
    end: int  # offset of what follows the packet


def number(data, offset):
    """Read a variable-length integer (RFC 9000, 16).

    :arg data: bytes that hold it.
    :arg offset: int, where it begins.
    :returns: ``(value, offset behind it)``, or ``(None, offset)`` where it is cut short.
    """
    if offset >= len(data):
        return None, offset
    end = offset + (1 << (data[offset] >> 6))
    if end > len(data):
        return None, offset
    return int.from_bytes(data[offset:end], "big") & ((1 << (8 * (end - offset) - 2)) - 1), end


def read_header(datagram, begin=0):
    """Read a packet's head without opening it; cheap.

    :arg datagram: bytes of a UDP payload.
    :arg begin: int, where the packet begins in it.
    :returns: `Header`, or None where there is no long header of version 1 or 2 or a version negotiation, or it is cut short.
    """
    ids = _connection_ids(datagram, begin)
    if ids is None:
        return None
    version, destination, source, offset = ids
    if version == 0:
        return Header(NEGOTIATION, version, destination, source, begin, offset, len(datagram))
    if version not in _KINDS or not datagram[begin] & 0x40:
        return None
    kind = _KINDS[version][datagram[begin] >> 4 & 3]
    if kind == RETRY:
        return Header(kind, version, destination, source, begin, offset, len(datagram))
    if kind == INITIAL:
        size, offset = number(datagram, offset)  # of the token
        if size is None:
            return None
        offset += size
    size, offset = number(datagram, offset)
    if size is None or offset + size > len(datagram):
        return None
    return Header(kind, version, destination, source, begin, offset, offset + size)


def _connection_ids(datagram, begin):
    """:returns: ``(version, destination, source, offset behind them)`` of a long header, or None."""
    if len(datagram) < begin + 7 or not datagram[begin] & 0x80:
        return None
    found = []
    offset = begin + 5
    while len(found) < 2:
        size = datagram[offset] if offset < len(datagram) else _MAX_ID + 1
        offset += 1
        if size > _MAX_ID or offset + size > len(datagram):
            return None
        found.append(datagram[offset:offset + size])
        offset += size
    return int.from_bytes(datagram[begin + 1:begin + 5], "big"), found[0], found[1], offset


def _expand(secret, label, size):
    """HKDF-Expand-Label with SHA-256 (RFC 8446, 7.1) of no more than one hash."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:size]


class InitialKeys:
    """What opens the Initial packets of one side."""

    def __init__(self, version, destination, of_client):
        """
        :arg version: int, `VERSION_1` or `VERSION_2`.
        :arg destination: bytes, the destination connection ID of the client's first packet.
        :arg of_client: bool, whether the client sends what is opened.
        """
        initial = hmac.new(_SALTS[version], destination, hashlib.sha256).digest()
        secret = _expand(initial, b"client in" if of_client else b"server in", hashlib.sha256().digest_size)
        label = _LABELS[version]
        self._cipher = Aes128Gcm(_expand(secret, label + b" key", _KEY))
        self._iv = int.from_bytes(_expand(secret, label + b" iv", _IV), "big")
        self._mask_keys = expand_key(_expand(secret, label + b" hp", _KEY))

    def open(self, datagram, header, expected):
        """Open a packet (RFC 9001, 5.3 and 5.4).

        :arg datagram: bytes that hold it.
        :arg header: its `Header`.
        :arg expected: int, the highest packet number so far and 1.
        :returns: ``(packet number, bytes of frames)``, or None where it is not authentic.
        """
        at = header.number_at
        sample = datagram[at + _SAMPLE_AT:at + _SAMPLE_AT + _SAMPLE]
        if header.end < at + _SAMPLE_AT + _SAMPLE:
            return None
        mask = encrypt_blocks(self._mask_keys, sample)
        first = datagram[header.begin] ^ (mask[0] & 0x0F)
        size = (first & 3) + 1
        short = bytes(a ^ b for a, b in zip(datagram[at:at + size], mask[1:]))
        packet_number = _whole_number(int.from_bytes(short, "big"), 8 * size, expected)
        nonce = (self._iv ^ packet_number).to_bytes(_IV, "big")
        head = bytes([first]) + datagram[header.begin + 1:at] + short
        frames = self._cipher.open(nonce, datagram[at + size:header.end], head)
        return None if frames is None else (packet_number, frames)


def retry_is_authentic(datagram, header, destination):
    """Whether a Retry packet answers the client's packet (RFC 9001, 5.8).

    :arg datagram: bytes that hold the Retry.
    :arg header: its `Header`.
    :arg destination: bytes, destination connection ID of the client's packet.
    :returns: bool.
    """
    key, nonce = _RETRY_KEYS[header.version]
    tag_at = header.end - Aes128Gcm.TAG
    if tag_at < header.number_at:
        return False
    head = bytes([len(destination)]) + destination + datagram[header.begin:tag_at]
    return Aes128Gcm(key).open(nonce, datagram[tag_at:header.end], head) is not None


def _whole_number(short, bits, expected):
    """A packet number from its low bits: the nearest to the expected one (RFC 9000, A.3)."""
    window = 1 << bits
    candidate = expected & -window | short
    if candidate <= expected - window // 2 and candidate < (1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate
