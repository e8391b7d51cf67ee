# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uprobes, two ways: one uprobe_multi link, or one perf event for each function.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

from . import _kernel

_PMU_TYPE = "/sys/bus/event_source/devices/uprobe/type"
# include/uapi/linux/perf_event.h
_IOC_ENABLE = 0x2400
_IOC_SET_BPF = 0x40042408
_ATTRIBUTE_SIZE = 112

_ENOTSUPP = 524  # include/linux/errno.h: not for user space, but uprobes return it


class MultiAttachment:
    """One link for all functions of a file (6.6+)."""

    hook = "uprobe_multi"

    def __init__(self, program_fd, path, places):
        """Attach.

        :arg places: dict of row (int, the cookie) -> file offset.
        :raises OSError: as bpf(2). Functions that the kernel can't probe are in ``refused`` instead: rows -> reason.
        """
        self.refused = {}
        self._links = []
        self._attach(program_fd, path, sorted(places.items()))
        if not self._links:
            raise OSError(_ENOTSUPP, "the kernel can probe none of the functions")

    def _attach(self, program_fd, path, places):
        # One instruction that can't be probed fails the whole link: halve until it stands alone.
        try:
            self._links.append(_kernel.link_uprobe_multi(program_fd, path, [offset for _row, offset in places], [row for row, _offset in places]))
        except OSError as error:
            if error.errno not in (_ENOTSUPP, errno.EINVAL) or error.errno == errno.EINVAL and not self._links and len(places) > 1:
                raise
            if len(places) == 1:
                self.refused[places[0][0]] = "the kernel can't probe its first instruction (errno %d)" % error.errno
                return
            middle = len(places) // 2
            self._attach(program_fd, path, places[:middle])
            self._attach(program_fd, path, places[middle:])

    def close(self):
        """Detach."""
        for link in self._links:
            os.close(link)
        self._links = []


class PerfAttachment:
    """One perf event for each function: kernels before 6.6. Detaching costs a grace period each."""

    hook = "uprobe (perf)"

    def __init__(self, program_fds, path, places):
        """Attach.

        :arg program_fds: dict of row -> descriptor of its program.
        :arg places: dict of row -> file offset.
        :raises OSError: none could be attached. Functions that the kernel can't probe are in ``refused``: rows -> reason.
        """
        self.refused = {}
        self._fds = []
        with open(_PMU_TYPE, "r") as stream:
            kind = int(stream.read())
        for row, offset in sorted(places.items()):
            try:
                self._fds.append(_open_uprobe(kind, path, offset, program_fds[row]))
            except OSError as error:
                self.refused[row] = "%s (errno %d)" % (error.strerror, error.errno)
                last = error
        if not self._fds:
            raise last

    def close(self):
        """Detach."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []


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
