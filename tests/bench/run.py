#!/usr/bin/env python3
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the budgets: python tests/bench/run.py [--quick] [--out FOLDER] [NAME...]. README.md says what and how."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import sys
import tempfile
import time
import traceback

_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_CHECKOUT / ".ansible" / "collections"))

import bulk
import connections
import handshakes
import hits
import host
import pytest
import startup
import system
import wire
from measure import table

BENCHMARKS = {
    "startup": startup.startup, "idle": startup.idle, "connections": connections.benchmark("connections"),
    "remote": connections.benchmark("remote"), "resumed": connections.benchmark("resumed"), "bulk": bulk.bulk, "speed": bulk.speed,
    "system": system.system, "wire": wire.wire, "handshakes": handshakes.handshakes, "hits": hits.hits, "events": hits.events,
}
# only where they are named: there is no time for them in 15 minutes
EXTRA = {"resumed"}


class Told(contextlib.AbstractContextManager):
    """What a benchmark raises, or a failure of pytest's, is printed and noted in failed (a list of names): the others are still worth their time."""

    def __init__(self, name, failed):
        self._name = name
        self._failed = failed

    def __exit__(self, kind, error, trace):
        if not isinstance(error, (Exception, pytest.fail.Exception)):
            return False
        self._failed.append(self._name)
        traceback.print_exception(kind, error, trace)
        return True


def _arguments():
    parser = argparse.ArgumentParser(description="Measure the budgets of the tracer on this machine. Needs root and a quiet machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of %s; by default all but %s" % (", ".join(BENCHMARKS), ", ".join(EXTRA)))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs: is the machinery right?")
    parser.add_argument("--out", type=pathlib.Path, default=_CHECKOUT / "tests" / "output" / "bench", help="folder for bench.json and table.txt")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error("no such benchmark: %s" % ", ".join(sorted(unknown)))
    return options


def main():
    options = _arguments()
    if os.geteuid() != 0:
        sys.exit("the tracer needs root")
    began = time.monotonic()
    document = {"began": datetime.datetime.now(datetime.timezone.utc).isoformat(), "quick": options.quick, "host": host.facts(), "results": {}}
    rows, failed, disturbed = [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = host.Bench(pathlib.Path(folder), options.quick)
        for name in options.names or [name for name in BENCHMARKS if name not in EXTRA]:
            print("%4.0f s  %s ..." % (time.monotonic() - began, name), file=sys.stderr, flush=True)
            before = host.foreign_programs()
            results = []
            with Told(name, failed):
                results.append(BENCHMARKS[name](bench))
            if not results:
                bench.take_windows()
                continue
            result, = results
            rows += result.rows
            foreign = max(before, host.foreign_programs())
            if foreign:
                disturbed.append(name)
            document["results"][name] = {"rows": [row._asdict() for row in result.rows], "raw": result.raw, "foreign_programs": foreign}
    document["seconds"] = round(time.monotonic() - began, 1)
    document["failed"] = failed
    document["load_average_after"] = os.getloadavg()
    text = table(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "table.txt").write_text(text + "\n")
    print(text)
    facts = document["host"]
    print("\n%s, %d cores%s, Linux %s, %s; %.0f s; load average before %.1f, after %.1f" % (
        facts["cpu"], facts["cores"], ", virtual machine" if facts["virtual_machine"] else "", facts["kernel"], facts["openssl"].split(" (")[0],
        document["seconds"], facts["load_average_before"][0], document["load_average_after"][0]))
    print("raw numbers: %s" % (options.out / "bench.json"))
    if disturbed:
        print("BPF programs of others were loaded, so that untraced may not be untraced: %s" % ", ".join(disturbed))
    if failed:
        sys.exit("could not be measured: %s" % ", ".join(failed))


if __name__ == "__main__":
    main()
