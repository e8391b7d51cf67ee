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
from .process_state import Facts, state

_WIRE = ("tls_handshake", "ssh_kex")


class ProcessCoverage:
    """How far the processes of a window were covered."""

    def __init__(self, ledger):
        """:arg ledger: Ledger."""
        self._ledger = ledger
        self._late = {}  # (path, build id) of a library that was met inside the window -> when, ns since boot
        self._not_looked_at = 0
        self._problems = []
        self.counts = dict.fromkeys(process_state.STATES, 0)

    def look_at_sockets(self):
        """Enter the TLS-like connections there are now: when the window opens, and when it ends."""
        present = {record.pid: record for record in self._ledger.records() if record.selected and not record.ended}
        look = tls_sockets.tls_sockets(present)
        for pid, inodes in look.holders.items():
            present[pid].tls_connections |= inodes
        for pid in look.refused:
            self._ledger.refused(present[pid])
        self._not_looked_at = max(self._not_looked_at, look.left)

    def came_late(self, path, build_id):
        """That a library (bytes; str or None) was met inside the window and got its probe only now, or was gone before it could."""
        self._late[path, build_id] = syscalls.clock_boottime_ns()

    def settle(self, engine, looker):
        """After the probes are detached: find stacks, and decide each process's state.

        :arg engine: the engine, closed. :arg looker: Looker.
        """
        from .._stacks import finder
        self.look_at_sockets()
        records = [record for record in self._ledger.records() if record.selected]
        self._problems = finder.find_all(looker, records)
        if self._not_looked_at:
            self._problems.append("descriptors of %d processes were not looked at for TLS connections: it would have cost too much" % self._not_looked_at)
        probed = {(target["path"], target["build_id"]) for probe in engine.probes for target in probe.targets() or () if target["status"] == ATTACHED}
        wire = any(probe.name in _WIRE and probe.status in (ATTACHED, PARTIAL, OVER_BUDGET) for probe in engine.probes)
        for record in records:
            record.stacks = self._with_probes(record.stacks, probed)
            record.coverage, record.coverage_reason = state(self._facts(record, probed, wire, engine.grade != "full"))
        # the audit's own connection is no finding, and what is not known of it does not make the host less known
        self.counts.update(collections.Counter(record.coverage for record in records if record.coverage and not record.audit_connection))

    @staticmethod
    def _with_probes(stacks, probed):
        """ProcessStack with whether a probe was on the very file."""
        return None if stacks is None else [seen._replace(probed=(seen.path, seen.build_id) in probed) for seen in stacks]

    def _facts(self, record, probed, wire, polled):
        libraries = list(record.libraries.values())
        reached = [library for library in libraries if (library.path, library.build_id) in probed]
        late = [library for library in libraries if record.ended and self._was_late(record, library)]
        in_time = [library for library in reached if library not in late]
        unseen = None if record.stacks is None else tuple(sorted({seen.stack.name for seen in record.stacks if not seen.probed}))
        return Facts(bool(record.operations or record.tls or record.ssh), record.permission_denied, len(libraries), len(in_time), bool(late),
                     unseen, len(record.tls_connections), wire, polled)

    def _was_late(self, record, library):
        """Whether a library got its probe after the process had ended; of an image that was replaced the end is not known."""
        met = self._late.get((library.path, library.build_id), self._late.get((library.path, None)))
        return met is not None and (record.exit_time is None or record.exit_time < met)

    def reasons(self):
        """Why the profile is not complete for these: list of sentences."""
        return self._problems + process_state.reasons(self.counts)
