# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile of a window that is closed, as plain data ready for JSON.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._host.host_crypto import read_host_crypto
from .._host.identity import host_identity
from .._report.coverage import coverage_of
from .._report.reasons import rejected_engines
from .._report.writer import COLLECTION_VERSION, SCHEMA_VERSION, Writer

_LISTS = ("libraries", "files", "operations", "tls", "ssh")


def profile_of(window, kind):
    """The document.

    :arg window: Window, closed.
    :arg kind: str, profile or snapshot.
    :returns: dict.
    :raises AuditError: no target was ever there.
    """
    window.require_match()
    selection, request = window.selection, window.request
    records = [record for record in window.ledger.records() if record.selected and (record.has_crypto() or not selection.whole_host)]
    records.sort(key=lambda record: (not record.has_crypto(), record.start, record.pid, record.exec_id or 0))
    omitted = max(0, len(records) - request.max_processes)
    records = records[:request.max_processes]
    writer = Writer(request.redact, window.boot_offset)
    window.library_facts.settle_packages(records)
    entries = [writer.process(record, _executable_facts(window, record)) for record in records]
    entries.sort(key=lambda entry: (entry["started_at"] or "", entry["pid"], entry["exec_number"] or 0))
    coverage = coverage_of(window, writer, len(entries), omitted)
    window.library_facts.close()
    engine = window.engine
    return {
        "schema_version": SCHEMA_VERSION, "collection_version": COLLECTION_VERSION, "document": kind, "host": host_identity(),
        "window": {"started_at": writer.time(window.started), "ended_at": writer.time(window.ended),
                   "requested_seconds": request.duration if kind == "profile" else 0,
                   "actual_seconds": round((window.ended - window.started) / 1e9, 3), "ended_because": window.ended_because or "instant"},
        "targets": {"pids": sorted(selection.pids), "names": selection.names, "units": selection.units, "containers": selection.containers,
                    "follow_children": selection.follow_children, "whole_host": selection.whole_host},
        "engine": {"name": engine.name, "grade": engine.grade, "version": engine.version, "rejected": rejected_engines(window.rejected)},
        "coverage": coverage, "processes": entries, "unattributed": _unattributed(window, writer),
        "host_crypto": read_host_crypto(writer.show_path) if request.host_crypto else None,
        "statistics": dict({"processes": len(entries), "events": sum(probe.hits() for probe in engine.probes)},
                           **{name: sum(len(entry[name]) for entry in entries) for name in _LISTS}),
    }


def _executable_facts(window, record):
    """``(build id, package)`` of a process's executable, each None where it is not known."""
    if record.exe is None or record.exe_deleted:
        return None, None
    return window.library_facts.executable(record.exe, record.mount_namespace, record.pid)


def _unattributed(window, writer):
    """Handshakes of no known process; none where only some processes were asked for: they may be of others."""
    if not window.selection.whole_host:
        return {"tls": [], "ssh": []}
    ledger = window.ledger
    entries = writer.handshakes(ledger.unattributed["tls"], ledger.unattributed["ssh"])
    entries.update({kind + "_omitted": number for kind, number in ledger.unattributed_omitted.items()})
    return entries
