# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds TLS and crypto libraries that are linked into a file statically, by texts that only they have in their read-only data.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

from .._formats.elf import SHF_ALLOC, SHF_COMPRESSED, SHF_EXECINSTR, SHF_WRITE
from .._libraries import catalogue
from . import rust as rust_stack
from .stack import MARKER, Stack, details

# Limits of the search of one file. The read-only data of node is 45 MiB and takes 0.25 s.
MAX_READ = 256 << 20  # bytes
MAX_SECONDS = 0.5  # of this thread's processor time
_CHUNK = 1 << 20
_OVERLAP = 256
_MAX_HITS = 4096  # of one marker in one chunk; real files have some hundreds in all

# Sections of read-only data without texts: System V ABI for x86-64, 4.2.4; gcc. Go's table of functions is searched separately.
_NO_TEXTS = (b".eh_frame", b".eh_frame_hdr", b".gcc_except_table", b".gnu.hash", b".hash", b".dynsym", b".gnu.version", b".gnu.version_r",
             b".rela.dyn", b".rela.plt", b".rel.dyn", b".rel.plt", b".relr.dyn", b".gopclntab", b".data.rel.ro.gopclntab", b".typelink", b".itablink",
             b".note.gnu.build-id", b".interp", b".qtmetadata")


class Marker(NamedTuple):
    """A text by which a library is recognised."""

    stack: str  # name of the stack
    mark: bytes  # literal text to search for
    pattern: object  # compiled bytes pattern that must match around it; group 1, where there is one, is the version
    needed: tuple  # prefixes of sonames (bytes): a file linked to one of these dynamically is not searched for the marker
    source: str  # where the text comes from


def _marker(stack, mark, pattern, needed, source):
    return Marker(stack, mark, re.compile(pattern, re.DOTALL) if isinstance(pattern, bytes) else pattern, needed, source)


_LIBCRYPTO = (b"libcrypto.so", b"libcrypto-", b"libcrypto3")
_MARKERS = (
    _marker("OpenSSL", b"OpenSSL ", catalogue.OPENSSL_VERSION, _LIBCRYPTO, "openssl include/openssl/opensslv.h.in: OPENSSL_VERSION_TEXT"),
    _marker("OpenSSL", b"ssl/statem/statem_", rb"ssl/statem/statem_[a-z]+\.c\0", _LIBCRYPTO, "openssl: paths of its sources in its error queue"),
    _marker("OpenSSL", b"crypto/evp/evp_enc.c", rb"crypto/evp/evp_enc\.c\0", _LIBCRYPTO, "the same where only libcrypto is linked"),
    _marker("AWS-LC", b"compatible; AWS-LC", rb"compatible; AWS-LC(?: FIPS)? (\d+\.\d+\.\d+)", _LIBCRYPTO, "aws-lc include/openssl/base.h"),
    _marker("AWS-LC", b"AWS-LC ", rb"AWS-LC (?:KEM method|PQ DSA method)", _LIBCRYPTO, "aws-lc crypto/evp_extra/p_kem.c, p_pqdsa.c"),
    _marker("BoringSSL", b"boringssl", rb"boringssl(?:-with-bazel)?(?:/src)?/(?:crypto|ssl)/", _LIBCRYPTO,
            "paths of its sources in its error queue: chromium third_party/boringssl, grpc third_party/boringssl-with-bazel, bazel external/boringssl"),
    _marker("BoringSSL", b"compatible; BoringSSL)", rb"compatible; BoringSSL\)", _LIBCRYPTO, "boringssl include/openssl/crypto.h"),
    _marker("LibreSSL", b"LibreSSL ", rb"LibreSSL (\d+\.\d+\.\d+)\0", _LIBCRYPTO, "libressl include/openssl/opensslv.h"),
    _marker("GnuTLS", b"Enabled GnuTLS ", rb"Enabled GnuTLS (\d+\.\d+\.\d+[0-9a-z]*)", (b"libgnutls",), "gnutls lib/global.c"),
    _marker("NSS", b"Version: NSS ", rb"Version: NSS (\d+\.\d+(?:\.\d+)?)", (b"libnss3", b"libssl3.so"), "nss lib/nss/nssver.c, lib/ssl/sslver.c"),
    _marker("Mbed TLS", b"TLS-ECDHE-ECDSA-WITH-", rb"TLS-ECDHE-ECDSA-WITH-[A-Z0-9-]+\0", (b"libmbedtls",), "mbedtls library/ssl_ciphersuites.c"),
    _marker("wolfSSL", b"TLS13-AES128-GCM-SHA256", rb"TLS13-AES128-GCM-SHA256\0", (b"libwolfssl",), "wolfssl src/internal.c: cipher_names"),
)
# Versions of stacks whose markers above have none: (stack, literal text, pattern).
_VERSIONS = (
    ("Mbed TLS", b"bed TLS ", re.compile(rb"[Mm]bed TLS (\d+\.\d+\.\d+)\0")),
    ("wolfSSL", b"wolfSSL ", re.compile(rb"wolfSSL ([345]\.\d{1,2}\.\d{1,2})\0")),
)


