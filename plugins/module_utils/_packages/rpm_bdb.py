# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm packages own paths, from Packages (rpm's Berkeley DB backend: RHEL 8, Amazon Linux 2, SLES 12, Fedora 32, and older).

The file is a Berkeley DB hash: pages of one size. The first page, the meta page, says where each bucket of the hash begins. A bucket is a
linked list of pages with keys (package numbers) and values (package headers). A value larger than a quarter of a page, as nearly every header
is, has a linked list of overflow pages to itself. The index of file names is in another file, of a type that changed with rpm's releases;
this reader goes through all headers once for all paths together.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import struct

from .rpm_header import MAX_HEADER, RpmError, owners_in

# Berkeley DB src/dbinc/db_page.h: DBMETA and HMETA, PAGE, P_HASH_UNSORTED, P_OVERFLOW, P_HASHMETA, P_HASH, H_KEYDATA, H_OFFPAGE, HOFFPAGE;
# src/dbinc/hash.h: DB_HASHMAGIC, BS_TO_PAGE. The byte order is that of the machine that wrote the file.
_MAGIC = 0x061561
_VERSIONS = (8, 9, 10)  # Berkeley DB 4.0 and later
_META = "IIIBBBx4xI"  # magic, version, page size, encryption, page type, flags, free pages, last page
_META_AT, _LAST_BUCKET_AT, _KEYS_AT, _SPARES_AT, _META_SIZE = 12, 72, 88, 96, 512
_PAGE = "8xIIIHHxB"  # log position, page number, previous page, next page, entries, used bytes, level, page type
_PAGE_HEAD = 26
_HASHES, _OVERFLOW, _HASH_META = (2, 13), 7, 8
_ON_PAGE, _OFF_PAGE = 1, 3
_OFF_PAGE_AT, _OFF_PAGE_SIZE = 4, 12  # after type and padding: first page, bytes

# Limits of one query. The largest real file: some thousand packages with 50 KB each, in pages of 4 KiB.
_MAX_PAGES = 1 << 17
_MAX_BYTES = 1 << 29


