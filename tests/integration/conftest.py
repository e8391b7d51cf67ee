# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places to run Ansible in: the checkout, and a copy of the collection whose tracer is made up, to test what is around it."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]

# support.py and its like are files side by side, not a package
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
pytest.register_assert_rewrite("support", "support_openssl", "support_files", "support_agree")


def _link_collection():
    """ansible-core and the tracer find the checkout by its collection name through this link, as the Makefile makes it."""
    link = CHECKOUT / ".ansible" / "collections" / "ansible_collections" / "cryptofleet" / "audit"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../../..")
        importlib.invalidate_caches()  # pytest put the folder on sys.path before it was there


_link_collection()

_TRACER = '''
"""A tracer that sleeps through its window and returns what the test wrote down for the host."""
import json, os, time
from dataclasses import dataclass, field
from .._errors import AuditError

@dataclass
class Request:
    pids: list = field(default_factory=list)
    names: list = field(default_factory=list)
    units: list = field(default_factory=list)
    containers: list = field(default_factory=list)
    follow_children: bool = True
    duration: int = 30
    engine: str = "auto"
    probes: dict = field(default_factory=dict)
    host_crypto: bool = True
    redact: bool = True
    max_processes: int = 2000
    max_files: int = 500
    max_libraries: int = 200
    max_operations: int = 500
    max_handshakes: int = 500
    max_events: int = 10000

_ANSWERS = json.loads(%r)

def _answer(request):
    if "nobody" in request.names:
        raise AuditError("no process matches name 'nobody'")
    time.sleep(request.duration)
    name = next((name for name in request.names if name in _ANSWERS), "profile")
    return _ANSWERS[name]

def trace(request):
    return _answer(request)

def snapshot(request):
    return dict(_ANSWERS["profile"], document="snapshot")
'''

_PREFLIGHT = '''
from .tracer import _ANSWERS

def preflight(request):
    return _ANSWERS["preflight"]
'''

_MONITOR = '''
import json
from .tracer import _ANSWERS

def monitor(request, filters, sink):
    for event in _ANSWERS["events"]:
        sink(json.dumps(event))
    return _ANSWERS["events"][-1]["coverage"]
'''


class Place:
    """A folder to run Ansible in, with the collection on its path."""

    def __init__(self, folder, collections, environment=None):
        self.folder = folder
        self.collections = collections
        self.environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(collections), ANSIBLE_LOCALHOST_WARNING="False",
                                ANSIBLE_INVENTORY_UNPARSED_WARNING="False", PATH="%s:%s" % (pathlib.Path(sys.executable).parent, os.environ["PATH"]),
                                **(environment or {}))

    def run(self, *command, timeout=180, **environment):
        return subprocess.run([str(part) for part in command], cwd=self.folder, env=dict(self.environment, PWD=str(self.folder), **environment),
                              capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def module(self, name, arguments="", host="localhost", *options, **environment):
        """``(exit code, result)`` of an ad hoc command; the result as JSON."""
        done = self.run("ansible", host, "-m", name, "-a", arguments, *options, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", **environment)
        start = done.stdout.find("=> {")
        return done, json.JSONDecoder().raw_decode(done.stdout[start + 3:])[0] if start >= 0 else {}

    def play(self, text, *options, **environment):
        path = self.folder / "play.yml"
        path.write_text(text)
        return self.run("ansible-playbook", path, *options, **environment)


@pytest.fixture
def made_up(tmp_path, profile, preflight, events):
    """A copy of the collection with a made-up tracer; call it with more answers by process name."""
    def make(**answers):
        collection = tmp_path / "collections" / "ansible_collections" / "cryptofleet" / "audit"
        for part in ("plugins", "roles", "playbooks", "meta"):
            shutil.copytree(CHECKOUT / part, collection / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "galaxy.yml", collection)
        answers = dict({"profile": profile, "preflight": preflight, "events": events}, **answers)
        (collection / "plugins" / "module_utils" / "_window" / "tracer.py").write_text(_TRACER % json.dumps(answers))
        (collection / "plugins" / "module_utils" / "_window" / "preflight.py").write_text(_PREFLIGHT)
        (collection / "plugins" / "module_utils" / "_window" / "monitor.py").write_text(_MONITOR)
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        return Place(folder, tmp_path / "collections")
    return make


@pytest.fixture(scope="session")
def peer_site(tmp_path_factory):
    """The key and certificate of every server of peers/."""
    from peers.base import make_peer_site
    return make_peer_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def ssh_peers(tmp_path_factory):
    """sshd and ssh with keys of their own."""
    from peers.openssh import Openssh
    return Openssh(tmp_path_factory.mktemp("ssh"))


def pytest_addoption(parser):
    parser.addoption("--agreement-table", metavar="FILE", help="write what the peers of each handshake said, and what was reported, to a file")


@pytest.fixture(scope="session")
def agreement_table(request):
    """The Table that the tests of agreement fill."""
    from support_agree import Table
    table = Table()
    yield table
    path = request.config.getoption("--agreement-table")
    if path:
        pathlib.Path(path).write_text(table.text())


@pytest.fixture(scope="session")
def places():
    """The class, for tests that make places of their own."""
    return Place


@pytest.fixture
def checkout():
    """The checkout itself, with its own ansible.cfg."""
    place = Place(CHECKOUT, CHECKOUT / ".ansible" / "collections")
    del place.environment["ANSIBLE_COLLECTIONS_PATH"]
    return place
