# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places to run Ansible in: the checkout, and a copy of the collection whose tracer is made up, to test what is around it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import CHECKOUT, COLLECTIONS

MADE_UP_TRACER = pathlib.Path(__file__).with_name("made_up_tracer")


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
        window = collection / "plugins" / "module_utils" / "_window"
        for path in MADE_UP_TRACER.glob("*.py"):
            shutil.copy(path, window)
        (window / "answers.py").write_text("ANSWERS = %r\n" % json.dumps(answers))
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        return Place(folder, tmp_path / "collections")
    return make


@pytest.fixture(scope="session")
def places():
    """The class, for tests that make places of their own."""
    return Place


@pytest.fixture
def checkout():
    """The checkout itself, with its own ansible.cfg."""
    place = Place(CHECKOUT, COLLECTIONS)
    del place.environment["ANSIBLE_COLLECTIONS_PATH"]
    return place
