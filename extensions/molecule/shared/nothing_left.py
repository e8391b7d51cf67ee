# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit must not leave on a host: processes, files, BPF programs. Looked at from outside, since a connection would leave its own.

nothing_left.py                          prints the ids of the kernel's BPF programs, before anybody traces
nothing_left.py PROGRAMS NAME=COUNT...   fails where something is left: a host has other than COUNT processes, or a file,
                                         or the kernel has a program that is not in the file PROGRAMS
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys
import time

# programs of other kinds belong to service managers and firewalls, which pin them or hang them on a cgroup
TYPES = ("kprobe", "tracing", "tracepoint", "raw_tracepoint", "perf_event")
HOME = pwd.getpwuid(0).pw_dir
# Ansible's own, and empty
ALLOWED = {os.path.join(HOME, ".ansible"), os.path.join(HOME, ".ansible", "tmp")}
# sshd ends a connection, and the kernel frees a program, a while after the last one let go of it
PATIENCE_SECONDS = 20


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def programs():
    return {program["id"]: program.get("name") for program in json.loads(said("bpftool", "-j", "prog", "list")) if program["type"] in TYPES}


def held():
    """Ids of programs that a descriptor of some process refers to, by itself or through a link."""
    ids = set()
    for path in glob.glob("/proc/[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError), open(path, encoding="ascii", errors="replace") as stream:
            ids.update(int(number) for number in re.findall(r"^prog_id:\s*(\d+)$", stream.read(), re.MULTILINE))
    return ids


def left_programs(before):
    """Others may trace on this machine at the same time, so a program that a process holds is not taken for left."""
    new = {number: name for number, name in programs().items() if number not in before}
    orphans = new.keys() - held() if new else ()
    return {"BPF program %d (%s)" % (number, new[number]) for number in orphans}


def left_processes(name, count):
    pids = said("ip", "netns", "pids", name).split()
    return [] if len(pids) == count else ["on %s: %s" % (name, said("ps", "-o", "pid,ppid,args", "-p", ",".join(pids)) if pids else "no process at all")]


def left_files(name):
    pid = pathlib.Path("/run/hosts", name, "pid").read_text(encoding="ascii").strip()
    found = subprocess.run(["nsenter", "--target", pid, "--mount", "find", HOME, "/tmp", "/var/tmp", "/dev/shm", "-mindepth", "1"],
                           check=False, capture_output=True, text=True)
    problems = [found.stderr.strip()] if found.returncode else []
    return ["on %s: %s" % (name, thing) for thing in problems + sorted(set(found.stdout.splitlines()) - ALLOWED)]


def left(hosts):
    things = []
    for name, count in hosts:
        things += left_processes(name, int(count)) + left_files(name)
    return things


if len(sys.argv) == 1:
    print(json.dumps(sorted(programs())))
    sys.exit()
before = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="ascii"))
hosts = [argument.split("=") for argument in sys.argv[2:]]
deadline = time.monotonic() + PATIENCE_SECONDS
orphans = None
while True:
    # what is seen once may belong to a tracer that ended between the two looks; what is left is seen each time
    seen = left_programs(before)
    orphans = seen if orphans is None else orphans & seen
    things = left(hosts) + sorted(orphans)
    if not things or time.monotonic() > deadline:
        break
    time.sleep(0.5)
if things:
    sys.exit("left behind:\n" + "\n".join(things))
