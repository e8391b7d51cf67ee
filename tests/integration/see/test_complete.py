# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""coverage.complete is true on an ordinary host, and names the processes it is not about; nothing that can hide cryptography passes as complete."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import types

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import PROGRAMS, python, run
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


def excluded(profile):
    """``{pid: code}`` of the processes that the profile is not complete for."""
    return {entry["pid"]: entry["code"] for entry in profile["coverage"]["scope"]["excluded"]}


def unreadable():
    """Processes that even root may not read here."""
    denied = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            os.readlink("/proc/%s/exe" % pid)
        except PermissionError:
            denied.add(int(pid))
        except OSError:
            continue
    return denied


def test_an_idle_host_is_covered():
    with traced(duration=3) as window:
        window.wait()
    coverage = window.profile["coverage"]
    assert_attached(window.profile)
    assert coverage["complete"] is True and coverage["scope"]["processes"] == "all", coverage["reasons"]
    assert {pid for pid, code in excluded(window.profile).items() if code == "permission_denied"} <= unreadable()


@pytest.fixture(scope="module", name="seen")
def _seen(tmp_path_factory):
    """A window over light load: programs that end at once, with and without cryptography that no probe observes."""
    folder = tmp_path_factory.mktemp("complete")
    found = types.SimpleNamespace(copy=folder / "x.bin")
    shutil.copy(next(pathlib.Path("/usr/lib").glob("*-linux-gnu/libcrypto.so.3")).resolve(), found.copy)
    (folder / "note").write_text("text")
    with traced() as window:
        found.plain = [run("cat", folder / "note").pid, run("openssl", "dgst", "-sha256", folder / "note").pid, python("import hashlib; hashlib.sha256(b'x')").pid]
        static = subprocess.Popen([sys.executable, PROGRAMS / "seal_once.py"])  # the test's own Python, which has the package
        assert static.wait() == 0
        found.static = static.pid
        found.renamed = python("load_and_exit.py", found.copy).pid
        found.in_memory = python("load_and_exit.py", found.copy, "memory").pid
    found.profile = window.profile
    return found


def test_light_load_is_covered(seen):
    assert seen.profile["coverage"]["complete"] is True, seen.profile["coverage"]["reasons"]
    assert not set(seen.plain) & set(excluded(seen.profile))


def test_a_static_stack_of_a_process_that_exited_is_found(seen):
    entry = process(seen.profile, seen.static)
    assert [(stack["name"], stack["visibility"]) for stack in entry["stacks"]] == [("OpenSSL (static)", "unobservable")]
    assert excluded(seen.profile)[seen.static] == "unobservable"


def test_a_library_is_found_by_its_content(seen):
    """A copy of libcrypto whose name says nothing is no library by name; what it holds is told from its content."""
    entry = process(seen.profile, seen.renamed)
    assert [(stack["name"], stack["path"]) for stack in entry["stacks"]] == [("OpenSSL (bundled)", str(seen.copy))]
    assert excluded(seen.profile)[seen.renamed] == "unobservable"


def test_what_is_gone_and_was_not_searched_is_said(seen):
    assert excluded(seen.profile)[seen.in_memory] == "program_not_searched"


@pytest.mark.parametrize("request_, code", [
    ({"probes": {"file_open": False}}, "probe_disabled"),
    ({"engine": "procfs"}, "engine_reduced"),
    ({"max_processes": 1}, "processes_over_bound"),
])
def test_what_can_hide_cryptography_is_not_complete(request_, code):
    with traced(**request_) as window:
        run("openssl", "version")
        python("import hashlib; hashlib.sha256(b'x')")
    assert window.profile["coverage"]["complete"] is False
    assert reason(window.profile, code)["effect"] == "incomplete"
