# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `library_load`: executable mappings of crypto libraries, from perf events. It needs no BPF.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._kernel.perf import MappingReader
from .._libraries import catalogue
from .._libraries.private_files import is_private
from .base import Probe

_DELETED = b" (deleted)"
# What perf writes in place of a path that does not fit or could not be found out (kernel/events/core.c, perf_event_mmap_event)
_UNNAMED = (b"//toolong", b"//enomem")


class LibraryLoadProbe(Probe):
    """Yields LibraryMapped of files whose name is that of a crypto library."""

    name = "library_load"
    hook = "perf MMAP2"

    def __init__(self):
        super().__init__()
        self._reader = None
        self._hits = 0
        self._lost = 0
        self._unnamed = 0
        # path -> whether it is a library: recognising takes a dozen regular expressions, and a host maps the same few hundred files over and over
        self._known = {}

    def _open(self):
        self._reader = MappingReader()
        self.hook = "perf MMAP2 with build ids" if self._reader.build_ids else "perf MMAP2"

    def _kind(self, path):
        """``(whether a path is of a crypto library, whether it is of a file that may carry a stack its name does not tell)``."""
        verdict = self._known.get(path)
        if verdict is None:
            if len(self._known) > 8192:
                self._known.clear()
            bare = path[:-len(_DELETED)] if path.endswith(_DELETED) else path
            verdict = self._known[path] = (catalogue.recognise(bare) is not None, is_private(bare))
        return verdict

    def read(self):
        """Take the mappings since the last call, of crypto libraries and of files that may carry a crypto stack.

        :returns: list of LibraryMapped.
        """
        if not self._reader:
            return []
        mappings = self._reader.read()
        self._unnamed += sum(1 for event in mappings if event.path in _UNNAMED)
        found = []
        for event in mappings:
            is_library, may_carry = self._kind(event.path)
            self._hits += is_library
            if is_library or may_carry:
                found.append(event)
        return found

    def filenos(self):
        return self._reader.filenos() if self._reader else []

    def hits(self):
        return self._hits

    def losses(self):
        losses = {"perf_records": self._reader.lost if self._reader else self._lost, "unnamed_mappings": self._unnamed}
        return {cause: number for cause, number in losses.items() if number}

    def close(self):
        if self._reader:
            self._lost = self._reader.lost
            self._reader.close()
            self._reader = None
