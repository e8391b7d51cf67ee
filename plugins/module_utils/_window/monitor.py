# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""crypto_monitor: the events of a window as JSON Lines, the coverage as the last of them.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fnmatch
import json

from .._text import to_text
from .limits import within_limits
from .stop_signals import StopSignals
from .tracer import Window

# Taken from the entries of a profile where an event's line has them too.
_PROCESS_KEYS = ("ppid", "cmdline", "cmdline_escaped", "cmdline_truncated", "user", "uid", "exec_number", "started_at", "exit_code", "exit_signal",
                 "unit", "container")
_WHO = ("pid", "name", "name_escaped", "exe", "exe_escaped", "exe_truncated")
_NOT_IN_A_LINE = ("first_seen", "last_seen", "count")


class Stream:
    """Turns the ledger's observations into lines."""

    def __init__(self, request, filters, sink):
        """:arg filters: dict of ``events``, ``files``, ``libraries`` -> list of str; an empty list lets everything pass."""
        self._filters = filters
        self._sink = sink
        self._most = request.max_events
        self._count = 0
        self.writer = None
        self.window = None

    def observe(self, kind, time, record, thing):
        """Ledger's observer."""
        if self.window is None:  # the host is still being entered: these are no events
            return
        if time is None or not record.selected or self._count >= self._most or not self._wanted(kind, thing):
            return
        line = self._line(kind, time, record, thing)
        self._sink(json.dumps(line, sort_keys=True))
        self._count += 1
        if self._count >= self._most:
            self.window.stop("max_events")

    def _wanted(self, kind, thing):
        if self._filters["events"] and kind not in self._filters["events"]:
            return False
        if kind == "file_open":
            return _any_match(self._filters["files"], [thing.observed.path])
        if kind == "library_load":
            return _any_match(self._filters["libraries"], [thing.path, thing.path.rpartition(b"/")[2], thing.name.encode()])
        if kind == "operation":
            return _any_match(self._filters["libraries"], [thing.library, thing.library.rpartition(b"/")[2]])
        return True

    def _line(self, kind, time, record, thing):
        process = self.writer.process_identity(record)
        line = {"event": kind, "time": self.writer.time(time), "audit_connection": record.audit_connection}
        line.update({key: value for key, value in process.items() if key in _WHO})
        if kind.startswith("process_"):
            line.update({key: process[key] for key in _PROCESS_KEYS if key in process})
            if kind == "process_fork":
                line["child_pid"], line["pid"] = record.pid, record.parent_pid or record.pid
        elif kind == "library_load":
            self.window.library_facts.settle_packages([record])
            line["library"] = self.writer.library(thing)
        else:
            entry = self._entry(kind, thing)
            line.update({key: value for key, value in entry.items() if key not in _NOT_IN_A_LINE})
        return line

    def _entry(self, kind, thing):
        if kind == "file_open":
            return self.writer.file(thing)
        if kind == "operation":
            return self.writer.operation(thing)
        tls, ssh = ({0: thing}, {}) if kind == "tls_handshake" else ({}, {0: thing})
        return sum(self.writer.handshakes(tls, ssh).values(), [])[0]


def _any_match(patterns, raw_texts):
    if not patterns:
        return True
    texts = [to_text(raw)[0] for raw in raw_texts]
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in texts)


@within_limits()
def monitor(request, filters, sink):
    """One window as a stream.

    :arg request: Request of _window.request. :arg filters: as Stream's. :arg sink: called with each line (str, no line end).
    :returns: the coverage object; it is the last line too.
    :raises AuditError: as trace().
    """
    stream = Stream(request, filters, sink)
    signals = StopSignals()
    window = Window(request, stream.observe)
    try:
        from .._report.coverage import coverage_of  # later than attaching: see _window.tracer
        from .._report.writer import Writer
        stream.writer = Writer(request.redact, window.boot_offset)
        stream.window = window
        signals.end(window)
        window.run()
        window.finish()
        window.require_match()
        coverage = coverage_of(window, stream.writer, len(window.ledger.records()), 0)
    finally:
        window.engine.close()
    sink(json.dumps({"event": "coverage", "time": stream.writer.time(window.ended), "coverage": coverage}, sort_keys=True))
    return coverage
