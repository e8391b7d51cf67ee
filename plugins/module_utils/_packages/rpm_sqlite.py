# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm package owns a path, from rpmdb.sqlite (rpm 4.16 and later: Fedora 33, RHEL 9, Amazon Linux 2023, Azure Linux).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .rpm_header import Header, RpmError, owner_in
from .sqlite import SqliteError, SqliteFile

# A base name such as "__init__.py" is in thousands of packages; libraries and programs are in a few.
_MAX_CANDIDATES = 256
_MAX_HEADERS = 128 << 20  # bytes of headers read for one path; that of a kernel package is 2 MB


class RpmSqliteDatabase:
    """rpmdb.sqlite in an open file. The caller closes the descriptor."""

    def __init__(self, fd):
        """Find the tables.

        :arg fd: int, descriptor of the file.
        :raises RpmError: it is not an rpm database.
        :raises OSError: reading fails.
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
        """Like rpm_header.owners_in(), but through the index of base names.

        :arg paths: iterable of bytes.
        :arg found: dict, which receives path -> owner.
        :raises RpmError: the database is damaged; found has what could be read.
        :raises OSError: reading fails.
        """
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
        :returns: dict as owner_in() returns it, or None.
        :raises RpmError: the database is damaged.
        :raises OSError: reading fails.
        """
        folder, _slash, base = path.rpartition(b"/")
        try:
            entries = self._file.find(self._index, base, _MAX_CANDIDATES)
            headers, left = {}, _MAX_HEADERS
            for entry in entries:
                # a row of Basenames: base name, number of the package, number of the file in it
                location = self._file.row(self._basenames, entry[-1]) if isinstance(entry[-1], int) else None
                if location is None or len(location) != 3 or not isinstance(location[1], int) or not isinstance(location[2], int):
                    continue
                _base, package_number, file_number = location
                if package_number not in headers:
                    package = self._file.row(self._packages, package_number)
                    if not package or not isinstance(package[-1], bytes):
                        continue
                    left -= len(package[-1])
                    if left < 0:
                        break
                    headers = {package_number: Header(package[-1])}  # only the last one: a package's entries follow each other
                found = owner_in(headers[package_number], folder + b"/", file_number)
                if found is not None:
                    return found
        except SqliteError as error:
            raise RpmError(str(error)) from error
        return None
