# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine is taken, and the one that polls."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines import choose, procfs
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines import libbpf as libbpf_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines.procfs import ProcfsEngine
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.look import Looker
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events as events_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import proc
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.file_open import FileObserved
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import request_from
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.request import Request

WANTED = dict.fromkeys(choose.PROBES, True)


@pytest.fixture
def libbpf(monkeypatch):
    """Engine libbpf as the test wants it: ``rejection`` before it is tried, ``error`` while it is."""
    told = types.SimpleNamespace(rejection=None, error=None, wanted=None)

    def build(wanted):
        told.wanted = wanted
        if told.error:
            raise told.error
        return types.SimpleNamespace(name="libbpf")

    monkeypatch.setattr(libbpf_module, "rejection", lambda: told.rejection)
    monkeypatch.setattr(choose, "LibbpfEngine", build)
    monkeypatch.setattr(procfs, "ProcfsEngine", lambda wanted: types.SimpleNamespace(name="procfs", wanted=wanted))
    return told


def test_the_best_engine_is_taken(libbpf):
    engine, rejected = choose.choose_engine(Request())
    assert (engine.name, rejected, libbpf.wanted) == ("libbpf", [], WANTED)


@pytest.mark.parametrize("where", ["rejection", "error"])
def test_a_worse_one_says_why(libbpf, where):
    why = AuditError("it needs root", "not_root")
    setattr(libbpf, where, why)
    engine, rejected = choose.choose_engine(Request())
    assert (engine.name, rejected) == ("procfs", [("libbpf", why)])
    with pytest.raises(AuditError, match="engine libbpf can't run here: it needs root"):
        choose.choose_engine(Request(engine="libbpf"))


def test_the_one_asked_for(libbpf):
    libbpf.error = AuditError("never asked")
    engine, rejected = choose.choose_engine(Request(engine="procfs", probes={"file_open": False}))
    assert (engine.name, rejected, engine.wanted) == ("procfs", [], dict(WANTED, file_open=False))


def test_rejections(monkeypatch, tmp_path):
    def why():
        return libbpf_module.rejection().code

    monkeypatch.setattr(libbpf_module.os, "geteuid", lambda: 1000)
    assert why() == "not_root"
    monkeypatch.setattr(libbpf_module.os, "geteuid", lambda: 0)
    monkeypatch.setattr(libbpf_module, "_BTF", str(tmp_path / "vmlinux"))
    assert why() == "no_btf"
    (tmp_path / "vmlinux").touch()
    monkeypatch.setattr(libbpf_module.os, "stat", lambda path: types.SimpleNamespace(st_ino=4026532000))
    assert why() == "pid_namespace"
    monkeypatch.setattr(libbpf_module.os, "stat", lambda path: types.SimpleNamespace(st_ino=proc.PROC_PID_INIT_INO))

    def none():
        raise AuditError("libbpf (libbpf.so.1 or libbpf.so.0) is not on this host")
    monkeypatch.setattr(libbpf_module, "Libbpf", none)
    assert why() == "no_libbpf" and "libbpf.so.1" in str(libbpf_module.rejection())
    monkeypatch.setattr(libbpf_module, "Libbpf", lambda: None)
    assert libbpf_module.rejection() is None


# options

PARAMS = {"pid": [], "name": [], "unit": [], "container": [], "follow_children": True, "duration": 30, "engine": "auto", "probes": {}, "redact": True}


