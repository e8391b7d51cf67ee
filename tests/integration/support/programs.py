# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that make a load. They are children of the tests, never of the tracer."""

from __future__ import annotations

import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time
from typing import NamedTuple

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
COLLECTIONS = CHECKOUT / ".ansible" / "collections"
PROGRAMS = CHECKOUT / "tests" / "integration" / "programs"
# As on a managed host: the distribution's own Python, whatever runs the tests.
SYSTEM_PYTHON = "/usr/bin/python3"


def environment(**more):
    """The environment of a load: nothing that a version manager or a virtual environment put there."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LD_", "OPENSSL_", "SSL_", "VIRTUAL_ENV"))}
    inherited["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return dict(inherited, **more)


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


def python_command(program, *options):
    """The command that runs a program in the system's Python, without what the environment or a user's site would add.

    :arg program: str, the name of a file in programs/, or a line of code.
    :arg options: str, options of Python.
    """
    if program.endswith(".py"):  # not -I: a program may import another of its folder
        return [SYSTEM_PYTHON, "-B", "-E", "-s", *options, str(PROGRAMS / program)]
    return [SYSTEM_PYTHON, "-I", *options, "-c", program]


def python(program, *arguments, **options):
    """Run a program in the system's Python to its end.

    :arg program: as python_command() takes it.
    """
    return run(*python_command(program), *arguments, **options)


class Talker:
    """A program in the system's Python that waits for a line where it calls input(), which tell() sends."""

    def __init__(self, program, *arguments, **options):
        """:arg program: as python_command() takes it."""
        options.setdefault("env", environment())
        self._process = subprocess.Popen([*python_command(program, "-u"), *map(str, arguments)],
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
def talking(program, *arguments, **options):
    """A Talker that ends by itself after the block."""
    talker = Talker(program, *arguments, **options)
    try:
        yield talker
    finally:
        talker.close()


@contextlib.contextmanager
def speaking(program, *arguments):
    """A Talker that is killed after the block, as it waits for what may never come."""
    talker = Talker(program, *arguments)
    try:
        yield talker
    finally:
        os.kill(talker.pid, signal.SIGKILL)
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
