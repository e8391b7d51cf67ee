# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every program of the host pays: for a file it opens, for any system call, for starting another program."""

from __future__ import annotations

from host import lost_row
from measure import Result, interleave


def system(bench):
    """Three loops of load.c in each window."""
    plain = bench.folder / "plain.txt"
    plain.write_text("not a key\n")
    seconds, execs = bench.choose((1, 2000), (0.3, 1000))

    def measure():
        opens = bench.load("open", plain, seconds)
        calls = bench.load("getppid", seconds)
        starts = bench.load("exec", "/bin/true", execs)
        return {"open per second": opens["count"] / opens["seconds"], "open CPU s": opens["cpu_seconds"] / opens["count"],
                "getppid CPU s": calls["cpu_seconds"] / calls["count"],
                "exec per second": starts["count"] / starts["seconds"], "exec CPU s": starts["cpu_seconds"] / starts["count"]}

    pairs = interleave(bench.choose(8, 3), measure, bench.traced)
    windows = bench.take_windows()
    rows = [
        pairs["open per second"].share_row("open+close of a file without keys, a second"),
        pairs["open CPU s"].added_row("  CPU for one open+close", "ns", 1e9),
        pairs["getppid CPU s"].added_row("CPU for one system call, getppid", "ns", 1e9),
        pairs["exec per second"].share_row("/bin/true started, a second"),
        pairs["exec CPU s"].added_row("  CPU for one start", "us", 1e6),
        lost_row(windows, "most lost in one of these windows, by cause"),
    ]
    return Result(rows, dict({name: values.raw() for name, values in pairs.items()}, windows=windows))
