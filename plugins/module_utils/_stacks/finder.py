# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the TLS and crypto stacks that are linked into programs or shipped with them. Runs after the probes are detached.

Each file is searched once, within limits of processor time and bytes.

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
from .stack import AUDIT_DATA, MARKER, Stack

# The most that all searches of a window may cost, in seconds of this thread's processor time: about twenty programs of the size of node.
MAX_SECONDS = 5.0
_MAX_FILES = 1024  # mapped files of one process that are searched

_JVM = b"/libjvm.so"


class FileStacks(NamedTuple):
    """The stacks in one file."""

    stacks: Tuple[Stack, ...]
    build_id: Optional[str]
    capped: bool  # the file was not searched to its end


class ProcessStack(NamedTuple):
    """One stack in one process."""

    stack: Stack
    path: bytes  # of the file that contains it
    build_id: Optional[str]  # of that file
    probed: bool = False  # a probe was attached to that file


_NO_STACKS = FileStacks((), None, False)


class StackFinder:
    """Finds the stacks of processes. One for a window."""

    def __init__(self, looker):
        """:arg looker: Looker, which finds the root directory of a mount namespace."""
        self._looker = looker
        self._files = {}  # (device, inode, mtime, size) -> FileStacks
        self._java = {}  # (mount namespace, libjvm's path, arguments, open jars) -> Stack or None
        self._spent = 0.0
        self.partial = False  # whether a file of the last process was not searched, or not to its end

    def find(self, record):
        """The stacks of a process.

        :arg record: ProcessRecord; the process may have ended.
        :returns: list of ProcessStack; None where its program, or a file that it had mapped, could not be read, so that nothing is known.
        """
        self.partial = False
        running = _is_running(record)
        program = self._program(record, running)
        if program is None:
            return None
        found, searched = [ProcessStack(stack, record.exe, program.build_id) for stack in program.stacks], {record.exe}
        if running:
            partial = self.partial
            in_mapped, paths = self._mapped(record)
            if _is_running(record):
                found += in_mapped
                searched |= paths
            else:  # it may have exited while its maps were read
                self.partial = partial
        # files that it has unmapped, or all where it has exited
        for mapped in sorted(record.private_files, key=lambda mapped: mapped.path):
            if mapped.path not in searched:
                in_file = self._of_earlier_mapping(record, mapped)
                if in_file is None:
                    return None
                found += in_file
        return found

    def _program(self, record, running):
        """The FileStacks of its executable, or None."""
        if record.exe is None:
            return None
        if running:
            found = self._of_file(b"/proc/%d/exe" % record.pid, None)
            if found is not None and _is_running(record):
                return found
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None or record.exe_inode is None or not record.exe.startswith(b"/"):
            return None
        return self._of_file(root + record.exe, record.exe_inode)

    def _of_earlier_mapping(self, record, mapped):
        """The stacks of a file that a process had mapped, found by its path.

        :arg mapped: MappedFile.
        :returns: list of ProcessStack, or None where that very file is no longer there.
        """
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None or not mapped.path.startswith(b"/"):
            return None
        if mapped.path.endswith(_JVM):
            return self._virtual_machine(record, mapped.path)
        in_file = self._of_file(root + mapped.path, mapped.inode)
        if in_file is None or (mapped.build_id is not None and in_file.build_id != mapped.build_id):
            return None
        return [ProcessStack(stack, mapped.path, in_file.build_id) for stack in in_file.stacks]

    def _mapped(self, record):
        """The stacks of the libraries it ships with itself, and of a Java virtual machine.

        :returns: ``(found, searched)``: list of ProcessStack, and set of bytes, the paths of all its mappings.
        """
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
                    if files > _MAX_FILES:
                        self.partial = True
                        continue
                    in_file = self._of_mapping(record, mapping)
                    found += [ProcessStack(stack, mapping.path, in_file.build_id) for stack in in_file.stacks]
        except PermissionError:
            pass  # the ledger has counted the process as permission denied
        except OSError:  # this process has no file descriptor left
            self.partial = True
        return found, seen

    def _of_mapping(self, record, mapping):
        """The FileStacks of a mapped file; empty, and partial, where it can't be read."""
        found = self._of_file(b"/proc/%d/map_files/%x-%x" % (record.pid, mapping.start, mapping.end), None)
        if found is None and not mapping.deleted:
            root = self._looker.root(record.mount_namespace, record.pid)
            found = self._of_file(root + mapping.path, mapping.inode) if root is not None else None
        if found is None:
            self.partial = True
        return found or _NO_STACKS

    def _virtual_machine(self, record, path):
        """The stack of a Java virtual machine.

        :arg path: bytes, of its libjvm.so.
        :returns: list of ProcessStack, at most one.
        """
        root = self._looker.root(record.mount_namespace, record.pid)
        if root is None:
            return []
        jars = [link for _number, link in proc.open_fds(record.pid) or () if link.endswith(b".jar")]
        key = (record.mount_namespace, path, tuple(record.arguments or ()), tuple(jars))
        if key not in self._java:
            self._java[key] = java.stack(root, path, record.arguments or [], jars)
        return [ProcessStack(self._java[key], path, None)] if self._java[key] else []

    def _of_file(self, path, inode):
        """Search one file, unless it was searched before.

        :arg path: bytes, where this process can open it.
        :arg inode: int, the file's inode number; None where the path is a link of /proc, which can't lead to another file.
        :returns: FileStacks, or None where it can't be read or is another file.
        """
        try:
            state = os.stat(path)
            if inode is not None and state.st_ino != inode:
                return None
            if not stat.S_ISREG(state.st_mode):  # a mapped device: opening it can have effects
                return _NO_STACKS
            key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
            if key not in self._files:
                over = self._spent >= MAX_SECONDS
                self._files[key] = FileStacks((), None, True) if over else self._search(path)
            self.partial = self.partial or self._files[key].capped
            return self._files[key]
        except OSError:
            return None

    def _search(self, path):
        began = time.thread_time()
        try:
            with ElfFile.open(path) as elf:
                found = stacks_of(elf)
        except ElfError:
            return _NO_STACKS
        finally:
            self._spent += time.thread_time() - began
        return found


