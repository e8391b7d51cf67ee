# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers for every process what decides how far it was covered: its TLS-like connections, its stacks, and which probes reached it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .._kernel import syscalls
from .._probes.base import ATTACHED, OVER_BUDGET, PARTIAL
from . import process_state, tls_sockets
from .process_state import EXITED_BEFORE_ATTACH, PERMISSION_DENIED, UNOBSERVABLE, Facts, state

_WIRE = ("tls_handshake", "ssh_kex")
_EXCLUDING = (PERMISSION_DENIED, UNOBSERVABLE, EXITED_BEFORE_ATTACH)  # states, which are the codes of reasons too


class ProcessCoverage:
    """How far the processes of a window were covered."""

    def __init__(self, ledger):
        """:arg ledger: Ledger."""
        self._ledger = ledger
        self._late = {}  # (path, build id) of a library that was first mapped inside the window -> when, ns since boot
        self._sockets_not_read = 0
        self._excluded = collections.defaultdict(list)  # code of a reason -> ProcessRecords
        self._before = 0  # processes that exited while the window opened
        self.counts = dict.fromkeys(process_state.STATES, 0)

    def look_at_sockets(self):
        """Enter the TLS-like connections there are now: when the window opens, and when it ends."""
        present = {record.pid: record for record in self._ledger.records() if record.selected and not record.ended}
        found = tls_sockets.tls_sockets(present)
        for pid, inodes in found.holders.items():
            present[pid].tls_connections |= inodes
        for pid in found.denied:
            self._ledger.note_denied(present[pid])
        self._sockets_not_read = max(self._sockets_not_read, found.left)

    def came_late(self, path, build_id):
        """A library was first mapped inside the window: it was probed only now, or was gone before it could be.

        :arg path: bytes. :arg build_id: str or None.
        """
        self._late[path, build_id] = syscalls.clock_boottime_ns()

    def settle(self, engine, looker, started):
        """After the probes are detached: find stacks, and decide each process's state.

        :arg engine: Engine, closed.
        :arg looker: Looker.
        :arg started: int, ns since boot, when the window was open.
        """
        from .._stacks import finder  # large, and nothing needs it while probes attach
        self.look_at_sockets()
        records = [record for record in self._ledger.records() if record.selected]
        finder.find_all(looker, records)
        probed = {(target["path"], target["build_id"]) for probe in engine.probes for target in probe.targets() or () if target["status"] == ATTACHED}
        wire = any(probe.name in _WIRE and probe.status in (ATTACHED, PARTIAL, OVER_BUDGET) for probe in engine.probes)
        for record in records:
            record.stacks = self._with_probes(record.stacks, probed)
            record.coverage, record.coverage_reason = state(self._facts(record, probed, wire, engine.grade != "full"))
            # the audit's own connection is no finding, and what is not known of it does not make the host less known
            if record.audit_connection:
                continue
            if record.coverage:
                self.counts[record.coverage] += 1
            self._exclude(record, started)
        self.counts[PERMISSION_DENIED] = len(self._excluded[PERMISSION_DENIED])

    def _exclude(self, record, started):
        """Enter under which reason a process is no part of what the profile is complete for, if it is not."""
        if record.end_time is not None and record.end_time < started:
            self._before += 1
        elif record.permission_denied:
            self._excluded[PERMISSION_DENIED].append(record)
        elif record.coverage in _EXCLUDING:
            self._excluded[record.coverage].append(record)
        elif record.stacks is None:
            self._excluded["program_not_searched"].append(record)
        elif record.partly_searched:
            self._excluded["stacks_not_searched"].append(record)
        elif record.files_not_read:
            self._excluded["files_not_read"].append(record)
        elif not (record.tls or record.ssh) and any(not seen.probed for seen in record.stacks):
            self._excluded[UNOBSERVABLE].append(record)  # what was seen of it is of another library

    @staticmethod
    def _with_probes(stacks, probed):
        """ProcessStack with whether a probe was on the very file."""
        return None if stacks is None else [seen._replace(probed=(seen.path, seen.build_id) in probed) for seen in stacks]

    def _facts(self, record, probed, wire, polled):
        libraries = list(record.libraries.values())
        reached = [library for library in libraries if (library.path, library.build_id) in probed]
        late = [library for library in libraries if record.ended and self._was_late(record, library)]
        in_time = [library for library in reached if library not in late]
        unobservable = None if record.stacks is None else tuple(sorted({seen.stack.name for seen in record.stacks if not seen.probed}))
        return Facts(used=bool(record.operations or record.tls or record.ssh), denied=record.permission_denied, libraries=len(libraries),
                     probed=len(in_time), late=bool(late), unobservable=unobservable, connections=len(record.tls_connections), wire=wire, polled=polled)

    def _was_late(self, record, library):
        """Whether a library got its probe only after the process, or this image of it, had ended."""
        probed_at = self._late_at(library)
        return probed_at is not None and record.end_time < probed_at

    def _late_at(self, library):
        return self._late.get((library.path, library.build_id), self._late.get((library.path, None)))

    def add_reasons(self, reasons):
        """Add what the profile is not complete for.

        :arg reasons: Reasons.
        """
        for code, records in self._excluded.items():
            reasons.add(code, len(records), processes=records)
        users = [record for record in self._ledger.records() if record.selected and not record.audit_connection and self._late_libraries(record)]
        late = sorted({path for record in users for path in self._late_libraries(record)})
        reasons.add("library_first_mapped", len(late), names=late, processes=users)
        reasons.add("exited_while_opening", self._before)
        reasons.add("sockets_not_read", self._sockets_not_read)

    def _late_libraries(self, record):
        """Paths (set of bytes) of libraries that a process may have called before they were probed."""
        found = set()
        for library in record.libraries.values():
            probed_at = self._late_at(library)
            if probed_at is not None and (library.first_seen or 0) <= probed_at:
                found.add(library.path)
        return found
