# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all probes: open, close, counters and the entry in the coverage.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time

from .._kernel import events, syscalls
from .._kernel.libbpf import BpfObject, LoadError, sum_of_cpus

ATTACHED, PARTIAL, FAILED, UNSUPPORTED, DISABLED = "attached", "partial", "failed", "unsupported", "disabled"
OVER_BUDGET = "detached_over_budget"


class Probe:
    """One observation point. Where it can't be opened it has the status failed and a reason; open() raises nothing."""

    name = ""
    hook = None

    def __init__(self):
        self.status = DISABLED
        self.reason = None
        self.errno = None
        self.verifier_log = []
        self.open_seconds = 0.0

    def open(self, wanted):
        """Attach.

        :arg wanted: bool, whether the user enabled it.
        """
        if not wanted:
            self.reason = "disabled by the probes option"
            return
        began = time.monotonic()
        try:
            self.status = ATTACHED
            self._open()
        except LoadError as error:
            self._fail(error.reason, error.errno, error.log)
        except OSError as error:
            self._fail(error.strerror or str(error), error.errno, [])
        self.open_seconds = time.monotonic() - began

    def _fail(self, reason, number, log):
        self.close()
        self.status = FAILED
        self.reason, self.errno, self.verifier_log = reason, number, log

    def _open(self):
        raise NotImplementedError(self.name)

    def hits(self):
        """How often it ran on something it looks for.

        :returns: int.
        """
        return 0

    def losses(self):
        """What it lost.

        :returns: dict of cause (str) -> count (int), without zeros.
        """
        return {}

    def targets(self):
        """The files that it probes.

        :returns: list of dict, one for each file; None where it is no probe of files.
        """
        return None

    def runs(self):
        """Runs and time of its programs, by the kernel's own statistics.

        :returns: ``(runs, ns)``, or None where the host does not keep them.
        """
        return None

    def coverage(self):
        """The probe's entry of coverage.probes.

        :returns: dict.
        """
        entry = {"name": self.name, "status": self.status, "hook": self.hook if self.status in (ATTACHED, PARTIAL, OVER_BUDGET) else None,
                 "reason": self.reason, "errno": self.errno, "verifier_log": self.verifier_log, "hits": self.hits(), "lost": self.losses()}
        targets = self.targets()
        if targets is not None:
            entry["targets"] = targets
        runs = self.runs()
        if runs is not None:
            entry["run_count"], entry["run_ns"] = runs
        return entry

    def close(self):
        """Detach. May be called twice."""


def statistics_kept():
    """Whether the kernel counts runs and time of BPF programs (5.1+). It is a setting of the whole host, which is never changed here.

    :returns: bool.
    """
    try:
        with open("/proc/sys/kernel/bpf_stats_enabled", "r") as stream:
            return stream.read().strip() == "1"
    except OSError:
        return False


def program_runs(fd):
    """Runs and time of a loaded program (proc_pid_fdinfo(5); include/linux/bpf.h, struct bpf_prog_stats).

    :arg fd: int, descriptor of the program.
    :returns: ``(runs, ns)``.
    """
    with open("/proc/self/fdinfo/%d" % fd, "r") as stream:
        facts = dict(line.split(":", 1) for line in stream.read().splitlines() if ":" in line)
    return int(facts.get("run_cnt", 0)), int(facts.get("run_time_ns", 0))


def possible_cpus():
    """How many values an element of a per-CPU map has: the highest number in /sys/devices/system/cpu/possible, plus one.

    :returns: int.
    """
    with open("/sys/devices/system/cpu/possible", "r") as stream:
        return int(stream.read().strip().replace("-", ",").split(",")[-1]) + 1


class BpfProbe(Probe):
    """A probe that is one BPF object whose programs attach where their sections say."""

    object_name = ""
    programs = ()

    def __init__(self, libbpf, ring, wake_at):
        """Prepare it; open() loads and attaches.

        :arg libbpf: Libbpf.
        :arg ring: int, descriptor of the shared ring buffer.
        :arg wake_at: int, bytes in the ring at which the reader is woken early.
        """
        super().__init__()
        self._libbpf = libbpf
        self._ring = ring
        self._wake_at = wake_at
        self._object = None
        self._counters = None
        self._last = dict.fromkeys(events.COUNTERS, 0)
        self._runs = None
        self._skipped = 0

    def _settings(self):
        return events.SETTINGS.pack(self._wake_at, os.getpid(), 0)

    def _prepare(self):
        """A hook of subclasses, between open and load."""

    def _fill(self):
        """A hook of subclasses, between load and attach."""

    def _open(self):
        self._object = BpfObject(self._libbpf, self.object_name)
        self._object.set_constants(self._settings())
        self._object.reuse_map("events", self._ring)
        self._prepare()
        self._object.load(self.programs)
        self._counters = syscalls.Map(self._object.map_fd("counters"), 4, 8 * possible_cpus())
        self._fill()
        self._attach()

    def _attach(self):
        for program in self.programs:
            self._object.attach(program)

    def counters(self):
        """Read the kernel side's counters; after close() those of that moment.

        :returns: dict of name (str) -> int.
        """
        if self._counters:
            for number, name in enumerate(events.COUNTERS):
                self._last[name] = sum_of_cpus(self._counters.get(number.to_bytes(4, "little")))
            self._skipped = sum(syscalls.skipped_runs(self._object.program_fd(program)) for program in self.programs)
        return self._last

    def hits(self):
        return self.counters()["hits"]

    def runs(self):
        if self._counters and statistics_kept():
            self._runs = tuple(map(sum, zip(*(program_runs(self._object.program_fd(program)) for program in self.programs))))
        return self._runs

    def losses(self):
        losses = {name: number for name, number in self.counters().items() if name in ("ring_full", "map_full", "user_fault") and number}
        if self._skipped:
            losses["skipped_runs"] = self._skipped
        return losses

    def close(self):
        if self._counters:
            self.counters()
            self.runs()
            self._counters = None
        if self._object:
            self._object.close()
            self._object = None
