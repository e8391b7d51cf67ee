# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS hellos in the Initial packets of one QUIC connection (RFC 9000, RFC 9001, RFC 9369).

Only packets whose tag is right are read. Their keys follow from what is on the wire, so that proves no peer, but that the bytes are whole and are QUIC.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .quic_packets import INITIAL, NEGOTIATION, RETRY, InitialKeys, number, read_header, retry_is_authentic
from .segments import GAP, Segments
from .tls_stream import Message

# Bounds of the work for a connection. Opening a packet of 1200 bytes costs 0.6 ms, a side's keys 0.3 ms: 50 ms in all at most. A hello of three datagrams
# to a busy server has been seen sent twice, with as many acknowledgements: 21 packets.
MAX_PACKETS = 64
MAX_BYTES = 3 << 15
_MAX_KEYS = 8  # sets of keys that are computed
_MAX_MESSAGE = 1 << 14  # bytes of a hello; the largest seen, with a post-quantum key share, has 3000
_MAX_STREAM = 1 << 16  # bytes of CRYPTO data of a side

# Frames that an Initial packet may hold (RFC 9000, 12.4 and 19).
_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0, 1, 2, 3, 6, 0x1C
_CRYPTO_ERROR = 0x100  # RFC 9000, 20.1: with a TLS alert in the low byte
_FATAL = 2  # RFC 8446, 6
_KINDS = {1: "client_hello", 2: "server_hello"}  # RFC 8446, 4


class _Side:
    """What one side sends in Initial packets."""

    def __init__(self):
        self.expected = 0  # packet number
        self.broken = False
        self._segments = Segments(_MAX_MESSAGE)
        self._segments.feed(0, b"", 0)  # the stream begins at 0
        self._buffer = bytearray()

    def crypto(self, offset, data):
        """Take CRYPTO data.

        :arg offset: int, where it begins in the stream.
        :arg data: bytes.
        :returns: list of `Message` that are complete.
        """
        if self.broken or offset + len(data) > _MAX_STREAM:
            return []
        for part in self._segments.feed(offset, data, len(data)):
            if part is GAP:
                self.broken = True
                return []
            self._buffer += part
        return list(self._messages())

    def _messages(self):
        while len(self._buffer) >= 4:
            end = 4 + int.from_bytes(self._buffer[1:4], "big")
            if end > _MAX_MESSAGE:
                self.broken = True
            if self.broken or len(self._buffer) < end:
                return
            kind, body = self._buffer[0], bytes(self._buffer[4:end])
            del self._buffer[:end]
            yield Message(_KINDS.get(kind, "other"), body)


