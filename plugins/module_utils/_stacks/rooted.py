# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file by its path below another root directory, such as a container's. Symbolic links never lead out of that root.

Opening ``/proc/PID/root/PATH`` would resolve an absolute link from this process's own root, which leads to another file. openat2(2) with
RESOLVE_IN_ROOT does what is done here, but only from Linux 5.6 on.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat

_MAX_LINKS = 40  # Linux include/linux/namei.h: MAXSYMLINKS
_MAX_COMPONENTS = 4096
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def read(root, path, limit):
    """The content of a regular file.

    :arg root: bytes, the directory that is "/" for the path; empty for this process's own.
    :arg path: bytes, absolute below the root.
    :arg limit: int, the most bytes read.
    :returns: bytes; None where there is no such regular file, or it can't be read.
    """
    try:
        fd = _walk(root or b"/", path)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        readable = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # else it would wait for a lease, fcntl(2)
    except OSError:
        return None
    finally:
        os.close(fd)
    with open(readable, "rb", buffering=0) as stream:
        try:
            return stream.read(limit)
        except OSError:
            return None


def _walk(root, path):
    """Resolve a path, one component at a time.

    :returns: int, an O_PATH descriptor of what is there.
    :raises OSError: there is nothing, or too many links or components.
    """
    parents = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]  # the folders from the root to the current one
    try:
        pending = _parts(path)
        links = components = 0
        while pending:
            part = pending.pop()
            components += 1
            if components > _MAX_COMPONENTS:
                raise OSError("too many components")
            if part == b"..":
                if len(parents) > 1:
                    os.close(parents.pop())
                continue
            fd = os.open(part, _WALK, dir_fd=parents[-1])
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                try:
                    target = os.readlink(b"", dir_fd=fd)
                finally:
                    os.close(fd)
                links += 1
                if links > _MAX_LINKS:
                    raise OSError("too many links")
                if target.startswith(b"/"):
                    while len(parents) > 1:
                        os.close(parents.pop())
                pending += _parts(target)
            else:
                parents.append(fd)
        return parents.pop()
    finally:
        for fd in parents:
            os.close(fd)


def _parts(path):
    """The components of a path, the last one first: list of bytes."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
