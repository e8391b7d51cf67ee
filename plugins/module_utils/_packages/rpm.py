# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm package owns a path, from rpmdb.sqlite (rpm 4.16 and later: Fedora 33, RHEL 9, Amazon Linux 2023, Azure Linux).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct

from .._text import to_text
from .sqlite import SqliteError, SqliteFile

# rpm include/rpm/rpmtag.h
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_FILESTATES, _DIRINDEXES, _BASENAMES, _DIRNAMES = 1029, 1116, 1117, 1118
_TAGS = (_NAME, _VERSION, _RELEASE, _EPOCH, _FILESTATES, _DIRINDEXES, _BASENAMES, _DIRNAMES)
_INT32 = 4
# rpm include/rpm/rpmfiles.h: rpmfileState: not told, normal, and on a shared file system; rpm -qf leaves out the others (replaced, not installed,
# left to the package of another architecture)
_STATES_THERE = (None, 0, 3)

# A base name such as "__init__.py" is in thousands of packages; libraries and programs are in a few.
_MAX_CANDIDATES = 256
_MAX_HEADERS = 128 << 20  # bytes of headers read for one question; that of a kernel is 2 MB

# Bounds where all headers are gone through. The largest real ones: some thousand packages with 50 KB each, a package of 100000 files.
MAX_HEADER = 32 << 20
_MAX_ALL_HEADERS = 1 << 29
_MAX_ENTRIES = 65535  # rpm's own: lib/header.c: HEADER_TAGS_MAX
_MAX_TEXTS = 1 << 19
_MAX_ALL_FILES = 1 << 21


class RpmError(ValueError):
    """The database or a header in it is damaged."""


class RpmDatabase:
    """rpmdb.sqlite in an open file; the descriptor stays the caller's."""

    def __init__(self, fd):
        """Open the database.

        :arg fd: int.
        :raises RpmError: it is not an rpm database.
        """
        try:
            self._file = SqliteFile(fd)
            roots = self._file.roots()
            self._packages, self._basenames, self._index = roots[b"Packages"], roots[b"Basenames"], roots[b"Basenames_key_idx"]
        except SqliteError as error:
            raise RpmError(str(error)) from error
        except KeyError as error:
            raise RpmError("no table %s" % error) from error

    def owners(self, paths, found):
        """As owners_in(), by the index of base names."""
        problem = None
        for path in paths:
            try:
                owner = self.owner(path)
            except RpmError as error:
                problem = error
                continue
            if owner is not None:
                found[path] = owner
        if problem is not None:
            raise problem

    def owner(self, path):
        """The package that owns a path.

        :arg path: bytes, absolute, spelt as in the package.
        :returns: ``{"manager": "rpm", "name": str, "version": str}`` (``epoch:version-release``, no epoch where the package has
            none), or None.
        :raises RpmError: the database is damaged.
        :raises OSError: reading fails.
        """
        folder, _slash, base = path.rpartition(b"/")
        try:
            entries = self._file.find(self._index, base, _MAX_CANDIDATES)
            headers, left = {}, _MAX_HEADERS
            for entry in entries:
                place = self._file.row(self._basenames, entry[-1]) if isinstance(entry[-1], int) else None
                if place is None or len(place) != 3 or not isinstance(place[1], int) or not isinstance(place[2], int):
                    continue
                if place[1] not in headers:
                    package = self._file.row(self._packages, place[1])
                    if not package or not isinstance(package[-1], bytes):
                        continue
                    left -= len(package[-1])
                    if left < 0:
                        break
                    headers = {place[1]: Header(package[-1])}  # only the last: a package's entries follow each other
                found = owner_in(headers[place[1]], folder + b"/", place[2])
                if found is not None:
                    return found
        except SqliteError as error:
            raise RpmError(str(error)) from error
        return None


