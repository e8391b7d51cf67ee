# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects the processes that the user asked for: by pid, name, systemd unit or container.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import fnmatch

from .._errors import AuditError
from .._text import to_text
from .placement import placement


class Selection:
    """The targets of a request. Without any, every process is selected."""

    def __init__(self, pids, names, units, containers, follow_children):
        """Take the targets. Names, units and containers may be globs (fnmatch: ``*``, ``?``, ``[...]``).

        :arg pids: iterable of int.
        :arg names: iterable of str, names of processes or base names of executables.
        :arg units: iterable of str, systemd units, with or without their type.
        :arg containers: iterable of str, container ids, their first 12 digits, or names.
        :arg follow_children: bool, whether descendants of a selected process are selected.
        """
        self.pids = set(pids)
        self.names = list(names)
        self.units = list(units)
        self.containers = list(containers)
        self.follow_children = follow_children
        self._matched = set()  # (kind, target)
        self._starts = {}  # pid -> start time of the process that had it first, in ticks

    @property
    def whole_host(self):
        """Whether there is no target (bool)."""
        return not (self.pids or self.names or self.units or self.containers)

    @property
    def needs_cgroups(self):
        """Whether a target refers to control groups (bool)."""
        return bool(self.units or self.containers)

    def matches(self, record):
        """Whether a ProcessRecord matches a target itself (bool), regardless of its parent. Every matching target is noted."""
        if self.whole_host:
            return True
        hit = False
        # a pid means the process that had it when the window opened, not a later one with the same number
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
        """Whether any pattern matches any of the texts (str or None). All patterns that do are noted."""
        found = [pattern for pattern in patterns if any(text and fnmatch.fnmatchcase(text, pattern) for text in texts)]
        self._matched.update((kind, pattern) for pattern in found)
        return bool(found)

    def missing(self):
        """Targets that no process has matched so far: list of str like ``name 'nginx'``."""
        wanted = [("pid", pid) for pid in sorted(self.pids)] + [("name", name) for name in self.names]
        wanted += [("unit", unit) for unit in self.units] + [("container", container) for container in self.containers]
        return ["%s %r" % target for target in wanted if target not in self._matched]

    def require_pids(self):
        """Check that every pid exists.

        :raises AuditError: one does not.
        """
        gone = [str(pid) for pid in sorted(self.pids) if ("pid", pid) not in self._matched]
        if gone:
            raise AuditError("no process has the pid %s on this host" % ", ".join(gone))