def stacks_of(elf):
    """Search a file: by Go's build information, by cargo-auditable's data, by markers of libraries.

    :arg elf: ElfFile.
    :returns: FileStacks.
    :raises ElfError: the file is malformed.
    :raises OSError: reading fails.
    """
    info = go.build_info(elf)
    if info is not None:
        search = markers.search_names(elf, go.name_table(elf), [text for _name, text in go.PACKAGES])
        packages = {name for name, text in go.PACKAGES if text in search.names}
        return FileStacks(tuple(go.stacks(info, packages)), elf.build_id(), search.capped)
    listed = rust_stack.audit_data(elf)
    search = markers.search(elf, markers.text_ranges(elf))
    if listed is not None:
        crates, root = listed
        rust = rust_stack.stacks(crates, root, AUDIT_DATA)
    else:
        rust = rust_stack.stacks(search.crates, None, MARKER)
    return FileStacks(tuple(_with_linkage(stack, elf) for stack in markers.stacks(search, rust)), elf.build_id(), search.capped)


def _with_linkage(stack, elf):
    """The stack; OpenSSL's name says whether the file is a program's own copy of the library, or has it linked in statically."""
    if stack.name != "OpenSSL":
        return stack
    is_library = elf.soname is not None and elf.soname.startswith((b"libcrypto", b"libssl"))
    return stack._replace(name="OpenSSL (bundled)" if is_library else "OpenSSL (static)")


def _is_running(record):
    """Whether the pid of a ProcessRecord is still that process. A later execve is the ledger's to notice."""
    if record.ended:
        return False
    now = proc.read_stat(record.pid)
    return now is not None and now.start_ticks == record.ticks


def find_all(looker, records):
    """Find the stacks of processes.

    :arg looker: Looker.
    :arg records: iterable of ProcessRecord, whose ``stacks`` and ``partly_searched`` are set.
    """
    finder = StackFinder(looker)
    for record in records:
        record.stacks = finder.find(record)
        record.partly_searched = finder.partial
