# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer in a process of its own, as on a managed host, that says when its window is open and what it has taken.

Run by traced() of support/window.py: ``python3 tracer_child.py REQUEST_JSON ANNOUNCE_FD CONSTANTS_JSON``. The profile goes to standard output.
CONSTANTS are bounds of module utilities to set, such as ``{"_probes.file_open._MOST_WAITING": 100}``: a small bound is reached sooner.
"""

import importlib
import json
import os
import sys
import time

from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import request, tracer


class Announcer:
    """Wraps the window's own steps; what is shipped stays as it is."""

    def __init__(self, fd):
        self._fd = fd
        self._run, self._take = tracer.Window.run, tracer.Window._take
        os.set_blocking(fd, False)  # a test that does not listen must not stop the tracer

    def say(self, text):
        try:
            os.write(self._fd, text.encode() + b"\n")
        except BlockingIOError:
            pass

    def run(self, window):
        began = [0.0]
        read = window.engine.read

        def timed_read():
            began[0] = time.monotonic()
            return read()

        def take(events):
            self._take(window, events)
            self.say("tick %.6f %d" % (began[0], len(getattr(window.engine.files, "_waiting", ()))))

        window.engine.read, window._take = timed_read, take
        self.say("open")
        return self._run(window)


def main():
    for name, value in json.loads(sys.argv[3]).items():
        module, _dot, constant = name.rpartition(".")
        module = importlib.import_module("ansible_collections.cryptofleet.audit.plugins.module_utils." + module)
        getattr(module, constant)  # it has to be there
        setattr(module, constant, value)
    announcer = Announcer(int(sys.argv[2]))
    tracer.Window.run = lambda window: announcer.run(window)
    try:
        json.dump(tracer.trace(request.Request(**json.loads(sys.argv[1]))), sys.stdout)
    except AuditError as error:
        sys.exit("AuditError: %s" % error)


if __name__ == "__main__":
    main()
