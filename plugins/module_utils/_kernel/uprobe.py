# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uprobes: uprobe_multi links for several functions each, or a perf event for each function.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import threading
import time

from . import syscalls

_PMU_TYPE = "/sys/bus/event_source/devices/uprobe/type"
# include/uapi/linux/perf_event.h
_IOC_ENABLE = 0x2400
_IOC_SET_BPF = 0x40042408
_ATTRIBUTE_SIZE = 112

_ENOTSUPP = 524  # include/linux/errno.h: not for user space, but uprobes return it

_MOST_THREADS = 256

# The kernel closes the links of a killed tracer one after the other: of a thousand functions, so many a link end within a second.
_FUNCTIONS_OF_A_LINK = 16


class Closing:
    """Closes descriptors in parallel, because each close waits until no task runs in the probe any more."""

    def __init__(self, fds):
        """Start closing.

        :arg fds: iterable of int.
        """
        self._left = list(fds)
        self._ended = time.monotonic()
        self._threads = [threading.Thread(target=self._close_some) for _each in range(min(len(self._left), _MOST_THREADS))]
        for thread in self._threads:
            thread.start()

    def _close_some(self):
        while self._left:
            try:
                fd = self._left.pop()
            except IndexError:  # another thread took the last one
                break
            os.close(fd)
        self._ended = time.monotonic()

    def wait(self):
        """Wait until all are closed. May be called twice.

        :returns: float, when the last was closed, seconds of time.monotonic().
        """
        for thread in self._threads:
            thread.join()
        return self._ended


def close_all(fds):
    """Close descriptors in parallel, and wait for it.

    :arg fds: iterable of int.
    """
    Closing(fds).wait()


class MultiAttachment:
    """Functions of one file by uprobe_multi links (6.6+). ``failed``: dict of row -> reason, the functions that the kernel can't probe.

    A link holds several functions, because the end of each link waits until no task runs in its probes any more, one link after the other where
    the tracer is killed. To detach a function, its link is closed, and a new one is made for the others.
    """

    hook = "uprobe_multi"

    def __init__(self, program_fd, path, offsets, first_cookie):
        """Attach.

        :arg program_fd: int.
        :arg path: bytes.
        :arg offsets: dict of row (int) -> offset in the file (int).
        :arg first_cookie: int, the cookie of row 0; a row's cookie is this plus the row.
        :raises OSError: nothing could be attached; EINVAL where the kernel has no such link.
        """
        self.failed = {}
        self._program_fd = program_fd
        self._first_cookie = first_cookie
        self._links = {}  # descriptor -> {row: offset}
        self._detached = {}  # row -> offset of functions whose link was given up for another function
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # kept for resume(), when the path may be gone
        try:
            self._link_all(offsets)
        except OSError:
            self.close()
            raise
        if not self._links:
            self.close()
            raise OSError(_ENOTSUPP, "the kernel can probe none of its functions")

    def _link_all(self, offsets):
        rows = sorted(offsets)
        for first in range(0, len(rows), _FUNCTIONS_OF_A_LINK):
            self._link({row: offsets[row] for row in rows[first:first + _FUNCTIONS_OF_A_LINK]})

    def _link(self, offsets):
        """Make one link; where the kernel can't probe one of its functions, two links of half as many."""
        rows = list(offsets)
        try:
            cookies = [self._first_cookie + row for row in rows]
            fd = syscalls.link_uprobe_multi(self._program_fd, b"/proc/self/fd/%d" % self._file, list(offsets.values()), cookies)
        except OSError as error:
            if error.errno != _ENOTSUPP:
                raise
            if len(rows) == 1:
                self.failed[rows[0]] = "the kernel can't probe its first instructions (errno %d)" % error.errno
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                self._link({row: offsets[row] for row in half})
            return
        self._links[fd] = offsets

    def give_up(self, rows):
        """Give up rows. Others of their links are detached with them until resume().

        :arg rows: set of int.
        :returns: list of int, descriptors for the caller to close; that detaches.
        """
        fds = [fd for fd, offsets in self._links.items() if not rows.isdisjoint(offsets)]
        for fd in fds:
            self._detached.update((row, offset) for row, offset in self._links.pop(fd).items() if row not in rows)
        return fds

    def resume(self):
        """Attach the functions again whose link was given up for another function."""
        detached, self._detached = self._detached, {}
        self._link_all(detached)

    def give_up_all(self):
        """Give up everything.

        :returns: list of int, descriptors for the caller to close; that detaches.
        """
        fds = list(self._links)
        self._links = {}
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return fds

    def close(self):
        """Detach."""
        close_all(self.give_up_all())


