# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ELF files: exported functions, build id, segments, sections, soname and needed libraries.

All but the sections is read from the program headers and the dynamic segment, so that a file without section headers is readable. Every read is a
pread of bounded size: a file that is truncated meanwhile gives ElfError, where a memory map would give SIGBUS.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections
import os
import stat
import struct

# Sources of the constants: System V gABI chapters 4 and 5 and /usr/include/elf.h (glibc); DT_GNU_HASH and versions: binutils
# include/elf/common.h, Drepper "ELF Symbol Versioning"; NT_GNU_BUILD_ID: binutils; 64-bit DT_HASH words: glibc sysdeps/s390, alpha.
_PT_LOAD, _PT_DYNAMIC, _PT_NOTE = 1, 2, 4
_PF_X, _PF_W = 1, 2
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME = 1, 4, 5, 6, 10, 14
_DT_GNU_HASH, _DT_VERSYM = 0x6FFFFEF5, 0x6FFFFFF0
_SHT_NOBITS, _SHT_DYNSYM = 8, 11
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 1, 2, 4, 0x800
_STT_FUNC = 2  # STT_GNU_IFUNC (10) is left out: its value is the resolver, which runs once, not the function
_STB_EXPORTED = (1, 2, 10)  # GLOBAL, WEAK, GNU_UNIQUE
_STV_EXPORTED = (0, 3)  # DEFAULT, PROTECTED
_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_VERSYM_HIDDEN = 0x8000
_NT_GNU_BUILD_ID = 3
_EM_S390, _EM_ARM, _EM_ALPHA = 22, 40, 0x9026

# Limits on the work that a crafted file can cause. Real files have 15 program headers, 60 dynamic entries, chains of under 20.
_MAX_PROGRAM_HEADERS = 1024
_MAX_LOADS = 128  # PT_LOAD segments; every look-up of an address searches them
_MAX_DYNAMIC = 65536  # bytes
_MAX_NOTES = 65536  # bytes of one segment
_MAX_STRING = 4096  # bytes
_MAX_NEEDED = 1024
_MAX_CHAIN = 1024  # symbols in one chain of a hash table
_MAX_CANDIDATES = 65536  # symbols read in one call of symbols(), about 0.6 s
_MAX_NOTE_SEGMENTS = 16
_MAX_SECTION_NAMES = 1 << 20  # bytes
_MAX_SECTION_NAME = 256  # bytes
_MAX_SCAN = 262144  # symbols
_CHUNK = 32  # entries of a chain read at once

_Segment = collections.namedtuple("_Segment", "type flags offset vaddr filesz align")
Section = collections.namedtuple("Section", "name flags vaddr offset size")
Section.__doc__ = """A section with content in the file. name: bytes; flags: int, SHF_*; vaddr: int, its address; offset, size: int, bytes."""


class ElfError(ValueError):
    """The file is not an ELF file, or it is malformed."""


def gnu_hash(name):
    """The hash of DT_GNU_HASH (Bernstein's, 32 bits) of a symbol name.

    :arg name: bytes.
    :returns: int.
    """
    value = 5381
    for byte in name:
        value = value * 33 + byte & 0xFFFFFFFF
    return value


def sysv_hash(name):
    """The hash of DT_HASH (gABI, chapter 5, "Hash Table") of a symbol name.

    :arg name: bytes.
    :returns: int.
    """
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


