# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer in its own process around a load.

    with traced(names=["nginx"]) as window:
        done = run("openssl", "dgst", path)
    entry = process(window.profile, done.pid)
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import validate

from .programs import COLLECTIONS, PROGRAMS, SYSTEM_PYTHON, environment, require_root

OPEN_TIMEOUT = 60.0
CLOSE_TIMEOUT = 120.0


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
            [SYSTEM_PYTHON, str(PROGRAMS / "tracer_child.py"), json.dumps(self._request), str(announce), json.dumps(self._constants)],
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
        """Wait until the tracer has taken every event from before this call, and classified its file."""
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
