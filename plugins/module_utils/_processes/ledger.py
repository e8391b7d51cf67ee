# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: time-ordered events become processes with the libraries, files, operations and handshakes that each was seen with.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .._functions import names
from .._functions.families import FUNCTIONS
from .._kernel import events, proc
from .._libraries import catalogue
from .._libraries.facts import MappedLibrary
from .._libraries.private_files import is_private
from .._wire.handshake import count_handshake
from .records import FileRecord, MappedFile, OperationRecord
from .table import MOST_ENDED, ProcessTable

_DELETED = b" (deleted)"
# More observed processes than this are never held, whatever the request allows.
_MOST_OBSERVED = 20000
# Files of one process that may carry a crypto stack.
MOST_PRIVATE_FILES = 1024
# Mappings of one process that no other event has named yet.
_MOST_ORPHANS = 64


class Ledger(ProcessTable):
    """All that was observed in a window, by process."""

    def __init__(self, selection, library_facts, bounds, observer):
        """
        :arg selection: Selection.
        :arg library_facts: LibraryFacts.
        :arg bounds: dict of ``files``, ``libraries``, ``operations``, ``handshakes`` -> most of them in one process.
        :arg observer: callable, as ProcessTable's.
        """
        super().__init__(selection, observer)
        self._library_facts = library_facts
        self._bounds = bounds
        self._opens = {}  # OpenKey -> FileRecord
        self.sightings = 0  # of opens and operations that are counted in the kernel, since it was last emptied
        self.unattributed = {"tls": {}, "ssh": {}}
        self.unattributed_omitted = collections.Counter()
        self._orphans = {}  # pid -> LibraryMapped of a process that no other event has named yet
        self._lost_orphans = []  # paths of crypto libraries, of mappings beyond the bounds
        self._observed = 0

    def scan(self):
        """Enter every process there is now, with the crypto libraries it maps. Yields ``(pid, Mapping)`` of each of these."""
        records = [record for record in map(self._enter_from_proc, proc.list_pids()) if record is not None]
        self._session.begin(self._current)
        for record in records:
            yield from self._scan_maps(record)

    def _scan_maps(self, record):
        try:
            mappings = proc.read_maps(record.pid)
            for mapping in mappings or ():
                if is_private(mapping.path):
                    self._add_private_file(record, MappedFile(mapping.path, None, mapping.inode))
                if catalogue.recognise(mapping.path) is not None:
                    self.add_library(record, mapping.path, None, None, "present", "proc", mapping.deleted)
                    yield record.pid, mapping
        except PermissionError:
            self.note_denied(record)

    def on_library(self, event):
        """Enter a LibraryMapped.

        :returns: ProcessRecord, or None where the process is gone and nothing is known of it yet: a later event of it may name it.
        """
        record = self._current.get(event.pid) or self._enter_from_proc(event.pid)
        if record is None:
            self._keep_orphan(event)
            return None
        self._add_mapping(record, event)
        return record

    def _keep_orphan(self, event):
        """Keep a LibraryMapped until an event names its process; a process that began before the window is first named when it exits."""
        waiting = self._orphans.get(event.pid, ())
        if len(waiting) < _MOST_ORPHANS and (waiting or len(self._orphans) < MOST_ENDED):
            self._orphans[event.pid] = (*waiting, event)
        elif catalogue.recognise(event.path) is not None:
            self._lost_orphans.append(event.path)

    def _entered(self, record):
        for event in self._orphans.pop(record.pid, ()):
            if event.time >= record.start:
                self._add_mapping(record, event)
            elif catalogue.recognise(event.path) is not None:  # of an earlier process with this pid
                self._lost_orphans.append(event.path)

    def _add_mapping(self, record, event):
        path, deleted = event.path, False
        if path.endswith(_DELETED):
            path, deleted = path[:-len(_DELETED)], True
        if is_private(path):
            self._add_private_file(record, MappedFile(path, event.build_id, event.inode))
        if catalogue.recognise(path) is not None:
            self.add_library(record, path, event.build_id, event.time, "loaded", "kernel", deleted)

    @staticmethod
    def _add_private_file(record, mapped):
        """Enter a file that may carry a crypto stack. The executable itself is searched anyway."""
        if mapped.path != record.exe and len(record.private_files) < MOST_PRIVATE_FILES:
            record.private_files |= {mapped}

    def unattributed_libraries(self):
        """Paths (list of bytes) of crypto libraries loaded by processes of which no event ever came."""
        waiting = [event.path for mapped in self._orphans.values() for event in mapped]
        return [path for path in waiting if catalogue.recognise(path) is not None] + self._lost_orphans

    def _admit(self, record):
        """Whether a first observation of this process can still be held."""
        if record.has_crypto():
            return True
        if self._observed >= _MOST_OBSERVED:
            self.omitted += 1
            return False
        self._observed += 1
        return True

    def add_library(self, record, path, build_id, time, how, source, deleted):
        """Enter a library of a process once."""
        if not self._admit(record):
            return
        held = record.libraries.get(path)
        if held is not None and (build_id is None or held.build_id in (None, build_id)):
            return
        if len(record.libraries) >= self._bounds["libraries"]:
            record.left_out.setdefault("libraries", set()).add((path, build_id))
            return
        library = self._library_facts.describe(MappedLibrary(path, record.mount_namespace, record.pid, build_id, how, source, time, deleted))
        key = path if held is None else path + b"\0" + (build_id or "").encode()
        record.libraries[key] = library
        self._observer("library_load", time, record, library)

    def on_file(self, observed):
        """FileObserved."""
        record = self.find(observed.subject)
        identity = (observed.path, observed.key.flags, observed.key.error)
        held = record.files.get(identity)
        if held is None:
            if not self._admit(record):
                return
            if len(record.files) >= self._bounds["files"]:
                record.left_out.setdefault("files", set()).add(identity)
                return
            held = record.files[identity] = FileRecord(observed, 0, observed.time, observed.time)
            self._observer("file_open", observed.time, record, held)
        elif observed.look is not None and not observed.look.gone:
            held.observed = observed
        if observed.counted:
            self._opens[observed.key] = held
            self.sightings += 1
        else:
            held.count += 1
        held.last_seen = max(held.last_seen, observed.time)

    def on_file_not_read(self, event):
        """Enter a FileNotRead."""
        self.find(event.subject).files_not_read = True

    def on_operation(self, event):
        """Enter an OperationSeen. Its count comes with add_counts()."""
        record = self.find(event.subject)
        self.sightings += 1
        self._operation(record, event.key, event.key_bits, event.library, event.time)

    def _operation(self, record, key, key_bits, library, time):
        function = FUNCTIONS[key.function]
        algorithm, name = names.algorithm(function, key), names.operation(function, key)
        key_bits = names.key_bits(function, key_bits, algorithm)
        cut, unread = names.is_cut(function, key), names.is_unread(key)
        identity = (library, function.name, algorithm, name, key_bits, bool(key.internal), cut, unread)
        held = record.operations.get(identity)
        if held is None:
            if not self._admit(record):
                return None
            if len(record.operations) >= self._bounds["operations"]:
                record.left_out.setdefault("operations", set()).add(identity)
                return None
            held = record.operations[identity] = OperationRecord(library, function.name, algorithm, name, key_bits or None,
                                                                 bool(key.internal), 0, time, time, cut, unread)
            self._observer("operation", time, record, held)
        return held

    def on_handshake(self, seen):
        """TlsHandshake or SshHandshake. One whose process is not known for sure is kept apart."""
        if seen.subject is None:
            if count_handshake(self.unattributed[seen.kind], seen, self._bounds["handshakes"])[0] is None:
                self.unattributed_omitted[seen.kind] += 1
            return
        record = self.find(seen.subject)
        if not self._admit(record):
            return
        held, new = count_handshake(getattr(record, seen.kind), seen, self._bounds["handshakes"])
        if held is None:
            record.left_out.setdefault(seen.kind, set()).add(seen.identity())
        elif new:
            self._observer("tls_handshake" if seen.kind == "tls" else "ssh_kex", seen.time, record, held)

    def is_over(self, key):
        """Whether the image of an OpenKey or OperationKey can do nothing any more, and what it did is entered here."""
        if isinstance(key, events.OpenKey) and key not in self._opens:
            return False  # its file waits to be looked at
        record = self._images.get((key.pid, key.start, key.exec_id))
        return record is not None and record.ended

    def add_counts(self, counts):
        """Add what the kernel side has counted.

        :arg counts: Counts of _engines.base.
        """
        for counted in counts.opens:
            held = self._opens.get(counted.key)
            if held is not None:
                _add_count(held, counted)
        for counted in counts.operations:
            key = counted.key
            image = events.Image(key.pid, key.exec_id, key.start)
            record = self.find(events.Subject(image, None, None, 0, None, b""))
            held = self._operation(record, key, counted.key_bits, counted.library, counted.first_seen)
            if held is not None:
                _add_count(held, counted)

    def unread_operations(self):
        """Calls (int) of selected processes whose algorithm could not be read."""
        return sum(held.count for record in self._images.values() if record.selected for held in record.operations.values() if held.unread)

    def left_out(self):
        """What is over the bounds of single processes: dict of ``files``, ``libraries``, ``operations``, ``tls``, ``ssh`` -> int."""
        total = collections.Counter()
        for record in self._images.values():
            if record.selected:
                total.update({kind: len(identities) for kind, identities in record.left_out.items()})
        return dict(total)


def _add_count(held, counted):
    """Add an OpenCount or OperationCount to a FileRecord or OperationRecord."""
    held.count += counted.count
    held.first_seen = min(held.first_seen, counted.first_seen)
    held.last_seen = max(held.last_seen, counted.last_seen)
