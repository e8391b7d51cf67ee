# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uprobes, two ways: one uprobe_multi link, or one perf event for each function.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import threading

from . import _kernel

_PMU_TYPE = "/sys/bus/event_source/devices/uprobe/type"
# include/uapi/linux/perf_event.h
_IOC_ENABLE = 0x2400
_IOC_SET_BPF = 0x40042408
_ATTRIBUTE_SIZE = 112

_ENOTSUPP = 524  # include/linux/errno.h: not for user space, but uprobes return it


def close_all(fds):
    """Close descriptors at the same time: each waits for the kernel to be sure that nobody is in the probe any more."""
    threads = [threading.Thread(target=os.close, args=(fd,)) for fd in fds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class MultiAttachment:
    """uprobe_multi links (6.6+): one for each function that may have to go alone, one for the others."""

    hook = "uprobe_multi"

    def __init__(self, program_fd, path, places, alone):
        """Attach.

        :arg places: dict of row (int, the cookie) -> file offset. :arg alone: set of rows.
        :raises OSError: as bpf(2). Functions that the kernel can't probe are in ``refused`` instead: rows -> reason.
        """
        self.refused = {}
        self._links = []  # (rows, descriptor)
        try:
            self._attach(program_fd, path, sorted((row, place) for row, place in places.items() if row not in alone))
            for row in sorted(alone & places.keys()):
                self._attach(program_fd, path, [(row, places[row])])
        except OSError:
            self.close()
            raise
        if not self._links:
            raise OSError(_ENOTSUPP, "the kernel can probe none of the functions")

    def _attach(self, program_fd, path, places):
        # One instruction that can't be probed fails the whole link: halve until it stands alone.
        if not places:
            return
        rows, offsets = [row for row, _offset in places], [offset for _row, offset in places]
        try:
            self._links.append((rows, _kernel.link_uprobe_multi(program_fd, path, offsets, rows)))
        except OSError as error:
            if error.errno != _ENOTSUPP:
                raise
            if len(places) == 1:
                self.refused[rows[0]] = "the kernel can't probe its first instructions (errno %d)" % error.errno
                return
            middle = len(places) // 2
            self._attach(program_fd, path, places[:middle])
            self._attach(program_fd, path, places[middle:])

    def fds_of(self, row):
        """Give up the link a row hangs on: ``(rows that go with it, [descriptor])``; closing it detaches them."""
        for position, (rows, link) in enumerate(self._links):
            if row in rows:
                del self._links[position]
                return rows, [link]
        return [], []

    def fds(self):
        """Give up all descriptors; closing them detaches."""
        links, self._links = self._links, []
        return [link for _rows, link in links]

    def close(self):
        """Detach."""
        close_all(self.fds())


class PerfAttachment:
    """One perf event for each function: kernels before 6.6. Detaching costs a grace period each, one after the other."""

    hook = "uprobe (perf)"

    def __init__(self, program_fds, path, places):
        """Attach.

        :arg program_fds: dict of row -> descriptor of its program.
        :arg places: dict of row -> file offset.
        :raises OSError: none could be attached. Functions that the kernel can't probe are in ``refused``: rows -> reason.
        """
        self.refused = {}
        self._events = {}  # row -> descriptor
        with open(_PMU_TYPE, "r") as stream:
            kind = int(stream.read())
        last = None
        for row, offset in sorted(places.items()):
            try:
                self._events[row] = _open_uprobe(kind, path, offset, program_fds[row])
            except OSError as error:
                self.refused[row] = "%s (errno %d)" % (error.strerror, error.errno)
                last = error
        if last is not None and not self._events:
            raise last

    def fds_of(self, row):
        """As MultiAttachment's."""
        return ([row], [self._events.pop(row)]) if row in self._events else ([], [])

    def fds(self):
        """As MultiAttachment's."""
        events, self._events = self._events, {}
        return list(events.values())

    def close(self):
        """Detach."""
        close_all(self.fds())


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
