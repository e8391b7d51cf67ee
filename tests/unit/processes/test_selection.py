# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes a request selects."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.records import ProcessRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.selection import Selection
from ansible_collections.cryptofleet.audit.tests.unit.support.ledger_world import PID, START, FakeProc, execve, fork, image, leave, make

CONTAINER = "0123456789abcdef" * 4
UNIT = [(0, b"", b"/system.slice/nginx.service")]
DOCKER = [(0, b"", b"/system.slice/docker-%s.scope" % CONTAINER.encode())]


def process(comm=b"nginx", exe=b"/usr/sbin/nginx", pid=PID, cgroups=None, start=START):
    return ProcessRecord(pid, start, 1, "kernel", comm=comm, exe=exe, cgroups=cgroups)


def selection(pids=(), names=(), units=(), containers=()):
    return Selection(pids, names, units, containers, True)


@pytest.mark.parametrize("pattern, comm, exe, hit", [
    ("nginx", b"nginx", None, True),
    ("nginx", b"worker", b"/usr/sbin/nginx", True),  # a program renamed itself
    ("nginx", b"nginx-debug", b"/usr/sbin/nginx-debug", False),
    ("nginx*", b"nginx-debug", None, True),
    ("ngin?", b"nginx", None, True),
    ("ng[hi]nx", b"nginx", None, True),
    ("NGINX", b"nginx", b"/usr/sbin/nginx", False),
    ("/usr/sbin/nginx", b"nginx", b"/usr/sbin/nginx", False),  # names, not paths
    ("very-long-name-of-a-program", b"very-long-name-", b"/opt/very-long-name-of-a-program", True),  # comm has 15 bytes
    ("*", b"", b"/bin/x", True),
    ("new\nline", b"new\nline", None, True),
    ("new*", b"new\nline", None, True),
    ("bad\\xff", b"bad\xff", None, True),  # as the profile writes it
    ("[", b"[", None, True),
])
def test_names(pattern, comm, exe, hit):
    assert selection(names=[pattern]).matches(process(comm, exe)) is hit


def test_every_match_and_not_only_the_first():
    chosen = selection(names=["nginx", "php*"])
    assert [chosen.matches(process(comm, None)) for comm in (b"nginx", b"nginx", b"php-fpm", b"sshd", b"nginx")] == [True, True, True, False, True]
    assert chosen.missing() == []


@pytest.mark.parametrize("pattern", ["nginx.service", "nginx", "ngin*", "*.service"])
def test_units(pattern):
    chosen = selection(units=[pattern])
    assert chosen.needs_cgroups
    assert chosen.matches(process(cgroups=UNIT))
    assert not chosen.matches(process(cgroups=[(0, b"", b"/system.slice/ssh.socket")]))
    assert not chosen.matches(process(cgroups=None)) and not chosen.matches(process(cgroups=[]))


@pytest.mark.parametrize("pattern", [CONTAINER, CONTAINER[:12], CONTAINER[:6] + "*"])
def test_containers(pattern):
    chosen = selection(containers=[pattern])
    assert chosen.matches(process(cgroups=DOCKER))
    assert not chosen.matches(process(cgroups=UNIT))
    assert not selection(containers=[CONTAINER[:11]]).matches(process(cgroups=DOCKER)), "a cut id that docker would not print is no id"


def test_no_target_is_the_whole_host():
    assert selection().whole_host and selection().matches(process(b"x", None)) and selection().missing() == []
    for targets in ({"pids": [1]}, {"names": ["a"]}, {"units": ["a"]}, {"containers": ["a"]}):
        assert not selection(**targets).whole_host


def test_missing_names_every_target_that_nothing_matched():
    chosen = selection([PID, PID + 1], ["nginx", "it's"], ["a.service"], ["c1"])
    chosen.matches(process())
    assert chosen.missing() == ["pid %d" % (PID + 1), "name \"it's\"", "unit 'a.service'", "container 'c1'"]


def test_a_pid_that_does_not_exist():
    chosen = selection([PID, PID + 1, PID + 2])
    chosen.matches(process())
    with pytest.raises(AuditError, match="no process has the pid %d, %d on this host" % (PID + 1, PID + 2)):
        chosen.require_pids()


def test_a_pid_is_the_process_that_had_it_first():
    chosen = selection([PID])
    assert chosen.matches(process()) and chosen.matches(process(b"openssl", None)), "its other images too"
    assert not chosen.matches(process(start=START + 10 ** 9))


@pytest.mark.parametrize("follow", [True, False])
def test_children(monkeypatch, follow):
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/usr/sbin/nginx", "comm": b"nginx"}
    proc.processes[PID + 1] = {"start": START, "exe": b"/usr/bin/helper", "ppid": PID, "comm": b"helper"}
    ledger, _lines = make(monkeypatch, proc, names=["nginx"], follow_children=follow)
    list(ledger.scan())
    moment = max(record.entered_at for record in ledger.records()) + 1
    child, grandchild = image(PID + 2, 1, START + 1), image(PID + 3, 1, START + 2)
    ledger.on_fork(fork(child, image(), moment))
    ledger.on_exec(execve(child._replace(exec_id=2), moment, b"/bin/sh", parent=PID))
    ledger.on_exit(leave(image(), moment + 1))  # children outlive their parent
    ledger.on_fork(fork(grandchild, child._replace(exec_id=2), moment + 2))
    ledger.on_exec(execve(grandchild._replace(exec_id=2), moment + 3, b"/usr/bin/openssl", parent=1))
    ledger.on_exec(execve(image(PID + 4), moment + 3, b"/usr/bin/openssl", parent=1))
    chosen = {(record.pid, record.exe) for record in ledger.records() if record.selected and record.replaced_at is None}
    everything = {(PID, b"/usr/sbin/nginx"), (PID + 1, b"/usr/bin/helper"), (PID + 2, b"/bin/sh"), (PID + 3, b"/usr/bin/openssl")}
    assert chosen == (everything if follow else {(PID, b"/usr/sbin/nginx")})


def test_a_fork_is_not_its_parents_name_without_follow_children(monkeypatch):
    """A worker of the same name matches by itself."""
    ledger, _lines = make(monkeypatch, names=["nginx"], follow_children=False)
    ledger.on_exec(execve(image(), START, b"/usr/sbin/nginx"))
    ledger.on_fork(fork(image(PID + 1, 1, START + 1), image(), START + 1))
    assert {record.pid for record in ledger.records() if record.selected} == {PID, PID + 1}
