# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readers of /proc, on this process and on made-up process folders."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import proc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GONE = 2 ** 30
STAT = b"42 (%s) S 7 42 42 0 -1 4194560 1 2 3 4 55 66 7 8 20 0 3 0 121871 1 2 3\n"


@pytest.fixture
def fake(tmp_path):
    (tmp_path / "42").mkdir()

    def write(name, content):
        (tmp_path / "42" / name).write_bytes(content)
        return str(tmp_path)

    return write


def test_this_process():
    me = os.getpid()
    stat = proc.read_stat(me)
    assert (stat.pid, stat.ppid, stat.pgrp, stat.session) == (me, os.getppid(), os.getpgrp(), os.getsid(0))
    assert not proc.is_kernel_thread(stat)
    started = proc.boot_time_offset() + stat.start_ticks / os.sysconf("SC_CLK_TCK")
    assert time.time() - 7200 < started < time.time() + 1
    status = proc.read_status(me)
    assert (status.uid, status.euid, status.gid, status.egid, status.tgid) == (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), me)
    with open("/proc/self/cmdline", "rb") as stream:
        assert proc.read_cmdline(me) == (stream.read().split(b"\0")[:-1], False)
    assert proc.read_exe(me) == (os.readlink(b"/proc/self/exe"), False)
    assert me in proc.list_pids()
    assert proc.mount_namespace(me) == os.stat("/proc/self/ns/mnt").st_ino
    assert (0, os.readlink(b"/proc/self/fd/0")) in proc.open_fds(me)
    assert isinstance(proc.pid_namespace_is_initial(), bool)
    assert all(path.startswith(b"/") for _hierarchy, _controllers, path in proc.read_cgroup(me))


@pytest.mark.parametrize("reader", [proc.read_stat, proc.read_status, proc.read_cmdline, proc.read_exe, proc.read_maps,
                                    proc.read_cgroup, proc.mount_namespace, proc.open_fds])
def test_gone(reader):
    assert reader(GONE) is None


@pytest.mark.parametrize("comm", [b"sh", b"a) S 1 (b", b"", b")))", b"(sd-pam)", b"new\nline", b"\xff\xfe"])
def test_stat_with_odd_names(fake, comm):
    stat = proc.read_stat(42, fake("stat", STAT % comm))
    assert (stat.comm, stat.state, stat.ppid, stat.threads, stat.start_ticks, stat.user_ticks) == (comm, "S", 7, 3, 121871, 55)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_junk_never_raises(fake, data):
    for name in ("stat", "status", "cmdline", "cgroup", "maps"):
        root = fake(name, data)
    proc.read_stat(42, root)
    proc.read_status(42, root)
    proc.read_cmdline(42, root)
    proc.read_cgroup(42, root)
    list(proc.read_maps(42, root))


def test_status(fake):
    root = fake("status", b"Name:\ta\\nUid:\t0\nTgid:\t42\nUid:\t1000\t1001\t1000\t1000\nGid:\t5\t6\t5\t5\nNSpid:\t42\t7\n")
    assert proc.read_status(42, root) == (42, 1000, 1001, 5, 6, [42, 7])


@pytest.mark.parametrize("content, expected", [
    (b"", ([], False)), (b"a\0b\0", ([b"a", b"b"], False)), (b"a\0\0b\0", ([b"a", b"", b"b"], False)), (b"nginx: master", ([b"nginx: master"], False)),
    (b"a\0\0", ([b"a", b""], False)), (b"x" * 32768, ([b"x" * 32768], False)), (b"x" * 32769, ([b"x" * 32768], True))])
def test_cmdline(fake, content, expected):
    assert proc.read_cmdline(42, fake("cmdline", content)) == expected


def test_cgroup(fake):
    root = fake("cgroup", b"2:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/system.slice/x.service\n")
    assert proc.read_cgroup(42, root) == [(2, b"cpu,cpuacct", b"/a:b"), (1, b"name=systemd", b"/"), (0, b"", b"/system.slice/x.service")]


def test_maps(fake):
    root = fake("maps", b"1000-2000 r--p 00000000 08:01 5 /lib/a\n2000-3000 r-xp 00001000 fe:10 5                          /lib/a b\n"
                        b"3000-4000 r-xp 00000000 00:00 0 \n4000-5000 r-xp 00000000 00:00 0 [vdso]\n"
                        b"5000-6000 r-xp 00000000 00:05 9 /lib/new\\012line (deleted)\nbad line\n")
    assert list(proc.read_maps(42, root)) == [(0x2000, 0x3000, 0x1000, 0xFE, 0x10, 5, b"/lib/a b", False),
                                               (0x5000, 0x6000, 0, 0, 5, 9, b"/lib/new\nline", True)]


@pytest.mark.parametrize("name, keep", [(b"plain", True), (b"gone", False), (b"a (deleted)", True), (b"b (deleted)", False), (b"new\nline", True),
                                        (b"back\\012slash", True), (b"both\n (deleted)", True)])
def test_maps_of_real_files(tmp_path, name, keep):
    path = os.fsencode(str(tmp_path)) + b"/" + name
    with open(path, "w+b") as stream:
        stream.write(b"\0" * 4096)
        stream.flush()
        with mmap.mmap(stream.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE):
            inode = os.fstat(stream.fileno()).st_ino
            if not keep:
                os.unlink(path)
            mine = [mapping for mapping in proc.read_maps(os.getpid()) if mapping.inode == inode]
    if b"\\" in name and os.geteuid():
        pytest.skip("map_files needs root")
    assert [(mapping.path, mapping.deleted) for mapping in mine] == [(path, not keep)]


@pytest.mark.parametrize("name, keep", [("prog", True), ("prog", False), ("prog (deleted)", True), ("prog (deleted)", False)])
def test_exe(tmp_path, name, keep):
    path = str(tmp_path / name)
    shutil.copy(shutil.which("sleep"), path)
    with open(path, "rb") as stream:
        if stream.read(4) != b"\x7fELF":
            pytest.skip("sleep is a script")
    os.link(path, path + ".second name")
    process = subprocess.Popen([path, "60"])
    try:
        if not keep:
            os.unlink(path)
        assert proc.read_exe(process.pid) == (os.fsencode(path), not keep)
    finally:
        process.kill()
        process.wait()


def test_zombie():
    process = subprocess.Popen(["true"])
    try:
        deadline = time.monotonic() + 10
        while proc.read_stat(process.pid).state != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert proc.read_cmdline(process.pid) == ([], False)
        assert proc.read_exe(process.pid) is None
        assert list(proc.read_maps(process.pid)) == []
    finally:
        process.wait()


def test_users():
    assert proc.user_name(0) == "root"
    assert proc.user_name(2 ** 40) is None
    assert proc.user_name(3999999999) is None
