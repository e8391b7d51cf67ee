# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New TLS connections a second of a busy nginx: the load runs all the time, and windows open and close beside it.

A window costs most in its first second, until the costliest functions are detached (_probes/budget.py). So a window has to be as long as a real one, and
what follows the first seconds is reported apart.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

from ansible_collections.cryptofleet.audit.tests.integration.support.programs import end, environment, tool
from host import DRIVER_CORE, pinned
from measure import Pairs, Result, Row, value_row
from nginx import server

_CONNECTIONS = 16
# Seconds of a window, and of an untraced measurement beside it, in a full and in a quick run.
_WINDOW, _UNTRACED = (20, 6), (8, 3)
_DISTURBED = 2


class Load(NamedTuple):
    """What is measured. port: of nginx.Server; pairs: in a full and in a quick run, none where it is not measured."""

    name: str
    port: str
    program: str
    pairs: tuple


LOADS = {
    "connections": (Load("TLS 1.3, wrk", "TLS 1.3", "wrk", (10, 2)), Load("TLS 1.2, wrk", "TLS 1.2", "wrk", (10, 2))),
    # the client on this machine is traced too: its hits cost, and they count for the budget of hits; here it is not
    "remote": (Load("TLS 1.3, untraced client", "TLS 1.3 tickets", "client", (10, 2)),),
    # wrk resumes where it can
    "resumed": (Load("TLS 1.3 resumed, wrk", "TLS 1.3 tickets", "wrk", (6, 2)),),
}


def _command(bench, program, port):
    if program == "client":
        return pinned(DRIVER_CORE, bench.compiled("client", "-static", "-s", "-lssl", "-lcrypto"), port, _CONNECTIONS)
    return pinned(DRIVER_CORE, tool("wrk", "wrk"), "--threads", 1, "--connections", _CONNECTIONS, "--duration", "3600s",
                  "--header", "Connection: close", "https://127.0.0.1:%d/" % port)


@contextlib.contextmanager
def _running(bench, program, port, settle):
    """The load around the block; one connection for each request."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(_command(bench, program, port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment())
        try:
            time.sleep(settle)
            yield
            ended = process.poll()
        finally:
            # wrk says then what it did; what a shell started in its background has SIGINT ignored, and so the client
            end(process, signal.SIGINT if program == "wrk" else signal.SIGTERM)
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
    """Hits for one connection, of a window so short that no function is detached."""
    before = site.sample()
    with bench.traced(), _running(bench, load.program, site.ports[load.port], 0.3):
        pass
    window = bench.take_windows()[-1]
    return window["probes"]["openssl_api"][1] / max(1, site.sample().requests - before.requests)


def _rows(name, window, untraced, traced, hits):
    rows = []
    for span, measured in traced.items():
        budget = None if span == "after" else 97.0
        what = "whole windows of %d s" % window if span == "whole" else "after the first %d s" % _DISTURBED
        for key, words, cost in (("connections/s", "connections/s", False), ("CPU us/connection", "by worker CPU", True)):
            pairs = Pairs([one[key] for one in untraced], [one[key] for one in measured])
            rows.append(pairs.share_row("nginx %s, %s, %s" % (name, words, what), budget, cost=cost))
    rows.append(Row("  hits for a connection, of server and traced client", "", "%.1f" % hits, "", "", None, 1))
    rows.append(value_row("  connections/s, untraced", [one["connections/s"] for one in untraced], "", form="%.0f"))
    rows.append(value_row("  worker busy, untraced", [one["worker busy %"] for one in untraced], "%", form="%.0f"))
    return rows


def _one(bench, load):
    untraced, traced, seconds = [], {"whole": [], "after": []}, []
    pairs, window = bench.choose(*load.pairs), bench.choose(*_WINDOW)
    with server(bench.folder) as site:
        hits = _hits(bench, site, load)
        with _running(bench, load.program, site.ports[load.port], 1):
            for each in range(pairs + 1):
                first, *_between_them, last = _samples(site, bench.choose(*_UNTRACED))
                untraced.append(_between(first, last))
                if each == pairs:
                    break
                with bench.traced():
                    samples = _samples(site, window)
                seconds.append([sample._asdict() for sample in samples])
                traced["whole"].append(_between(samples[0], samples[-1]))
                traced["after"].append(_between(samples[_DISTURBED], samples[-1]))
    raw = {"hits for a connection": hits, "untraced": untraced, "traced": traced, "each second": seconds, "windows": bench.take_windows()}
    return _rows(load.name, window, untraced, traced, hits), raw


def benchmark(name):
    """The benchmark of the LOADS of that name."""
    def measure(bench):
        rows, raw = [], {}
        for load in LOADS[name]:
            more, raw[load.name] = _one(bench, load)
            rows += more
        return Result(rows, raw)
    return measure
