# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The window: open the engine, read its events in ticks, close it, and make the document. The one entry of every host module.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
import gc
import time

from .._engines.choose import choose_engine
from .._errors import AuditError
from .._kernel import events, proc, syscalls
from .._probes.file_open import FileObserved
from .._processes.selection import Selection
from .limits import within_limits
from .priority import Priority
from .stop_signals import StopSignals

# Seconds between two reads of the buffers; a buffer that fills up is read earlier.
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
    from . import document
    return host_crypto, identity, coverage, writer, finder, document


class Window:
    """One window on this host."""

    def __init__(self, request, observer=lambda kind, moment, record, thing: None):
        """Attach everything, and read what is there.

        :arg request: Request.
        :arg observer: callable, as Ledger's.
        :raises AuditError: a target does not exist, or no engine can run.
        """
        self.request = request
        self.selection = Selection(request.pids, request.names, request.units, request.containers, request.follow_children)
        self.boot_offset = proc.boot_time_offset()
        began = time.monotonic()
        self.engine, self.rejected = choose_engine(request)
        try:
            self.attach_seconds = time.monotonic() - began
            # all that nothing needs while probes attach
            from .._files.look import Looker
            from .._libraries.facts import LibraryFacts
            from .._processes.ledger import Ledger
            from .._report.process_coverage import ProcessCoverage
            from .probed_files import ProbedFiles
            self.looker = self.engine.looker = Looker()
            self.library_facts = LibraryFacts(self.looker)
            bounds = {"files": request.max_files, "libraries": request.max_libraries, "operations": request.max_operations,
                      "handshakes": request.max_handshakes}
            self.ledger = Ledger(self.selection, self.library_facts, bounds, observer)
            self.process_coverage = ProcessCoverage(self.ledger)
            self._probed_files = ProbedFiles(self.engine, self.looker, self.ledger, self.process_coverage)
            self._handshakes = None
            self.ended_because = None
            self._probed_files.enter_present()
            self.process_coverage.look_at_sockets()
            if request.pids:
                self.selection.require_pids()
            self.started = syscalls.clock_boottime_ns()
            self._deadline = time.monotonic() + request.duration
        except BaseException:
            self.engine.close()
            raise

    def stop(self, why):
        """End the window at the next tick.

        :arg why: str, a word of window.ended_because.
        """
        self.ended_because = self.ended_because or why

    def run(self):
        """Watch until the duration is over, the targets are gone or somebody stops it."""
        _import_what_the_end_needs()
        gc.freeze()  # what is here stays: no need to look at it again and again for what could be freed
        priority = Priority()
        while self.ended_because is None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.stop("duration")
                break
            priority.lower(not self.engine.wait(min(_TICK, left)))
            self._take(self.engine.read())
            if self.ledger.sightings > _MOST_SIGHTINGS:
                self._empty_maps()
            if self.selection.pids and not self.selection.needs_cgroups and not self.selection.names and not self.ledger.selected_alive():
                self.stop("targets_exited")
        priority.lower(False)

    def _empty_maps(self):
        """Take the counts of what has ended out of the kernel, whose maps hold so many."""
        self.ledger.sightings = 0
        self.ledger.add_counts(self.engine.counts(self.ledger.is_over))

    def _take(self, found):
        for event in found:
            _HANDLERS[type(event)](self, event)
        self._settle_handshakes(everything=False)

    def _on_wire_data(self, event):
        """The parsers of the wire are large, and nothing needs them while probes attach."""
        if self._handshakes is None:
            from .._wire.collector import HandshakeCollector
            self._handshakes = HandshakeCollector()
        for seen in self._handshakes.take(event):
            self.ledger.on_handshake(seen)

    def _on_exec(self, event):
        self._probed_files.add_executable(self.ledger.on_exec(event))

    def _settle_handshakes(self, everything):
        if self._handshakes is not None:
            for seen in self._handshakes.settle(syscalls.clock_boottime_ns(), everything):
                self.ledger.on_handshake(seen)

    def handshake_losses(self):
        """What the parser of handshakes could not read, by cause: dict of str -> int."""
        return self._handshakes.losses() if self._handshakes is not None else {}

    def finish(self):
        """Detach, and while the kernel takes its time for that, look at what is left and settle the counts."""
        self.ended = syscalls.clock_boottime_ns()
        began = time.monotonic()
        found, counts = self.engine.finish()
        self._take(found)
        self._settle_handshakes(everything=True)
        self.ledger.add_counts(counts)
        self._mark_replaced_libraries()
        self.ledger.release_services()
        self.process_coverage.settle(self.engine, self.looker, self.started)
        self.detach_seconds = self.engine.close() - began

    def _mark_replaced_libraries(self):
        """A library whose file has been replaced is what a patched host still runs."""
        for record in self.ledger.records():
            for library in record.libraries.values():
                if library.deleted is False:
                    there = self.library_facts.on_disk(library, record.mount_namespace, record.pid)
                    library.deleted = None if there is None else not there

    def require_match(self):
        """:raises AuditError: none of the targets was ever there."""
        if not self.selection.whole_host and not any(record.selected for record in self.ledger.records()):
            raise AuditError("nothing on this host matched %s in the window" % ", ".join(self.selection.missing()))


# What is done with each type of event; functions of the Window, so that it holds no references to itself.
_HANDLERS = {
    events.WireData: Window._on_wire_data,
    events.ProcessExec: Window._on_exec,
    events.ProcessFork: lambda window, event: window.ledger.on_fork(event),
    events.ProcessExit: lambda window, event: window.ledger.on_exit(event),
    events.ProcessFound: lambda window, event: window.ledger.on_found(event),
    events.LibraryMapped: lambda window, event: window._probed_files.on_library(event),
    events.OperationSeen: lambda window, event: window.ledger.on_operation(event),
    events.FileNotRead: lambda window, event: window.ledger.on_file_not_read(event),
    FileObserved: lambda window, event: window.ledger.on_file(event),
}


@within_limits()
def trace(request):
    """One window.

    :arg request: Request.
    :returns: dict, the profile document, as docs/profile.md describes it.
    :raises AuditError: a target does not exist, nothing matched, the engine asked for can't run, or a signal came too early.
    """
    signals = StopSignals()
    window = Window(request)
    try:
        signals.end(window)
        window.run()
        window.finish()
        from .document import profile_of
        return profile_of(window, "profile")
    finally:
        window.engine.close()


@within_limits()
def snapshot(request):
    """What /proc shows at this moment, without a window; works unprivileged and says what it was not permitted to see.

    :arg request: Request; its targets, redaction and bounds count.
    :returns: dict, the same document, as a snapshot.
    :raises AuditError: a target does not exist.
    """
    window = Window(dataclasses.replace(request, engine="procfs"))
    window.finish()
    from .document import profile_of
    return profile_of(window, "snapshot")
