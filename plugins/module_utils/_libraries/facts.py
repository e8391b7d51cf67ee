# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a library file beyond its name: version, build id, package. Asked once for each file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, Optional

from .._formats.elf import ElfError, ElfFile
from .._packages.index import PackageIndex
from . import catalogue


@dataclasses.dataclass
class LibraryRecord:
    """A crypto library in a process. first_seen in ns since boot, None where it was there before anyone looked."""

    path: bytes
    how: str  # loaded, present, executable
    source: str  # kernel, proc
    name: str
    family: Optional[str]
    version: Optional[str]
    build_id: Optional[str]
    package: Optional[Dict[str, Any]]
    inode: Optional[int]
    deleted: Optional[bool]
    first_seen: Optional[int]


class LibraryFacts:
    """Describes library files, in the host's or in a container's file system."""

    def __init__(self, looker):
        """:arg looker: Looker, which knows the ways into mount namespaces."""
        self._looker = looker
        self._known = {}
        self._packages = {}
        self._executables = {}
        self._settled = False

    def _package(self, root, path):
        """The package that owns a path below a root (bytes, empty for the host's own): dict or None.

        The host's own are asked for together, by settle_packages(): dpkg's lists are read through for each question. A container's
        may be gone by then.
        """
        if not root and not self._settled:
            return None
        index = self._packages.get(root)
        if index is None:
            index = self._packages[root] = PackageIndex(root or b"/")
        return index.owner(path)

    def settle_packages(self, records):
        """Enter the packages of the host's files that ProcessRecords hold. Later questions are answered at once."""
        own = [record for record in records if self._looker.root(record.mount_namespace, record.pid) == b""]
        libraries = [library for record in own for library in record.libraries.values() if library.inode is not None and library.package is None]
        index = self._packages.setdefault(b"", PackageIndex(b"/"))
        owners = index.owners({library.path for library in libraries} | {record.exe for record in own if record.exe})
        for library in libraries:
            library.package = owners[library.path]
        self._settled = True

    def problems(self):
        """Package databases that could not be read: list of str."""
        return sorted({index.problem for index in self._packages.values() if index.problem})

    def close(self):
        """Close the package databases."""
        for index in self._packages.values():
            index.close()

    def describe(self, path, namespace, pid, build_id=None, how="loaded", source="kernel", first_seen=None, deleted=False):
        """A LibraryRecord for a mapped file.

        :arg path: bytes, as the process sees it, without the kernel's mark of deletion.
        :arg namespace: int or None, the process's mount namespace. :arg pid: int, a way into it.
        :arg build_id: str or None, where the kernel gave it.
        """
        key = (namespace, path, build_id, deleted)
        facts = self._known.get(key)
        if facts is None:
            facts = self._known[key] = self._look(path, namespace, pid, build_id, deleted)
        name, family, version, own_build_id, package, inode = facts
        return LibraryRecord(path, how, source, name, family, version, build_id or own_build_id, package, inode, deleted, first_seen)

    def _look(self, path, namespace, pid, build_id, deleted):
        library = catalogue.recognise(path)
        name = library.name if library else path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
        family = library.family if library else None
        root = self._looker.root(namespace, pid)
        if root is None or deleted:
            return name, family, None, build_id, None, None
        version = own_build_id = inode = None
        try:
            with ElfFile.open(root + path) as elf:
                inode = os.fstat(elf.fd).st_ino
                own_build_id = elf.build_id()
                if build_id and own_build_id != build_id:
                    return name, family, None, build_id, None, None  # another file stands there now
                found = catalogue.identify(elf, library, os.path.realpath(root + path)) if library else catalogue.embedded_openssl(elf)
                family, version = found or (family, None)
                if name == "libssl":
                    version = _release_beside(elf, root + path) or version
        except (OSError, ElfError):
            return name, family, None, build_id, None, None
        return name, family, version, own_build_id, self._package(root, path), inode

    def executable(self, path, namespace, pid):
        """``(build id, package)`` of a program: str or None, dict or None. Arguments as describe()'s."""
        key = (namespace, path)
        if key not in self._executables:
            self._executables[key] = self._look_at_executable(path, namespace, pid)
        return self._executables[key]

    def _look_at_executable(self, path, namespace, pid):
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
        """Whether the file a LibraryRecord was mapped from is still the one at its path: bool, or None where that can't be told."""
        root = self._looker.root(namespace, pid)
        if root is None or record.inode is None:
            return None
        try:
            return os.stat(root + record.path).st_ino == record.inode
        except OSError:
            return False


def _release_beside(elf, path):
    """The release (str) of the libcrypto that a libssl needs, where that is in the same folder; else None.

    Since 1.1 libssl holds no version text. OpenSSL and its forks build and install the two together.
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
