# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: time-ordered events become processes with libraries, files and operations.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .._functions import names
from .._functions.families import FUNCTIONS
from .._kernel import events, proc, syscalls
from .._kernel.proc import TICK_NS
from .._libraries import catalogue
from .._libraries.facts import MappedFile
from .._wire.handshake import hold
from .records import FileRecord, OperationRecord, ProcessRecord
from .session import Session

_DELETED = b" (deleted)"
# Images without any observation that are kept after their end, so that a late record still finds them.
_MOST_ENDED = 2000
# More observed processes than this are never held, whatever the request allows.
_MOST_OBSERVED = 20000


class Ledger:
    """All processes of a window."""

    def __init__(self, selection, library_facts, bounds, observer):
        """
        :arg selection: Selection. :arg library_facts: LibraryFacts.
        :arg bounds: dict of ``files``, ``libraries``, ``operations``, ``handshakes`` -> most of them in one process.
        :arg observer: called with ``(kind, time, record, thing)`` for each event worth a line of a monitor.
        """
        self._selection = selection
        self._library_facts = library_facts
        self._bounds = bounds
        self._observer = observer
        self._images = {}  # ProcessRecord.key -> ProcessRecord
        self._current = {}  # pid -> ProcessRecord
        self._ended = collections.deque()  # ended images without observation, oldest first
        self._opens = {}  # OpenKey -> FileRecord
        self.sightings = 0  # of opens and operations that are counted in the kernel, since it was last emptied
        self.unattributed = {"tls": {}, "ssh": {}}
        self.unattributed_omitted = collections.Counter()
        self._session = Session()
        self.seen = 0
        self.omitted = 0
        self._observed = 0

    # processes

    def scan(self):
        """Enter every process there is now, with the crypto libraries it maps. Yields ``(pid, Mapping)`` of each of these."""
        records = [record for record in map(self._enter_from_proc, proc.list_pids()) if record is not None]
        self._session.begin(self._current)
        for record in records:
            yield from self._scan_maps(record)

    def enter(self, pid):
        """Enter a process that polling found."""
        self._enter_from_proc(pid)

    def _enter_from_proc(self, pid):
        stat = proc.read_stat(pid)
        if stat is None or proc.is_kernel_thread(stat):
            return None
        start = stat.start_ticks * TICK_NS
        record = self._current.get(pid)
        if record is not None and record.ticks == stat.start_ticks:
            return record
        record = ProcessRecord(pid, start, None, "proc", parent_pid=stat.ppid, comm=stat.comm, entered_at=syscalls.clock_boottime_ns())
        self._read_executable(record)
        record.arguments, record.arguments_truncated = proc.read_cmdline(pid) or (None, False)
        status = proc.read_status(pid)
        record.uid = status.euid if status else None
        record.cgroups = proc.read_cgroup(pid)
        self._enter(record, self._current.get(stat.ppid))
        return record

    def _read_executable(self, record):
        """What only a process's owner and root may see of it."""
        try:
            exe = proc.read_exe(record.pid)
            if exe:
                record.exe, record.exe_deleted = exe
            record.mount_namespace = record.mount_namespace or proc.mount_namespace(record.pid)
        except PermissionError:
            self.refused(record)

    @staticmethod
    def refused(record):
        """That something of a process must not be read."""
        stat = proc.read_stat(record.pid)
        if stat is not None and stat.start_ticks == record.ticks:  # a process that is being reaped refuses too
            record.permission_denied = True

    @property
    def permission_denied(self):
        """How many selected processes could not be read (int)."""
        return sum(record.permission_denied and record.selected for record in self._images.values())

    def _scan_maps(self, record):
        try:
            mappings = proc.read_maps(record.pid)
            for mapping in mappings or ():
                if catalogue.recognise(mapping.path) is not None:
                    self.add_library(record, mapping.path, None, None, "present", "proc", mapping.deleted)
                    yield record.pid, mapping
        except PermissionError:
            self.refused(record)

    def _enter(self, record, parent):
        before = self._current.get(record.pid)
        self._images[record.key] = record
        if before is not None and before.is_later(record):
            record.replaced = True
            self._end(record)
        else:
            if before is not None and not before.ended:
                self._end(before)
            self._current[record.pid] = record
        self._session.join(record, parent)
        inherited = parent is not None and parent.selected and self._selection.follow_children
        record.selected = self._selection.matches(record) or inherited
        self.seen += record.selected

    def _end(self, record):
        """An image is over: forget it later if nothing was observed of it."""
        if not record.has_crypto():
            self._ended.append(record)
            if len(self._ended) > _MOST_ENDED:
                old = self._ended.popleft()
                if not old.has_crypto() and (not old.selected or self._selection.whole_host):
                    if self._images.get(old.key) is old:
                        del self._images[old.key]
                    if self._current.get(old.pid) is old:
                        del self._current[old.pid]

    def find(self, subject):
        """The ProcessRecord of an event's Subject; entered now where no event told of it before."""
        image = subject.image
        record = self._images.get((image.pid, image.start, image.exec_id))
        if record is not None:
            return record
        record = self._images.get((image.pid, image.start - image.start % TICK_NS, None))
        if record is not None:
            self._bind(record, image)
        else:
            record = self._from_subject(subject)
            current = self._current.get(image.pid)
            if current is None or not current.is_later(record):  # else /proc describes another image
                self._complete_from_proc(record)
            self._enter(record, self._current.get(subject.parent_pid))
        return record

    @staticmethod
    def _from_subject(subject):
        image = subject.image
        return ProcessRecord(image.pid, image.start, image.exec_id, "kernel", parent_pid=subject.parent_pid, comm=subject.comm,
                             uid=subject.uid, mount_namespace=subject.mount_namespace)

    def _complete_from_proc(self, record):
        """What /proc still tells of a process that no exec event described."""
        stat = proc.read_stat(record.pid)
        if stat is None or stat.start_ticks != record.ticks:
            return
        self._read_executable(record)
        record.arguments, record.arguments_truncated = proc.read_cmdline(record.pid) or (None, False)
        record.cgroups = proc.read_cgroup(record.pid)

    # events

    def _bind(self, record, image):
        """Give a record entered from /proc the exec number that an event tells."""
        self._images.pop(record.key, None)
        record.exec_id, record.start = image.exec_id, image.start
        self._images[record.key] = record

    def _scanned_later(self, image, time):
        """The record of a process that /proc was read for after an event of this time: that reading already shows what came of it."""
        record = self._current.get(image.pid)
        if record is not None and record.entered_at > time and record.is_of(image):
            self._bind(record, image)
            return record
        return None

    def on_fork(self, event):
        """ProcessFork."""
        record = self._scanned_later(event.subject.image, event.time)
        if record is None:
            parent = self._images.get((event.parent.pid, event.parent.start, event.parent.exec_id)) or self._current.get(event.parent.pid)
            record = self._from_subject(event.subject)
            if parent is not None:
                record.cgroups = parent.cgroups
                record.exe, record.exe_deleted, record.exe_inode = parent.exe, parent.exe_deleted, parent.exe_inode
                record.arguments, record.arguments_truncated = parent.arguments, parent.arguments_truncated
                record.libraries = dict(parent.libraries)  # a fork has its parent's mappings
                record.inherited = True
            self._enter(record, parent)
        self._observer("process_fork", event.time, record, None)
        return record

    def on_exec(self, event):
        """ProcessExec."""
        image = event.subject.image
        record = self._scanned_later(image, event.time)
        if record is None:
            record = self._begin_image(event)
        record.exec_time = event.time
        self._observer("process_exec", event.time, record, None)
        return record

    def _begin_image(self, event):
        image = event.subject.image
        before = self._current.get(image.pid)
        if before is not None and not before.is_of(image):
            before = None
        record = self._from_subject(event.subject)
        record.exe, record.exe_inode, record.exe_deleted = event.path, event.inode, False
        record.arguments, record.arguments_truncated = event.arguments, event.arguments_truncated
        if event.arguments_truncated:
            whole = proc.read_cmdline(image.pid)
            if whole and whole[0][:1] == event.arguments[:1]:
                record.arguments, record.arguments_truncated = whole
        parent = before or self._current.get(event.subject.parent_pid)
        # its own control groups while it lives, else those it was born into
        record.cgroups = proc.read_cgroup(image.pid) or (parent.cgroups if parent else None)
        if before is not None:
            before.replaced = True
            if before.inherited and not (before.files or before.operations):
                before.libraries.clear()  # a fork on its way to execve: the mappings were never used
            if image.exec_id is None:  # polling knows no exec numbers: both images would have one key
                self._images[before.pid, before.start, "before %d" % event.time] = self._images.pop(before.key)
            self._end(before)
        self._enter(record, parent)
        return record

    def on_exit(self, event):
        """ProcessExit."""
        record = self.find(event.subject)
        if record.exit_time is None:
            record.exit_time, record.exit_status = event.time, event.status
            self._observer("process_exit", event.time, record, None)
            self._end(record)
        return record

    def on_library(self, event):
        """LibraryMapped. Returns the ProcessRecord, or None where nothing is known of the process any more."""
        record = self._current.get(event.pid) or self._enter_from_proc(event.pid)
        if record is None:
            return None
        path, deleted = event.path, False
        if path.endswith(_DELETED):
            path, deleted = path[:-len(_DELETED)], True
        self.add_library(record, path, event.build_id, event.time, "loaded", "kernel", deleted)
        return record

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
        library = self._library_facts.describe(MappedFile(path, record.mount_namespace, record.pid, build_id, how, source, time, deleted))
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

    def on_operation(self, event, library):
        """OperationSeen; library: path (bytes) of the probed file. Its count comes with count_operations()."""
        record = self.find(event.subject)
        self.sightings += 1
        self._operation(record, event.key, event.key_bits, library, event.time)

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
            if hold(self.unattributed[seen.kind], seen, self._bounds["handshakes"])[0] is None:
                self.unattributed_omitted[seen.kind] += 1
            return
        record = self.find(seen.subject)
        if not self._admit(record):
            return
        held, new = hold(getattr(record, seen.kind), seen, self._bounds["handshakes"])
        if held is None:
            record.left_out.setdefault(seen.kind, set()).add(seen.identity())
        elif new:
            self._observer("tls_handshake" if seen.kind == "tls" else "ssh_kex", seen.time, record, held)

    def nobodys_handshakes(self):
        """How many handshakes nobody is named for (int)."""
        return sum(self.unattributed_omitted.values()) + sum(held.count for kind in self.unattributed.values() for held in kind.values())

    # counts, at the end and when the kernel's maps fill up

    def is_over(self, key):
        """Whether the image of an OpenKey or OperationKey can do nothing any more, and what it did is entered here."""
        if isinstance(key, events.OpenKey) and key not in self._opens:
            return False  # its file waits to be looked at
        record = self._images.get((key.pid, key.start, key.exec_id))
        return record is not None and record.ended

    def count_files(self, counts):
        """Take over the kernel side's counts of opens: list of ``(OpenKey, count, first, last)``."""
        for key, count, first, last in counts:
            held = self._opens.get(key)
            if held is not None:
                held.count += count
                held.first_seen = min(held.first_seen, first)
                held.last_seen = max(held.last_seen, last)

    def count_operations(self, counts, path_of):
        """Take over the kernel side's counts of operations. path_of: library number -> path (bytes)."""
        for key, key_bits, count, first, last in counts:
            image = events.Image(key.pid, key.exec_id, key.start)
            record = self.find(events.Subject(image, None, None, 0, None, b""))
            held = self._operation(record, key, key_bits, path_of(key.library), first)
            if held is not None:
                held.count += count
                held.first_seen = min(held.first_seen, first)
                held.last_seen = max(held.last_seen, last)

    def unread_operations(self):
        """Calls (int) of selected processes whose algorithm could not be read."""
        return sum(held.count for record in self._images.values() if record.selected for held in record.operations.values() if held.unread)

    def records(self):
        """All ProcessRecords that are held."""
        return list(self._images.values())

    def left_out(self):
        """What is over the bounds of single processes: dict of ``files``, ``libraries``, ``operations``, ``tls``, ``ssh`` -> int."""
        total = collections.Counter()
        for record in self._images.values():
            if record.selected:
                total.update({kind: len(identities) for kind, identities in record.left_out.items()})
        return dict(total)

    def release_services(self):
        """At the end of the window: what Ansible's own connection has left running is no part of it."""
        self._session.release_services(self._current)

    def selected_alive(self):
        """Whether any selected process is still there."""
        return any(record.selected and not record.ended for record in self._images.values())
