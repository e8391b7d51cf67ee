# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS and crypto stacks that processes carry inside themselves: each file is looked at once, within bounds, after the probes are detached.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple, Optional, Tuple

from .._formats.elf import ElfError, ElfFile
from .._kernel import proc
from .._libraries.private_files import is_private
from . import go, java, markers
from . import rust as rust_stack
from .stack import Stack

# What all looks of a window may cost, in seconds of this thread's processor time: about twenty programs of the size of node.
MOST_SECONDS = 5.0
_MOST_FILES = 1024  # mapped files of one process that are looked at

_JVM = b"/libjvm.so"


class Looked(NamedTuple):
    """What is in one file. capped: bool, it was not searched to its end."""

    stacks: Tuple[Stack, ...]
    build_id: Optional[str]
    capped: bool


class Seen(NamedTuple):
    """One stack in one process. path: bytes, the file that carries it; build_id: str or None, of that file; probed: bool, a probe was on it."""

    stack: Stack
    path: bytes
    build_id: Optional[str]
    probed: bool = False


NOTHING = Looked((), None, False)


class StackFinder:
    """Finds the stacks of ProcessRecords. One for a window."""

    def __init__(self, looker):
        """:arg looker: Looker, which knows the ways into mount namespaces."""
        self._looker = looker
        self._files = {}  # (device, inode, mtime, size) -> Looked
        self._java = {}
        self._spent = 0.0
        self.unsearched = 0  # files that were not searched, or not to their end, to keep within the bounds

    def look(self, record):
        """What a process carries.

        :arg record: ProcessRecord; it may have ended.
        :returns: list of Seen; None where its program could not be looked at, so that nothing is known.
        """
        alive = _is_there(record)
        program = self._program(record, alive)
        if program is None:
            return None
        found, searched = [Seen(stack, record.exe, program.build_id) for stack in program.stacks], {record.exe}
        if alive:
            mapped_now, paths = self._mapped(record)
            if _is_there(record):  # else it may have exited while its maps were read
                found += mapped_now
                searched |= paths
        for mapped in sorted(record.private_files, key=lambda mapped: mapped.path):  # what it had mapped and has no more, or all where it has exited
            if mapped.path not in searched:
                of_file = self._of_earlier_mapping(record, mapped)
                if of_file is None:
                    return None
                found += of_file
        return found

    def _program(self, record, alive):
        """Looked of its executable, or None."""
        if record.exe is None:
            return None
        if alive:
            looked = self._of_file(b"/proc/%d/exe" % record.pid, None)
            if looked is not None and _is_there(record):
                return looked
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None or record.exe_inode is None or not record.exe.startswith(b"/"):
            return None
        return self._of_file(root + record.exe, record.exe_inode)

    def _of_earlier_mapping(self, record, mapped):
        """Seen of a file that a process had mapped, by its path: list, or None where that very file is not there any more.

        :arg mapped: MappedFile.
        """
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None or not mapped.path.startswith(b"/"):
            return None
        if mapped.path.endswith(_JVM):
            return self._virtual_machine(record, mapped.path)
        looked = self._of_file(root + mapped.path, mapped.inode)
        if looked is None or (mapped.build_id is not None and looked.build_id != mapped.build_id):
            return None
        return [Seen(stack, mapped.path, looked.build_id) for stack in looked.stacks]

    def _mapped(self, record):
        """``(list of Seen of the libraries it brought along, and of Java; set of the paths, bytes, that were searched)``."""
        found, seen, files = [], {record.exe}, 0
        try:
            for mapping in proc.read_maps(record.pid) or ():
                if mapping.path in seen:
                    continue
                seen.add(mapping.path)
                if mapping.path.endswith(_JVM):
                    found += self._virtual_machine(record, mapping.path)
                elif is_private(mapping.path):
                    files += 1
                    if files > _MOST_FILES:
                        self.unsearched += 1
                        continue
                    looked = self._of_mapping(record, mapping)
                    found += [Seen(stack, mapping.path, looked.build_id) for stack in looked.stacks]
        except PermissionError:
            pass  # the ledger has it as not permitted
        except OSError:  # no descriptor is left to this process
            self.unsearched += 1
        return found, seen

    def _of_mapping(self, record, mapping):
        looked = self._of_file(b"/proc/%d/map_files/%x-%x" % (record.pid, mapping.start, mapping.end), None)
        if looked is None and not mapping.deleted:
            root = self._looker.root(record.mount_namespace, record.pid)
            looked = self._of_file(root + mapping.path, mapping.inode) if root is not None else None
        return looked or NOTHING

    def _virtual_machine(self, record, path):
        """Seen of a Java virtual machine. path: bytes, of its libjvm.so."""
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None:
            return []
        links = [link for _number, link in proc.open_fds(record.pid) or () if link.endswith(b".jar")]
        key = (record.mount_namespace, path, tuple(record.arguments or ()), tuple(links))
        if key not in self._java:
            self._java[key] = java.stack(root, path, record.arguments or [], links)
        return [Seen(self._java[key], path, None)] if self._java[key] else []

    def _of_file(self, opener, inode):
        """Looked of one file, or None where it can't be had. :arg inode: int, what it must be; None where the opener leads to nothing else."""
        try:
            found = os.stat(opener)
            if inode is not None and found.st_ino != inode:
                return None
            if not stat.S_ISREG(found.st_mode):  # a mapped device: opening it could wake it
                return NOTHING
            key = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if key not in self._files:
                if self._spent >= MOST_SECONDS:
                    self.unsearched += 1
                    self._files[key] = Looked((), None, True)
                else:
                    self._files[key] = self._search(opener)
            return self._files[key]
        except OSError:
            return None

    def _search(self, opener):
        began = time.thread_time()
        try:
            with ElfFile.open(opener) as elf:
                looked = stacks_of(elf)
        except ElfError:
            return NOTHING
        finally:
            self._spent += time.thread_time() - began
        self.unsearched += looked.capped
        return looked