class Found(NamedTuple):
    """The result of a search."""

    stacks: dict  # name (str) -> version (str or None)
    crates: set  # (name, version) of Rust crates, str
    names: set  # those of the names asked for that occur, bytes
    capped: bool  # the file was not searched to its end


def text_ranges(elf):
    """Where the texts of a file are: the sections that are loaded read-only and are no code.

    Without sections it is the whole file, because data and code may share a segment.

    :arg elf: ElfFile.
    :returns: list of ``(offset, end)``, in bytes of the file.
    """
    sections = [section for section in elf.sections() if section.flags & (SHF_ALLOC | SHF_EXECINSTR | SHF_WRITE | SHF_COMPRESSED) == SHF_ALLOC]
    if sections:
        return [(section.offset, section.offset + section.size) for section in sections if section.name not in _NO_TEXTS]
    return [(0, os.fstat(elf.fd).st_size)]


def search(elf, ranges, names=()):
    """Search parts of a file for all markers, within the limits above.

    :arg elf: ElfFile.
    :arg ranges: list of ``(offset, end)``, in bytes of the file.
    :arg names: iterable of bytes, further texts to search for.
    :returns: Found.
    :raises OSError: reading fails.
    """
    needed = tuple(elf.needed)
    markers = [marker for marker in _MARKERS if not any(name.startswith(marker.needed) for name in needed)]
    return _Search(elf.fd, markers, names).run(ranges)


def search_names(elf, ranges, names):
    """Search for names only: search() without the markers. Arguments, result and errors as there."""
    return _Search(elf.fd, (), names, crates=False).run(ranges)


class _Search:
    """One search of one file."""

    def __init__(self, fd, markers, names, crates=True):
        self._fd = fd
        self._markers = markers
        self._marks = rust_stack.MARKS if crates else ()
        self._names = set(names)
        self._deadline = time.thread_time() + MAX_SECONDS
        self._versions = {}
        self._found = Found({}, set(), set(), False)

    def run(self, ranges):
        buffer = bytearray(_CHUNK + _OVERLAP)
        left, size = MAX_READ, os.fstat(self._fd).st_size
        for at, end in ranges:
            end = min(end, size)
            while at < end:
                length = os.preadv(self._fd, [memoryview(buffer)[:min(len(buffer), end - at)]], at)
                if not length:
                    break
                if left <= 0 or not self._search_chunk(buffer, length):
                    return self._result(True)
                at += _CHUNK
                left -= _CHUNK
        return self._result(False)

    def _result(self, capped):
        for stack, version in self._versions.items():
            if stack in self._found.stacks:
                self._found.stacks[stack] = self._found.stacks[stack] or version
        return self._found._replace(capped=capped)

    def _search_chunk(self, data, length):
        """Search the first length bytes of data. Returns whether there is time left."""
        stacks = self._found.stacks
        for marker in self._markers:
            if stacks.get(marker.stack) is None:
                match = self._first(data, length, marker.mark, marker.pattern)
                if match:
                    version = match.group(1).decode("ascii") if match.re.groups else None
                    stacks[marker.stack] = stacks.get(marker.stack) or version
        for stack, mark, pattern in _VERSIONS if self._markers else ():
            match = self._first(data, length, mark, pattern) if stack not in self._versions else None
            if match:
                self._versions[stack] = match.group(1).decode("ascii")
        for mark in self._marks:
            for at in _hits(data, length, mark):
                crate = rust_stack.crate_at(data, at)
                if crate is not None:
                    self._found.crates.add(crate)
        for name in list(self._names):
            if data.find(name, 0, length) >= 0:
                self._names.discard(name)
                self._found.names.add(name)
        return time.thread_time() < self._deadline

    @staticmethod
    def _first(data, length, mark, pattern):
        """The first match of a pattern around a literal text, or None."""
        for at in _hits(data, length, mark):
            match = pattern.search(data, max(0, at - 8), min(length, at + _OVERLAP - 8))
            if match:
                return match
        return None


def _hits(data, length, mark):
    """Yield the offsets of a literal text in the first length bytes of data, at most _MAX_HITS."""
    at = data.find(mark, 0, length)
    for _number in range(_MAX_HITS):
        if at < 0:
            return
        yield at
        at = data.find(mark, at + 1, length)


def stacks(found, rust):
    """All stacks of a file.

    :arg found: Found, from search().
    :arg rust: list of Stack, the file's Rust stacks. A C library that is part of one of them is not listed again.
    :returns: list of Stack.
    """
    parts = {module["name"] for stack in rust for module in stack.details["modules"]}
    if found.stacks.get("OpenSSL", "") is None and "LibreSSL" in found.stacks:
        del found.stacks["OpenSSL"]  # LibreSSL kept OpenSSL's names of source files
    known = {stack.name for stack in rust} | ({"AWS-LC"} if parts & {"aws-lc-sys", "aws-lc-rs", "aws-lc-fips-sys"} else set())
    return rust + [Stack(name, version, MARKER, details()) for name, version in sorted(found.stacks.items()) if name not in known]
