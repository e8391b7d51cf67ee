# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`Reader`: bounded reads of a host's configuration files, with a list of the sources that could not be read.

No read wakes a device or blocks on a FIFO. Each part of host_crypto has a `Reader` of its own. A source that does not exist is reported by
the part itself (null, an empty list). A source that exists but can't be read, or exceeds a limit, goes into the part's ``unreadable``.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import stat

from .._text import put_text

MAX_FILE = 1 << 20  # bytes read of one configuration file
MAX_ENTRIES = 4096  # entries of one directory
MAX_LISTED = 500000  # entries of all directories that one part lists, about 1 s; 4096 disks with their partitions have 100,000
MAX_TEXT = 2048  # bytes of one text in the document; the longest cipher strings of distributions have about 1000
MAX_UNREADABLE = 50  # entries of one part's list; one more entry counts the rest
_MAX_LINE_FILE = 4096  # bytes of a file that holds one line
_CHUNK = 65536  # bytes of one read

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
_GLOB_CHARACTERS = frozenset("*?[")


class Reader:
    """Reads files below a root directory for one part of host_crypto.

    Every path is absolute on the host. The kernel follows symbolic links, so an absolute link leaves the root directory.

    :arg root: str, directory that holds the host's files; ``""`` for this host.
    :arg show_path: callable bytes -> bytes, removes user names from a path.
    """

    def __init__(self, root="", show_path=bytes):
        self.root = root
        self._show_path = show_path
        self._unreadable = {}
        self._listed = 0

    def put_text(self, entry, key, raw):
        """Set ``entry[key]`` to a text of the host, cut at `MAX_TEXT` bytes, with the marks of `_text.put_text`.

        :arg entry: dict to change.
        :arg key: str.
        :arg raw: bytes or str, where a path is redacted; None or empty gives None.
        """
        if isinstance(raw, str):
            raw = os.fsencode(raw)
        if not raw:
            entry[key] = None
            return
        if raw.startswith(b"/"):
            raw = self._show_path(raw)
        put_text(entry, key, raw[:MAX_TEXT], len(raw) > MAX_TEXT)

    def add_unreadable(self, source, reason):
        """Add a source to `unreadable`. The first reason of a source is kept.

        :arg source: str, a path or the name of a kernel interface.
        :arg reason: str or OSError.
        """
        if isinstance(reason, OSError):
            reason = os.strerror(reason.errno) if reason.errno else str(reason)
        self._unreadable.setdefault(source, reason)

    def unreadable(self):
        """The part's list of sources that could not be read.

        :returns: list of dict, ``{"source", "reason"}``, sorted by source; at most `MAX_UNREADABLE` and one that counts the rest.
        """
        entries = []
        for source in sorted(self._unreadable)[:MAX_UNREADABLE]:
            entry = {}
            self.put_text(entry, "source", source)
            self.put_text(entry, "reason", self._unreadable[source])
            entries.append(entry)
        if len(self._unreadable) > MAX_UNREADABLE:
            entries.append({"source": "other sources", "reason": "%d more entries omitted" % (len(self._unreadable) - MAX_UNREADABLE)})
        return entries

    @contextlib.contextmanager
    def open_file(self, path):
        """Context manager: a descriptor of a regular file, or None where it is absent or can't be opened.

        The file is opened with O_PATH first, so that a device or a FIFO in its place is neither woken nor waited for.

        :arg path: str.
        """
        fd = self._open(path)
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    def _open(self, path):
        try:
            path_fd = os.open(self.root + path, os.O_PATH | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            self._add_unless_absent(path, error)
            return None
        try:
            if not stat.S_ISREG(os.fstat(path_fd).st_mode):
                self.add_unreadable(path, "not a regular file")
                return None
            return _reopen(path_fd)
        except OSError as error:
            self._add_unless_absent(path, error)
            return None
        finally:
            os.close(path_fd)

    def _add_unless_absent(self, path, error):
        if isinstance(error, ValueError):  # os.open() raises it for a NUL byte
            self.add_unreadable(path.replace("\0", "\\0"), "invalid path: it contains a NUL byte")
        elif error.errno not in _ABSENT:
            self.add_unreadable(path, error)

    def read(self, path, limit=MAX_FILE):
        """Read the beginning of a regular file. A longer file is noted in `unreadable`.

        :arg path: str.
        :arg limit: int, bytes to read at most.
        :returns: bytes, or None where the file is absent or can't be read.
        """
        with self.open_file(path) as fd:
            if fd is None:
                return None
            data = bytearray()
            try:
                while len(data) <= limit:
                    chunk = os.read(fd, min(_CHUNK, limit + 1 - len(data)))
                    if not chunk:
                        break
                    data += chunk
            except OSError as error:
                self._add_unless_absent(path, error)
                return None
        if len(data) > limit:
            self.add_unreadable(path, "only the first %d bytes were read" % limit)
        return bytes(data[:limit])

    def read_line(self, path):
        """Read a file of one line.

        :arg path: str.
        :returns: bytes without white space at both ends, or None where the file is absent or can't be read.
        """
        data = self.read(path, _MAX_LINE_FILE)
        return None if data is None else data.strip()

    def list_directory(self, path, limit=MAX_ENTRIES):
        """List a directory. More entries than a limit are noted in `unreadable`.

        :arg path: str.
        :arg limit: int, entries to list at most.
        :returns: list of str, sorted names; empty where the directory is absent or can't be read, or `MAX_LISTED` is reached.
        """
        if self._listed > MAX_LISTED:
            self.add_unreadable(path, "not listed: more than %d directory entries in all" % MAX_LISTED)
            return []
        names = []
        try:
            with os.scandir(self.root + path) as entries:
                for entry in entries:
                    if len(names) == limit:
                        self.add_unreadable(path, "more than %d entries; the rest were skipped" % limit)
                        break
                    names.append(entry.name)
        except (OSError, ValueError) as error:
            self._add_unless_absent(path, error)
        self._listed += 1 + len(names)
        return sorted(names)

    def exists(self, path):
        """Whether a file of any type is at a path.

        :arg path: str.
        :returns: bool, or None where permissions or an error hide it.
        """
        try:
            os.stat(self.root + path)
        except OSError as error:
            self._add_unless_absent(path, error)
            return False if error.errno in _ABSENT else None
        return True

    def is_directory(self, path):
        """Whether a path leads to a directory, symbolic links followed.

        :arg path: str.
        :returns: bool.
        """
        try:
            return stat.S_ISDIR(os.stat(self.root + path).st_mode)
        except (OSError, ValueError):
            return False

    def link_target(self, path):
        """Read a symbolic link.

        :arg path: str.
        :returns: str, the text of the link, or None where path is no symbolic link.
        """
        try:
            return os.readlink(self.root + path)
        except OSError:
            return None

    def identity(self, path):
        """The file at a path, symbolic links followed, in a form that can be compared.

        :arg path: str.
        :returns: tuple of int, ``(device, inode)``, or None where there is none.
        """
        try:
            status = os.stat(self.root + path)
        except (OSError, ValueError):
            return None
        return status.st_dev, status.st_ino

    def glob(self, pattern, limit=256):
        """The paths that match a pattern, by the rules of glob(3): ``*`` matches no hidden file.

        :arg pattern: str, absolute.
        :arg limit: int, paths at most, also at each level of directories.
        :returns: list of str, sorted.
        """
        paths = [""]
        for part in pattern.strip("/").split("/"):
            if not _GLOB_CHARACTERS.intersection(part):
                paths = [path + "/" + part for path in paths]
                continue
            paths = [path + "/" + name for path in paths for name in self.list_directory(path or "/")
                     if fnmatch.fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))]
            if len(paths) > limit:
                self.add_unreadable(pattern, "matches more than %d files; the rest were skipped" % limit)
                paths = paths[:limit]
        return [path for path in paths if self.identity(path)]


def _reopen(path_fd):
    """Open the file of an O_PATH descriptor for reading.

    O_NOATIME keeps its access time; it is refused for a file of another user without CAP_FOWNER.

    :arg path_fd: int, opened with O_PATH.
    :returns: int, a descriptor.
    :raises OSError: the file can't be opened; EAGAIN where another process holds a write lease (fcntl(2), F_SETLEASE).
    """
    name = "/proc/self/fd/%d" % path_fd
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(name, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(name, flags)


def open_block_device(path, number):
    """Open a block device for reading.

    :arg path: str.
    :arg number: tuple of int, the ``(major, minor)`` that it must have.
    :returns: int, a descriptor.
    :raises OSError: it can't be opened, or something else is at path (ENOTBLK).
    """
    path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(path_fd)
        if not stat.S_ISBLK(status.st_mode) or (os.major(status.st_rdev), os.minor(status.st_rdev)) != number:
            raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK))
        return os.open("/proc/self/fd/%d" % path_fd, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(path_fd)
