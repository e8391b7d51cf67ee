# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every engine has, and what an engine that probes no functions answers.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
from typing import List, NamedTuple

from .._kernel.events import OpenCount, OperationCount


class Counts(NamedTuple):
    """What the kernel side has counted."""

    opens: List[OpenCount]
    operations: List[OperationCount]


class Engine:
    """Attached probes of one window, and the events they yield.

    The window sets ``looker`` (Looker of _files.look) before the first read(): the readers of file contents are not needed to attach.
    """

    name = ""
    grade = "reduced"  # full, reduced
    version = None  # str or None, of the library the engine stands on
    probes = ()  # Probes, in the order of the coverage
    looker = None

    def wait(self, seconds):
        """Wait until a buffer fills up.

        :arg seconds: float, at most.
        :returns: bool, whether a buffer is filling up.
        """
        raise NotImplementedError

    def read(self):
        """The events since the last call.

        :returns: list of ProcessExec, ProcessFork, ProcessExit, ProcessFound, FileObserved, FileNotRead, LibraryMapped, OperationSeen and
            WireData, by time.
        """
        raise NotImplementedError

    def counts(self, is_over=None):
        """The kernel side's counts so far.

        :arg is_over: callable taking an OpenKey or OperationKey. With it only the counts it is true for are returned, and they are
            removed from the kernel.
        :returns: Counts.
        """
        return Counts([], [])

    def finish(self):
        """The last events and all counts; then detaching begins, which close() waits for.

        :returns: ``(list of events as read()'s, Counts)``.
        """
        events, counts = self.read(), self.counts()
        self.detach()
        return events, counts

    def add_library(self, path, opener):
        """Probe the functions of a library that a process maps.

        :arg path: bytes, for the report.
        :arg opener: bytes, a path that leads to the very file (/proc/PID/map_files/...).
        :returns: bool, whether the file was not probed before, so that earlier calls were not seen.
        """
        return False

    def add_executable(self, path, opener):
        """Probe the functions of an executable that carries a library itself, as node does.

        :arg path: bytes, for the report.
        :arg opener: bytes, a path that leads to the very file (/proc/PID/exe).
        """

    def is_probed(self, device, inode):
        """Whether the functions of a file are probed, or were tried to be.

        :arg device: int, st_dev of the file.
        :arg inode: int, st_ino of the file.
        :returns: bool.
        """
        return False

    def files_gone(self):
        """Files (int) that were gone before their content could be read, and whose names say nothing."""
        return 0

    def detach(self):
        """Begin to detach everything. May be called twice."""

    def close(self):
        """Detach everything and wait for it. May be called twice.

        :returns: float, seconds of time.monotonic() when the last probe was detached.
        """
        self.detach()
        return time.monotonic()
