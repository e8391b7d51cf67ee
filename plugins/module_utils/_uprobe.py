# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uprobes, two ways: a uprobe_multi link or a perf event, one for each function, so that each can be let go alone.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import threading
import time

from . import _kernel

_PMU_TYPE = "/sys/bus/event_source/devices/uprobe/type"
# include/uapi/linux/perf_event.h
_IOC_ENABLE = 0x2400
_IOC_SET_BPF = 0x40042408
_ATTRIBUTE_SIZE = 112

_ENOTSUPP = 524  # include/linux/errno.h: not for user space, but uprobes return it

_MOST_THREADS = 256


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


class _Attachment:
    """Functions of one file. Those that the kernel can't probe are in ``refused``: rows -> reason."""

    hook = ""

    def __init__(self, path, places):
        """Attach.

        :arg path: bytes. :arg places: dict of row -> file offset.
        :raises OSError: nothing could be attached.
        """
        self.refused = {}
        self._fds = {}  # row -> descriptor
        last = None
        try:
            for row, offset in sorted(places.items()):
                try:
                    self._fds[row] = self._attach(path, row, offset)
                except OSError as error:
                    self.refused[row] = self._refusal(error)
                    last = error
        except OSError:
            self.close()
            raise
        if last is not None and not self._fds:
            raise last

    def _attach(self, path, row, offset):
        raise NotImplementedError

    def _refusal(self, error):
        """The reason for ``refused``; raises the error again where it is not of this one function."""
        return "%s (errno %d)" % (error.strerror, error.errno)

    def give_up(self, row):
        """Descriptors (list) of a function; closing them detaches it."""
        return [self._fds.pop(row)] if row in self._fds else []

    def give_up_all(self):
        """All descriptors; closing them detaches."""
        fds, self._fds = self._fds, {}
        return list(fds.values())

    def close(self):
        """Detach."""
        close_all(self.give_up_all())


class MultiAttachment(_Attachment):
    """uprobe_multi links (6.6+). A link for each costs as little as one link for all, but a descriptor."""

    hook = "uprobe_multi"

    def __init__(self, program_fd, path, places, first_cookie):
        """Attach.

        :arg program_fd: int. :arg path, places: as above. :arg first_cookie: int, what is added to a row to make its cookie.
        :raises OSError: as bpf(2), EINVAL where the kernel has no such link.
        """
        self._program_fd = program_fd
        self._first_cookie = first_cookie
        super().__init__(path, places)

    def _attach(self, path, row, offset):
        return _kernel.link_uprobe_multi(self._program_fd, path, [offset], [self._first_cookie + row])

    def _refusal(self, error):
        if error.errno != _ENOTSUPP:
            raise error
        return "the kernel can't probe its first instructions (errno %d)" % error.errno


class PerfAttachment(_Attachment):
    """Perf events: kernels before 6.6. Detaching costs a grace period each, one after the other."""

    hook = "uprobe (perf)"

    def __init__(self, program_fds, path, places):
        """:arg program_fds: dict of row -> descriptor of its program. :arg path, places: as above."""
        with open(_PMU_TYPE, "r") as stream:
            self._kind = int(stream.read())
        self._program_fds = program_fds
        super().__init__(path, places)

    def _attach(self, path, row, offset):
        return _open_uprobe(self._kind, path, offset, self._program_fds[row])


def _open_uprobe(kind, path, offset, program_fd):
    path_buffer = ctypes.create_string_buffer(path)
    attributes = struct.pack("<IIQQQQQIIQQ", kind, _ATTRIBUTE_SIZE, 0, 0, 0, 0, 0, 0, 0, ctypes.addressof(path_buffer), offset)
    # Any CPU: the program runs for all of them, the event is only what it hangs on.
    fd = _kernel.perf_event_open(attributes.ljust(_ATTRIBUTE_SIZE, b"\0"), -1, 0)
    try:
        fcntl.ioctl(fd, _IOC_SET_BPF, program_fd)
        fcntl.ioctl(fd, _IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd
