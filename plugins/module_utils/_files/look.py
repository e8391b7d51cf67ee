# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a file another process opened: its content's kind and its mode, without a race and without leaving a trace.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Optional

from .._kernel import proc
from . import kinds

_CACHE_SIZE = 4096


class Look(NamedTuple):
    """What was found. mode, uid, gid, size are None where the file itself could not be had, and facts then come from the name."""

    facts: kinds.FileFacts
    mode: Optional[int]
    uid: Optional[int]
    gid: Optional[int]
    size: Optional[int]
    gone: bool


class Looker:
    """Looks at files by their path in a mount namespace."""

    def __init__(self):
        self._own_namespace = proc.mount_namespace(os.getpid())
        # mount namespace -> a pid whose /proc/PID/root leads into it
        self._ways_in = {}
        # (device, inode, size, mtime) -> FileFacts: the same library or key is opened by many
        self._facts = {}

    def remember(self, namespace, pid):
        """That a process lives in a mount namespace: so a later file of a neighbour that is gone can still be looked at.

        The first one told of stays until it is gone: of those that were there before the window it is the longest-lived.
        """
        if namespace and namespace != self._own_namespace:
            self._ways_in.setdefault(namespace, pid)

    def root(self, namespace, pid):
        """Bytes to put before a path of a mount namespace to reach it from here; None where there is no way in."""
        if not namespace or namespace == self._own_namespace:
            return b""
        for candidate in (self._ways_in.get(namespace), pid):
            try:
                if candidate and proc.mount_namespace(candidate) == namespace:
                    self._ways_in[namespace] = candidate
                    return b"/proc/%d/root" % candidate
            except PermissionError:
                continue
        self._ways_in.pop(namespace, None)
        return None

    def look(self, path, namespace, pid, inode):
        """Look at one file.

        :arg path: bytes, absolute in the mount namespace.
        :arg inode: int, the inode the process opened; another one at this path is another file.
        :returns: Look.
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
                    pass  # gone, or an input/output error: told by its name
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
        # O_PATH first: opening the path itself could wake a device or block on a pipe. O_NOATIME: looking leaves no trace; it is
        # refused where the file is another user's and we are not root.
        name = "/proc/self/fd/%d" % fd
        try:
            readable = os.open(name, os.O_RDONLY | os.O_NOATIME | os.O_CLOEXEC)
        except PermissionError:
            readable = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return kinds.classify(readable, path)
        finally:
            os.close(readable)


def _renumbers(found):
    """Whether a file's file system shows other inode numbers than the kernel holds: overlayfs without xino has no device of its own."""
    return os.major(found.st_dev) == 0