class ElfFile:
    """An open ELF file; a context manager.

    :ivar bits: int, 32 or 64.
    :ivar machine: int, e_machine.
    :ivar type: int, e_type.
    :ivar little_endian: bool.
    :ivar soname: bytes, or None.
    :ivar needed: list of bytes.
    :ivar fd: int, descriptor, for fstat or a bounded scan; close() closes it.
    """

    def __init__(self, fd):
        """Take over fd (int). Use open(), which closes the descriptor if the file is malformed."""
        self.fd = fd
        self._read_header()
        self._dynamic = self._read_dynamic()
        strings = self._dynamic.get(_DT_STRTAB)
        self._strings = self._offset_of(strings[0]) if strings else None
        self._strings_size = self._dynamic.get(_DT_STRSZ, [0xFFFFFFFF])[0]
        soname = self._dynamic.get(_DT_SONAME)
        self.soname = self._string(soname[0]) if soname else None
        self.needed = [self._string(index) for index in self._dynamic.get(_DT_NEEDED, [])[:_MAX_NEEDED]]

    @classmethod
    def open(cls, fd_or_path):
        """Open a file and read its headers.

        :arg fd_or_path: int (duplicated; the caller keeps its own) or a path (bytes or str; links are followed).
        :returns: ElfFile.
        :raises ElfError: not a regular file, not ELF, or malformed.
        :raises OSError: the path cannot be opened, or reading fails.
        """
        if isinstance(fd_or_path, int):
            fd = os.dup(fd_or_path)
        else:
            if not stat.S_ISREG(os.stat(fd_or_path).st_mode):  # checked first: opening a device or a FIFO can have effects
                raise ElfError("not a regular file")
            fd = os.open(fd_or_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ElfError("not a regular file")
            return cls(fd)
        except (ElfError, OSError):
            os.close(fd)
            raise

    def close(self):
        """Close the descriptor. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.close()

    def read(self, offset, size):
        """Read size bytes from offset, both int. :returns: bytes, fewer at the end of the file. :raises OSError: reading fails."""
        if not 0 <= offset < 1 << 62:
            return b""
        return os.pread(self.fd, size, offset)

    def _exactly(self, offset, size):
        data = self.read(offset, size)
        if len(data) != size:
            raise ElfError("%d bytes at %d are outside the file" % (size, offset))
        return data

    def _unpack(self, layout, offset):
        layout = self._order + layout
        return struct.unpack(layout, self._exactly(offset, struct.calcsize(layout)))

    def _read_header(self):
        ident = self.read(0, 64)
        if ident[:4] != b"\x7fELF":
            raise ElfError("no ELF magic")
        if len(ident) < 52 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise ElfError("unknown ELF class or byte order")
        self.bits = 32 * ident[4]
        self.little_endian = ident[5] == 1
        self._order = "<" if self.little_endian else ">"
        wide = self.bits == 64
        (self.type, self.machine, _version, _entry, table, self._sections, _flags, _ehsize, entry_size, count,
         self._section_size, self._section_count, self._section_names) = self._unpack("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH", 16)
        layout = struct.Struct(self._order + ("IIQQQQQQ" if wide else "IIIIIIII"))
        if count > _MAX_PROGRAM_HEADERS or count and entry_size != layout.size:
            raise ElfError("%d program headers of %d bytes" % (count, entry_size))
        self._segments = []
        for entry in layout.iter_unpack(self._exactly(table, count * layout.size)):
            if wide:
                kind, flags, offset, vaddr, _paddr, filesz, _memsz, align = entry
            else:
                kind, offset, vaddr, _paddr, filesz, _memsz, flags, align = entry
            if kind in (_PT_LOAD, _PT_DYNAMIC, _PT_NOTE):
                self._segments.append(_Segment(kind, flags, offset, vaddr, filesz, align))
        self._loads = [segment for segment in self._segments if segment.type == _PT_LOAD]
        if len(self._loads) > _MAX_LOADS:
            raise ElfError("%d loaded segments" % len(self._loads))

    def _read_dynamic(self):
        """The dynamic entries: dict of tag -> list of values, in the order of the file; empty for a static executable."""
        entries = {}
        layout = struct.Struct(self._order + ("QQ" if self.bits == 64 else "II"))
        for segment in self._segments:
            if segment.type != _PT_DYNAMIC:
                continue
            data = self.read(segment.offset, min(segment.filesz, _MAX_DYNAMIC))
            for tag, value in layout.iter_unpack(data[:len(data) // layout.size * layout.size]):
                if tag == 0:
                    break
                entries.setdefault(tag, []).append(value)
            break
        return entries

    def _offset_of(self, vaddr):
        for segment in self._loads:
            if segment.vaddr <= vaddr < segment.vaddr + segment.filesz:
                return vaddr - segment.vaddr + segment.offset
        raise ElfError("address %#x is in no loaded segment" % vaddr)

    def _table(self, tag):
        """The file offset of the table that a tag of the dynamic segment points to; None without this tag."""
        value = self._dynamic.get(tag)
        return self._offset_of(value[0]) if value else None

    def _string(self, index):
        if self._strings is None or index >= self._strings_size:
            raise ElfError("string %d is outside the string table" % index)
        return self.read(self._strings + index, _MAX_STRING).split(b"\0", 1)[0]

    def text_segments(self):
        """The executable PT_LOAD segments: list of tuple of int, ``(file offset, vaddr, size)``, in the order of the program headers."""
        return [(segment.offset, segment.vaddr, segment.filesz) for segment in self._loads if segment.flags & _PF_X]

    def writable_segments(self):
        """The writable PT_LOAD segments, as text_segments()."""
        return [(segment.offset, segment.vaddr, segment.filesz) for segment in self._loads if segment.flags & _PF_W]

    def read_address(self, vaddr, size):
        """Read size bytes (int) that are loaded at an address (int).

        :returns: bytes, fewer at the end of the file.
        :raises ElfError: the address is in no loaded segment.
        """
        return self.read(self._offset_of(vaddr), size)

    def sections(self):
        """The sections with content: list of `Section`, in the file's order; empty where the section headers are stripped or malformed."""
        header = struct.Struct(self._order + ("IIQQQQIIQQ" if self.bits == 64 else "IIIIIIIIII"))
        if not self._sections or self._section_size != header.size:
            return []
        data = self.read(self._sections, self._section_count * header.size)
        rows = list(header.iter_unpack(data[:len(data) // header.size * header.size]))
        if not 0 < self._section_names < len(rows):
            return []
        names = self.read(rows[self._section_names][4], min(rows[self._section_names][5], _MAX_SECTION_NAMES))
        found = []
        for name, kind, flags, vaddr, offset, size, _link, _info, _align, _entry in rows:
            if kind not in (0, _SHT_NOBITS):
                found.append(Section(names[name:name + _MAX_SECTION_NAME].split(b"\0", 1)[0], flags, vaddr, offset, size))
        return found

    def build_id(self):
        """The GNU build id: str of lower-case hex digits, or None without one."""
        notes = [segment for segment in self._segments if segment.type == _PT_NOTE]
        for segment in notes[:_MAX_NOTE_SEGMENTS]:
            data = self.read(segment.offset, min(segment.filesz, _MAX_NOTES))
            align = 8 if segment.align == 8 else 4
            at = 0
            while at + 12 <= len(data):
                name_size, size, kind = struct.unpack_from(self._order + "III", data, at)
                begin = at + 12 + name_size + -(12 + name_size) % align
                if kind == _NT_GNU_BUILD_ID and data[at + 12:at + 12 + name_size] == b"GNU\0" and 0 < size <= 64:
                    if begin + size <= len(data):
                        return data[begin:begin + size].hex()
                at = begin + size + -size % align
        return None

    def symbols(self, names):
        """Find functions that this file defines and exports.

        :arg names: iterable of str, symbol names without a version.
        :returns: dict of name -> ``(file offset, size)``, both int, bytes. A name is missing where the file does not export it, its code is
            not in an executable segment (ppc64 ELFv1 function descriptors), or it is a GNU indirect function. Of several versions the
            default one is taken; where all are hidden (``name@VERSION``), the first.
        :raises ElfError: the symbol or hash tables point outside the file, or the chains of the hash table are too long.
        :raises OSError: reading fails.
        """
        symtab = self._table(_DT_SYMTAB)
        if symtab is None or self._strings is None:
            return {}
        versions = self._table(_DT_VERSYM)
        encoded = {name: name.encode("utf-8") for name in names}
        candidates = self._candidates(frozenset(encoded.values()))
        remaining = _MAX_CANDIDATES
        found = {}
        for name, name_bytes in encoded.items():
            place = None
            for index in candidates(name_bytes):
                remaining -= 1
                if remaining < 0:
                    raise ElfError("the hash table's chains are too long")
                symbol = self._function(symtab, index, name_bytes)
                if symbol is None:
                    continue
                version = self._unpack("H", versions + 2 * index)[0] if versions is not None else 1
                if version == 0:  # VER_NDX_LOCAL: not exported
                    continue
                if not version & _VERSYM_HIDDEN:
                    place = symbol
                    break
                place = place or symbol
            if place is not None:
                found[name] = place
        return found

    def _function(self, symtab, index, name_bytes):
        """Read symbol number index.

        :arg symtab: int, file offset of the symbol table.
        :arg index: int.
        :arg name_bytes: bytes, the name that it must have.
        :returns: tuple of int, ``(file offset, size)``; None where it is no exported function of that name.
        """
        if self.bits == 64:
            name, info, other, section, value, size = self._unpack("IBBHQQ", symtab + 24 * index)
        else:
            name, value, size, info, other, section = self._unpack("IIIBBH", symtab + 16 * index)
        if info & 15 != _STT_FUNC or info >> 4 not in _STB_EXPORTED or other & 3 not in _STV_EXPORTED:
            return None
        if section == _SHN_UNDEF or section >= _SHN_LORESERVE or name >= self._strings_size:
            return None
        if self.read(self._strings + name, len(name_bytes) + 1) != name_bytes + b"\0":
            return None
        if self.machine == _EM_ARM:
            value &= ~1  # bit 0 of a Thumb function's address is the instruction set (AAELF32 section 5.5.3)
        for segment in self._loads:
            if segment.flags & _PF_X and segment.vaddr <= value < segment.vaddr + segment.filesz:
                return value - segment.vaddr + segment.offset, size
        return None

    def _candidates(self, names):
        """The look-up of symbols by name, in the best table that the file has.

        :arg names: frozenset of bytes, the names that will be looked up.
        :returns: callable bytes -> iterable of int, the numbers of the symbols that may have the name.
        """
        table = self._table(_DT_GNU_HASH)
        if table is not None:
            return self._by_gnu_hash(table)
        table = self._table(_DT_HASH)
        if table is not None:
            return self._by_sysv_hash(table)
        return self._by_scan(names)

    def _by_gnu_hash(self, table):
        buckets, first, bloom_words, _shift = self._unpack("IIII", table)
        if not buckets:
            return lambda name_bytes: ()
        base = table + 16 + bloom_words * self.bits // 8
        chains = base + 4 * buckets
        word = self._order + "I"

        def candidates(name_bytes):
            value = gnu_hash(name_bytes)
            index = self._unpack("I", base + 4 * (value % buckets))[0]
            if index < first:  # an empty bucket
                return
            for start in range(index, index + _MAX_CHAIN, _CHUNK):
                data = self.read(chains + 4 * (start - first), 4 * _CHUNK)
                for number, (entry,) in enumerate(struct.iter_unpack(word, data[:len(data) // 4 * 4]), start):
                    if entry | 1 == value | 1:
                        yield number
                    if entry & 1:
                        return
                if len(data) < 4 * _CHUNK:
                    return

        return candidates

    def _by_sysv_hash(self, table):
        kind, width = ("Q", 8) if self.bits == 64 and self.machine in (_EM_S390, _EM_ALPHA) else ("I", 4)
        buckets, _chains = self._unpack(kind * 2, table)

        def candidates(name_bytes):
            if not buckets:
                return
            index = self._unpack(kind, table + width * (2 + sysv_hash(name_bytes) % buckets))[0]
            for _step in range(_MAX_CHAIN):
                if index == 0:  # STN_UNDEF ends the chain
                    return
                yield index
                index = self._unpack(kind, table + width * (2 + buckets + index))[0]

        return candidates

    def _by_scan(self, names):
        """Look up in the .dynsym section, for a file without a hash table. Only the names are kept: a crafted table has GiB of others."""
        wide = self.bits == 64
        header = struct.Struct(self._order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
        symbol = struct.Struct(self._order + ("I20x" if wide else "I12x"))
        numbers = {name: [] for name in names}
        longest = max(map(len, names), default=0)
        if self._sections and self._section_size == header.size:
            data = self.read(self._sections, self._section_count * header.size)
            for fields in header.iter_unpack(data[:len(data) // header.size * header.size]):
                if fields[1] != _SHT_DYNSYM:
                    continue
                data = self.read(fields[4], min(fields[5], _MAX_SCAN * symbol.size))
                strings = self.read(self._strings, min(self._strings_size, _MAX_SCAN * 64))
                for number, (name,) in enumerate(symbol.iter_unpack(data[:len(data) // symbol.size * symbol.size])):
                    end = strings.find(b"\0", name, name + longest + 1)
                    if end >= 0 and strings[name:end] in numbers:
                        numbers[strings[name:end]].append(number)
                break
        return numbers.__getitem__
