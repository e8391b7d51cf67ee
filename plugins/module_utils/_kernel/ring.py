# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A BPF ring buffer map and its only reader.

Not read by libbpf: it maps the data twice, side by side, so that the end of the ring cuts no record, and each page then counts twice as memory of
this process. It also calls back for each record, which costs more than reading it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import mmap
import os
import struct

from .._errors import AuditError
from . import syscalls

_PAGE = mmap.PAGESIZE
_POSITION = struct.Struct("=Q")
# struct bpf_ringbuf_hdr of kernel/bpf/ringbuf.c: length and flags (include/uapi/linux/bpf.h), then where its page is
_LENGTH = struct.Struct("=I")
_HEADER = 8
_BUSY, _DISCARDED = 1 << 31, 1 << 30


class Ring:
    """Records in the order they were reserved. It becomes readable (edge-triggered) where a program asks to be read early."""

    def __init__(self, size):
        """Create the map. Its memory is mapped at the first read: while libbpf loads an object, it has 11 MB of kernel types in memory.

        :arg size: int, bytes, a power of two of pages.
        :raises OSError: this kernel has no ring buffers (before 5.8), or there is no memory for one.
        """
        self.fd = syscalls.create_ring(size)
        self._size = size
        self._position = 0  # of the next record; of all bytes that ever were in the ring
        self._consumer = None
        self._data = None

    def _map(self):
        """Map the reader's page, and what only the kernel writes: a page with its position, then the data."""
        try:
            self._consumer = mmap.mmap(self.fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._data = mmap.mmap(self.fd, _PAGE + self._size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        except OSError as error:
            raise AuditError("a BPF ring buffer can't be mapped: %s" % error.strerror) from error

    def read(self):
        """Take all records that are there now.

        :returns: list of bytes.
        :raises AuditError: the ring can't be mapped.
        """
        if self._data is None:
            self._map()
        end, = _POSITION.unpack_from(self._data)
        if end == self._position:
            return []
        # The kernel orders its writes: record, its length without the busy bit, position. Reads must come in the other order. Entering the kernel
        # between them orders them on every architecture; and the reads before the position that is given back.
        os.sched_yield()
        spans = self._whole(end)
        os.sched_yield()
        records = [self._bytes(start, length) for start, length in spans]
        os.sched_yield()
        _POSITION.pack_into(self._consumer, 0, self._position)
        return records

    def _whole(self, end):
        """Advance over the records that are written whole.

        :arg end: int, position of the kernel.
        :returns: list of ``(position, length)`` of those that were not discarded.
        """
        position, mask, data, length_at = self._position, self._size - 1, self._data, _LENGTH.unpack_from
        found = []
        while position < end:
            length, = length_at(data, _PAGE + (position & mask))
            if length & _BUSY:
                break
            start = position + _HEADER
            if length & _DISCARDED:
                length &= ~_DISCARDED
            else:
                found.append((start, length))
            position = start + (length + 7 & ~7)
        self._position = position
        return found

    def _bytes(self, position, length):
        start = position & self._size - 1
        end = start + length
        if end <= self._size:
            return self._data[_PAGE + start:_PAGE + end]
        return self._data[_PAGE + start:_PAGE + self._size] + self._data[_PAGE:_PAGE + end - self._size]

    def close(self):
        """Unmap and close it. May be called twice."""
        for mapped in (self._consumer, self._data):
            if mapped is not None:
                mapped.close()
        self._consumer = self._data = None
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
