# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process under all probes does what it does without them, and the files that are read keep no trace of it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask, assert_ran
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, python, run, talking, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


def test_the_same_output_and_exit_code():
    plain = python("busy.py", check=False)
    with traced() as window:
        probed = python("busy.py", check=False)
        window.settle()
    after = python("busy.py", check=False)
    assert plain.returncode == probed.returncode == after.returncode == 42, probed.stderr
    assert plain.stdout == probed.stdout == after.stdout
    assert_ran(window.profile)
    entry = process(window.profile, probed.pid)
    assert entry["exit_code"] == 42 and entry["operations"] and entry["libraries"]


@pytest.mark.parametrize("command, code", [
    (["openssl", "dgst", "-sha256", "/etc/ssl/openssl.cnf"], 0), (["openssl", "dgst", "/no/such"], 1),
    (["sh", "-c", "kill -SEGV $$"], -11), (["sh", "-c", "exit 7"], 7), (["openssl", "speed", "-seconds", "1", "-bytes", "16", "sha256"], 0)])
def test_exit_codes(command, code):
    with traced():
        assert run(*command, check=False).returncode == code


def state(pid):
    """What a debugger would change."""
    wanted = ("TracerPid", "SigBlk", "SigIgn", "SigCgt", "ShdPnd", "SigPnd", "Seccomp", "NoNewPrivs", "CapEff", "Threads", "FDSize", "Groups", "Uid", "State")
    fields = dict(line.split(":\t", 1) for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines())
    reported = {name: fields[name] for name in wanted}
    reported["fds"] = sorted(os.readlink(path) for path in pathlib.Path("/proc/%d/fd" % pid).iterdir())
    reported["limits"] = pathlib.Path("/proc/%d/limits" % pid).read_text()
    reported["personality"] = pathlib.Path("/proc/%d/personality" % pid).read_text()
    return reported



def test_nothing_of_a_process_is_changed():
    with talking("digest_at_each_line.py") as load:
        load.hear()
        before = wait_asleep(load.pid)
        with traced(pids=[load.pid]) as window:
            load.tell()
            load.hear()
            inside = wait_asleep(load.pid)
            window.settle()
        load.tell()
        load.hear()
        after = wait_asleep(load.pid)
    assert before["TracerPid"] == "0" and before == inside == after
    assert process(window.profile, load.pid)["operations"]


def wait_asleep(pid):
    deadline = time.monotonic() + 30
    while not state(pid)["State"].startswith("S") and time.monotonic() < deadline:
        os.sched_yield()
    return state(pid)


def test_a_process_is_neither_traced_nor_stopped():
    """strace can attach to a probed process and sees no system call that it did not make."""
    with talking("digest_at_each_line.py") as load:
        load.hear()
        with traced(pids=[load.pid]):
            with subprocess.Popen([tool("strace", "strace"), "-p", str(load.pid), "-e", "trace=all"], stderr=subprocess.PIPE, text=True, env=environment()) as watch:
                assert "attached" in watch.stderr.readline()
                load.tell()
                load.hear()
                watch.terminate()
                seen = {line.split("(")[0] for line in watch.stderr if "(" in line and not line.startswith(("strace", "---"))}
    assert seen <= {"read", "write", "<... read resumed>", "brk", "mmap", "munmap", "futex", "restart_syscall", "lseek", "ioctl", "select", "pselect6"}, seen


def times(path):
    found = os.stat(path)
    return found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns


def test_access_times(tmp_path):
    """The tracer reads what was only opened, and leaves no trace of that. A file system that keeps no times would prove nothing."""
    control, key, loose = tmp_path / "control.key", tmp_path / "site.key", tmp_path / "loose"
    for path in (control, key):
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    loose.write_text("nothing of cryptography\n")
    for path in (control, key, loose, tmp_path):
        os.utime(path, (1000, 2000))
    before = [times(path) for path in (key, loose, tmp_path)]
    with traced() as window:
        done = python("open_files.py", "O_RDONLY", key, loose)
        window.settle()
        assert ask("snapshot").document
    assert file(process(window.profile, done.pid), key)["classified_by"] == "content", "it was read"
    assert [times(path) for path in (key, loose, tmp_path)] == before
    control.read_bytes()
    assert times(control)[0] > 10 ** 12, "this file system keeps no access times: mount it with relatime"


def test_what_would_block_or_wake_is_not_opened(tmp_path):
    """A pipe without a writer, a socket, a device: they are classified by name and not opened."""
    os.mkfifo(tmp_path / "pipe.key")
    os.mknod(tmp_path / "null.pem", 0o020666, os.makedev(1, 3))
    os.symlink(tmp_path / "pipe.key", tmp_path / "link.pem")
    began = time.monotonic()
    with traced() as window:
        python("open_files.py", "O_RDWR", tmp_path / "pipe.key", tmp_path / "null.pem", tmp_path / "link.pem")
        window.settle()
    assert time.monotonic() - began < 60


def test_a_mount_can_go_while_the_window_is_open(tmp_path):
    """No file that was read is kept open."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    try:
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / "site.key")
        program = folder / "program"
        program.write_bytes(pathlib.Path("/bin/cat").read_bytes())
        program.chmod(0o755)
        with traced() as window:
            done = run(program, folder / "site.key")
            window.settle()
            run("umount", folder)
    finally:
        run("umount", folder, check=False)
    assert process(window.profile, done.pid)["files"]
