# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executable mappings of every process, from perf events: PERF_RECORD_MMAP2, with build ids. It needs no BPF.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct

from . import syscalls
from .events import LibraryMapped

# include/uapi/linux/perf_event.h
_TYPE_SOFTWARE, _COUNT_SW_DUMMY = 1, 9
_SAMPLE_TIME = 1 << 2
_FLAG_WATERMARK, _FLAG_SAMPLE_ID_ALL, _FLAG_MMAP2, _FLAG_USE_CLOCKID, _FLAG_BUILD_ID = 1 << 14, 1 << 18, 1 << 23, 1 << 25, 1 << 34
_FLAG_MMAP = 1 << 8
_RECORD_LOST, _RECORD_MMAP2 = 2, 10
_MISC_MMAP_BUILD_ID = 1 << 14
_CLOCK_BOOTTIME = 7
_ATTRIBUTE_SIZE = 112  # PERF_ATTR_SIZE_VER5, Linux 4.1
_DATA_HEAD, _DATA_TAIL = 1024, 1032

_HEADER = struct.Struct("<IHH")
_MMAP2 = struct.Struct("<IIQQQ24sII")
_DEVICE_INODE = struct.Struct("<IIQ")
_PAGE = mmap.PAGESIZE

# Bytes of all buffers together, and the bounds of one. 64 KiB hold about 500 mappings of one CPU between two ticks.
_ALL_BUFFERS = 8 << 20
_LEAST, _MOST = 64 << 10, 512 << 10


def _online_cpus():
    """The CPUs of /sys/devices/system/cpu/online, whose text is for instance ``0-3,8``.

    :returns: list of int.
    """
    with open("/sys/devices/system/cpu/online", "r") as stream:
        text = stream.read().strip()
    cpus = []
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _attributes(build_id, watermark):
    flags = _FLAG_MMAP | _FLAG_MMAP2 | _FLAG_SAMPLE_ID_ALL | _FLAG_USE_CLOCKID | _FLAG_WATERMARK
    if build_id:
        flags |= _FLAG_BUILD_ID
    # struct perf_event_attr: type, size, config, period, sample_type, read_format, flags, wakeup_watermark, bp_type, bp_addr, bp_len,
    # branch_sample_type, sample_regs_user, sample_stack_user, clockid, sample_regs_intr, aux_watermark, sample_max_stack, reserved
    return struct.pack("<IIQQQQQIIQQQQIiQIHH", _TYPE_SOFTWARE, _ATTRIBUTE_SIZE, _COUNT_SW_DUMMY, 0, _SAMPLE_TIME, 0, flags,
                       watermark, 0, 0, 0, 0, 0, 0, _CLOCK_BOOTTIME, 0, 0, 0, 0)


class _CpuBuffer:
    """The ring of one CPU's event."""

    def __init__(self, cpu, size, build_id):
        self.fd = syscalls.perf_event_open(_attributes(build_id, size // 4), -1, cpu)
        try:
            self._map = mmap.mmap(self.fd, _PAGE + size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError:
            os.close(self.fd)
            raise
        self._size = size

    def _bytes(self, position, length):
        start = position % self._size
        end = start + length
        if end <= self._size:
            return self._map[_PAGE + start:_PAGE + end]
        return self._map[_PAGE + start:_PAGE + self._size] + self._map[_PAGE:_PAGE + end - self._size]

    def records(self):
        """Take all records that are there now.

        :returns: list of ``(type, misc, body)``.
        """
        head, tail = struct.unpack_from("<QQ", self._map, _DATA_HEAD)
        if head == tail:
            return []
        # The kernel orders its writes before data_head; reading the data must come after reading data_head. Entering the kernel
        # between them orders both on every architecture.
        os.sched_yield()
        found = []
        while tail < head:
            kind, misc, size = _HEADER.unpack(self._bytes(tail, _HEADER.size))
            found.append((kind, misc, self._bytes(tail + _HEADER.size, size - _HEADER.size)))
            tail += size
        struct.pack_into("<Q", self._map, _DATA_TAIL, tail)
        return found

    def close(self):
        self._map.close()
        os.close(self.fd)


class MappingReader:
    """One perf event on each CPU. ``lost``: int, records that did not fit a buffer. ``build_ids``: bool, whether the kernel sends them (5.12+)."""

    def __init__(self):
        """Open the events.

        :raises OSError: perf_event_open is not permitted (perf_event_paranoid, lockdown, seccomp).
        """
        cpus = _online_cpus()
        size = _LEAST
        while size * 2 <= min(_MOST, _ALL_BUFFERS // len(cpus)):
            size *= 2
        self._buffers = []
        self.lost = 0
        self.build_ids = True
        try:
            for cpu in cpus:
                self._buffers.append(self._open(cpu, size))
        except OSError:
            self.close()
            raise

    def _open(self, cpu, size):
        if self.build_ids:
            try:
                return _CpuBuffer(cpu, size, True)
            except OSError as error:
                # attr.build_id came with 5.12; older kernels refuse a set reserved bit
                if error.errno != errno.EINVAL or self._buffers:
                    raise
                self.build_ids = False
        return _CpuBuffer(cpu, size, False)

    def filenos(self):
        """Descriptors that become readable when a buffer is a quarter full.

        :returns: list of int.
        """
        return [buffer.fd for buffer in self._buffers]

    def read(self):
        """Take the mappings since the last call.

        :returns: list of LibraryMapped, in order for each CPU.
        """
        found = []
        for buffer in self._buffers:
            for kind, misc, body in buffer.records():
                if kind == _RECORD_MMAP2:
                    found.append(_decode(misc, body))
                elif kind == _RECORD_LOST:
                    self.lost += struct.unpack_from("<Q", body, 8)[0]
        return found

    def close(self):
        """Close the events. May be called twice."""
        for buffer in self._buffers:
            buffer.close()
        self._buffers = []


def _decode(misc, body):
    pid, _tid, _address, _length, _offset, identity, _protection, _flags = _MMAP2.unpack_from(body)
    path = body[_MMAP2.size:-8].split(b"\0", 1)[0]
    time, = struct.unpack_from("<Q", body, len(body) - 8)
    if misc & _MISC_MMAP_BUILD_ID:
        return LibraryMapped(time, pid, path, identity[4:4 + identity[0]].hex(), None, None)
    major, minor, inode = _DEVICE_INODE.unpack_from(identity)
    return LibraryMapped(time, pid, path, None, os.makedev(major, minor), inode)
