# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only look-ups in an SQLite database through a file descriptor: one row by its rowid, rows by an indexed text.

The sqlite3 module is not used for two reasons. It opens by name only and resolves symbolic links in the name itself, so that
/proc/PID/root/... of a container would lead to the host's file of the same name. And it is C code, while a container's database is untrusted
input. Changes that are still in a write-ahead log are not seen. Format: sqlite.org/fileformat2.html.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import struct

_MAGIC = b"SQLite format 3\0"
_INDEX_INTERIOR, _TABLE_INTERIOR, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_INTEGER_SIZES = (0, 1, 2, 3, 4, 6, 8)  # section 2.1, serial types 1 to 6

# Limits on what a crafted file can cost in one look-up.
_MAX_PAGES = 4096
_MAX_CELLS = 1 << 20  # bytes of records: cells may overlap, so that one page could else hold 32,000 records of 64 KB
_MAX_ROW = 32 << 20
_MAX_KEY = 65536
_MAX_DEPTH = 20


class SqliteError(ValueError):
    """Not an SQLite database, or a damaged one."""


class SqliteFile:
    """An SQLite database in an open file. The caller closes the descriptor."""

    def __init__(self, fd):
        """Read the header.

        :arg fd: int, descriptor of the file.
        :raises SqliteError: it is not an SQLite 3 database with UTF-8 text.
        :raises OSError: reading fails.
        """
        self._fd = fd
        head = os.pread(fd, 100, 0)
        if len(head) < 100 or head[:16] != _MAGIC:
            raise SqliteError("not an SQLite database")
        self._page_size = struct.unpack_from(">H", head, 16)[0]
        if self._page_size == 1:
            self._page_size = 65536
        self._usable = self._page_size - head[20]
        if self._page_size < 512 or self._page_size & self._page_size - 1 or self._usable < 480:
            raise SqliteError("page size %d" % self._page_size)
        if struct.unpack_from(">I", head, 56)[0] not in (0, 1):
            raise SqliteError("text is not UTF-8")
        self._pages_left = self._cells_left = 0

    def roots(self):
        """The root pages of tables and indices.

        :returns: dict name (bytes) -> page number (int).
        :raises SqliteError: the file is damaged.
        :raises OSError: reading fails.
        """
        self._begin()
        found = {}
        for row in self._rows(1, 0):
            if len(row) >= 4 and isinstance(row[1], bytes) and isinstance(row[3], int):
                found[row[1]] = row[3]
        return found

    def row(self, root, rowid):
        """One row of a table.

        :arg root: int, root page of the table, from roots().
        :arg rowid: int.
        :returns: list of int, bytes (text and blobs alike) and None (also for a real number); or None where there is no such row.
        :raises SqliteError: the file is damaged.
        :raises OSError: reading fails.
        """
        self._begin()
        number = root
        for _depth in range(_MAX_DEPTH):
            page, kind, cells, right = self._page(number)
            if kind == _TABLE_LEAF:
                for at in cells:
                    size, at = _varint(page, at)
                    key, at = _varint(page, at)
                    if key == rowid:
                        return _record(self._payload(page, at, size, self._usable - 35, _MAX_ROW))
                return None
            if kind != _TABLE_INTERIOR:
                break
            number = right
            for at in cells:
                if rowid <= _varint(page, at + 4)[0]:
                    number = _word(page, at)
                    break
        raise SqliteError("not a table tree")

    def find(self, root, key, limit):
        """Rows of an index whose first column is a text.

        :arg root: int, root page of an index with binary collation, from roots().
        :arg key: bytes, the text.
        :arg limit: int, the most rows returned.
        :returns: list of rows (lists of int, bytes and None); the last column is the rowid in the table.
        :raises SqliteError: the file is damaged.
        :raises OSError: reading fails.
        """
        self._begin()
        found = []
        self._find(root, key, limit, found, 0)
        return found

    def _begin(self):
        """Reset the limits for a new look-up."""
        self._pages_left, self._cells_left = _MAX_PAGES, _MAX_CELLS

    def _find(self, number, key, limit, found, depth):
        """find() below one page. Rows are appended to found."""
        if depth > _MAX_DEPTH:
            raise SqliteError("tree too deep")
        page, kind, cells, right = self._page(number)
        if kind not in (_INDEX_INTERIOR, _INDEX_LEAF):
            raise SqliteError("not an index tree")
        for at in cells:
            child = 0
            if kind == _INDEX_INTERIOR:
                child, at = _word(page, at), at + 4
            size, at = _varint(page, at)
            row = _record(self._payload(page, at, size, (self._usable - 12) * 64 // 255 - 23, _MAX_KEY))
            order = _compare(row[0] if row else None, key)
            if order >= 0 and child:
                self._find(child, key, limit, found, depth + 1)
            if order > 0 or len(found) >= limit:
                return
            if order == 0:
                found.append(row)
        if kind == _INDEX_INTERIOR:
            self._find(right, key, limit, found, depth + 1)

    def _rows(self, number, depth):
        """Yield all rows of a table, in order of rowid."""
        if depth > _MAX_DEPTH:
            raise SqliteError("tree too deep")
        page, kind, cells, right = self._page(number)
        for at in cells:
            if kind == _TABLE_LEAF:
                size, at = _varint(page, at)
                _key, at = _varint(page, at)
                yield _record(self._payload(page, at, size, self._usable - 35, _MAX_KEY))
            elif kind == _TABLE_INTERIOR:
                yield from self._rows(_word(page, at), depth + 1)
        if kind == _TABLE_INTERIOR:
            yield from self._rows(right, depth + 1)

    def _read(self, number):
        """The content (bytes) of a page by its number (int, from 1)."""
        self._pages_left -= 1
        if self._pages_left < 0 or number < 1:
            raise SqliteError("too many pages")
        page = os.pread(self._fd, self._page_size, (number - 1) * self._page_size)
        if len(page) != self._page_size:
            raise SqliteError("page %d is outside the file" % number)
        return page

    def _page(self, number):
        """A page of a B-tree by its number: ``(content, page type, offsets of the cells, rightmost child or 0)``."""
        page = self._read(number)
        at = 100 if number == 1 else 0
        kind, _free, count = struct.unpack_from(">BHH", page, at)
        interior = kind in (_INDEX_INTERIOR, _TABLE_INTERIOR)
        begin = at + (12 if interior else 8)
        if begin + 2 * count > len(page):
            raise SqliteError("cells outside the page")
        return page, kind, struct.unpack_from(">%dH" % count, page, begin), _word(page, at + 8) if interior else 0

    def _payload(self, page, at, size, most, limit):
        """The record in a cell, with its overflow pages (section 1.6).

        :arg page: bytes, the page.
        :arg at: int, offset of the record in it.
        :arg size: int, bytes of the record.
        :arg most: int, the most bytes of a record that are kept on such a page.
        :arg limit: int, _MAX_KEY or _MAX_ROW: the most bytes accepted.
        :returns: bytes.
        """
        if size > limit:
            raise SqliteError("cell of %d bytes" % size)
        if limit != _MAX_ROW:  # a row is read once in a look-up
            self._cells_left -= size
            if self._cells_left < 0:
                raise SqliteError("more than %d bytes of cells" % _MAX_CELLS)
        if size <= most:
            return page[at:at + size]
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        if local > most:
            local = least
        parts = [page[at:at + local]]
        following = _word(page, at + local)
        left = size - local
        if limit == _MAX_ROW:
            self._pages_left += left // (self._usable - 4) + 1
        while left > 0:
            page = self._read(following)
            parts.append(page[4:min(4 + left, self._usable)])
            left -= self._usable - 4
            following = _word(page, 0)
        return b"".join(parts)


def _word(page, at):
    """The 32-bit number at an offset."""
    if at + 4 > len(page):
        raise SqliteError("outside the page")
    return struct.unpack_from(">I", page, at)[0]


def _varint(data, at):
    """Read a variable-length integer (section 1.6): ``(value, offset behind it)``."""
    value = 0
    for step in range(9):
        if at + step >= len(data):
            raise SqliteError("outside the page")
        byte = data[at + step]
        if step == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at + step + 1


def _record(data):
    """Decode a record (section 2.1): list of columns, int, bytes or None. A real number becomes None."""
    header, at = _varint(data, 0)
    body = header
    columns = []
    while at < header:
        serial, at = _varint(data, at)
        if 1 <= serial <= 6:
            size = _INTEGER_SIZES[serial]
            columns.append(int.from_bytes(data[body:body + size], "big", signed=True))
        elif serial >= 12:
            size = (serial - 12) // 2
            columns.append(data[body:body + size])
        else:
            size = 8 if serial == 7 else 0
            columns.append({8: 0, 9: 1}.get(serial))
        body += size
    return columns


def _compare(value, key):
    """Order of an indexed value and a text: -1, 0 or 1. NULL and numbers sort before every text."""
    if not isinstance(value, bytes):
        return -1
    return (value > key) - (value < key)
