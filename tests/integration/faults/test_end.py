# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""However a window ends, nothing of it stays: no program, link or map in the kernel, no process, no file, no mount."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import CHILD, BrokenWindow, ask, broken, mounted, until
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import COLLECTIONS, PROGRAMS, SYSTEM_PYTHON, environment, run, talking, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import TracerError

FOLDERS = [pathlib.Path(folder) for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run")]


def bpf(kind):
    """The ids of this kernel's programs, links or maps."""
    return {item["id"] for item in json.loads(run(tool("bpftool", "bpftool"), "-j", kind, "list").stdout or "[]")}


def of_process(pid):
    """The ids of programs, maps and links that a process holds, from its descriptors."""
    found = {"prog": set(), "map": set(), "link": set()}
    for path in pathlib.Path("/proc/%d/fdinfo" % pid).iterdir():
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:  # a descriptor that was open for a moment, as while the cost of a hit is measured
            continue
        for line in lines:
            for kind in found:
                if line.startswith(kind + "_id:"):
                    found[kind].add(int(line.split()[1]))
    return found


def listing():
    """What is in folders for temporary files, of what does not come and go by itself."""
    return {path for folder in FOLDERS for path in folder.iterdir()}


def mounts():
    return pathlib.Path("/proc/self/mountinfo").read_text().splitlines()


def assert_nothing_left(held):
    """The kernel frees a program some grace periods after its last user is gone."""
    for kind, ids in held.items():
        assert ids or kind == "link", "the window held no %s: this test would prove nothing" % kind
        until(lambda kind=kind, ids=ids: not ids & bpf(kind))


def children_of(pid):
    return [int(text) for text in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


@pytest.fixture
def window(tmp_path):
    """A window over everything, and what was there before it."""
    made = BrokenWindow({"duration": 3000})
    try:
        made.wait_attached()
        yield made
    finally:
        made.abandon()


def test_killed_in_the_window(window, tmp_path):
    files, own_folder, mounted_before = listing(), set(pathlib.Path("/").iterdir()), mounts()
    with talking("default_context_at_a_line.py") as load:
        load.hear()
        load.tell()
        load.hear()
        held = of_process(window.pid)
        assert not children_of(window.pid), "the tracer starts no process"
        window.signal(signal.SIGKILL)
        window.wait()
        assert_nothing_left(held)
        load.tell()
    assert load.close() == 0, "a probed process goes on as if nothing had been"
    assert not os.path.exists("/proc/%d" % window.pid)
    assert mounts() == mounted_before and set(pathlib.Path("/").iterdir()) == own_folder
    # other programs of this machine may write there: what names the tracer or is its user's counts
    left = {path for path in listing() - files if "crypto" in path.name or "bpf" in path.name or str(window.pid) in path.name}
    assert not left


def test_the_window_writes_nothing(tmp_path):
    """Every open for writing and every new name, as the kernel sees them."""
    log = tmp_path / "log"
    calls = "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mount,execve,fork,vfork"
    prefix = [tool("strace", "strace"), "--follow-forks", "--output", str(log), "--trace", calls, "--quiet=all"]
    subprocess.run([*prefix, SYSTEM_PYTHON, str(CHILD), "trace", '{"duration": 1}'], check=True, cwd="/",
                   stdout=subprocess.DEVNULL, env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"))
    lines = [line.split(None, 1)[1] for line in log.read_text(errors="replace").splitlines()]
    assert len(lines) > 100
    wrong = [line for line in lines if any(flag in line for flag in ("O_WRONLY", "O_RDWR", "O_CREAT")) or not line.lstrip().startswith(("open", "execve", "+++", "---", "<..."))]
    wrong = [line for line in wrong if "/dev/null" not in line and "/sys/fs/bpf" not in line]
    assert not wrong, wrong
    assert len([line for line in lines if line.startswith("execve")]) == 1, "no program is started"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_window_and_the_profile_is_returned(number):
    with talking("default_context_at_a_line.py") as load:
        load.hear()
        with broken(pids=[load.pid]) as window:
            held = of_process(window.pid)
            load.tell()
            load.hear()
            window.settle()
            window.signal(number)
            window.wait()
        assert window.profile["window"]["ended_because"] == "signal"
        assert process(window.profile, load.pid)["files"]
        assert_nothing_left(held)


def test_a_signal_before_the_window_is_open_is_an_error():
    """It does not return a profile of a window in which nothing was observed."""
    window = BrokenWindow({"duration": 600})
    try:
        status = pathlib.Path("/proc/%d/status" % window.pid)
        until(lambda: int(status.read_text().partition("SigCgt:")[2].split()[0], 16) >> signal.SIGTERM - 1 & 1)
        window.signal(signal.SIGTERM)
        with pytest.raises(TracerError, match="stopped by a signal before the window was open: nothing was observed"):
            window.wait_attached()
    finally:
        window.abandon()


def test_signals_that_come_twice():
    """The second does not cut short what the first has begun."""
    with broken() as window:
        held = of_process(window.pid)
        for _number in range(5):
            window.signal(signal.SIGTERM)
            window.signal(signal.SIGINT)
        window.wait()
    assert window.profile["window"]["ended_because"] == "signal"
    assert_nothing_left(held)


@pytest.mark.parametrize("what", ["trace", "monitor", "preflight", "snapshot"])
def test_an_end_in_order_leaves_nothing(what):
    before = {kind: bpf(kind) for kind in ("prog", "map", "link")}
    ask(what, duration=1)
    until(lambda: all(bpf(kind) <= before[kind] | others(kind, before) for kind in before))


def others(kind, before):
    """What other programs of this machine have loaded meanwhile: theirs is not ours to count."""
    items = json.loads(run(tool("bpftool", "bpftool"), "-j", kind, "list").stdout or "[]")
    alive = {entry["pid"] for item in items for entry in item.get("pids", ())}
    return {item["id"] for item in items if item["id"] not in before[kind] and any(entry["pid"] in alive for entry in item.get("pids", ()))}



def test_twenty_windows_in_a_row_leak_nothing():
    before = {kind: bpf(kind) for kind in ("prog", "map", "link")}
    done = run(SYSTEM_PYTHON, PROGRAMS / "twenty_windows.py", env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"), timeout=500)
    assert not done.stderr
    seen = json.loads(done.stdout)
    first, last = seen[0], seen[-1]
    assert last[0] == first[0], "descriptors after one window and after twenty more"
    assert last[1] == first[1], "threads"
    assert last[2] - seen[2][2] < 8192, "resident memory in KiB: %s" % [item[2] for item in seen]
    until(lambda: all(len(bpf(kind) - before[kind] - others(kind, before)) == 0 for kind in before))


def test_an_error_while_it_opens_leaves_nothing():
    """The target is not there: known only when all is attached."""
    before = {kind: bpf(kind) for kind in ("prog", "map", "link")}
    for _number in range(3):
        assert ask("trace", pids=[2 ** 22 + 1], duration=5).error
    until(lambda: all(len(bpf(kind) - before[kind] - others(kind, before)) == 0 for kind in before))


def test_killed_while_it_opens():
    """At any moment of attaching."""
    before = {kind: bpf(kind) for kind in ("prog", "map", "link")}
    for milliseconds in range(50, 600, 50):
        made = BrokenWindow({"duration": 3000}, [("kill_after", {"seconds": milliseconds / 1000})])
        made.wait()
        made.abandon()
    until(lambda: all(len(bpf(kind) - before[kind] - others(kind, before)) == 0 for kind in before))


def test_nothing_is_pinned():
    """In a mount namespace with a BPF file system of its own, which stays empty."""
    script = "mount -t bpf bpf /sys/fs/bpf"
    prefix = mounted(script)
    # the kernel puts two files of its own there (kernel/bpf/preload)
    inside = prefix[:-2] + [script + '\n"$@" >&2\nls -A /sys/fs/bpf | grep -v "^\\(maps\\|progs\\).debug$" || true', "sh"]
    done = run(*inside, SYSTEM_PYTHON, str(CHILD), "trace", '{"duration": 1}',
               env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"), cwd="/")
    assert done.stdout == "", done.stdout

