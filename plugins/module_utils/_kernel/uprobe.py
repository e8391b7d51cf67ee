# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uprobes, two ways: uprobe_multi links for some functions each, or a perf event for each.

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

# So many end within a second where they end one by one, of a thousand functions.
_FUNCTIONS_OF_A_LINK = 16


class Closing:
    """Descriptors that are being closed at the same time: each waits for the kernel to be sure that nobody is in the probe any more."""

    def __init__(self, fds):
        """Begin. :arg fds: iterable of int."""
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
        """Wait until all are closed. Returns when the last was: float, seconds of time.monotonic(). May be called twice."""
        for thread in self._threads:
            thread.join()
        return self._ended


def close_all(fds):
    """Close descriptors (iterable of int) at the same time, and wait for it."""
    Closing(fds).wait()


class MultiAttachment:
    """Functions of one file by uprobe_multi links (6.6+). ``refused``: those that the kernel can't probe, row -> reason.

    A link holds several functions, because the end of each link waits for the kernel to be sure that nobody is in it any more: where a tracer is
    killed, one link after the other. Where a function has to go, its link goes, and a new one is made for the others.
    """

    hook = "uprobe_multi"

    def __init__(self, program_fd, path, places, first_cookie):
        """Attach.

        :arg program_fd: int. :arg path: bytes. :arg places: dict of row -> file offset.
        :arg first_cookie: int, what is added to a row to make its cookie.
        :raises OSError: as bpf(2), EINVAL where the kernel has no such link; nothing could be attached.
        """
        self.refused = {}
        self._program_fd = program_fd
        self._first_cookie = first_cookie
        self._links = {}  # descriptor -> {row: offset}
        self._waiting = {}  # functions of links that were given up for others
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # for resume(): the path may be gone then
        try:
            self._link_all(places)
        except OSError:
            self.close()
            raise
        if not self._links:
            self.close()
            raise OSError(_ENOTSUPP, "the kernel can probe none of its functions")

    def _link_all(self, places):
        rows = sorted(places)
        for first in range(0, len(rows), _FUNCTIONS_OF_A_LINK):
            self._link({row: places[row] for row in rows[first:first + _FUNCTIONS_OF_A_LINK]})

    def _link(self, places):
        """One link; where the kernel can't probe one of its functions, two of half as many."""
        rows = list(places)
        try:
            fd = syscalls.link_uprobe_multi(self._program_fd, b"/proc/self/fd/%d" % self._file, list(places.values()),
                                           [self._first_cookie + row for row in rows])
        except OSError as error:
            if error.errno != _ENOTSUPP:
                raise
            if len(rows) == 1:
                self.refused[rows[0]] = "the kernel can't probe its first instructions (errno %d)" % error.errno
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                self._link({row: places[row] for row in half})
            return
        self._links[fd] = places

    def give_up(self, rows):
        """Descriptors (list): closing them detaches these rows (set), and others until resume()."""
        fds = [fd for fd, places in self._links.items() if not rows.isdisjoint(places)]
        for fd in fds:
            self._waiting.update((row, offset) for row, offset in self._links.pop(fd).items() if row not in rows)
        return fds

    def resume(self):
        """Attach what had to wait."""
        waiting, self._waiting = self._waiting, {}
        self._link_all(waiting)

    def give_up_all(self):
        """All descriptors; closing them detaches."""
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
    """Functions of one file by perf events: kernels before 6.6. Detaching costs a grace period each, one after the other."""

    hook = "uprobe (perf)"

    def __init__(self, program_fds, path, places, first_cookie=None):
        """Attach.

        :arg program_fds: dict of row -> descriptor of its program. :arg path, places, errors: as MultiAttachment's.
        :arg first_cookie: likewise; None attaches without cookies, which came with 5.15.
        """
        self.refused = {}
        self._fds = {}  # row -> descriptor
        with open(_PMU_TYPE, "r") as stream:
            kind = int(stream.read())
        last = None
        for row, offset in sorted(places.items()):
            try:
                self._fds[row] = _open_uprobe(kind, path, offset, program_fds[row], None if first_cookie is None else first_cookie + row)
            except OSError as error:
                if first_cookie is not None and not self._fds and error.errno == errno.EINVAL:
                    raise  # it is not this function: the kernel has no such link
                self.refused[row] = "%s (errno %d)" % (error.strerror, error.errno)
                last = error
        if last is not None and not self._fds:
            raise last

    def give_up(self, rows):
        """Descriptors (list): closing them detaches these rows (set)."""
        return [self._fds.pop(row) for row in rows & set(self._fds)]

    def resume(self):
        """Nothing waits: each function has a descriptor of its own."""

    def give_up_all(self):
        """All descriptors; closing them detaches."""
        fds, self._fds = self._fds, {}
        return list(fds.values())

    def close(self):
        """Detach."""
        close_all(self.give_up_all())


def _open_uprobe(kind, path, offset, program_fd, cookie):
    """The descriptor whose end detaches: of a link where there is a cookie, else of the perf event."""
    path_buffer = ctypes.create_string_buffer(path)
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
