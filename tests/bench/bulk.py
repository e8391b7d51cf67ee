# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work with little to see in it: bulk transfer over TLS, and openssl speed, from blocks that dwarf a hit to blocks that a hit dwarfs."""

from __future__ import annotations

import functools
import os
import re
import subprocess

from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, run, tool
from host import DRIVER_CORE, LOAD_CORE, cpu_seconds, pinned
from measure import Result, interleave
from nginx import BIG_BYTES, BIG_NAME, server


def bulk(bench):
    """One keep-alive connection, a large file again and again, for about as long as a real window."""
    wanted = bench.choose(20, 4)
    with server(bench.folder) as site:
        url = "https://localhost:%d/%s" % (site.ports["TLS 1.3"], BIG_NAME)
        command = pinned(DRIVER_CORE, tool("curl", "curl"), "--silent", "--fail", "--cacert", site.certificate, "--resolve",
                         "localhost:%d:127.0.0.1" % site.ports["TLS 1.3"], "--write-out", "%{time_total}\n")

        def measure(times):
            cpu = cpu_seconds(site.worker)
            seconds = sum(map(float, run(*command, *["--output", "/dev/null", url] * times).stdout.split()))
            return {"MB/s": times * BIG_BYTES / 1e6 / seconds, "worker CPU s/GB": (cpu_seconds(site.worker) - cpu) / (times * BIG_BYTES / 1e9)}

        measure(1)  # into the page cache
        times = max(1, round(wanted * measure(1)["MB/s"] / (BIG_BYTES / 1e6)))
        pairs = interleave(bench.choose(10, 3), functools.partial(measure, times), bench.traced)
    rows = [pairs["MB/s"].share_row("bulk transfer, MB/s", 99.0),
            pairs["worker CPU s/GB"].share_row("bulk transfer, by the server's CPU time for a GB", 99.0, cost=True)]
    return Result(rows, dict({name: values.raw() for name, values in pairs.items()}, windows=bench.take_windows()))


def _speed(algorithm, size, seconds):
    """Blocks in a second of wall clock, and in a second of CPU: openssl's own CPU figure leaves out system time, where a hit is spent."""
    command = pinned(LOAD_CORE, tool("openssl", "openssl"), "speed", "-elapsed", "-mr", "-seconds", seconds, "-evp", algorithm, "-bytes", size)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()) as process:
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"^\+R:(\d+):[^:]*:([\d.]+)$", output, re.M)
    if process.returncode or not found:
        raise RuntimeError("openssl speed failed:\n" + output)
    count = int(found.group(1))
    return {"wall": count / float(found.group(2)), "cpu": count / (usage.ru_utime + usage.ru_stime)}


# (algorithm, bytes, seconds traced, budget in %). Each has a window of its own, because each spends its budget: openssl speed makes
# a hit or two for each block. 16 KiB blocks take long enough that the window needs 10 s to spend it and to show what comes after.
_SPEEDS = (("aes-256-gcm", 16384, 10, 99.0), ("aes-256-gcm", 64, 3, None), ("sha256", 16, 3, None), ("sha256", 64, 3, None))


def speed(bench):
    """From blocks that dwarf a hit to blocks that a hit dwarfs."""
    rows, raw = [], {}
    for algorithm, size, seconds, budget in _SPEEDS:
        measure = functools.partial(_speed, algorithm, size)
        pairs = interleave(bench.choose(3, 1), functools.partial(measure, 1), bench.traced, functools.partial(measure, seconds))
        for clock, values in pairs.items():
            name = "openssl speed -evp %s -bytes %d, first %d s, by %s time" % (algorithm, size, seconds, clock)
            rows.append(values.share_row(name, budget))
            raw[name] = values.raw()
    return Result(rows, dict(raw, windows=bench.take_windows()))