class PerfAttachment:
    """Functions of one file by a perf event each: kernels before 6.6. ``failed``: as MultiAttachment's.

    Each detach takes an RCU grace period, one after the other.
    """

    hook = "uprobe (perf)"

    def __init__(self, program_fds, path, offsets, first_cookie=None):
        """Attach.

        :arg program_fds: dict of row (int) -> descriptor of its program (int).
        :arg path: bytes.
        :arg offsets: dict of row (int) -> offset in the file (int).
        :arg first_cookie: int, as MultiAttachment's; None attaches without cookies, which came with 5.15.
        :raises OSError: nothing could be attached; EINVAL with a cookie may mean that the kernel has no such link.
        """
        self.failed = {}
        self._fds = {}  # row -> descriptor
        with open(_PMU_TYPE, "r") as stream:
            kind = int(stream.read())
        last = None
        for row, offset in sorted(offsets.items()):
            try:
                self._fds[row] = _open_uprobe(kind, path, offset, program_fds[row], None if first_cookie is None else first_cookie + row)
            except OSError as error:
                if first_cookie is not None and not self._fds and error.errno == errno.EINVAL:
                    raise  # it is not this function: the kernel has no such link
                self.failed[row] = "%s (errno %d)" % (error.strerror, error.errno)
                last = error
        if last is not None and not self._fds:
            raise last

    def give_up(self, rows):
        """Give up rows.

        :arg rows: set of int.
        :returns: list of int, descriptors for the caller to close; that detaches.
        """
        return [self._fds.pop(row) for row in rows & set(self._fds)]

    def resume(self):
        """Nothing to do: each function has a descriptor of its own, and give_up() detaches no other."""

    def give_up_all(self):
        """Give up everything.

        :returns: list of int, descriptors for the caller to close; that detaches.
        """
        fds, self._fds = self._fds, {}
        return list(fds.values())

    def close(self):
        """Detach."""
        close_all(self.give_up_all())


def _open_uprobe(kind, path, offset, program_fd, cookie):
    """Attach one function.

    :returns: int, the descriptor whose close detaches: of a link where there is a cookie, else of the perf event.
    """
    path_buffer = ctypes.create_string_buffer(path)
    # struct perf_event_attr: type, size, config, period, sample_type, read_format, flags, wakeup_events, bp_type, uprobe_path, probe_offset; then zeros
    attributes = struct.pack("<IIQQQQQIIQQ", kind, _ATTRIBUTE_SIZE, 0, 0, 0, 0, 0, 0, 0, ctypes.addressof(path_buffer), offset)
    # Any CPU: the program runs for all of them, the event is only what it hangs on.
    fd = syscalls.perf_event_open(attributes.ljust(_ATTRIBUTE_SIZE, b"\0"), -1, 0)
    try:
        if cookie is None:
            fcntl.ioctl(fd, _IOC_SET_BPF, program_fd)
            fcntl.ioctl(fd, _IOC_ENABLE, 0)
            return fd
        link = syscalls.link_perf_event(program_fd, fd, cookie)
    except OSError:
        os.close(fd)
        raise
    fcntl.ioctl(fd, _IOC_ENABLE, 0)
    os.close(fd)  # the link keeps the event
    return link
