# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file by its path as a process in another root directory sees it. A symbolic link there never leads out of that root.

Opening ``/proc/PID/root/PATH`` follows an absolute link from this process's own root, which is another file. openat2(2) with
RESOLVE_IN_ROOT does what is done here, from Linux 5.6 on.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat

_MAX_LINKS = 40  # Linux include/linux/namei.h: MAXSYMLINKS
_MAX_STEPS = 4096
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def read(root, path, most):
    """The content of a regular file.

    :arg root: bytes, the directory that is "/" for the path; empty for this process's own. :arg path: bytes, absolute. :arg most: int, octets read.
    :returns: bytes, at most that many, or None where there is no such regular file, or it is not permitted.
    """
    try:
        fd = _walk(root or b"/", path)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        readable = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        os.close(fd)
    with open(readable, "rb", buffering=0) as stream:
        try:
            return stream.read(most)
        except OSError:
            return None


def _walk(root, path):
    """An O_PATH descriptor of the file. :raises OSError:"""
    parents = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]  # from the root to where the walk is
    try:
        waiting = _parts(path)
        links = steps = 0
        while waiting:
            part = waiting.pop()
            steps += 1
            if steps > _MAX_STEPS:
                raise OSError("too many steps")
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
                waiting += _parts(target)
            else:
                parents.append(fd)
        return parents.pop()
    finally:
        for fd in parents:
            os.close(fd)


def _parts(path):
    """The names of a path, the last one first."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
