# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes the crypto libraries and programs that processes have mapped: version, build id, owning package. Each file is read once.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, NamedTuple, Optional

from .._formats.elf import ElfError, ElfFile
from .._packages.index import PackageIndex
from . import catalogue


class MappedLibrary(NamedTuple):
    """A library or program that a process has mapped, as the kernel's event or /proc reports it."""

    path: bytes  # absolute, as the process sees it, without the kernel's " (deleted)"
    mount_namespace: Optional[int]  # the process's
    pid: int  # a process in that namespace
    build_id: Optional[str] = None  # where the kernel gave it
    how: str = "loaded"  # or present, executable
    source: str = "kernel"  # or proc
    first_seen: Optional[int] = None  # ns since boot; None where it was mapped before the window opened
    deleted: bool = False


@dataclasses.dataclass
class LibraryRecord:
    """A crypto library in a process."""

    path: bytes
    how: str  # loaded, present, executable
    source: str  # kernel, proc
    name: str
    family: Optional[str]
    version: Optional[str]
    build_id: Optional[str]
    package: Optional[Dict[str, Any]]  # as PackageIndex.owners() has it
    inode: Optional[int]  # of the file that was read for this record
    deleted: Optional[bool]  # None: not known
    first_seen: Optional[int]  # ns since boot; None where it was mapped before the window opened


class _FileFacts(NamedTuple):
    """What was read from one library file. build_id: the kernel's or the file's own."""

    name: str
    family: Optional[str] = None
    version: Optional[str] = None
    build_id: Optional[str] = None
    package: Optional[Dict[str, Any]] = None
    inode: Optional[int] = None


class LibraryFacts:
    """Reads and caches facts about files in the host's and in containers' file systems."""

    def __init__(self, looker):
        """:arg looker: Looker, which finds the root directory of a mount namespace."""
        self._looker = looker
        self._files = {}  # (mount namespace, path, build id, deleted) -> _FileFacts
        self._packages = {}  # root -> PackageIndex
        self._executables = {}  # (mount namespace, path) -> (build id, package)
        self._settled = False

    def _package(self, root, path):
        """The package that owns a path.

        The host's files are looked up together in settle_packages(), because each query reads all of dpkg's lists. A container may be
        gone by then, so its files are looked up at once.

        :arg root: bytes, root directory of the mount namespace; empty for the host's own.
        :arg path: bytes, absolute below the root.
        :returns: dict as PackageIndex.owners() has it, or None.
        """
        if not root and not self._settled:
            return None
        index = self._packages.get(root)
        if index is None:
            index = self._packages[root] = PackageIndex(root or b"/")
        return index.owner(path)

    def settle_packages(self, records):
        """Set the packages of the host's libraries and executables. Host files described later get theirs at once.

        :arg records: iterable of ProcessRecord, whose libraries' ``package`` is set.
        """
        own = [record for record in records if self._looker.root(record.mount_namespace, record.pid) == b""]
        libraries = [library for record in own for library in record.libraries.values() if library.inode is not None and library.package is None]
        index = self._packages.setdefault(b"", PackageIndex(b"/"))
        owners = index.owners({library.path for library in libraries} | {record.exe for record in own if record.exe})
        for library in libraries:
            library.package = owners[library.path]
        self._settled = True

    def problems(self):
        """Package databases that could not be read: sorted list of str."""
        return sorted({index.problem for index in self._packages.values() if index.problem})

    def close(self):
        """Close the package databases."""
        for index in self._packages.values():
            index.close()

    def describe(self, file):
        """Describe a mapped file.

        :arg file: MappedLibrary.
        :returns: LibraryRecord.
        """
        key = (file.mount_namespace, file.path, file.build_id, file.deleted)
        facts = self._files.get(key)
        if facts is None:
            facts = self._files[key] = self._read_library(file)
        return LibraryRecord(path=file.path, how=file.how, source=file.source, name=facts.name, family=facts.family, version=facts.version,
                             build_id=facts.build_id, package=facts.package, inode=facts.inode, deleted=file.deleted, first_seen=file.first_seen)

    def _read_library(self, file):
        """The _FileFacts of a MappedLibrary. By its name alone where the file is gone, replaced or unreadable."""
        library = catalogue.recognise(file.path)
        name = library.name if library else file.path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
        family = library.family if library else None
        by_name = _FileFacts(name, family, build_id=file.build_id)
        root = self._looker.root(file.mount_namespace, file.pid)
        if root is None or file.deleted:
            return by_name
        real = root + file.path
        try:
            with ElfFile.open(real) as elf:
                inode = os.fstat(elf.fd).st_ino
                build_id = elf.build_id()
                if file.build_id and build_id != file.build_id:
                    return by_name  # another file has replaced it
                found = catalogue.identify(elf, library, os.path.realpath(real)) if library else catalogue.embedded_openssl(elf)
                family, version = found or (family, None)
                if name == "libssl":
                    version = _release_beside(elf, real) or version
        except (OSError, ElfError):
            return by_name
        return _FileFacts(name, family, version, build_id, self._package(root, file.path), inode)

    def executable(self, path, namespace, pid):
        """Build id and package of a program.

        :arg path: bytes, absolute, as the process sees it.
        :arg namespace: int or None, the process's mount namespace.
        :arg pid: int, a process in that namespace.
        :returns: ``(build id, package)``, str and dict as PackageIndex.owners() has it; each None where it is not known.
        """
        key = (namespace, path)
        if key not in self._executables:
            self._executables[key] = self._read_executable(path, namespace, pid)
        return self._executables[key]

    def _read_executable(self, path, namespace, pid):
        root = self._looker.root(namespace, pid)
        if root is None:
            return None, None
        try:
            with ElfFile.open(root + path) as elf:
                build_id = elf.build_id()
        except (OSError, ElfError):
            build_id = None
        return build_id, self._package(root, path)

    def on_disk(self, record, namespace, pid):
        """Whether the file that was mapped is still the one at its path.

        :arg record: LibraryRecord.
        :arg namespace: int or None, the process's mount namespace.
        :arg pid: int, a process in that namespace.
        :returns: bool, or None where it can't be determined.
        """
        root = self._looker.root(namespace, pid)
        if root is None or record.inode is None:
            return None
        try:
            return os.stat(root + record.path).st_ino == record.inode
        except OSError:
            return False


def _release_beside(elf, path):
    """The release of the libcrypto that a libssl needs, where that is in the same folder.

    Since 1.1 libssl holds no version text. OpenSSL and its forks build and install the two together.

    :arg elf: ElfFile, the libssl.
    :arg path: bytes, where it was opened.
    :returns: str or None.
    """
    for needed in elf.needed:
        other = catalogue.recognise(needed)
        if other is None or other.name != "libcrypto" or b"/" in needed:
            continue
        try:
            with ElfFile.open(os.path.dirname(path) + b"/" + needed) as beside:
                version = catalogue.version_of(beside, other)
        except (OSError, ElfError):
            continue
        if version is not None:
            return version
    return None
