# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of faults share: the host side in a place where something is missing or broken.

    answer = ask("preflight", prefix=without("CAP_BPF"))
    with broken(faults=corrupt("file_open"), names=["cat"]) as window: ...
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


def forbid(call, number=1):
    """Faults for ask() and broken(): the system call fails with this errno."""
    return [("forbid", {"call": call, "number": number})]


def corrupt(*names, how="register", section=""):
    """Faults for ask() and broken(): the verifier refuses these objects, or those of their programs whose section begins so.

    :arg how: str, what is wrong with a program: "register" or "helper", as injected_faults.py has them.
    """
    return [("corrupt", {"names": names, "how": how, "section": section})]


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
    """Poll until a condition is true. Returns its value."""
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


def ask(what, prefix=(), faults=(), collections=COLLECTIONS, child=CHILD, check=True, **request):
    """One answer of the host side. A traceback, or anything on standard error, fails the test.

    :arg what: str, ``trace``, ``snapshot``, ``preflight`` or ``monitor``.
    :arg prefix: list of str, a command that runs the host side, such as without() gives.
    :arg faults: list of (name, arguments), functions of programs/injected_faults.py to call first.
    :arg check: bool, validate the document.
    :arg request: fields of Request.
    :returns: Answer.
    """
    done = subprocess.run([*prefix, SYSTEM_PYTHON, str(child), what, json.dumps(request)], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                          text=True, timeout=TIMEOUT, env=environment(PYTHONPATH=str(collections), PYTHONDONTWRITEBYTECODE="1", FAULTS=json.dumps(faults)))
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

    def __init__(self, request, faults=(), prefix=()):
        self._faults, self._prefix = faults, prefix
        super().__init__(request, {})

    def _start(self, announce, **streams):
        return subprocess.Popen(
            command("window", self._request, self._prefix, str(announce), "{}"),
            cwd="/", env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1", FAULTS=json.dumps(self._faults)), **streams)


@contextlib.contextmanager
def broken(faults=(), prefix=(), check=True, **request):
    """As traced(), of a tracer after ``faults`` and behind ``prefix``."""
    require_root()
    window = BrokenWindow(dict({"duration": 600}, **request), faults, prefix)
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
    rejected = engine["rejected"][0]
    assert rejected["name"] == "libbpf" and rejected["code"] and rejected["remedy"] and all(word in rejected["message"] for word in words), rejected
    if "coverage" in document:
        assert document["coverage"]["complete"] is False and document["coverage"]["reasons"]
        assert probe(document, "openssl_api")["status"] == "unsupported"
