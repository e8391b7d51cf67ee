# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One direction of a TCP connection: its segments in, its bytes in order out.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

GAP = None  # stands in an answer where bytes of the stream are missing
_MASK = 0xFFFFFFFF  # sequence numbers are modulo 2**32 (RFC 9293, 3.4)
_HALF = 1 << 31  # a number further ahead than this is behind
_MAX_PIECES = 64  # segments that wait for an earlier one


class Segments:
    """Puts segments in order. The stream begins with the first segment that is fed; what lies before it is ignored, and so is what was given before."""

    def __init__(self, most_held=1 << 14):
        """:arg most_held: bytes that wait for an earlier segment; with more, or more than 64 segments, the missing bytes are given up."""
        self._most_held = most_held
        self._next = None  # the sequence number that comes next
        self._waiting = []  # [(sequence number, data, payload size)]

    def feed(self, sequence, data, payload_size):
        """Take one segment.

        :arg sequence: int, TCP sequence number of the first byte of `data`.
        :arg data: bytes, what was copied of the payload's beginning.
        :arg payload_size: int, bytes of the payload from ``data[0]`` on, copied or not.
        :returns: list of non-empty bytes and `GAP`: what the stream goes on with. Two neighbours without a `GAP` between them touch.
        """
        payload_size = max(payload_size, len(data))
        if self._next is None:
            self._next = sequence & _MASK
        if not payload_size:
            return []
        self._waiting.append((sequence & _MASK, data, payload_size))
        found = self._ready()
        while len(self._waiting) > _MAX_PIECES or sum(len(data) for sequence, data, size in self._waiting) > self._most_held:
            found += self._jump()
        return found

    def skip(self):
        """Wait no longer for what is missing. :returns: like `feed`: all that was held, a `GAP` before each part."""
        found = []
        while self._waiting:
            found += self._jump()
        return found

    def _ahead(self, sequence):
        """How many bytes a sequence number is ahead of the next one; negative where it is behind."""
        distance = (sequence - self._next) & _MASK
        return distance - (_MASK + 1) if distance >= _HALF else distance

    def _jump(self):
        """Give up the bytes before the nearest waiting segment."""
        self._next = min(self._waiting, key=lambda piece: self._ahead(piece[0]))[0]
        return [GAP] + self._ready()

    def _ready(self):
        """Take the waiting segments that can be given out; drop those that hold nothing new."""
        found = []
        waiting, self._waiting = sorted(self._waiting, key=lambda piece: self._ahead(piece[0])), []
        for piece in waiting:
            ahead = self._ahead(piece[0])
            if ahead > 0:
                self._waiting.append(piece)
            elif ahead + piece[2] > 0:
                found += self._new_part(piece, -ahead)
        return found

    def _new_part(self, piece, known):
        """What a segment adds whose first `known` bytes were given already."""
        sequence, data, payload_size = piece
        self._next = (sequence + payload_size) & _MASK
        if known > len(data):
            return [GAP]
        new = data[known:]
        return ([new] if new else []) + ([GAP] if payload_size > len(data) else [])