class BdbDatabase:
    """Packages in an open file. The caller closes the descriptor."""

    def __init__(self, fd):
        """Read the meta page.

        :arg fd: int, descriptor of the file.
        :raises RpmError: it is not such a database.
        :raises OSError: reading fails.
        """
        self._fd = fd
        self._pages_left, self._keys_left, self._unused, self._problem = 0, 0, 0, None
        self._read_meta()

    def _read_meta(self):
        """Read the meta page. Again for each query: the file may have grown in between."""
        head = os.pread(self._fd, _META_SIZE, 0)
        if len(head) < _META_SIZE:
            raise RpmError("file header is missing")
        order = next((order for order in "<>" if struct.unpack_from(order + "I", head, _META_AT)[0] == _MAGIC), None)
        if order is None:
            raise RpmError("not a Berkeley DB hash")
        _magic, version, self._size, encryption, kind, flags, self._last = struct.unpack_from(order + _META, head, _META_AT)
        if version not in _VERSIONS:
            raise RpmError("Berkeley DB hash version %d is not supported" % version)
        if kind != _HASH_META or encryption or flags:
            raise RpmError("not as rpm writes it: page type %d, encryption %d, flags %d" % (kind, encryption, flags))
        if not 512 <= self._size <= 65536 or self._size & self._size - 1:
            raise RpmError("page size %d" % self._size)
        self._last_bucket = struct.unpack_from(order + "I", head, _LAST_BUCKET_AT)[0]
        if self._last_bucket >= self._last:
            raise RpmError("%d buckets in %d pages" % (self._last_bucket + 1, self._last))
        self._keys = struct.unpack_from(order + "I", head, _KEYS_AT)[0]
        self._spares = struct.unpack_from(order + "32I", head, _SPARES_AT)
        self._page_head, self._place, self._order = struct.Struct(order + _PAGE), struct.Struct(order + "II"), order

    def owners(self, paths, found):
        """Run owners_in() over the headers of the database. Arguments and RpmError as there.

        :raises OSError: reading fails.
        """
        written = os.fstat(self._fd).st_mtime_ns
        try:
            owners_in(self._headers(), paths, found)
        except RpmError:
            if os.fstat(self._fd).st_mtime_ns == written:
                raise
            owners_in(self._headers(), paths, found)  # rpm wrote to it meanwhile: try once more

    def _headers(self):
        """Yield the headers (bytes).

        :raises RpmError: at the end, where some could not be read.
        """
        self._read_meta()
        # Each page belongs to one list, so more reads than pages mean a loop.
        self._pages_left, self._problem = min(self._last, _MAX_PAGES, _MAX_BYTES // self._size), None
        self._keys_left, self._unused = self._keys, 0
        for bucket in range(self._last_bucket + 1):
            for item in self._items(bucket):
                try:
                    yield self._content(item)
                except RpmError as error:
                    self._problem = self._problem or str(error)
        if self._unused and self._keys_left > 0:
            self._problem = self._problem or "%d of %d keys are missing" % (self._keys_left, self._keys)
        if self._problem is not None:
            raise RpmError(self._problem)

    def _items(self, bucket):
        """Yield the values of a bucket (bytes), each as it is stored on the bucket's pages."""
        number = bucket + self._spares[bucket.bit_length()]
        try:
            while number:
                page, _before, number, entries, _used = self._page(number, _HASHES)
                yield from self._values(page, entries)
        except RpmError as error:
            self._problem = self._problem or str(error)

    def _values(self, page, entries):
        """The values on a page: list of bytes. Items are stored from the end of the page backwards, keys and values in turn."""
        if entries % 2 or _PAGE_HEAD + 2 * entries > self._size:
            raise RpmError("%d items on a page" % entries)
        begins = struct.unpack_from("%s%dH" % (self._order, entries), page, _PAGE_HEAD)
        self._keys_left -= entries // 2
        values, end = [], self._size
        for number, begin in enumerate(begins):
            if not _PAGE_HEAD + 2 * entries <= begin < end:
                raise RpmError("item %d of a page is out of place" % number)
            item, end = page[begin:end], begin
            if number % 2 == 0:
                key = item
            elif key != b"\1\0\0\0\0":  # under that key rpm stores the highest package number
                values.append(item)
        return values

    def _content(self, item):
        """The content (bytes) of an item: on its own page, or in overflow pages."""
        if item[0] == _ON_PAGE:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) != _OFF_PAGE_SIZE:
            raise RpmError("item of type %d with %d bytes" % (item[0], len(item)))
        number, size = self._place.unpack_from(item, _OFF_PAGE_AT)
        if size > MAX_HEADER:
            raise RpmError("header of %d bytes" % size)
        pieces, missing, before = [], size, 0
        while missing:
            page, linked, following, _references, used = self._page(number, (_OVERFLOW,))
            if linked != before or not 0 < used <= min(missing, self._size - _PAGE_HEAD):
                raise RpmError("page %d does not follow page %d, or its %d bytes are too many" % (number, before, used))
            pieces.append(page[_PAGE_HEAD:_PAGE_HEAD + used])
            before, number, missing = number, following, missing - used
        return b"".join(pieces)

    def _page(self, number, kinds):
        """Read a page.

        :arg number: int, page number.
        :arg kinds: tuple of int, the page types that may be there.
        :returns: ``(content, previous page or 0, next page or 0, entries, used bytes)``, bytes and int.
        :raises RpmError: it is another page or type, outside the file, or too many pages were read.
        """
        if not 0 < number <= self._last:
            raise RpmError("page %d of %d" % (number, self._last))
        if not self._pages_left:
            raise RpmError("more than %d pages, or a loop of pages" % min(self._last, _MAX_PAGES, _MAX_BYTES // self._size))
        self._pages_left -= 1
        page = os.pread(self._fd, self._size, number * self._size)
        if len(page) != self._size:
            raise RpmError("the file is cut short")
        if kinds == _HASHES and not any(page):  # a bucket that never had a key; or lost data, which the count of keys shows
            self._unused += 1
            return page, 0, 0, 0, 0
        itself, before, following, entries, used, kind = self._page_head.unpack_from(page)
        if itself != number or kind not in kinds:
            raise RpmError("page %d has the header of page %d, type %d" % (number, itself, kind))
        return page, before, following, entries, used
