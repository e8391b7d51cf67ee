# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes the user asked for.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fnmatch

from .._errors import AuditError
from .._text import to_text
from .placement import placement


class Selection:
    """The targets of a request. With none, every process is selected."""

    def __init__(self, pids, names, units, containers, follow_children):
        """Lists of int and str; names, units and containers may be globs (fnmatch: ``*``, ``?``, ``[...]``)."""
        self.pids = set(pids)
        self.names = list(names)
        self.units = list(units)
        self.containers = list(containers)
        self.follow_children = follow_children
        self._matched = set()
        self._starts = {}

    @property
    def whole_host(self):
        """Whether no target was given."""
        return not (self.pids or self.names or self.units or self.containers)

    @property
    def needs_cgroups(self):
        """Whether a process's cgroup decides."""
        return bool(self.units or self.containers)

    def matches(self, record):
        """Whether a ProcessRecord is one of the targets by itself, whatever its parent is."""
        if self.whole_host:
            return True
        hit = False
        # a pid is the process that had it when the window opened, not one that gets it later
        if record.pid in self.pids and self._starts.setdefault(record.pid, record.ticks) == record.ticks:
            self._matched.add(("pid", record.pid))
            hit = True
        texts = {to_text(record.comm)[0], to_text((record.exe or b"").rpartition(b"/")[2])[0]}
        hit |= self._any("name", self.names, texts)
        if self.needs_cgroups and record.cgroups:
            unit, container = placement(record.cgroups)
            hit |= self._any("unit", self.units, {unit, (unit or "").rpartition(".")[0]})
            if container:
                identity = container["id"]
                hit |= self._any("container", self.containers, {identity, identity[:12], container.get("name")})
        return hit

    def _any(self, kind, patterns, texts):
        found = [pattern for pattern in patterns if any(text and fnmatch.fnmatchcase(text, pattern) for text in texts)]
        self._matched.update((kind, pattern) for pattern in found)
        return bool(found)

    def missing(self):
        """Targets nothing has matched so far: list of str like ``name 'nginx'``."""
        wanted = [("pid", pid) for pid in sorted(self.pids)] + [("name", name) for name in self.names]
        wanted += [("unit", unit) for unit in self.units] + [("container", container) for container in self.containers]
        return ["%s %r" % target for target in wanted if target not in self._matched]

    def require_pids(self):
        """:raises AuditError: a pid that was asked for does not exist."""
        gone = [str(pid) for pid in sorted(self.pids) if ("pid", pid) not in self._matched]
        if gone:
            raise AuditError("no process has the pid %s on this host" % ", ".join(gone))