def stacks_of(elf):
    """Looked of an ElfFile: by Go's build information, by Rust's audit data, by the texts in it. :raises OSError: reading fails."""
    info = go.build_info(elf)
    if info is not None:
        search = markers.search_names(elf, go.name_table(elf), [text for _name, text in go.PACKAGES])
        packages = {name for name, text in go.PACKAGES if text in search.names}
        return Looked(tuple(go.stacks(info, packages)), elf.build_id(), search.capped)
    listed = rust_stack.audit_data(elf)
    search = markers.search(elf, markers.text_ranges(elf))
    rust = rust_stack.of_audit_data(listed) if listed is not None else rust_stack.of_markers(search.crates)
    return Looked(tuple(_named(stack, elf) for stack in markers.stacks(search, rust)), elf.build_id(), search.capped)


def _named(stack, elf):
    """OpenSSL comes as a library of its own, even where a program brings it along, or linked into something else."""
    if stack.name != "OpenSSL":
        return stack
    is_library = elf.soname is not None and elf.soname.startswith((b"libcrypto", b"libssl"))
    return stack._replace(name="OpenSSL (bundled)" if is_library else "OpenSSL (static)")


def _is_there(record):
    """Whether the process is still the one that runs under its number. A later execve is told by the ledger."""
    if record.ended:
        return False
    stat = proc.read_stat(record.pid)
    return stat is not None and stat.start_ticks == record.ticks


def find_all(looker, records):
    """Enter the stacks of processes.

    :arg looker: Looker.
    :arg records: list of ProcessRecord, whose ``stacks`` is set.
    :returns: int, files that were not searched to their end, to keep within the bounds.
    """
    finder = StackFinder(looker)
    for record in records:
        record.stacks = finder.look(record)
    return finder.unsearched
