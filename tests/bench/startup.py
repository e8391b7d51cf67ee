# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the tracer takes to be there and to be gone, and its memory: as Ansible runs the module, and alone; then its CPU on an idle host."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from ansible_collections.cryptofleet.audit.tests.integration.support.programs import CHECKOUT, COLLECTIONS, SYSTEM_PYTHON, environment
from host import cpu_seconds
from measure import Result, value_row

# An interpreter for Ansible that writes down when the module began and ended. It does not exec: getrusage() of a process counts the
# memory that the process it was forked from had, and Ansible is large.
_INTERPRETER = """#!/bin/bash
began=$EPOCHREALTIME
/usr/bin/python3 "$@"
status=$?
echo "$began $EPOCHREALTIME" >>"%s"
exit $status
"""


def _moment(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def _times(profile, began, ended):
    """Seconds to the open window and from its end, and the tracer's own numbers."""
    window, tracer = profile["window"], profile["coverage"]["tracer"]
    return {"start": _moment(window["started_at"]) - began, "end": ended - _moment(window["ended_at"]), "attach_seconds": tracer["attach_seconds"],
            "detach_seconds": tracer["detach_seconds"], "peak_memory_mb": tracer["peak_memory_kib"] * 1024 / 1e6}


def _module(folder):
    log, interpreter = folder / "module_times", folder / "python3"
    interpreter.write_text(_INTERPRETER % log)
    interpreter.chmod(0o755)
    log.write_text("")
    done = subprocess.run(
        [pathlib.Path(sys.executable).parent / "ansible", "localhost", "-m", "cryptofleet.audit.crypto_profile", "-a", "duration=1 return_document=true",
         "-e", "ansible_python_interpreter=%s" % interpreter],
        cwd=CHECKOUT, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env=environment(ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", LC_ALL="C.UTF-8"))
    if done.returncode:
        raise RuntimeError("the module failed:\n%s%s" % (done.stdout, done.stderr))
    profile = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("=> {") + 3:])[0]["profile"]
    opened = _moment(profile["window"]["started_at"])
    for line in log.read_text().splitlines():
        began, ended = map(float, line.split())
        if began < opened < ended:
            return _times(profile, began, ended)
    raise RuntimeError("Ansible ran the module by another Python")


def _alone(_folder):
    heard, announce = os.pipe()
    with tempfile.TemporaryFile() as output, os.fdopen(heard) as lines:
        began = time.time()
        # the shell in between for the same reason as above
        process = subprocess.Popen(
            ["/bin/sh", "-c", '"$@"; exit "$?"', "sh", SYSTEM_PYTHON, str(pathlib.Path(__file__).with_name("tracer_alone.py")),
             "1", str(announce)], stdin=subprocess.DEVNULL, stdout=output, pass_fds=[announce],
            env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"))
        os.close(announce)
        said = lines.readline()
        entered = time.time()
        if process.wait() or said != "open\n":
            raise RuntimeError("the tracer failed")
        ended = time.time()
        output.seek(0)
        return dict(_times(json.load(output), began, ended), entered=entered - began)


def startup(bench):
    """Start, end and memory."""
    runs = {"through ansible": [], "alone": []}
    for _each in range(bench.choose(10, 3)):
        for name, measure in (("through ansible", _module), ("alone", _alone)):
            runs[name].append(measure(bench.folder))
    rows = []
    for name, measured in runs.items():
        values = {key: [one[key] for one in measured] for key in measured[0]}
        rows += [
            value_row("start of the module's Python to the open window, %s" % name, values["start"], "s", 0.5),
            value_row("  of it attaching (attach_seconds)", values["attach_seconds"], "s"),
        ]
        if "entered" in values:
            rows.append(value_row("  and with what runs already entered", values["entered"], "s"))
        rows += [
            value_row("end of window to exit, %s" % name, values["end"], "s", 0.5),
            value_row("  of it detaching (detach_seconds)", values["detach_seconds"], "s"),
            value_row("peak memory, %s" % name, values["peak_memory_mb"], "MB", 40.0, "%.1f"),
        ]
    return Result(rows, runs)


def idle(bench):
    """CPU time between attached and detaching, with nothing going on but what the host does anyway."""
    with bench.traced() as window:
        cpu, began = cpu_seconds(window.pid), time.monotonic()
        time.sleep(bench.choose(30, 10))
        used, elapsed = cpu_seconds(window.pid) - cpu, time.monotonic() - began
    events = window.profile["statistics"]["events"]
    share = 100 * used / elapsed
    row = value_row("tracer CPU on an idle host (%d events in %.0f s)" % (events, elapsed), [share], "% of one core", 0.5)
    return Result([row], {"cpu_seconds": used, "seconds": elapsed, "events": events, "windows": bench.take_windows()})
