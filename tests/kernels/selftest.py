# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the guest the machine it should be? Told apart from the tracer's own checks, so that a fault is looked for on the right side."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import Checks

_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_PERF_TYPE_SOFTWARE = 1
_PERF_COUNT_SW_DUMMY = 9
_PERF_ATTR_SIZE = 112


def check_machine(release: str, tracefs: bool) -> Checks:
    checks = Checks()
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    checks.equal("the kernel is the one asked for", release, platform.release())
    checks.equal("the command runs as root", 0, os.geteuid())
    checks.equal("tracefs is mounted only when asked for", tracefs, " tracefs " in mounts)
    checks.holds("cgroup v2 is mounted", "/sys/fs/cgroup cgroup2" in mounts, "cgroup2 at /sys/fs/cgroup", mounts)
    checks.holds("the kernel has BTF", os.access("/sys/kernel/btf/vmlinux", os.R_OK), "/sys/kernel/btf/vmlinux", "unreadable")
    checks.equal("perf_event_open works", "ok", _perf_event())
    checks.equal("the loopback works", b"hello", _through_loopback())
    checks.equal("the root is writable, on the overlay", "written", _written())
    checks.equal("a program of the machine runs", 0, _exit_code("openssl", "version"))
    checks.equal("python has ssl and ctypes", 0, _exit_code(sys.executable, "-c", "import ctypes, ssl, json, sqlite3"))
    if shutil.which("bpftool"):
        checks.equal("the bpf system call works", 0, _exit_code("bpftool", "prog", "list"))
    return checks


def _perf_event() -> str:
    number = _PERF_EVENT_OPEN[platform.machine()]
    attributes = ctypes.create_string_buffer(_PERF_ATTR_SIZE)
    for position, value in ((0, _PERF_TYPE_SOFTWARE), (4, _PERF_ATTR_SIZE), (8, _PERF_COUNT_SW_DUMMY)):
        attributes[position:position + 4] = value.to_bytes(4, sys.byteorder)
    libc = ctypes.CDLL(None, use_errno=True)
    # of every process, on the first processor
    handle = libc.syscall(number, attributes, -1, 0, -1, 0)
    if handle < 0:
        return os.strerror(ctypes.get_errno())
    os.close(handle)
    return "ok"


def _through_loopback() -> bytes:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=30) as client:
        client.sendall(b"hello")
        connection, _ = server.accept()
        with connection:
            return connection.recv(5)


def _written() -> str:
    with tempfile.NamedTemporaryFile("w+", encoding="ascii", dir="/var/tmp") as file:
        file.write("written")
        file.seek(0)
        return file.read()


def _exit_code(*command: str) -> int:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
