# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New TLS connections a second of a busy nginx: the load runs all the time, and windows open and close beside it.

A window costs most in its first seconds, until the busiest functions are let go (_budget.py). So the first 10 s of each window are told
apart from whole windows of 30 s and from what follows the first 10 s.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

import support
from host import DRIVER_CORE, pinned
from measure import Pairs, Result, Row, value_row
from nginx import server

_CONNECTIONS = 16
_SHORT, _LONG = 10, 30


class Load(NamedTuple):
    """What is measured. port: of nginx.Server; pairs, long: windows, and how many of them are long, in a full and in a quick run."""

    name: str
    port: str
    program: str
    pairs: tuple
    long: tuple


LOADS = {
    "connections": (Load("TLS 1.3, wrk", "TLS 1.3", "wrk", (10, 1), (2, 1)), Load("TLS 1.2, wrk", "TLS 1.2", "wrk", (10, 1), (0, 0))),
    # the client on this machine is traced too: its hits cost, and they count for the budget of hits; here it is not
    "remote": (Load("TLS 1.3, untraced client", "TLS 1.3 tickets", "client", (6, 1), (2, 0)),),
    # wrk resumes where it can
    "resumed": (Load("TLS 1.3 resumed, wrk", "TLS 1.3 tickets", "wrk", (6, 1), (2, 0)),),
}


def _command(bench, program, port):
    if program == "client":
        return pinned(DRIVER_CORE, bench.compiled("client", "-static", "-s", "-lssl", "-lcrypto"), port, _CONNECTIONS)
    return pinned(DRIVER_CORE, support.tool("wrk", "wrk"), "--threads", 1, "--connections", _CONNECTIONS, "--duration", "3600s",
                  "--header", "Connection: close", "https://127.0.0.1:%d/" % port)


@contextlib.contextmanager
def _running(bench, program, port, settle):
    """The load around the block; one connection for each request."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(_command(bench, program, port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=support.environment())
        try:
            time.sleep(settle)
            yield
            ended = process.poll()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        output.seek(0)
        said = output.read()
        good = re.search(r"requests in", said) and "Non-2xx" not in said if program == "wrk" else not said
        if ended is not None or not good:
            raise RuntimeError("%s: %s" % (program, said))


def _between(earlier, later):
    count = later.requests - earlier.requests
    seconds, cpu = later.at - earlier.at, later.cpu - earlier.cpu
    if not count:
        raise RuntimeError("nginx served nothing for %.1f s" % seconds)
    return {"connections/s": count / seconds, "CPU us/connection": 1e6 * cpu / count, "worker busy %": 100 * cpu / seconds}


def _samples(site, number):
    """One sample at each second from now on, number + 1 of them."""
    samples = [site.sample()]
    for each in range(1, number + 1):
        time.sleep(max(0, samples[0].at + each - time.monotonic()))
        samples.append(site.sample())
    return samples


def _hits(bench, site, load):
    """Hits for one connection, of a window so short that no function is let go."""
    before = site.sample()
    with bench.traced(), _running(bench, load.program, site.ports[load.port], 0.3):
        pass
    window = bench.take_windows()[-1]
    return window["probes"]["openssl_api"][1] / max(1, site.sample().requests - before.requests)


class _Chosen(Pairs):
    """Windows of which only some were long enough: each keeps its own neighbours; the noise is that of all untraced ones."""

    def __init__(self, untraced, traced, name):
        super().__init__([one[name] for one in untraced], [one[name] for one in traced if one])
        self._numbers = [number for number, one in enumerate(traced) if one]

    def beside(self, number):
        return super().beside(self._numbers[number])


def _rows(name, untraced, spans, hits):
    rows = []
    for span, traced in spans.items():
        if any(traced):
            budget = None if span.startswith("after") else 97.0
            rows.append(_Chosen(untraced, traced, "connections/s").share_row("nginx %s, connections/s, %s" % (name, span), budget))
            rows.append(_Chosen(untraced, traced, "CPU us/connection").share_row("nginx %s, by worker CPU, %s" % (name, span), budget, cost=True))
    rows.append(_Chosen(untraced, spans["first 10 s"], "CPU us/connection").added_row("  worker CPU for a connection, first 10 s", "us"))
    rows.append(Row("  hits for a connection, of server and traced client", "", "%.1f" % hits, "", "", None, 1))
    rows.append(value_row("  connections/s, untraced", [one["connections/s"] for one in untraced], "", form="%.0f"))
    rows.append(value_row("  worker busy, untraced", [one["worker busy %"] for one in untraced], "%", form="%.0f"))
    return rows


def _one(bench, load):
    untraced, spans, seconds = [], {"first 10 s": [], "whole 30 s": [], "after the first 10 s": []}, []
    pairs, long = bench.choose(*load.pairs), bench.choose(*load.long)
    with server(bench.folder) as site:
        hits = _hits(bench, site, load)
        with _running(bench, load.program, site.ports[load.port], 1):
            for each in range(pairs + 1):
                first, *_between_them, last = _samples(site, 3)
                untraced.append(_between(first, last))
                if each == pairs:
                    break
                whole = each < long
                with bench.traced():
                    samples = _samples(site, _LONG if whole else _SHORT)
                seconds.append([sample._asdict() for sample in samples])
                spans["first 10 s"].append(_between(samples[0], samples[_SHORT]))
                spans["whole 30 s"].append(_between(samples[0], samples[_LONG]) if whole else None)
                spans["after the first 10 s"].append(_between(samples[_SHORT], samples[_LONG]) if whole else None)
    raw = {"hits for a connection": hits, "untraced": untraced, "traced": spans, "each second": seconds, "windows": bench.take_windows()}
    return _rows(load.name, untraced, spans, hits), raw


def benchmark(name):
    """The benchmark of the LOADS of that name."""
    def measure(bench):
        rows, raw = [], {}
        for load in LOADS[name]:
            more, raw[load.name] = _one(bench, load)
            rows += more
        return Result(rows, raw)
    return measure
