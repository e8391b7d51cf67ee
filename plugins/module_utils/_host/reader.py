# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the configuration of a host: bounded, without waking a device or waiting for a pipe, and with a list of what could not be read.

Each part of host_crypto has a `Reader` of its own. What is not there is told by the part itself (null, an empty list). What is there and
can't be read, or is over a bound, goes into the part's ``unreadable``.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import stat

from .._text import put_text

MAX_FILE = 1 << 20  # octets read of one configuration file
MAX_ENTRIES = 4096  # entries of a folder
MAX_TEXT = 2048  # octets of one text in the document; the longest cipher strings of distributions have about 1000
MAX_UNREADABLE = 50  # entries of one part's list; the last one counts what is over

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
_MAGIC_GLOB = frozenset("*?[")


class Reader:
    """Reads files below a root folder for one part of host_crypto.

    :arg root: str, where the host's files lie: ``""`` for the host itself. Links are followed by the kernel, so absolute ones leave it.
    :arg show_path: callable bytes -> bytes that takes users' names out of a path.
    """

    def __init__(self, root="", show_path=bytes):
        self.root = root
        self._show_path = show_path
        self._problems = {}

    def put(self, entry, key, raw):
        """Set ``entry[key]`` to a text of the host (bytes, str or None), cut at `MAX_TEXT` octets, with the marks of `put_text`."""
        if isinstance(raw, str):
            raw = os.fsencode(raw)
        if not raw:
            entry[key] = None
            return
        if raw.startswith(b"/"):
            raw = self._show_path(raw)
        put_text(entry, key, raw[:MAX_TEXT], len(raw) > MAX_TEXT)

    def problem(self, source, reason):
        """Note what could not be read. :arg source: str, a path or the name of an interface. :arg reason: str or OSError."""
        if isinstance(reason, OSError):
            reason = os.strerror(reason.errno) if reason.errno else str(reason)
        self._problems.setdefault(source, reason)

    def unreadable(self):
        """The list for the part: ``[{"source", "reason"}]``, sorted."""
        told = []
        for source in sorted(self._problems)[:MAX_UNREADABLE]:
            entry = {}
            self.put(entry, "source", source)
            self.put(entry, "reason", self._problems[source])
            told.append(entry)
        if len(self._problems) > MAX_UNREADABLE:
            told.append({"source": "and more", "reason": "%d further ones are not listed" % (len(self._problems) - MAX_UNREADABLE)})
        return told

    @contextlib.contextmanager
    def opened(self, path):
        """A descriptor of a regular file, or None where there is none to be had; then it is noted unless the file does not exist.

        The file is opened with O_PATH first, so that a device or a FIFO in its place is neither woken nor waited for.
        """
        fd = self._open(path)
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    def _open(self, path):
        try:
            place = os.open(self.root + path, os.O_PATH | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            self._absent_or_problem(path, error)
            return None
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                self.problem(path, "not a regular file")
                return None
            return _reopen(place)
        except OSError as error:
            self._absent_or_problem(path, error)
            return None
        finally:
            os.close(place)

    def _absent_or_problem(self, path, error):
        if isinstance(error, ValueError):  # a NUL in the path
            self.problem(path.replace("\0", "\\0"), "not a path")
        elif error.errno not in _ABSENT:
            self.problem(path, error)

    def read(self, path, limit=MAX_FILE):
        """The first `limit` octets (bytes) of a regular file; None where it is absent or could not be read. More than that is noted."""
        with self.opened(path) as fd:
            if fd is None:
                return None
            data = bytearray()
            try:
                while len(data) <= limit:
                    piece = os.read(fd, min(65536, limit + 1 - len(data)))
                    if not piece:
                        break
                    data += piece
            except OSError as error:
                self._absent_or_problem(path, error)
                return None
        if len(data) > limit:
            self.problem(path, "longer than %d octets: what follows was not read" % limit)
        return bytes(data[:limit])

    def word(self, path):
        """The content (bytes) of a file of one line, without white space around it; None where it is absent or could not be read."""
        data = self.read(path, 4096)
        return None if data is None else data.strip()

    def names(self, path, most=MAX_ENTRIES):
        """Sorted names (str) in a folder; an empty list where it is absent or could not be read. More than `most` are noted."""
        found = []
        try:
            with os.scandir(self.root + path) as entries:
                for entry in entries:
                    if len(found) == most:
                        self.problem(path, "more than %d entries: the others were not looked at" % most)
                        break
                    found.append(entry.name)
        except (OSError, ValueError) as error:
            self._absent_or_problem(path, error)
        return sorted(found)

    def exists(self, path):
        """Whether something is at path; None where that can't be told."""
        try:
            os.stat(self.root + path)
        except OSError as error:
            self._absent_or_problem(path, error)
            return False if error.errno in _ABSENT else None
        return True

    def is_folder(self, path):
        """Whether a folder is at path, links followed."""
        try:
            return stat.S_ISDIR(os.stat(self.root + path).st_mode)
        except (OSError, ValueError):
            return False

    def target(self, path):
        """What a symbolic link says (str); None where it is none."""
        try:
            return os.readlink(self.root + path)
        except OSError:
            return None

    def identity(self, path):
        """``(device, inode)`` of what is at path, links followed; None where nothing can be had."""
        try:
            found = os.stat(self.root + path)
        except (OSError, ValueError):
            return None
        return found.st_dev, found.st_ino

    def glob(self, pattern, most=256):
        """Paths (str) that match an absolute glob, sorted, as glob(3) has it: no hidden file without a dot in the pattern."""
        paths = [""]
        for part in pattern.strip("/").split("/"):
            if not _MAGIC_GLOB.intersection(part):
                paths = [path + "/" + part for path in paths]
                continue
            paths = [path + "/" + name for path in paths for name in self.names(path or "/")
                     if fnmatch.fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))]
            if len(paths) > most:
                self.problem(pattern, "matches more than %d files: the others were not looked at" % most)
                paths = paths[:most]
        return [path for path in paths if self.identity(path)]


def _reopen(place):
    """Open for reading what an O_PATH descriptor refers to, without a trace where that is permitted. :raises OSError:"""
    name = "/proc/self/fd/%d" % place
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(name, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(name, flags)


def open_block_device(path, number):
    """A descriptor of a block device for reading.

    :arg path: str. :arg number: ``(major, minor)`` it must have.
    :raises OSError: also where something else is at path.
    """
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        found = os.fstat(place)
        if not stat.S_ISBLK(found.st_mode) or (os.major(found.st_rdev), os.minor(found.st_rdev)) != number:
            raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK))
        return os.open("/proc/self/fd/%d" % place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(place)
