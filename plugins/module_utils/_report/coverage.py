# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage: what was looked at, what could not be, what was lost. It decides whether a profile may call itself complete.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._probes.base import ATTACHED, DISABLED
from .writer import error_name

# What a loss of each kind means, for coverage.reasons.
_LOSSES = {
    "ring_full": "%d events were lost because the ring buffer was full",
    "map_full": "%d counts were kept for first sights only or lost because a counter map was full",
    "user_fault": "%d times the memory of a process could not be read: an algorithm or a name may be missing",
    "perf_records": "%d records of mappings were lost because perf's buffer was full",
    "unnamed_mappings": "%d executable mappings are of files whose path is too long for perf: libraries may be among them",
    "unclassified_opens": "%d opens of files of unknown content were not looked at: too many at once",
    "io_uring_opens": "%d opens went through io_uring and were not looked into: their files are missing",
    "socket_storage_full": "%d connections had no room for their state: of their handshakes only the first packet was read",
    "unparsed_packets": "%d packets have IPv6 extension headers that are not stepped over",
    "truncated_handshakes": "%d handshakes are longer, or in more pieces, than what is copied of one",
    "skipped_runs": "%d times the kernel could not run a program, because it was interrupted in it on the same processor: so many events may be missing",
    "path_truncated": "%d paths are longer or deeper than the kernel side walks, and are cut with a mark",
    "handshake_parts": "%d parts of handshakes could not be joined: their handshakes may be missing",
    "quic_datagrams": "%d QUIC datagrams were not opened: too many at once",
    "unattributed_libraries": "%d loads of crypto libraries were by processes that were gone before anything was known of them",
}

_BOUND_OF = {"tls": "handshakes", "ssh": "handshakes"}


def probe_entry(probe, put_path, utc):
    """The coverage entry of a probe, with names for numbers. put_path(entry, key, path) writes a path, utc(ns since boot) is a time's text."""
    entry = probe.coverage()
    entry["errno"] = error_name(entry["errno"])
    entry["targets"] = [dict(target) for target in entry.get("targets", [])]
    for target in entry["targets"]:
        put_path(target, "path", target["path"])
    for gone in entry.get("detached", []):
        gone["since"] = utc(gone["since"])
    return entry


def losses(probes):
    """Losses by cause over all probes: dict of str -> int."""
    total = {}
    for probe in probes:
        for cause, number in probe.losses().items():
            total[cause] = total.get(cause, 0) + number
    return total


def reasons(engine, probes, lost, ledger, late_libraries, put_path):
    """Why a profile is not complete: list of sentences, empty where it is."""
    found = []
    if engine.grade != "full":
        found.append("engine %s looks at intervals and sees no operations" % engine.name)
    for probe in probes:
        if probe.status not in (ATTACHED, DISABLED):
            found.append("probe %s is %s: %s" % (probe.name, probe.status, probe.reason))
        elif probe.status == DISABLED:
            found.append("probe %s was disabled by the user" % probe.name)
    found += [_LOSSES[cause] % number for cause, number in sorted(lost.items()) if number]
    for path in late_libraries:
        holder = {}
        put_path(holder, "path", path)
        found.append("%s was first mapped inside the window: operations before it was probed were not seen" % holder["path"])
    if ledger.permission_denied:
        found.append("%d processes could not be read: not permitted" % ledger.permission_denied)
    for kind, number in sorted(ledger.left_out().items()):
        found.append("%d %s of single processes are left out: max_%s is reached" % (number, kind, _BOUND_OF.get(kind, kind)))
    if ledger.nobodys_handshakes():
        found.append("%d handshakes are of a process that is not known for sure: processes may have made more than their entries say"
                     % ledger.nobodys_handshakes())
    if ledger.omitted:
        found.append("%d observations were of more processes than are held at once" % ledger.omitted)
    return found
