# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests on the real kernel share: the tracer in its own process around a load, and the look into the profile it returns.

    with traced(names=["nginx"]) as window:
        done = run("openssl", "dgst", path)
    entry = process(window.profile, done.pid)
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import validate

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
COLLECTIONS = CHECKOUT / ".ansible" / "collections"
# As on a managed host: the distribution's own Python, whatever runs the tests.
SYSTEM_PYTHON = "/usr/bin/python3"
OPEN_TIMEOUT = 60.0
CLOSE_TIMEOUT = 120.0


def environment(**more):
    """The environment of a load: nothing that a version manager or a virtual environment put there."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LD_", "OPENSSL_", "SSL_", "VIRTUAL_ENV"))}
    inherited["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return dict(inherited, **more)


class Window:
    """The tracer's window. `profile` is there after the with block."""

    def __init__(self, request, constants):
        self._request, self._constants = request, constants
        self.profile = None
        self.stderr = ""
        self._output = tempfile.TemporaryFile()
        self._errors = tempfile.TemporaryFile()
        self._heard, announce = os.pipe()
        self._text = b""
        self._process = self._start(announce, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._errors, pass_fds=[announce])
        os.close(announce)

    def _start(self, announce, **streams):
        return subprocess.Popen(
            [SYSTEM_PYTHON, str(pathlib.Path(__file__).with_name("tracer_child.py")), json.dumps(self._request), str(announce), json.dumps(self._constants)],
            env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"), **streams)

    @property
    def pid(self):
        """The tracer's own pid."""
        return self._process.pid

    def _line(self, deadline):
        """The next line the tracer announces; None where it ended."""
        while b"\n" not in self._text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._heard], [], [], left)[0]:
                pytest.fail("the tracer said nothing for too long:\n" + self._said(), pytrace=False)
            piece = os.read(self._heard, 65536)
            if not piece:
                return None
            self._text += piece
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    def wait_attached(self):
        """Wait until every probe is attached and the window is open."""
        line = self._line(time.monotonic() + OPEN_TIMEOUT)
        if line != "open":
            self._process.wait()
            raise TracerError(self._said(), self._process.returncode)

    def settle(self):
        """Wait until the tracer has taken, and looked at, everything that happened before this call."""
        now = time.monotonic()
        while True:
            line = self._line(now + OPEN_TIMEOUT)
            if line is None:
                return  # the window is over: it takes the rest by itself
            word, *numbers = line.split()
            if word == "tick" and float(numbers[0]) > now and numbers[1] == "0":
                return

    def _said(self):
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def signal(self, number):
        """Send a signal to the tracer, if it is still there."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self):
        """Wait until the window ends by itself."""
        self._process.wait(timeout=CLOSE_TIMEOUT)

    def close(self, check=True):
        """End the window, take the profile and validate it. :raises TracerError: the tracer failed."""
        self.signal(signal.SIGTERM)
        self.wait()
        self.stderr = self._said()
        if self._process.returncode:
            raise TracerError(self.stderr, self._process.returncode)
        self._output.seek(0)
        self.profile = json.load(self._output)
        if check:
            validate(self.profile, "profile")
        return self.profile

    def abandon(self):
        """Leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._heard >= 0:
            os.close(self._heard)
            self._heard = -1
        self._output.close()
        self._errors.close()


class TracerError(Exception):
    """The tracer ended without a profile. Its text is what it said on standard error."""

    def __init__(self, text, returncode):
        super().__init__(text)
        self.returncode = returncode


@contextlib.contextmanager
def traced(check=True, constants=None, **request):
    """A window around the block, open when it begins.

    :arg check: validate the profile. :arg constants: bounds inside the tracer to set, see tracer_child.py. :arg request: fields of Request.
    """
    require_root()
    window = Window(dict({"duration": 600}, **request), constants or {})
    try:
        window.wait_attached()
        yield window
        window.close(check)
    finally:
        window.abandon()


# load


class Ran(NamedTuple):
    """A load process that ended."""

    pid: int
    returncode: int
    stdout: str
    stderr: str
    began: float
    ended: float


def run(*command, stdin="", check=True, timeout=120, **options):
    """Run a program to its end. It is a child of the tests, never of the tracer."""
    options.setdefault("env", environment())
    began = time.time()
    with subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="backslashreplace", **options) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    done = Ran(process.pid, process.returncode, stdout, stderr, began, time.time())
    if check and done.returncode:
        pytest.fail("%s ended with %d:\n%s%s" % (" ".join(map(str, command)), done.returncode, stdout, stderr), pytrace=False)
    return done


