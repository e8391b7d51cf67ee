# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rpm package headers, as all of rpm's database backends store them, and which package owns a path according to them.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct

from .._text import to_text

# rpm include/rpm/rpmtag.h
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_FILESTATES, _DIRINDEXES, _BASENAMES, _DIRNAMES = 1029, 1116, 1117, 1118
_TAGS = (_NAME, _VERSION, _RELEASE, _EPOCH, _FILESTATES, _DIRINDEXES, _BASENAMES, _DIRNAMES)
_INT32 = 4
# rpm include/rpm/rpmfiles.h, rpmfileState: not recorded, normal, and on a shared file system. "rpm -qf" leaves out the others (replaced, not
# installed, left to the package of another architecture).
_INSTALLED_STATES = (None, 0, 3)

# Limits for reading all headers. The largest real ones: some thousand packages with 50 KB each, a package of 100000 files.
MAX_HEADER = 32 << 20
_MAX_ALL_HEADERS = 1 << 29
_MAX_ENTRIES = 65535  # rpm's own: lib/header.c: HEADER_TAGS_MAX
_MAX_TEXTS = 1 << 19
_MAX_ALL_FILES = 1 << 21


class RpmError(ValueError):
    """The database or a header in it is damaged."""


def owners_in(headers, paths, found):
    """Find the packages that own paths by reading all headers. A damaged header does not hide the others.

    :arg headers: iterable of bytes.
    :arg paths: set of bytes, absolute, spelt as in the package.
    :arg found: dict, which receives path -> owner, as owner_in() returns it, for the paths that have one.
    :raises RpmError: a header is damaged, or there are too many.
    """
    wanted = {}
    for path in paths:
        folder, _slash, base = path.rpartition(b"/")
        wanted.setdefault(base, {})[folder + b"/"] = path
    size, files, problem = 0, 0, None
    for content in headers:
        size += len(content)
        if size > _MAX_ALL_HEADERS or files > _MAX_ALL_FILES:
            raise RpmError("more than %d bytes of headers or %d files" % (_MAX_ALL_HEADERS, _MAX_ALL_FILES))
        try:
            files += _add_owned(Header(content), wanted, found)
        except RpmError as error:
            problem = problem or str(error)  # its text only: the exception would keep the header in memory
        del content  # before the next one is read: headers can be large
    if problem is not None:
        raise RpmError(problem)


def _add_owned(header, wanted, found):
    """Add the wanted paths that a package owns.

    :arg header: Header.
    :arg wanted: dict base name -> dict folder -> path, all bytes.
    :arg found: dict, which receives path -> owner.
    :returns: int, how many files the package has.
    """
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
    """The package of a header, if one of its files is installed in a folder.

    :arg header: Header.
    :arg folder: bytes, with a slash at its end.
    :arg number: int, index of the file in the header.
    :returns: ``{"manager": "rpm", "name": str, "version": str}``, version as ``epoch:version-release`` (no epoch where the package has none); or None.
    :raises RpmError: the header is damaged.
    """
    if header.folder(number) != folder:
        return None
    if header.byte(_FILESTATES, number) not in _INSTALLED_STATES:
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

    def __init__(self, content):
        """Read the index.

        :arg content: bytes.
        :raises RpmError: it is malformed.
        """
        if len(content) < 8:
            raise RpmError("header of %d bytes" % len(content))
        entries, size = struct.unpack_from(">II", content)
        self._begin = 8 + 16 * entries
        self._end = self._begin + size
        if self._end > len(content):
            raise RpmError("header is cut short")
        if entries > _MAX_ENTRIES:
            raise RpmError("%d entries in a header" % entries)
        self._content = content
        self._index = {}  # tag -> (type, offset in the data, count)
        for tag, kind, offset, count in struct.iter_unpack(">IIII", content[8:self._begin]):
            if tag in _TAGS and tag not in self._index:
                self._index[tag] = (kind, offset, count)
        self._texts = {}

    def integer(self, tag, number):
        """Element of an INT32 tag by its index: int, or None where there is none."""
        kind, offset, count = self._index.get(tag, (0, 0, 0))
        at = self._begin + offset + 4 * number
        if kind != _INT32 or not 0 <= number < count or at + 4 > self._end:
            return None
        return struct.unpack_from(">I", self._content, at)[0]

    def byte(self, tag, number):
        """Element of a CHAR tag by its index: int, or None where there is none."""
        _kind, offset, count = self._index.get(tag, (0, 0, 0))
        at = self._begin + offset + number
        if not 0 <= number < count or at >= self._end:
            return None
        return self._content[at]

    def folder(self, number):
        """The folder of a file by its index: bytes with a slash at the end, or None."""
        index = self.integer(_DIRINDEXES, number)
        return None if index is None else self.text(_DIRNAMES, index)

    def text(self, tag, number):
        """Element of a string tag by its index: bytes, or None. :raises RpmError: the tag has too many."""
        texts = self.texts(tag)
        return texts[number] if 0 <= number < len(texts) else None

    def texts(self, tag):
        """All elements of a string tag: list of bytes, empty where the tag is absent. :raises RpmError: there are too many."""
        if tag not in self._texts:
            _kind, offset, count = self._index.get(tag, (0, 0, 0))
            if count > _MAX_TEXTS:
                raise RpmError("%d texts in a header" % count)
            self._texts[tag] = self._content[self._begin + offset:self._end].split(b"\0", count)[:count]
        return self._texts[tag]
