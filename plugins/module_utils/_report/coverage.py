# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage section: what was looked at, what could not be, what was lost. It decides whether a profile may call itself complete.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import resource

from .._kernel import proc
from .._probes.base import ATTACHED, DISABLED, OVER_BUDGET
from .reasons import REASONS, Reasons
from .writer import error_name

_CODE_OF_STATUS = {DISABLED: "probe_disabled", OVER_BUDGET: "functions_detached"}  # others: probe_STATUS
_BOUND_OF = {"tls": "handshakes", "ssh": "handshakes"}


def probe_entry(probe, writer):
    """The entry of one probe in coverage.probes.

    :arg probe: Probe.
    :arg writer: Writer.
    :returns: dict, with names for errno numbers and text for paths and times.
    """
    entry = probe.coverage()
    entry["errno"] = error_name(entry["errno"])
    entry["targets"] = [dict(target) for target in entry.get("targets", [])]
    for target in entry["targets"]:
        writer.put_path(target, "path", target["path"])
    for detached in entry.get("detached", []):
        detached["since"] = writer.time(detached["since"])
    return entry


def sum_losses(probes):
    """Losses by cause over all probes.

    :arg probes: iterable of Probe.
    :returns: dict of str -> int.
    """
    total = {}
    for probe in probes:
        for cause, number in probe.losses().items():
            total[cause] = total.get(cause, 0) + number
    return total


def coverage_of(window, writer, reported, omitted):
    """The coverage section of a window that is closed.

    :arg window: Window of _window.tracer.
    :arg writer: Writer.
    :arg reported: int, processes in the document.
    :arg omitted: int, processes with observations beyond max_processes.
    :returns: dict.
    """
    engine, ledger = window.engine, window.ledger
    lost = _losses(window)
    reasons = Reasons()
    _add_of_probes(reasons, engine)
    for cause, number in sorted(lost.items()):
        names = sorted(ledger.unattributed_libraries()) if cause == "unattributed_libraries" else ()
        reasons.add(cause if cause in REASONS else "other_loss", number, names=names, name=cause)
    _add_of_bounds(reasons, window, omitted)
    _add_of_handshakes(reasons, window)
    window.process_coverage.add_reasons(reasons)
    for target in window.selection.missing():
        reasons.add("target_not_found", names=(target,), name=target)
    for problem in window.library_facts.problems():
        reasons.add("package_database", detail=problem)
    if not window.request.host_crypto:
        reasons.add("host_crypto_disabled")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "complete": reasons.is_complete(),
        "scope": {"processes": "all" if window.selection.whole_host else "selected", "excluded": reasons.excluded(writer)},
        "reasons": reasons.entries(writer),
        "probes": [probe_entry(probe, writer) for probe in engine.probes],
        "lost": lost,
        "files_gone": engine.files_gone(),
        "processes": {"seen": ledger.seen, "reported": reported, "omitted_over_bound": omitted + ledger.omitted, **window.process_coverage.counts},
        "tracer": {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 4), "peak_memory_kib": proc.peak_memory_kib(),
                   "attach_seconds": round(window.attach_seconds, 4), "detach_seconds": round(window.detach_seconds, 4)},
    }


def _losses(window):
    """Losses by cause: of the probes, of the handshakes' parser, and of the ledger."""
    lost = sum_losses(window.engine.probes)
    lost.update((cause, number) for cause, number in window.handshake_losses().items() if number)
    unread = window.ledger.unread_operations()
    if unread:
        lost["user_fault"] = lost.get("user_fault", 0) + unread
    unattributed = len(window.ledger.unattributed_libraries())
    if unattributed:
        lost["unattributed_libraries"] = unattributed
    return lost


def _add_of_probes(reasons, engine):
    if engine.grade != "full":
        reasons.add("engine_reduced", names=(engine.name,), name=engine.name)
    for probe in engine.probes:
        if probe.status != ATTACHED:
            reasons.add(_CODE_OF_STATUS.get(probe.status, "probe_" + probe.status), names=(probe.name,), name=probe.name, detail=probe.reason)


def _add_of_bounds(reasons, window, omitted):
    reasons.add("processes_over_bound", omitted, bound=window.request.max_processes)
    reasons.add("processes_not_held", window.ledger.omitted)
    over = {}
    for kind, number in window.ledger.left_out().items():
        bound = _BOUND_OF.get(kind, kind)
        over[bound] = over.get(bound, 0) + number
    for bound, number in sorted(over.items()):
        reasons.add(bound + "_over_bound", number)
    if window.ended_because == "max_events":
        reasons.add("stream_ended", bound=window.request.max_events)


def _add_of_handshakes(reasons, window):
    ledger = window.ledger
    held = sum(record.count for kind in ledger.unattributed.values() for record in kind.values())
    beyond = sum(ledger.unattributed_omitted.values())
    if not window.selection.whole_host:
        reasons.add("unattributed_of_host", held + beyond)
    else:
        reasons.add("unattributed_handshakes", held)
        reasons.add("unattributed_over_bound", beyond)