@pytest.mark.parametrize("option, value, message", [
    ("duration", 0, "duration must be from 1 to 3600, not 0"),
    ("duration", -1, "duration must be from 1 to 3600, not -1"),
    ("duration", 3601, "duration must be from 1 to 3600, not 3601"),
    ("max_processes", 0, "max_processes must be from 1"),
    ("max_files", 100001, "max_files must be from 1 to 100000"),
    ("max_libraries", 0, "max_libraries"),
    ("max_operations", 0, "max_operations"),
    ("max_events", 1000001, "max_events must be from 1 to 1000000"),
    ("pid", [0], "pid must be 1 or more, not 0"),
    ("pid", [5, -3], "pid must be 1 or more, not -3"),
    ("name", [" "], "name contains an empty string"),
    ("unit", [""], "unit contains an empty string"),
    ("container", ["\t"], "container contains an empty string"),
    ("probes", dict.fromkeys(choose.PROBES, False), "every probe is disabled"),
])
def test_options_out_of_bounds(option, value, message):
    with pytest.raises(AuditError, match=message):
        request_from(dict(PARAMS, **{option: value}))


@pytest.mark.parametrize("duration", [1, 3600])
def test_options_at_their_bounds(duration):
    assert request_from(dict(PARAMS, duration=duration)).duration == duration


def test_options_become_a_request():
    request = request_from(dict(PARAMS, pid=[9, 7, 9], name=["b", "a", "b"], probes={"openssl_api": False}, max_files=5, follow_children=False, redact=False))
    assert (request.pids, request.names, request.follow_children, request.redact, request.max_files) == ([7, 9], ["a", "b"], False, False, 5)
    assert request.probes == dict(WANTED, openssl_api=False)


# polling, on this machine's /proc

def polling(wanted=None):
    engine = ProcfsEngine(WANTED if wanted is None else wanted)
    engine.looker = Looker()
    return engine


class Child:
    """A process that does what it is told: a line of Python each."""

    def __init__(self):
        code = "import sys\nfor line in sys.stdin:\n exec(line)\n print(flush=True)"
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.do("pass")

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def child():
    made = Child()
    yield made
    if made.process.poll() is None:
        made.end()


def of(events, pid, kind):
    return [event for event in events if isinstance(event, kind) and pid == (event.pid if hasattr(event, "pid") else event.subject.image.pid)]


def test_polling_sees_a_process_begin_change_and_end():
    engine = polling()
    child = Child()
    events = engine.read()
    assert len(of(events, child.pid, events_module.ProcessFound)) == 1 and not of(events, child.pid, events_module.ProcessExec)
    assert not of(engine.read(), child.pid, events_module.ProcessFound)
    child.process.stdin.write("import os; os.execv('/bin/sh', ['sh', '-c', 'echo; read x'])\n")
    child.process.stdin.flush()
    child.process.stdout.readline()
    changed = of(engine.read(), child.pid, events_module.ProcessExec)
    assert [event.arguments for event in changed] == [[b"sh", b"-c", b"echo; read x"]]
    child.end()
    assert len(of(engine.read(), child.pid, events_module.ProcessExit)) == 1
    assert not of(engine.read(), child.pid, events_module.ProcessExit)


def test_polling_sees_the_end_of_what_was_there_before_its_first_look():
    child = Child()
    engine = polling()
    child.end()
    assert len(of(engine.read(), child.pid, events_module.ProcessExit)) == 1


def test_polling_sees_files_that_are_held(child, tmp_path):
    path = tmp_path / "new\nline.pem"
    path.write_text("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n")
    engine = polling()
    engine.read()
    child.do("import os; fd = os.open(%r, os.O_RDONLY)" % str(path))
    found = of(engine.read(), child.pid, FileObserved)
    assert [(item.path, item.facts.kind) for item in found] == [(os.fsencode(path), "public_key")]
    assert not of(engine.read(), child.pid, FileObserved), "it is one observation, however often it is looked at"


def test_polling_says_what_it_can_not():
    engine = polling()
    states = {probe.name: (probe.status, probe.reason) for probe in engine.probes}
    assert engine.grade == "reduced" and states["openssl_api"][0] == "unsupported" and states["openssl_api"][1]
    engine = polling(dict.fromkeys(WANTED, False))
    assert {probe.status for probe in engine.probes} == {"disabled"} and engine.read() == []


def test_polling_does_not_see_itself():
    engine = polling()
    engine._known.clear()
    assert not of(engine.read(), os.getpid(), events_module.ProcessFound)
