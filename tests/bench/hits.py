# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one hit of a probed function costs, and whether any is lost at 50,000 a second."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess

from ansible_collections.cryptofleet.audit.tests.integration.support.profile import images
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, run, tool
from host import CORES, lost_row
from measure import Result, Row, interleave, quartiles, value_row

# Function -> calls in one window. A call of EVP_MAC_init makes several hits, one of them single-stepped; together they stay within the
# window's budget of CPU time (_probes/budget.py) where a hit costs less than 2 microseconds, and a single-stepped one less than 15.
_CALLS = {"EVP_DigestInit_ex": 20000, "EVP_CipherInit_ex": 20000, "EVP_EncryptInit_ex": 10000, "EVP_MAC_init": 2000}
_STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")

_RATE, _SECONDS = 50000, 2  # within the budget too: what is detached on purpose is not lost


@contextlib.contextmanager
def _kernel_statistics():
    """The kernel counts runs and time of BPF programs in the block; afterwards it does what it did before."""
    before = _STATISTICS.read_text()
    _STATISTICS.write_text("1")
    try:
        yield
    finally:
        _STATISTICS.write_text(before)


def _own_programs(pid):
    """Ids of the BPF programs that a process holds."""
    ids = set()
    for entry in os.scandir("/proc/%d/fdinfo" % pid):
        with contextlib.suppress(OSError):
            ids.update(map(int, re.findall(r"^prog_id:\s*(\d+)", pathlib.Path(entry.path).read_text(), re.M)))
    return ids


def _runs(pid):
    """Program name -> (runs, ns) of the tracer's programs so far."""
    wanted, total = _own_programs(pid), {}
    for program in json.loads(run(tool("bpftool", "bpftool"), "-j", "prog", "list").stdout):
        if program["id"] in wanted:
            runs, spent = total.get(program["name"], (0, 0))
            total[program["name"]] = runs + program.get("run_cnt", 0), spent + program.get("run_time_ns", 0)
    return total


def _difference(earlier, later):
    return {name: [runs - earlier.get(name, (0, 0))[0], spent - earlier.get(name, (0, 0))[1]] for name, (runs, spent) in later.items()}


def _programs(bench):
    """Function -> program name -> [runs, ns] for the calls of the function."""
    found = {}
    with _kernel_statistics(), bench.traced() as window:
        for function, calls in _CALLS.items():
            before = _runs(window.pid)
            bench.load("call", function, calls)
            found[function] = _difference(before, _runs(window.pid))
    return found


def hits(bench):
    """Time of a call, traced minus untraced; and of the BPF program alone, by the kernel's own statistics."""
    def measure():
        numbers = {}
        for function, calls in _CALLS.items():
            done = bench.load("call", function, calls)
            numbers[function] = done["cpu_seconds"] / done["count"]
        return numbers

    pairs = interleave(bench.choose(8, 3), measure, bench.traced)
    programs = _programs(bench)
    rows = []
    for function, values in pairs.items():
        runs, spent = programs[function].get("any_function") or [sum(each) for each in zip(*programs[function].values())]
        rows.append(values.added_row("CPU for a call of %s" % function, "ns", 1e9))
        a_call = runs / _CALLS[function]
        each = [1e9 * value / a_call for value in values.added()]
        first, median, third = quartiles(each)
        rows.append(Row("  for one hit of it", "", "%.0f ns, %.0f in the program; %.2f hits a call" % (median, spent / runs, a_call),
                        "%.0f .. %.0f" % (first, third), "", None, len(each)))
    for name in ("file_open", "process_exec", "process_fork", "process_exit"):
        runs, spent = (sum(each) for each in zip(*(by_name.get(name, (0, 0)) for by_name in programs.values())))
        if runs:
            rows.append(Row("BPF program %s, a run" % name, "", "%.0f ns" % (spent / runs), "", "", None, runs))
    return Result(rows, dict({name: values.raw() for name, values in pairs.items()}, calls=_CALLS, programs=programs, windows=bench.take_windows()))


def events(bench):
    """Two processes call EVP_DigestInit_ex evenly; the profile must have every call."""
    missing, rates, raw = [], [], []
    for _each in range(bench.choose(3, 1)):
        with bench.traced() as window:
            commands = [bench.load_command("rate", _RATE // 2, _SECONDS, core=core) for core in (CORES[0], CORES[-1])]
            processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) for command in commands]
            try:
                done = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
            finally:
                for process in processes:
                    if process.poll() is None:
                        process.kill()
                        process.wait()
        counted = [sum(item["count"] for entry in images(window.profile, process.pid) for item in entry["operations"]
                       if item["function"] == "EVP_DigestInit_ex") for process in processes]
        missing.append(sum(one["count"] for one in done) - sum(counted))
        rates.append(sum(one["count"] / one["seconds"] for one in done))
        raw.append({"done": done, "counted": counted})
    windows = bench.take_windows()
    rows = [
        value_row("calls not in the profile, at %d a second for %d s" % (_RATE, _SECONDS), missing, "", 0, form="%d"),
        lost_row(windows, "most lost in one of these windows, by cause", 0),
        value_row("  rate that was reached", rates, "a second", form="%.0f"),
    ]
    return Result(rows, {"runs": raw, "windows": windows})
