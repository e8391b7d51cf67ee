# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm packages own paths, from Packages (rpm's Berkeley DB backend: RHEL 8, Amazon Linux 2, SLES 12, Fedora 32, and older).

The file is a hash of Berkeley DB: pages of one size; a head that says where each bucket of the hash begins; pages of a bucket, linked to
each other, with keys (numbers of packages) and values; and, for values of more than a quarter of a page, which headers nearly always are,
pages linked to each other that hold nothing else. The index of file names is in another file, of a kind that changed with rpm's releases;
here all headers are gone through once for all paths together.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import struct

from .rpm import MAX_HEADER, RpmError, owners_in

# Berkeley DB src/dbinc/db_page.h: DBMETA and HMETA, PAGE, P_HASH_UNSORTED, P_OVERFLOW, P_HASHMETA, P_HASH, H_KEYDATA, H_OFFPAGE, HOFFPAGE;
# src/dbinc/hash.h: DB_HASHMAGIC, BS_TO_PAGE. The byte order is that of the machine that made the file.
_MAGIC = 0x061561
_VERSIONS = (8, 9, 10)  # Berkeley DB 4.0 and later
_META = "IIIBBBx4xI"  # magic, version, size of a page, encryption, kind of page, flags, free pages, last page
_META_AT, _LAST_BUCKET_AT, _KEYS_AT, _SPARES_AT, _META_SIZE = 12, 72, 88, 96, 512
_PAGE = "8xIIIHHxB"  # log position, number, the page before, the page after, entries, used octets, level, kind
_PAGE_HEAD = 26
_HASHES, _OVERFLOW, _HASH_META = (2, 13), 7, 8
_ON_PAGE, _OFF_PAGE = 1, 3
_OFF_PAGE_AT, _OFF_PAGE_SIZE = 4, 12  # after kind and padding: the first page and the number of octets

# Bounds of one question. The largest real file: some thousand packages with 50 KB each, in pages of 4 KiB.
_MAX_PAGES = 1 << 17
_MAX_BYTES = 1 << 29


