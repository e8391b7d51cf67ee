# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes `openssl_api` and `library_api`: operations asked of the public functions of crypto libraries, in every file of theirs that any
process maps.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._formats.elf import ElfError
from .._kernel.libbpf import LoadError
from .base import ATTACHED, FAILED, OVER_BUDGET, PARTIAL, Probe
from .budget import BURST_NS, NS_PER_SECOND, Calls


class FunctionProbe(Probe):
    """One of the probes that FunctionPrograms serves. Yields OperationSeen through the shared ring, and counts."""

    def __init__(self, name, families, most_targets, nothing_found, programs):
        """
        :arg name: str.
        :arg families: tuple of Family, those it is for.
        :arg most_targets: int, distinct files that are probed.
        :arg nothing_found: str, the reason while there is no file.
        :arg programs: FunctionPrograms.
        """
        super().__init__()
        self.name = name
        self._families = families
        self._most_targets = most_targets
        self._nothing_found = nothing_found
        self._programs = programs
        self._functions = {function for family in families for function in family.functions}
        programs.probes.append(self)
        self._targets = []
        self._left_out = 0
        self._wanted = False

    def _open(self):
        """Nothing attaches before a file is known; add() does."""
        self._wanted = True
        self.reason = self._nothing_found

    def add(self, fd, path, family):
        """Probe one more file.

        :arg fd: int, a descriptor of it, open for reading; closed here.
        :arg path: bytes, for the report only: the file is reached by its descriptor.
        :arg family: Family, whose functions it may have.
        :returns: Target where the file is new, else None.
        """
        try:
            found = os.fstat(fd)
            if not self._wanted or family not in self._families or self._programs.is_target(found.st_dev, found.st_ino):
                return None
            if len(self._targets) >= self._most_targets:
                self._left_out += 1
                self.judge()
                return None
            target = self._programs.add_target((found.st_dev, found.st_ino), path, family)
            self._targets.append(target)
            try:
                self._programs.attach(target, fd)
                target.status = ATTACHED
                self.hook = target.hook
            except LoadError as error:
                self._target_failed(target, error.reason, error)
                for probe in self._programs.probes:
                    probe.judge()  # what the kernel refuses to one it refuses to all
            except ElfError as error:
                self._target_failed(target, "not readable as ELF: %s" % error)
            except OSError as error:
                self._target_failed(target, error.strerror or str(error))
            self.judge()
            return target
        finally:
            os.close(fd)

    def _target_failed(self, target, reason, load_error=None):
        target.close()
        target.reason = reason
        if load_error is not None:
            self.errno, self.verifier_log = load_error.errno, load_error.log

    def _detached(self):
        """Functions of this probe that were detached over the budget: list of ``(Function, Detached)``."""
        detached = [(self._programs.functions[number], facts) for number, facts in sorted(self._programs.budget.detached.items())]
        return [(function, facts) for function, facts in detached if function in self._functions]

    def judge(self):
        """Set status and reason by the targets and the budget."""
        states = [target.status for target in self._targets]
        error = self._programs.load_error
        if not states and self._wanted and error is not None:
            self.status, self.reason, self.errno, self.verifier_log = FAILED, error.reason, error.errno, error.log
        if not states:
            return
        missing = states.count(FAILED) + self._left_out
        if ATTACHED not in states:
            self.status, self.reason = FAILED, "no file could be probed: see targets"
        elif self._detached():
            self.status = OVER_BUDGET
            self.reason = "detached after exceeding the CPU budget; counts are lower bounds: %s" % ", ".join(
                function.name for function, _facts in self._detached())
        elif missing:
            self.status, self.reason = PARTIAL, "%d files could not be probed: see targets" % missing
            if self._left_out:
                self.reason += "; %d of them are over the bound of %d" % (self._left_out, self._most_targets)
        else:
            self.status, self.reason = ATTACHED, None

    def _calls(self):
        """Calls (list) of what is attached, 0 for functions of other probes."""
        return [calls if function in self._functions else Calls(0, 0)
                for function, calls in zip(self._programs.functions, self._programs.function_calls())]

    def hits(self):
        return sum(calls.all for calls in self._calls())

    def losses(self):
        """All these probes have their counters in common: they are the first one's."""
        return self._programs.losses() if self._programs.probes[0] is self else {}

    def coverage(self):
        budget = self._programs.budget
        return dict(super().coverage(), ns_per_hit=budget.cost._asdict(), cost_ns=budget.spent(self._calls()),
                    budget={"burst_ns": BURST_NS, "ns_per_second": NS_PER_SECOND},
                    detached=[{"function": function.name, "since": facts.since, "calls": facts.calls.all, "internal_calls": facts.calls.internal}
                              for function, facts in self._detached()])

    def targets(self):
        return [target.coverage() for target in self._targets]
