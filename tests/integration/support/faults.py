# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of faults share: the host side in a place where something is missing or broken.

    answer = ask("preflight", prefix=without("CAP_BPF"))
    with broken(fault="...Python code...", names=["cat"]) as window: ...
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import NamedTuple, Optional

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import validate, validate_stream

from .programs import CHECKOUT, COLLECTIONS, PROGRAMS, SYSTEM_PYTHON, environment, require_root, tool
from .window import Window

CHILD = PROGRAMS / "fault_child.py"
TIMEOUT = 120

# Python code that makes a system call of this process and its threads fail: a seccomp filter, as of a container's profile.
FORBID = '''
import ctypes, platform, struct
numbers = {"x86_64": {"bpf": 321, "perf_event_open": 298}, "aarch64": {"bpf": 280, "perf_event_open": 241}}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, numbers[%(call)r]), (0x06, 0, 0, 0x00050000 | %(number)d), (0x06, 0, 0, 0x7FFF0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
'''

# Python code that makes the verifier refuse a program: its first instruction reads a register that was never written, or, for
# "helper", its first call is of a function that this kernel has not (as under lockdown: include/linux/security.h,
# LOCKDOWN_BPF_READ_KERNEL). An eBPF instruction is 8 bytes: Documentation/bpf/standardization/instruction-set.rst.
CORRUPT = '''
import struct
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import libbpf
names, how, sections_of = %(names)r, %(how)r, %(section)r
whole = libbpf.object_bytes

def sections(content):
    start, size, count, strings = struct.unpack_from("<Q10xHHH", content, 40)
    rows = [struct.unpack_from("<IIQQQQ", content, start + size * number) for number in range(count)]
    base = rows[strings][4]
    for name, kind, flags, _address, offset, length in rows:
        text = content[base + name:content.index(b"\\0", base + name)].decode()
        yield text, kind, flags, offset, length

def broken(name):
    content = bytearray(whole(name))
    if name in names:
        for text, kind, flags, offset, length in sections(bytes(content)):
            if kind == 1 and flags & 4 and length and text.startswith(sections_of):  # PROGBITS, SHF_EXECINSTR
                if how == "register":
                    content[offset:offset + 8] = struct.pack("<BBhi", 0xBF, 0x80, 0, 0)  # r0 = r8
                else:
                    at = next((at for at in range(offset, offset + length, 8)
                               if content[at] == 0x85 and content[at + 1] >> 4 == 0 and content[at + 4:at + 8] == b"\\x71\\0\\0\\0"), None)
                    if at is not None:  # call 113, bpf_probe_read_kernel
                        content[at + 4:at + 8] = struct.pack("<i", 99999)
    return bytes(content)

libbpf.object_bytes = broken
'''


def forbid(call, number=1):
    """Code for a fault: the system call fails with this errno."""
    return FORBID % {"call": call, "number": number}


def corrupt(*names, how="register", section=""):
    """Code for a fault: the verifier refuses these objects, or those of their programs whose section begins so."""
    return CORRUPT % {"names": names, "how": how, "section": section}


def without(*capabilities):
    """A prefix that runs a command as root without these capabilities."""
    gone = ",".join("-" + name.lower().replace("cap_", "") for name in capabilities)
    return [tool("setpriv", "util-linux"), "--bounding-set", gone, "--inh-caps", gone, "--"]


def as_nobody():
    """A prefix that runs a command as the user nobody."""
    return [tool("setpriv", "util-linux"), "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]


def mounted(script):
    """A prefix that runs a command in a mount namespace of its own, after a shell script changed the mounts there."""
    return [tool("unshare", "util-linux"), "--mount", "--propagation", "private", "/bin/sh", "-euc", script + '\nexec "$@"', "sh"]


def until(condition, seconds=30):
    """Wait for a condition of which nothing tells; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come true in %d s" % seconds
        time.sleep(0.02)


class Answer(NamedTuple):
    """What the host side answered; one of document and error is None."""

    document: Optional[object]
    error: Optional[str]


def command(what, request, prefix, *more):
    return [*prefix, SYSTEM_PYTHON, str(CHILD), what, json.dumps(request), *more]


def ask(what, prefix=(), fault="", collections=COLLECTIONS, child=CHILD, check=True, **request):
    """One answer of ``trace``, ``snapshot``, ``preflight`` or ``monitor``. A traceback, or anything on standard error, fails the test."""
    done = subprocess.run([*prefix, SYSTEM_PYTHON, str(child), what, json.dumps(request)], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                          text=True, timeout=TIMEOUT, env=environment(PYTHONPATH=str(collections), PYTHONDONTWRITEBYTECODE="1", FAULT=fault))
    assert done.returncode == 0 and not done.stderr, "exit code %d\n%s" % (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    document = answer.get("document")
    if check and document is not None:
        if what == "monitor":
            validate_stream(document)
        else:
            validate(document, "preflight" if what == "preflight" else "profile")
    return Answer(document, answer.get("error"))


class BrokenWindow(Window):
    """A Window of a tracer in which something is broken."""

    def __init__(self, request, fault, prefix):
        self._fault, self._prefix = fault, prefix
        super().__init__(request, {})

    def _start(self, announce, **streams):
        return subprocess.Popen(
            command("window", self._request, self._prefix, str(announce), "{}"),
            cwd="/", env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1", FAULT=self._fault), **streams)


@contextlib.contextmanager
def broken(fault="", prefix=(), check=True, **request):
    """As traced(), of a tracer after ``fault`` and behind ``prefix``."""
    require_root()
    window = BrokenWindow(dict({"duration": 600}, **request), fault, prefix)
    try:
        window.wait_attached()
        yield window
        window.close(check)
        assert not window.stderr, window.stderr
    finally:
        window.abandon()


@pytest.fixture(scope="session")
def for_everyone():
    """``(collections, child)``: copies of what the host side needs where any user may read it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = pathlib.Path(folder)
        utils = place / "ansible_collections" / "cryptofleet" / "audit" / "plugins" / "module_utils"
        shutil.copytree(CHECKOUT / "plugins" / "module_utils", utils, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHILD, place)
        for path in [place, *place.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield place, place / CHILD.name


def probe(document, name):
    """The coverage entry of a probe (of a preflight document, its own entry)."""
    probes = document["probes"] if "probes" in document else document["coverage"]["probes"]
    return next(entry for entry in probes if entry["name"] == name)


def statuses(document):
    """Status by probe."""
    return {name: probe(document, name)["status"] for name in ("process", "file_open", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex")}


def assert_ran(document, but=()):
    """Every probe, or every one but some, ran. What another program of this machine does may take uprobes over their budget."""
    for name, status in statuses(document).items():
        assert name in but or status in ("attached", "detached_over_budget"), probe(document, name)


def assert_reduced(document, *words):
    """The engine that polls was taken, and the reason says why in these words."""
    engine = document["engine"]
    assert (engine["name"], engine["grade"]) == ("procfs", "reduced"), engine
    reason = engine["rejected"][0]["reason"]
    assert engine["rejected"][0]["name"] == "libbpf" and all(word in reason for word in words), reason
    if "coverage" in document:
        assert document["coverage"]["complete"] is False and document["coverage"]["reasons"]
        assert probe(document, "openssl_api")["status"] == "unsupported"