def owners_in(headers, paths, found):
    """The packages that own paths, from all headers. A damaged one does not hide the others.

    :arg headers: iterable of bytes.
    :arg paths: set of bytes, absolute, spelt as in the package.
    :arg found: dict, which gets path -> ``{"manager": "rpm", "name": str, "version": str}`` for those that have an owner.
    :raises RpmError: a header is damaged, or there are too many.
    """
    wanted = {}
    for path in paths:
        folder, _slash, base = path.rpartition(b"/")
        wanted.setdefault(base, {})[folder + b"/"] = path
    octets, files, problem = 0, 0, None
    for content in headers:
        octets += len(content)
        if octets > _MAX_ALL_HEADERS or files > _MAX_ALL_FILES:
            raise RpmError("more than %d bytes of headers or %d files" % (_MAX_ALL_HEADERS, _MAX_ALL_FILES))
        try:
            files += _enter_owned(Header(content), wanted, found)
        except RpmError as error:
            problem = problem or str(error)  # the error itself would keep the header
        del content  # before the next is read: there are large ones
    if problem is not None:
        raise RpmError(problem)


def _enter_owned(header, wanted, found):
    """Enter in found what a package owns of wanted (base name -> folder -> path); returns how many files the package has."""
    names = header.texts(_BASENAMES)
    if not wanted.keys().isdisjoint(names):
        for number, name in enumerate(names):
            if name not in wanted:
                continue
            folder = header.folder(number)
            path = wanted[name].get(folder)
            if path is not None and path not in found:
                owner = owner_in(header, folder, number)
                if owner is not None:
                    found[path] = owner
    return len(names)


def owner_in(header, folder, number):
    """The package of a header, where its file of that number is in that folder and is installed; else None."""
    if header.folder(number) != folder:
        return None
    if header.byte(_FILESTATES, number) not in _STATES_THERE:
        return None
    name, version, release = header.text(_NAME, 0), header.text(_VERSION, 0), header.text(_RELEASE, 0)
    if not name or version is None or release is None:
        return None
    epoch = header.integer(_EPOCH, 0)
    full = b"%s-%s" % (version, release)
    if epoch is not None:
        full = b"%d:%s" % (epoch, full)
    return {"manager": "rpm", "name": to_text(name)[0], "version": to_text(full)[0]}


class Header:
    """A package header as stored in the database: two counts, the index, the data (rpm docs/manual/format_header.md)."""

    def __init__(self, blob):
        if len(blob) < 8:
            raise RpmError("header of %d bytes" % len(blob))
        entries, size = struct.unpack_from(">II", blob)
        self._begin = 8 + 16 * entries
        self._end = self._begin + size
        if self._end > len(blob):
            raise RpmError("header is cut short")
        if entries > _MAX_ENTRIES:
            raise RpmError("%d entries in a header" % entries)
        self._blob = blob
        self._index = {}
        for tag, kind, offset, count in struct.iter_unpack(">IIII", blob[8:self._begin]):
            if tag in _TAGS and tag not in self._index:
                self._index[tag] = (kind, offset, count)
        self._split = {}

    def integer(self, tag, number):
        kind, offset, count = self._index.get(tag, (0, 0, 0))
        at = self._begin + offset + 4 * number
        if kind != _INT32 or not 0 <= number < count or at + 4 > self._end:
            return None
        return struct.unpack_from(">I", self._blob, at)[0]

    def byte(self, tag, number):
        _kind, offset, count = self._index.get(tag, (0, 0, 0))
        at = self._begin + offset + number
        if not 0 <= number < count or at >= self._end:
            return None
        return self._blob[at]

    def folder(self, number):
        """The folder (bytes, with a slash at its end) of the file of that number, or None."""
        index = self.integer(_DIRINDEXES, number)
        return None if index is None else self.text(_DIRNAMES, index)

    def text(self, tag, number):
        texts = self.texts(tag)
        return texts[number] if 0 <= number < len(texts) else None

    def texts(self, tag):
        """All texts of a tag: list of bytes, empty where it is not there."""
        if tag not in self._split:
            _kind, offset, count = self._index.get(tag, (0, 0, 0))
            if count > _MAX_TEXTS:
                raise RpmError("%d texts in a header" % count)
            self._split[tag] = self._blob[self._begin + offset:self._end].split(b"\0", count)[:count]
        return self._split[tag]
