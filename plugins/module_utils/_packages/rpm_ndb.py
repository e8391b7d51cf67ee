# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm packages own paths, from Packages.db (rpm's ndb backend: SUSE Linux Enterprise 15, openSUSE).

The file has a head, slots that say where each package's header lies, and the headers (rpm lib/backend/ndb/rpmpkg.c). Its index of file
names is in another file of another format; this reader goes through all headers once for all paths together.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import struct

from .rpm_header import MAX_HEADER, RpmError, owners_in

# rpmpkg.c: PKGDB_MAGIC, PKGDB_VERSION, PKGDB_HEADER_SIZE, SLOT_MAGIC, PAGE_SIZE, BLK_SIZE, BLOBHEAD_MAGIC, BLOBHEAD_SIZE, BLOBTAIL_SIZE
_MAGIC, _SLOT_MAGIC, _BLOB_MAGIC = b"RpmP", b"Slot", b"BlbS"
_VERSION = 0
_HEAD = struct.Struct("<4sIIII")  # magic, version, generation, pages of slots, number of the next package
_SLOT = struct.Struct("<4sIII")  # magic, number of the package, first block, blocks
_BLOB = struct.Struct("<4sIII")  # magic, number of the package, time, bytes
_HEAD_SIZE, _PAGE, _BLOCK, _TAIL_SIZE = 32, 4096, 16, 12

_MAX_SLOT_PAGES = 256


class NdbDatabase:
    """Packages.db in an open file. The caller closes the descriptor."""

    def __init__(self, fd):
        """Read the slots.

        :arg fd: int, descriptor of the file.
        :raises RpmError: it is not such a database.
        :raises OSError: reading fails.
        """
        self._fd = fd
        head = os.pread(fd, _HEAD_SIZE, 0)
        if len(head) < _HEAD_SIZE:
            raise RpmError("file header is missing")
        magic, version, _generation, pages, _following = _HEAD.unpack_from(head)
        if magic != _MAGIC or version != _VERSION:
            raise RpmError("not a package database of version %d" % _VERSION)
        if not 0 < pages <= _MAX_SLOT_PAGES:
            raise RpmError("%d pages of slots" % pages)
        slots = os.pread(fd, pages * _PAGE, 0)
        if len(slots) != pages * _PAGE:
            raise RpmError("slots are cut short")
        self._slots = []
        for magic, package, block, blocks in _SLOT.iter_unpack(slots[_HEAD_SIZE:]):
            if magic != _SLOT_MAGIC:
                raise RpmError("not a slot")
            if block:
                self._slots.append((block, blocks, package))
        self._slots.sort()

    def owners(self, paths, found):
        """Run owners_in() over the headers of the database. Arguments and RpmError as there.

        :raises OSError: reading fails.
        """
        owners_in((self._header(*slot) for slot in self._slots), paths, found)

    def _header(self, block, blocks, package):
        """The header (bytes) that a slot points to. :raises RpmError: it is not there."""
        magic, owner, _time, size = _BLOB.unpack(self._read(_BLOB.size, block * _BLOCK))
        if magic != _BLOB_MAGIC or owner != package or size > min(blocks * _BLOCK - _BLOB.size - _TAIL_SIZE, MAX_HEADER):
            raise RpmError("package %d is not where its slot says" % package)
        return self._read(size, block * _BLOCK + _BLOB.size)

    def _read(self, size, at):
        data = os.pread(self._fd, size, at)
        if len(data) != size:
            raise RpmError("the file is cut short")
        return data