class QuicInitials:
    """The Initial packets of one connection, in the order they were seen.

    Datagrams of the same addresses and ports are taken for one connection.
    The first datagram of a connection is the client's. A client that begins a new connection from the same port shows as `unreadable`: what a new
    object reads of such a datagram is the new connection.

    version: int, of the last packet that was authentic, None before.
    unreadable: int, Initial packets that were not authentic under the known keys.
    retried: bool, whether the server sent a Retry.
    broken: bool, whether a side's hello can't be reassembled.
    exhausted: bool, whether the bounds of the work are reached and nothing more is read.
    """

    def __init__(self):
        self.version = None
        self.unreadable = 0
        self.retried = False
        self._origin = None  # the connection ID that the keys follow from
        self._answered = False  # whether a packet of the server was authentic under them
        self._keys = {}
        self._sides = {True: _Side(), False: _Side()}
        self._packets = 0
        self._bytes = 0

    @property
    def broken(self):
        return any(side.broken for side in self._sides.values())

    @property
    def exhausted(self):
        return self._packets >= MAX_PACKETS or self._bytes >= MAX_BYTES or len(self._keys) >= _MAX_KEYS

    def feed(self, from_client, datagram):
        """Take one datagram; never raises.

        :arg from_client: bool, whether the client sent it.
        :arg datagram: bytes of its UDP payload, whole.
        :returns: list of `Message`: client_hello, server_hello (with a HelloRetryRequest), other; alert (2 bytes) where the connection is closed for a
            reason of TLS; close (8 bytes, the error code of RFC 9000, 20.1) for another; retry (empty); version_negotiation (4 bytes for each version that
            the server has), which is never authentic.
        """
        found = []
        header = read_header(datagram)
        while header:
            if header.kind == INITIAL:
                found += self._initial(from_client, datagram, header)
            elif from_client or self._answered:
                pass
            elif header.kind == RETRY:
                found += self._retry(datagram, header)
            elif header.kind == NEGOTIATION:
                versions = datagram[header.number_at:header.end][:4 * _MAX_KEYS]
                found.append(Message("version_negotiation", versions[:len(versions) & -4]))
            header = read_header(datagram, header.end)
        return found

    def _retry(self, datagram, header):
        if self.exhausted or self.retried or self._origin is None:
            return []
        self._packets += 1
        self.retried = retry_is_authentic(datagram, header, self._origin)
        return [Message("retry", b"")] if self.retried else []

    def _initial(self, of_client, datagram, header):
        if self.exhausted:
            return []
        opened = self._open(of_client, datagram, header)
        if opened is None:
            self.unreadable += 1
            return []
        packet_number, frames = opened
        side = self._sides[of_client]
        side.expected = max(side.expected, packet_number + 1)
        self.version = header.version
        self._answered = self._answered or not of_client
        return list(_frame_messages(side, frames))

    def _open(self, of_client, datagram, header):
        """Open a packet. Before the server answered, a client's packet may begin anew: with the connection ID of a Retry, or another version."""
        opened = None
        if self._origin is not None:
            opened = self._open_with(self._origin, of_client, datagram, header)
        if opened is None and of_client and not self._answered and header.destination != self._origin:
            opened = self._open_with(header.destination, True, datagram, header)
            if opened is not None:
                self._origin = header.destination
                self._sides = {True: _Side(), False: _Side()}
        return opened

    def _open_with(self, origin, of_client, datagram, header):
        if self.exhausted:
            return None
        self._packets += 1
        self._bytes += header.end - header.begin
        which = (header.version, origin, of_client)
        if which not in self._keys:
            self._keys[which] = InitialKeys(*which)
        return self._keys[which].open(datagram, header, self._sides[of_client].expected)


def _frame_messages(side, frames):
    """The messages in the frames of a packet (RFC 9000, 19), up to one that an Initial packet may not hold."""
    offset = 0
    while offset < len(frames):
        kind = frames[offset]
        if kind in (_PADDING, _PING):
            offset += 1
        elif kind in (_ACK, _ACK_ECN):
            offset = _behind_ack(frames, offset + 1, kind == _ACK_ECN)
        elif kind == _CRYPTO:
            at, offset = number(frames, offset + 1)
            size, offset = number(frames, offset)
            if at is None or size is None or offset + size > len(frames):
                return
            yield from side.crypto(at, frames[offset:offset + size])
            offset += size
        else:
            code = number(frames, offset + 1)[0] if kind == _CLOSE else None
            if code is not None:
                yield _closed(code)
            return


def _closed(code):
    if code & ~0xFF == _CRYPTO_ERROR:
        return Message("alert", bytes([_FATAL, code & 0xFF]))
    return Message("close", code.to_bytes(8, "big"))


def _behind_ack(frames, offset, with_ecn):
    """The offset behind an ACK (RFC 9000, 19.3): largest, delay, count, first range, then two for each range, then three of ECN."""
    values = []
    while len(values) < 4:
        value, offset = number(frames, offset)
        if value is None:
            return len(frames)
        values.append(value)
    more = 2 * values[2] + (3 if with_ecn else 0)
    while more and offset < len(frames):
        value, offset = number(frames, offset)
        if value is None:
            return len(frames)
        more -= 1
    return offset
