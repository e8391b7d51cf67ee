# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reassembly of one direction of a TCP connection: its segments in, its bytes in order out.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

GAP = None  # stands in what is returned where bytes of the stream are missing
_MASK = 0xFFFFFFFF  # sequence numbers are modulo 2**32 (RFC 9293, 3.4)
_HALF = 1 << 31  # a number further ahead than this is behind
_MAX_PIECES = 64  # segments that wait for an earlier one


class Segments:
    """Puts segments in order. What is before the beginning of the stream is ignored, and so is what was returned before.

    next: int, the sequence number that comes next, None where the beginning is not known. It may be set: to go on with a segment that is about
    to be fed whatever is missing before it, or to None to look for another beginning.
    waiting: dict of the segments that wait for an earlier one: sequence number -> (data, payload size).
    held: int, the bytes in waiting.
    """

    __slots__ = ("next", "waiting", "held", "_max_held", "_starts")

    def __init__(self, max_held=1 << 14, starts=True):
        """
        :arg max_held: int, bytes that may wait for an earlier segment; with more, or more than 64 segments, the missing bytes are given up.
        :arg starts: bool, whether the stream begins with the first segment that is fed. Else all wait until `next` is set.
        """
        self.next = None
        self.held = 0
        self._max_held = max_held
        self._starts = starts
        self.waiting = {}

    def feed(self, sequence, data, payload_size):
        """Take one segment.

        :arg sequence: int, TCP sequence number of the first byte of `data`.
        :arg data: bytes, what was copied of the payload's beginning.
        :arg payload_size: int, bytes of the payload from ``data[0]`` on, copied or not.
        :returns: list of non-empty bytes and `GAP`: how the stream continues. Two neighbours without a `GAP` between them touch.
        """
        # Nearly all are such. Measured 2026-11, 2-core VM: without this a TLS 1.2 handshake costs 8 to 14 % more CPU in user space
        if sequence == self.next and not self.waiting and 0 < payload_size == len(data):
            self.next = (sequence + payload_size) & _MASK
            return [data]
        sequence &= _MASK
        payload_size = max(payload_size, len(data))
        if self.next is None and self._starts:
            self.next = sequence
        if self.ahead(sequence) <= 0:
            return self._new_part(sequence, data, payload_size) + self._ready()
        self._wait(sequence, data, payload_size)
        found = []
        while len(self.waiting) > _MAX_PIECES or self.held > self._max_held:
            found += self._jump()
        return found

    def skip(self):
        """Wait no longer for what is missing.

        :returns: list of bytes and `GAP`: all that was held, a `GAP` before each part.
        """
        found = []
        while self.waiting:
            found += self._jump()
        return found

    def ahead(self, sequence):
        """How far a sequence number is ahead of the next one.

        :arg sequence: int.
        :returns: int, bytes; negative where it is behind, 1 where the beginning is not known.
        """
        return 1 if self.next is None else (sequence - self.next + _HALF & _MASK) - _HALF

    def _wait(self, sequence, data, payload_size):
        """Keep a segment; of two that begin alike the one of which more was copied."""
        known = len(self.waiting[sequence][0]) if sequence in self.waiting else -1
        if len(data) > known and payload_size:
            self.waiting[sequence] = data, payload_size
            self.held += len(data) - max(known, 0)

    def _jump(self):
        """Give up the bytes before the nearest waiting segment."""
        self.next = min(self.waiting, key=self.ahead)
        return [GAP] + self._ready()

    def _ready(self):
        """Take the waiting segments that follow now; drop those that hold nothing new."""
        found = []
        for sequence in sorted(self.waiting, key=self.ahead):
            if self.ahead(sequence) > 0:
                break
            data, payload_size = self.waiting.pop(sequence)
            self.held -= len(data)
            found += self._new_part(sequence, data, payload_size)
        return found

    def _new_part(self, sequence, data, payload_size):
        """What a segment adds to the stream. It begins at the next byte or before."""
        known = -self.ahead(sequence)
        if payload_size <= known:
            return []
        self.next = (sequence + payload_size) & _MASK
        return [data[known:]] * (known < len(data)) + [GAP] * (payload_size > len(data))