class BdbDatabase:
    """Packages in an open file; the descriptor stays the caller's."""

    def __init__(self, fd):
        """Open the database.

        :arg fd: int.
        :raises RpmError: it is not such a database. OSError: reading fails.
        """
        self._fd = fd
        self._left, self._missing, self._unused, self._problem = 0, 0, 0, None
        self._read_head()

    def _read_head(self):
        """Read what the head says; anew for each question, as the file may grow between them."""
        head = os.pread(self._fd, _META_SIZE, 0)
        if len(head) < _META_SIZE:
            raise RpmError("no head")
        order = next((order for order in "<>" if struct.unpack_from(order + "I", head, _META_AT)[0] == _MAGIC), None)
        if order is None:
            raise RpmError("not a hash of Berkeley DB")
        _magic, version, self._size, encryption, kind, flags, self._last = struct.unpack_from(order + _META, head, _META_AT)
        if version not in _VERSIONS:
            raise RpmError("a hash of Berkeley DB of version %d" % version)
        if kind != _HASH_META or encryption or flags:
            raise RpmError("not as rpm makes it: a page of kind %d, encryption %d, flags %d" % (kind, encryption, flags))
        if not 512 <= self._size <= 65536 or self._size & self._size - 1:
            raise RpmError("pages of %d bytes" % self._size)
        self._last_bucket = struct.unpack_from(order + "I", head, _LAST_BUCKET_AT)[0]
        if self._last_bucket >= self._last:
            raise RpmError("%d buckets in %d pages" % (self._last_bucket + 1, self._last))
        self._keys = struct.unpack_from(order + "I", head, _KEYS_AT)[0]
        self._spares = struct.unpack_from(order + "32I", head, _SPARES_AT)
        self._page_head, self._place, self._order = struct.Struct(order + _PAGE), struct.Struct(order + "II"), order

    def owners(self, paths, found):
        """As owners_in(), with the headers of the database. OSError: reading fails."""
        written = os.fstat(self._fd).st_mtime_ns
        try:
            owners_in(self._headers(), paths, found)
        except RpmError:
            if os.fstat(self._fd).st_mtime_ns == written:
                raise
            owners_in(self._headers(), paths, found)  # rpm was just writing it: once more

    def _headers(self):
        """Generator of the headers (bytes).

        :raises RpmError: at the end, if some could not be read.
        """
        self._read_head()
        # A page has one place, so that more reads than pages are a circle.
        self._left, self._problem = min(self._last, _MAX_PAGES, _MAX_BYTES // self._size), None
        self._missing, self._unused = self._keys, 0
        for bucket in range(self._last_bucket + 1):
            for item in self._items(bucket):
                try:
                    yield self._content(item)
                except RpmError as error:
                    self._problem = self._problem or str(error)
        if self._unused and self._missing > 0:
            self._problem = self._problem or "%d of %d keys are not there" % (self._missing, self._keys)
        if self._problem is not None:
            raise RpmError(self._problem)

    def _items(self, bucket):
        """Generator of the values of a bucket, each as it is on the bucket's pages (bytes)."""
        number = bucket + self._spares[bucket.bit_length()]
        try:
            while number:
                page, _before, number, entries, _used = self._page(number, _HASHES)
                yield from self._values(page, entries)
        except RpmError as error:
            self._problem = self._problem or str(error)

    def _values(self, page, entries):
        """List of the values on a page: items lie one before the other from the end, a key and its value alternately."""
        if entries % 2 or _PAGE_HEAD + 2 * entries > self._size:
            raise RpmError("%d items on a page" % entries)
        begins = struct.unpack_from("%s%dH" % (self._order, entries), page, _PAGE_HEAD)
        self._missing -= entries // 2
        values, end = [], self._size
        for number, begin in enumerate(begins):
            if not _PAGE_HEAD + 2 * entries <= begin < end:
                raise RpmError("item %d of a page is out of place" % number)
            item, end = page[begin:end], begin
            if number % 2 == 0:
                key = item
            elif key != b"\1\0\0\0\0":  # that is where rpm notes the last number
                values.append(item)
        return values

    def _content(self, item):
        """What an item holds (bytes), on its page or elsewhere."""
        if item[0] == _ON_PAGE:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) != _OFF_PAGE_SIZE:
            raise RpmError("an item of kind %d and %d bytes" % (item[0], len(item)))
        number, size = self._place.unpack_from(item, _OFF_PAGE_AT)
        if size > MAX_HEADER:
            raise RpmError("a header of %d bytes" % size)
        pieces, missing, before = [], size, 0
        while missing:
            page, linked, following, _references, used = self._page(number, (_OVERFLOW,))
            if linked != before or not 0 < used <= min(missing, self._size - _PAGE_HEAD):
                raise RpmError("page %d is not the one after page %d, or its %d bytes are too many" % (number, before, used))
            pieces.append(page[_PAGE_HEAD:_PAGE_HEAD + used])
            before, number, missing = number, following, missing - used
        return b"".join(pieces)

    def _page(self, number, kinds):
        """Read a page: ``(page, number of the one before or 0, number of the one after or 0, entries, used)``."""
        if not 0 < number <= self._last:
            raise RpmError("page %d of %d" % (number, self._last))
        if not self._left:
            raise RpmError("more than %d pages, or pages in a circle" % min(self._last, _MAX_PAGES, _MAX_BYTES // self._size))
        self._left -= 1
        page = os.pread(self._fd, self._size, number * self._size)
        if len(page) != self._size:
            raise RpmError("the file is cut short")
        if kinds == _HASHES and not any(page):  # of a bucket that has had no key yet; or lost, which the count of keys shows
            self._unused += 1
            return page, 0, 0, 0, 0
        itself, before, following, entries, used, kind = self._page_head.unpack_from(page)
        if itself != number or kind not in kinds:
            raise RpmError("page %d says to be page %d of kind %d" % (number, itself, kind))
        return page, before, following, entries, used
