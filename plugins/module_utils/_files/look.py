# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`Looker`: classifies a file that another process opened and reads its mode, owner and size.

The file is found by path and inode in the other process's mount namespace, and read without changing its access time.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Optional

from .._kernel import proc
from . import kinds

_CACHE_SIZE = 4096  # files


class Look(NamedTuple):
    """The description of a file.

    :ivar facts: `FileFacts`; by the name alone where gone is True.
    :ivar mode: int, st_mode; this and the next three are None where gone is True.
    :ivar uid: int.
    :ivar gid: int.
    :ivar size: int, bytes.
    :ivar gone: bool, whether the opened file could not be read: removed, replaced, not a regular file, or out of reach.
    """

    facts: kinds.FileFacts
    mode: Optional[int]
    uid: Optional[int]
    gid: Optional[int]
    size: Optional[int]
    gone: bool


class Looker:
    """Describes files by their path in a mount namespace. It caches classifications: many processes open the same file."""

    def __init__(self):
        self._own_namespace = proc.mount_namespace(os.getpid())
        self._pids = {}  # mount namespace -> pid of a process in it
        self._facts = {}  # (device, inode, size, mtime) -> FileFacts

    def remember(self, namespace, pid):
        """Note that a process is in a mount namespace, so that files of other processes in it can be reached after these have ended.

        The first process noted is kept until it ends: of those that ran before the window it is the longest-lived.

        :arg namespace: int, inode number of the mount namespace; 0 or None if unknown.
        :arg pid: int.
        """
        if namespace and namespace != self._own_namespace:
            self._pids.setdefault(namespace, pid)

    def root(self, namespace, pid):
        """The prefix that makes a path in a mount namespace reachable from this process.

        :arg namespace: int, inode number of the mount namespace; 0 or None for this process's own.
        :arg pid: int, a process that may be in it.
        :returns: bytes, ``/proc/PID/root`` or empty; None where no known process is in the namespace.
        """
        if not namespace or namespace == self._own_namespace:
            return b""
        for candidate in (self._pids.get(namespace), pid):
            try:
                if candidate and proc.mount_namespace(candidate) == namespace:
                    self._pids[namespace] = candidate
                    return b"/proc/%d/root" % candidate
            except PermissionError:
                continue
        self._pids.pop(namespace, None)
        return None

    def look(self, path, namespace, pid, inode):
        """Describe one file. No error is raised: a file that can't be read is classified by its name.

        :arg path: bytes, absolute in the mount namespace.
        :arg namespace: int, inode number of the mount namespace; 0 or None for this process's own.
        :arg pid: int, a process that may be in the namespace.
        :arg inode: int, the inode that the process opened; another one at this path is another file.
        :returns: `Look`.
        """
        root = self.root(namespace, pid)
        if root is not None:
            try:
                fd = os.open(root + path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                pass
            else:
                try:
                    return self._look_at(fd, path, inode)
                except OSError:
                    pass  # removed, leased by another process, or an input/output error: classified by its name
                finally:
                    os.close(fd)
        return Look(kinds.classify_name(path), None, None, None, None, True)

    def _look_at(self, fd, path, inode):
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or (found.st_ino != inode and not _renumbers(found)):
            return Look(kinds.classify_name(path), None, None, None, None, True)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        facts = self._facts.get(key)
        if facts is None:
            facts = self._classify(fd, path)
            if len(self._facts) >= _CACHE_SIZE:
                self._facts.clear()
            self._facts[key] = facts
        return Look(facts, found.st_mode, found.st_uid, found.st_gid, found.st_size, False)

    @staticmethod
    def _classify(fd, path):
        # The O_PATH descriptor is known to be a regular file: opening the path itself could wake a device or block on a FIFO.
        # O_NONBLOCK: a user can take a write lease on a file of his own, and open() then blocks up to 45 s (fcntl(2), F_SETLEASE;
        # /proc/sys/fs/lease-break-time). O_NOATIME keeps the access time; it is refused for a file of another user without CAP_FOWNER.
        name = "/proc/self/fd/%d" % fd
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            readable = os.open(name, flags | os.O_NOATIME)
        except PermissionError:
            readable = os.open(name, flags)
        try:
            return kinds.classify(readable, path)
        finally:
            os.close(readable)


def _renumbers(found):
    """Whether stat(2) of a file may show another inode number than the kernel has: overlayfs without xino, which has no block device."""
    return os.major(found.st_dev) == 0
