# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The window: open the engine, tick, close it, and make the document. The one entry of every host module.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import resource
import time

from .._engines.choose import choose_engine
from .._errors import AuditError
from .._functions.families import family_of
from .._kernel import events as kernel_events
from .._kernel import proc, syscalls
from .._libraries import catalogue
from .._probes.file_open import FileObserved
from .._processes.selection import Selection
from .limits import within_limits
from .priority import Courtesy
from .stop_signals import StopSignals

# Seconds between two looks at the buffers; a buffer that fills up is looked at earlier.
_TICK = 0.2

# First sights between two emptyings of the kernel's counter maps: half of what the smaller holds (bpf/: opens, operations).
_MOST_SIGHTINGS = 8192


def _import_what_the_end_needs():
    """Compile in the window what only its end uses.

    A host compiles every file of the module each time, which takes longer than attaching, and its memory would be there when libbpf
    needs most. So what is needed only when all is attached is imported where it is used; what only the end needs is imported here.
    """
    from .._host import host_crypto, identity
    from .._report import coverage, writer
    from .._stacks import finder
    return host_crypto, identity, coverage, writer, finder


class Window:
    """One window on this host."""

    def __init__(self, request, observer=lambda kind, moment, record, thing: None):
        """Attach everything. :raises AuditError: a target does not exist, or no engine can run.

        :arg observer: as Ledger's.
        """
        self.request = request
        self._began = time.monotonic()
        self._stopped = None
        self.selection = Selection(request.pids, request.names, request.units, request.containers, request.follow_children)
        self.boot_offset = proc.boot_time_offset()
        self.engine, self.rejected = choose_engine(request)
        try:
            self.attach_seconds = time.monotonic() - self._began
            self.started = syscalls.clock_boottime_ns()
            from .._libraries.facts import LibraryFacts
            from .._processes.ledger import Ledger
            from .._report.process_coverage import ProcessCoverage
            looker = self.engine.files.looker
            self.library_facts = LibraryFacts(looker)
            bounds = {"files": request.max_files, "libraries": request.max_libraries, "operations": request.max_operations,
                      "handshakes": request.max_handshakes}
            self.ledger = Ledger(self.selection, self.library_facts, bounds, observer)
            self._known_libraries = set()
            self._known_executables = set()
            self._handshakes = None
            self.late_libraries = []
            self._unattributed = 0  # mappings of processes that were gone before anything was known of them
            self.process_coverage = ProcessCoverage(self.ledger)
            self._enter_present()
            self.process_coverage.look_at_sockets()
            if request.pids:
                self.selection.require_pids()
        except BaseException:
            self.engine.close()
            raise

    def _enter_present(self):
        """What is there when the window opens."""
        for pid, mapping in self.ledger.scan():
            opener = b"/proc/%d/map_files/%x-%x" % (pid, mapping.start, mapping.end)
            self._probe_library(mapping.path, opener, (mapping.dev_major, mapping.dev_minor, mapping.inode))
        for record in self.ledger.records():
            self.engine.files.looker.remember(record.mount_namespace, record.pid)
            if record.exe:
                self._probe_executable(record, present=True)

    def _probe_library(self, path, opener, identity):
        if identity in self._known_libraries:
            return False
        self._known_libraries.add(identity)
        return self.engine.add_library(path, opener)

    def _probe_executable(self, record, present=False):
        """Programs that carry OpenSSL themselves are libraries too. present: it ran before the window."""
        opener, found = self._reach(b"/proc/%d/exe" % record.pid, record, record.exe, record.exe_inode)
        if found is None:
            return
        identity = (found.st_dev, found.st_ino)
        record.exe_inode = record.exe_inode or found.st_ino
        probed_before = self.engine.functions.is_target(*identity)
        if identity not in self._known_executables:
            self._known_executables.add(identity)
            self.engine.add_executable(record.exe, opener)
        if self.engine.functions.is_target(*identity):
            if not probed_before and not present:
                self._came_late(record.exe, None)
            self.ledger.add_library(record, record.exe, None, record.exec_time, "executable", record.source, bool(record.exe_deleted))

    def _reach(self, opener, record, path, inode):
        """A way to the very file a process has, though the process may be gone.

        :arg opener: bytes, the way through its /proc folder. :arg inode: int or None, of the file that may stand at ``path`` still.
        :returns: ``(opener, os.stat_result)``, or ``(None, None)``.
        """
        try:
            return opener, os.stat(opener)
        except OSError:
            root = self.engine.files.looker.root(record.mount_namespace, record.pid)
        if root is None or inode is None:
            return None, None
        try:
            found = os.stat(root + path)
        except OSError:
            return None, None
        return (root + path, found) if found.st_ino == inode else (None, None)

    def _came_late(self, path, build_id):
        self.process_coverage.came_late(path, build_id)
        if path not in self.late_libraries:
            self.late_libraries.append(path)

    def stop(self, why):
        """End the window at the next tick. why: a word of window.ended_because."""
        self._stopped = self._stopped or why

    def run(self):
        """Watch until the duration is over, the targets are gone or somebody stops it. Returns why."""
        deadline = self._began + self.attach_seconds + self.request.duration
        _import_what_the_end_needs()
        gc.freeze()  # what is here stays: no need to look at it again and again for what could be freed
        courtesy = Courtesy()
        while self._stopped is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self.stop("duration")
                break
            courtesy.give_way(not self.engine.wait(min(_TICK, left)))
            self._take(self.engine.read())
            if self.ledger.sightings > _MOST_SIGHTINGS:
                self._empty_maps()
            if self.selection.pids and not self.selection.needs_cgroups and not self.selection.names and not self.ledger.selected_alive():
                self.stop("targets_exited")
        courtesy.give_way(False)
        return self._stopped

    def _empty_maps(self):
        """Take the counts of what has ended out of the kernel, whose maps hold so many."""
        self.ledger.sightings = 0
        self.ledger.count_files(self.engine.files.counts(self.ledger.is_over))
        self.ledger.count_operations(self.engine.functions.counts(self.ledger.is_over), lambda number: self.engine.functions.library(number).path)

    def _take(self, events):
        for event in events:
            self._take_one(event)
        for observed in self.engine.files.observe_unknown():
            self.ledger.on_file(observed)
        self._settle_handshakes(everything=False)

    def _take_wire(self, event):
        """What the wire showed. Its parsers are large, and nothing needs them while probes attach."""
        if self._handshakes is None:
            from .._wire.handshakes import Handshakes
            self._handshakes = Handshakes()
        for seen in self._handshakes.take(event):
            self.ledger.on_handshake(seen)

    def _settle_handshakes(self, everything):
        if self._handshakes is not None:
            for seen in self._handshakes.settle(syscalls.clock_boottime_ns(), everything):
                self.ledger.on_handshake(seen)

    def _take_one(self, event):
        if isinstance(event, kernel_events.WireData):  # first, because there are most of them
            self._take_wire(event)
        elif isinstance(event, kernel_events.FileOpened):
            observed = self.engine.files.observe(event)
            if observed is not None:
                self.ledger.on_file(observed)
        elif isinstance(event, FileObserved):
            self.ledger.on_file(event)
        elif isinstance(event, kernel_events.LibraryMapped):
            self._take_library(event)
        elif isinstance(event, kernel_events.OperationSeen):
            self.ledger.on_operation(event, self.engine.functions.library(event.key.library).path)
        elif isinstance(event, kernel_events.ProcessExec):
            record = self.ledger.on_exec(event)
            self.engine.files.looker.remember(record.mount_namespace, record.pid)
            self._probe_executable(record)
        elif isinstance(event, kernel_events.ProcessFound):
            self.ledger.enter(event.pid)
        elif isinstance(event, kernel_events.ProcessFork):
            self.ledger.on_fork(event)
        elif isinstance(event, kernel_events.ProcessExit):
            self.ledger.on_exit(event)
            for observed in self.engine.files.observe_written(event.subject.image):
                self.ledger.on_file(observed)

    def _take_library(self, event):
        record = self.ledger.on_library(event)
        identity = (event.path, event.build_id, event.device, event.inode)
        if record is None:
            self._unattributed += 1
            return
        if identity in self._known_libraries:
            return
        opener = self._way_to_library(record, event)
        if opener is not None:
            self._known_libraries.add(identity)
        # where process and file are gone already, the next process that maps it brings it back
        if self.engine.add_library(event.path, opener) if opener is not None else self._has_functions(event.path):
            self._came_late(event.path, event.build_id)

    @staticmethod
    def _has_functions(path):
        """Whether a library that nobody could reach any more is one whose functions would have been probed."""
        library = catalogue.recognise(path)
        return library is not None and family_of(library.name) is not None

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

    def finish(self):
        """Detach, and while the kernel takes its time for that, look at what is left and settle the counts."""
        self.ended = syscalls.clock_boottime_ns()
        began = time.monotonic()
        engine = self.engine
        events = engine.read()
        events += engine.read()  # what came during the first is later than it
        opens, operations = engine.files.counts(), engine.functions.counts()
        engine.detach()
        self._take(events)
        self._settle_handshakes(everything=True)
        for observed in engine.files.observe_unknown(everything=True) + engine.files.observe_written():
            self.ledger.on_file(observed)
        self.ledger.count_files(opens)
        self.ledger.count_operations(operations, lambda number: engine.functions.library(number).path)
        self._mark_replaced_libraries()
        self.ledger.release_services()
        self.process_coverage.settle(engine, engine.files.looker)
        self.detach_seconds = engine.close() - began

    def _mark_replaced_libraries(self):
        """A library whose file has been replaced is what a patched host still runs."""
        for record in self.ledger.records():
            for library in record.libraries.values():
                if library.deleted is False:
                    there = self.library_facts.on_disk(library, record.mount_namespace, record.pid)
                    library.deleted = None if there is None else not there

    def coverage(self, writer, reported, left_out):
        """coverage of the document. reported: int, processes in it; left_out: int, observed ones over the bound."""
        from .._report import coverage as coverage_report
        lost = coverage_report.losses(self.engine.probes)
        if self._handshakes is not None:
            lost.update({cause: number for cause, number in self._handshakes.losses().items() if number})
        if self.ledger.unread_operations():
            lost["user_fault"] = lost.get("user_fault", 0) + self.ledger.unread_operations()
        if self._unattributed:
            lost["unattributed_libraries"] = self._unattributed
        reasons = coverage_report.reasons(self.engine, self.engine.probes, lost, self.ledger, self.late_libraries, writer.put_path)
        if left_out:
            reasons.append("%d processes are left out: max_processes is %d" % (left_out, self.request.max_processes))
        if self._stopped == "max_events":
            reasons.append("the stream ended at max_events, %d: what came later is not in it" % self.request.max_events)
        reasons += ["no process matched %s" % target for target in self.selection.missing()]
        reasons += self.process_coverage.reasons()
        reasons += ["package database: %s" % problem for problem in self.library_facts.problems()]
        if not self.request.host_crypto:
            reasons.append("host_crypto was disabled by the user")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "complete": not reasons, "reasons": reasons,
            "probes": [coverage_report.probe_entry(probe, writer.put_path, writer.time) for probe in self.engine.probes], "lost": lost,
            "files_gone": self.engine.files.unseen(),
            "processes": {"seen": self.ledger.seen, "reported": reported, "omitted_over_bound": left_out + self.ledger.omitted,
                          **dict(self.process_coverage.counts, permission_denied=self.ledger.permission_denied)},
            "tracer": {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 4), "peak_memory_kib": proc.peak_memory_kib(),
                       "attach_seconds": round(self.attach_seconds, 4), "detach_seconds": round(self.detach_seconds, 4)},
        }

    def require_match(self):
        """:raises AuditError: none of the targets was ever there."""
        if not self.selection.whole_host and not any(record.selected for record in self.ledger.records()):
            raise AuditError("nothing on this host matched %s in the window" % ", ".join(self.selection.missing()))

    def document(self, kind):
        """The profile. kind: profile or snapshot. :raises AuditError: no target was ever there."""
        selection = self.selection
        records = [record for record in self.ledger.records() if record.selected and (record.has_crypto() or not selection.whole_host)]
        self.require_match()
        records.sort(key=lambda record: (not record.has_crypto(), record.start, record.pid, record.exec_id or 0))
        left_out = max(0, len(records) - self.request.max_processes)
        records = records[:self.request.max_processes]
        from .._host.host_crypto import read_host_crypto
        from .._host.identity import host_identity
        from .._report.writer import COLLECTION_VERSION, SCHEMA_VERSION, Writer
        writer = Writer(self.request.redact, self.boot_offset)
        self.library_facts.settle_packages(records)
        entries = [writer.process(record, self._executable_facts(record)) for record in records]
        entries.sort(key=lambda entry: (entry["started_at"] or "", entry["pid"], entry["exec_number"] or 0))
        coverage = self.coverage(writer, len(entries), left_out)
        self.library_facts.close()
        return {
            "schema_version": SCHEMA_VERSION, "collection_version": COLLECTION_VERSION, "document": kind, "host": host_identity(),
            "window": {"started_at": writer.time(self.started), "ended_at": writer.time(self.ended),
                       "requested_seconds": self.request.duration if kind == "profile" else 0,
                       "actual_seconds": round((self.ended - self.started) / 1e9, 3), "ended_because": self._stopped or "instant"},
            "targets": {"pids": sorted(selection.pids), "names": selection.names, "units": selection.units, "containers": selection.containers,
                        "follow_children": selection.follow_children, "whole_host": selection.whole_host},
            "engine": {"name": self.engine.name, "grade": self.engine.grade, "version": self.engine.version, "rejected": self.rejected},
            "coverage": coverage, "processes": entries, "unattributed": self._unattributed_handshakes(writer),
            "host_crypto": read_host_crypto(writer.show_path) if self.request.host_crypto else None,
            "statistics": dict({"processes": len(entries), "events": sum(probe.hits() for probe in self.engine.probes)},
                               **{name: sum(len(entry[name]) for entry in entries) for name in ("libraries", "files", "operations", "tls", "ssh")}),
        }

    def _unattributed_handshakes(self, writer):
        """Handshakes nobody is named for; none where only some processes were asked for: they may be of others."""
        if not self.selection.whole_host:
            return {"tls": [], "ssh": []}
        entries = writer.handshakes(self.ledger.unattributed["tls"], self.ledger.unattributed["ssh"])
        entries.update({kind + "_omitted": number for kind, number in self.ledger.unattributed_omitted.items()})
        return entries

    def _executable_facts(self, record):
        """``(build id, package)`` of a process's executable, each None where it can't be told."""
        if record.exe is None or record.exe_deleted:
            return None, None
        return self.library_facts.executable(record.exe, record.mount_namespace, record.pid)


@within_limits()
def trace(request):
    """One window.

    :arg request: Request.
    :returns: the profile document, as docs/profile.md describes it.
    :raises AuditError: a target does not exist, nothing matched, the engine asked for can't run, or a signal came too early.
    """
    signals = StopSignals()
    window = Window(request)
    try:
        signals.end(window)
        window.run()
        window.finish()
        return window.document("profile")
    finally:
        window.engine.close()


@within_limits()
def snapshot(request):
    """What /proc shows at this moment, without a window; works unprivileged and says what it was not permitted to see.

    :arg request: Request; its targets, redaction and bounds count.
    :returns: the same document, as a snapshot.
    :raises AuditError: a target does not exist.
    """
    window = Window(dataclasses.replace(request, engine="procfs"))
    window.finish()
    return window.document("snapshot")
