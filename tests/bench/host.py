# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks stand on: the tracer beside a load, exact CPU time, cores to pin to, and load.c."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import time

from ansible_collections.cryptofleet.audit.tests.integration.support.programs import run, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced
from measure import Row, quartiles

# The load's own core, and the core of whatever drives it. The tracer is pinned nowhere, as on a real host.
CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE, DRIVER_CORE = CORES[-1], CORES[0]

# Program types that observe; others belong to cgroups and the network.
_TRACING = ("kprobe", "tracing", "tracepoint", "raw_tracepoint", "perf_event", "lsm")

USABLE = ("attached", "partial", "detached_over_budget")


class Bench:
    """One run. folder: pathlib.Path, gone afterwards; quick: bool."""

    def __init__(self, folder, quick):
        self.folder = folder
        self.quick = quick
        self.windows = []

    def choose(self, full, quick):
        """A number of the full run or of the quick one."""
        return quick if self.quick else full

    @contextlib.contextmanager
    def traced(self, **request):
        """The tracer around the block, in a process of its own; its coverage goes into self.windows."""
        with traced(check=False, **request) as window:
            yield window
            high_water = high_water_kib(window.pid)
        coverage = window.profile["coverage"]
        self.windows.append(dict(summary(coverage), high_water_kib=high_water))
        broken = {probe["name"]: probe["reason"] for probe in coverage["probes"] if probe["status"] not in USABLE}
        if broken:
            raise RuntimeError("a measurement without its probes means nothing: %s" % broken)

    def take_windows(self):
        """The windows since the last call."""
        windows, self.windows = self.windows, []
        return windows

    def load(self, *arguments):
        """Run load.c on its core. Returns count, seconds, cpu_seconds."""
        return json.loads(run(*self.load_command(*arguments)).stdout)

    def load_command(self, *arguments, core=LOAD_CORE):
        """The command of it."""
        return pinned(core, self.compiled("load", "-lcrypto"), *arguments)

    def compiled(self, name, *options):
        """A C program of this folder."""
        program = self.folder / name
        if not program.exists():
            run(tool("gcc", "gcc"), "-O2", "-Wall", "-o", program, pathlib.Path(__file__).with_name(name + ".c"), *options)
        return program


def pinned(core, *command):
    """The command, pinned to a core; the pid stays that of the command."""
    return [tool("taskset", "util-linux"), "-c", str(core)] + [str(part) for part in command]


def cpu_seconds(pid):
    """CPU time of a process so far, in nanosecond steps where /proc/PID/stat has 10 ms: its CPU clock, as clock_getcpuclockid(3) has it."""
    return time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED, include/linux/posix-timers.h


def high_water_kib(pid):
    """Most memory the process had resident. getrusage() would count what its parent had when it forked."""
    found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/%d/status" % pid).read_text())
    return int(found.group(1)) if found else None


def summary(coverage):
    """What of a window's coverage shows how far its measurement can be trusted."""
    return {
        "probes": {probe["name"]: [probe["status"], probe["hits"], probe["reason"]] for probe in coverage["probes"]},
        "lost": coverage["lost"], "tracer": coverage["tracer"],
    }


def lost_row(windows, what, most=None):
    """A row of what windows lost, by cause. most: int, the budget. A path that was cut is no loss: its record is there."""
    lost = [{cause: number for cause, number in window["lost"].items() if cause != "path_truncated"} for window in windows]
    causes = sorted({cause for one in lost for cause in one})
    totals = [sum(one.values()) for one in lost]
    measured = ", ".join("%s %d" % (cause, max(one.get(cause, 0) for one in lost)) for cause in causes) or "0"
    first, _median, third = quartiles(totals)
    met = None if most is None else "yes" if max(totals) <= most else "no"
    return Row(what, "" if most is None else "<= %d" % most, measured, "%d .. %d" % (first, third), "", met, len(totals))


def foreign_programs():
    """How many BPF programs of other tracers are loaded, while no window of ours is open: their uprobes make untraced numbers worthless."""
    for _attempt in range(10):  # the kernel frees our own a little after they are detached
        programs = json.loads(run(tool("bpftool", "bpftool"), "-j", "prog", "list").stdout)
        count = sum(program["type"] in _TRACING for program in programs)
        if not count:
            break
        time.sleep(0.1)
    return count


def facts():
    """What the numbers depend on."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    return {
        "kernel": os.uname().release, "machine": os.uname().machine, "cpu": model.group(1) if model else None, "cores": len(CORES),
        "virtual_machine": " hypervisor" in text, "openssl": run("openssl", "version").stdout.strip(),
        "load_average_before": os.getloadavg(),
    }