def end(process, number, seconds=30):
    """Ask a process to end by a signal, and see to it that it does. :raises subprocess.TimeoutExpired: it had to be killed."""
    process.send_signal(number)
    try:
        process.wait(timeout=seconds)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def python(code, *arguments, **options):
    """Run Python code in the system's Python."""
    return run(SYSTEM_PYTHON, "-I", "-c", code, *arguments, **options)


class Talker:
    """Python code in the system's Python that waits for a line where it calls input(), and is spoken to by tell()."""

    def __init__(self, code, *arguments, **options):
        options.setdefault("env", environment())
        self._process = subprocess.Popen([SYSTEM_PYTHON, "-I", "-u", "-c", code] + [str(argument) for argument in arguments],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self.pid = self._process.pid

    def tell(self, text=""):
        """Answer its input()."""
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def hear(self, timeout=60):
        """The next line it prints."""
        assert select.select([self._process.stdout], [], [], timeout)[0], "the load process said nothing for %d s" % timeout
        return self._process.stdout.readline().rstrip("\n")

    def close(self):
        """Let it end. Returns its exit code."""
        self._process.stdin.close()
        try:
            return self._process.wait(timeout=60)
        finally:
            self._process.stdout.close()
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()


@contextlib.contextmanager
def talking(code, *arguments, **options):
    """A Talker that is gone after the block."""
    talker = Talker(code, *arguments, **options)
    try:
        yield talker
    finally:
        talker.close()


def require_root():
    """These tests need a kernel that can be traced; a machine that can't is not a reason to pass."""
    if os.geteuid() != 0:
        pytest.fail("tests on the real kernel need root", pytrace=False)


def tool(name, package):
    """The path of a program; its absence fails the test with the name of the Debian package."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        pytest.fail("%s is missing: apt-get install %s" % (name, package), pytrace=False)
    return found


# the profile


def processes(profile, name=None, exe=None):
    """Entries of a name (comm) or of an executable's base name or path."""
    return [entry for entry in profile["processes"]
            if (name is None or entry["name"] == name) and (exe is None or exe in (entry["exe"], (entry["exe"] or "").rpartition("/")[2]))]


def images(profile, pid):
    """Every program image a pid had, in order of their exec numbers."""
    return sorted((entry for entry in profile["processes"] if entry["pid"] == pid), key=lambda entry: entry["exec_number"] or 0)


def process(profile, pid):
    """The last program image of a pid: what it was when it ended."""
    found = images(profile, pid)
    assert found, "pid %d is not in the profile, which has %s" % (pid, sorted({entry["name"] for entry in profile["processes"]}))
    return found[-1]


def libraries(entry, name=None):
    """Library entries of a process, of a catalogue name or all."""
    return [library for library in entry["libraries"] if name in (None, library["name"])]


def library(entry, name):
    """The one library of a catalogue name."""
    found = libraries(entry, name)
    assert len(found) == 1, "%d libraries %s among %s" % (len(found), name, [item["path"] for item in entry["libraries"]])
    return found[0]


def files(entry, path=None, **fields):
    """File entries of a process at a path, with these field values."""
    return [item for item in entry["files"] if path is None or item["path"] == str(path) if all(item[key] == value for key, value in fields.items())]


def file(entry, path, **fields):
    """The one file entry at a path."""
    found = files(entry, path, **fields)
    assert len(found) == 1, "%d files %s among %s" % (len(found), path, [(item["path"], item["flags"], item["result"]) for item in entry["files"]])
    return found[0]


def operations(entry, function=None, library_path=None):
    """Counter of (algorithm, operation) over what was asked of a library from outside it."""
    total = collections.Counter()
    for item in entry["operations"]:
        if not item.get("internal") and function in (None, item["function"]) and library_path in (None, item["library"]):
            total[item["algorithm"], item["operation"]] += item["count"]
    return total


def functions(entry):
    """Counter of (function, algorithm, operation, key bits), internal ones left out."""
    total = collections.Counter()
    for item in entry["operations"]:
        if not item.get("internal"):
            total[item["function"], item["algorithm"], item["operation"], item["key_bits"]] += item["count"]
    return total


def assert_attached(profile):
    """Every probe did attach, and no event was lost: a test of what is or is not there means nothing otherwise."""
    coverage = profile["coverage"]
    failed = [probe for probe in coverage["probes"] if probe["status"] != "attached"]
    # what other processes of this host do (a path too deep to walk, a bad pointer, a ring) is no loss of a test's own events
    lost = {cause: number for cause, number in coverage["lost"].items() if cause not in ("path_truncated", "user_fault", "io_uring_opens")}
    if failed or lost:
        pytest.fail("the window is not whole: %s" % json.dumps([coverage["reasons"], failed], indent=1), pytrace=False)
