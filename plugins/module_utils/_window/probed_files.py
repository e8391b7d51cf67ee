# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the engine every library and executable whose functions it may probe: those that are mapped when the window opens, and new ones.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._functions.families import family_of
from .._kernel import proc
from .._libraries import catalogue


class ProbedFiles:
    """Which files the engine was given."""

    def __init__(self, engine, looker, ledger, process_coverage):
        """
        :arg engine: Engine.
        :arg looker: Looker.
        :arg ledger: Ledger.
        :arg process_coverage: ProcessCoverage.
        """
        self._engine = engine
        self._looker = looker
        self._ledger = ledger
        self._process_coverage = process_coverage
        self._libraries = set()
        self._executables = set()

    def enter_present(self):
        """Enter the processes there are, and probe what they run and map."""
        for pid, mapping in self._ledger.scan():
            identity = (mapping.dev_major, mapping.dev_minor, mapping.inode)
            if identity not in self._libraries:
                self._libraries.add(identity)
                self._engine.add_library(mapping.path, b"/proc/%d/map_files/%x-%x" % (pid, mapping.start, mapping.end))
        for record in self._ledger.records():
            self._looker.remember(record.mount_namespace, record.pid)
            if record.exe:
                self.add_executable(record, present=True)

    def add_executable(self, record, present=False):
        """Probe the executable of a process where it carries OpenSSL itself: it counts as a library then.

        :arg record: ProcessRecord.
        :arg present: bool, it ran before the window.
        """
        opener, found = self._reach(b"/proc/%d/exe" % record.pid, record, record.exe, record.exe_inode)
        if found is None:
            return
        identity = (found.st_dev, found.st_ino)
        record.exe_inode = record.exe_inode or found.st_ino
        probed_before = self._engine.is_probed(*identity)
        if identity not in self._executables:
            self._executables.add(identity)
            self._engine.add_executable(record.exe, opener)
        if self._engine.is_probed(*identity):
            if not probed_before and not present:
                self._process_coverage.came_late(record.exe, None)
            self._ledger.add_library(record, record.exe, None, record.exec_time, "executable", record.source, bool(record.exe_deleted))

    def on_library(self, event):
        """Enter a LibraryMapped, and probe the library where it is new."""
        record = self._ledger.on_library(event)
        if record is None or catalogue.recognise(event.path) is None:
            return
        identity = (event.path, event.build_id, event.device, event.inode)
        if identity in self._libraries:
            return
        opener = self._way_to_library(record, event)
        if opener is not None:
            self._libraries.add(identity)
        # where process and file are gone already, the next process that maps it brings it back
        if self._engine.add_library(event.path, opener) if opener is not None else _has_functions(event.path):
            self._process_coverage.came_late(event.path, event.build_id)

    def _way_to_library(self, record, event):
        """A path (bytes) that opens the very file of a LibraryMapped, or None."""
        opener = b""
        try:
            for mapping in proc.read_maps(event.pid) or ():
                if mapping.path == event.path:
                    opener = b"/proc/%d/map_files/%x-%x" % (event.pid, mapping.start, mapping.end)
                    break
        except PermissionError:
            pass
        # inode is known of the file whose build id is the mapping's
        inode = next((library.inode for library in record.libraries.values() if library.path == event.path and library.build_id == event.build_id), None)
        return self._reach(opener, record, event.path, event.inode or inode)[0]

    def _reach(self, opener, record, path, inode):
        """A way to the very file a process has, though the process may be gone.

        :arg opener: bytes, the way through its /proc folder.
        :arg record: ProcessRecord.
        :arg path: bytes, of the file in the process's mount namespace.
        :arg inode: int or None, of the file that may stand at ``path`` still.
        :returns: ``(opener, os.stat_result)``, or ``(None, None)``.
        """
        try:
            return opener, os.stat(opener)
        except OSError:
            root = self._looker.root(record.mount_namespace, record.pid)
        if root is None or inode is None:
            return None, None
        try:
            found = os.stat(root + path)
        except OSError:
            return None, None
        return (root + path, found) if found.st_ino == inode else (None, None)


def _has_functions(path):
    """Whether a library that could not be reached any more is one whose functions would have been probed."""
    library = catalogue.recognise(path)
    return library is not None and family_of(library.name) is not None
