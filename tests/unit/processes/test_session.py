# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of made-up hosts belong to Ansible's own connection."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import proc as proc_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes import session
from ansible_collections.cryptofleet.audit.tests.unit.support.ledger_world import (
    PID,
    START,
    FakeProc,
    execve,
    fork,
    image,
    leave,
    make,
)

LISTENER, MONITOR, USER, SHELL, ME, OTHER = (PID + number for number in range(1, 7))
JOB = b"j574810382645"
WRAPPER = [b"/usr/bin/python3", b"/root/.ansible/tmp/ansible-tmp-1-2-3/async_wrapper.py", JOB, b"120", b"/x/AnsiballZ_crypto_profile.py", b"_"]


def ask(job=JOB + b".815"):
    """The command of an ssh session that polls a job."""
    return [b"bash", b"-c", b"/bin/sh -c 'CRYPTOFLEET_AUDIT=" + job + b" /usr/bin/python3 && sleep 0'"]


@pytest.fixture
def host(monkeypatch):
    """A function that takes pid -> (parent, comm, arguments), and returns the ledger of a window that this process, ME, opened on that host."""
    monkeypatch.setattr(session.os, "getpid", lambda: ME)
    monkeypatch.setattr(session.os, "getuid", lambda: 0)
    monkeypatch.setattr(session.proc, "audit_session", lambda pid: None)
    monkeypatch.setattr(session.proc, "audit_login", lambda pid: None)
    for name in ("CRYPTOFLEET_AUDIT", "SSH_CONNECTION", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)

    def enter(processes, uids=()):
        proc = FakeProc()
        for number, (pid, (parent, comm, arguments)) in enumerate(processes.items()):
            proc.processes[pid] = {"start": START + number * 10 ** 9, "ppid": parent, "comm": comm, "arguments": arguments, "uid": dict(uids).get(pid, 0)}
        ledger = make(monkeypatch, proc)[0]
        monkeypatch.setattr(session.proc, "read_stat", proc.read_stat)
        list(ledger.scan())
        return ledger
    return enter


def marked(ledger):
    return {record.pid for record in ledger.records() if record.audit_connection}


def sshd(*sessions):
    """A listener, and for each pid a connection that begins with it."""
    processes = {LISTENER: (1, b"sshd", [b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"])}
    for pid in sessions:
        processes[pid] = (LISTENER, b"sshd", [b"sshd: root [priv]"])
    return processes


def job():
    """This process and Ansible's wrapper around it, whose parent is gone."""
    return {PID + 50: (1, b"python3", WRAPPER), PID + 51: (PID + 50, b"python3", WRAPPER), ME: (PID + 51, b"python3", [b"python3", b"module"])}


def test_a_synchronous_module_marks_its_own_ssh_connection_only(host):
    ledger = host({**sshd(MONITOR, OTHER),
        USER: (MONITOR, b"sshd", [b"sshd: root@notty"]), SHELL: (USER, b"sh", [b"sh", b"-c", b"x"]), ME: (SHELL, b"python3", [b"python3"])})
    assert marked(ledger) == {MONITOR, USER, SHELL, ME}


def test_pids_that_wrapped_around(host):
    """A child with a lower pid than its parent's is met first in /proc."""
    low = PID - 100
    ledger = host({**sshd(MONITOR), USER: (MONITOR, b"sshd", [b""]), ME: (USER, b"python3", [b""]), low: (USER, b"cat", [b"cat"])})
    assert marked(ledger) == {MONITOR, USER, ME, low}


@pytest.mark.parametrize(("arguments", "comm"), [
    ([b"/usr/sbin/sshd", b"-i"], b"sshd"), ([b"sshd: root [priv]"], b"sshd"), ([b"sshd-session: root [priv]"], b"sshd-session")])
def test_an_sshd_for_a_single_connection(host, arguments, comm):
    ledger = host({MONITOR: (1, comm, arguments), ME: (MONITOR, b"python3", [b""])})
    assert marked(ledger) == {MONITOR, ME}


@pytest.mark.parametrize("arguments", [[b"/usr/sbin/sshd", b"-D"], [b"sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups"]])
def test_the_listener_is_no_connection(host, arguments):
    ledger = host({1: (0, b"sshd", arguments), MONITOR: (1, b"sshd", [b"sshd: root [priv]"]), ME: (MONITOR, b"python3", [b""])})
    assert marked(ledger) == {MONITOR, ME}


def test_ansible_in_an_ssh_login_marks_the_command_and_not_the_login(host):
    """The login of a user who runs make audit over ssh did not come from Ansible."""
    ansible, worker = PID + 20, PID + 21
    ledger = host({**sshd(MONITOR),
        USER: (MONITOR, b"sshd", [b""]), SHELL: (USER, b"bash", [b"-bash"]), ansible: (SHELL, b"ansible-playboo", [b""]),
        worker: (ansible, b"ansible-playboo", [b""]), ME: (worker, b"python3", [b""])})
    assert marked(ledger) == {ansible, worker, ME}


def test_a_worker_of_ansible_that_ended_before_it_was_seen(host):
    ansible, worker = PID + 20, PID + 21
    processes = {ansible: (1, b"ansible-playboo", [b""]), ME: (ansible, b"python3", [b""])}
    for more, expected in (({}, True), ({PID + 30: (1, b"ansible", [b""])}, False)):
        ledger = host({**processes, **more})
        seen = ledger.find(execve(image(worker), START).subject._replace(comm=b"ansible-playboo", parent_pid=PID + 19))
        assert seen.audit_connection is expected


def test_a_program_with_a_similar_name(host):
    ledger = host({**sshd(MONITOR), SHELL: (MONITOR, b"ansible-lint", [b""]), ME: (SHELL, b"ansibles_python", [b""])})
    assert marked(ledger) == {MONITOR, SHELL, ME}


def test_without_ansible_only_this_process_is_marked(host):
    ledger = host({SHELL: (1, b"bash", [b"-bash"]), ME: (SHELL, b"python3", [b""]), OTHER: (SHELL, b"curl", [b"curl"])})
    assert marked(ledger) == {ME}


def test_a_job_alone_marks_its_wrapper(host):
    ledger = host({**sshd(MONITOR), **job()})
    assert marked(ledger) == {PID + 50, PID + 51, ME}


def open_session(ledger, leader, command, uid=0):
    """What sshd does for a new connection, as events: it forks, forks again for the user, and that one starts a shell."""
    number = START + leader * 1000
    monitor, user, shell = (image(leader + step, 100 + step, number + step) for step in range(3))
    ledger.on_fork(fork(monitor, image(LISTENER, None, START), number)._replace(subject=sub(monitor, LISTENER, uid)))
    for child, parent in ((user, monitor), (shell, user)):
        ledger.on_fork(fork(child, parent, child.start)._replace(subject=sub(child, parent.pid, uid)))
    event = execve(shell._replace(exec_id=900 + leader), number + 4, b"/bin/bash", command, user.pid)
    ledger.on_exec(event._replace(subject=event.subject._replace(uid=uid)))
    return {monitor.pid, user.pid, shell.pid}


def sub(who, parent, uid):
    return fork(who, image(parent), 0).subject._replace(parent_pid=parent, uid=uid, comm=b"sshd")


def test_a_later_connection_that_polls_the_job_is_marked(host):
    ledger = host({**sshd(), **job()})
    own = marked(ledger)
    mine = open_session(ledger, PID + 200, ask())
    for pid, command in ((PID + 300, [b"bash", b"-c", b"/usr/bin/python3 -"]), (PID + 400, ask(JOB + b"0.815")), (PID + 500, ask(b"x" + JOB + b".815"))):
        open_session(ledger, pid, command)
    assert marked(ledger) == own | mine


def test_another_login_that_names_the_job_is_not_marked(host, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "1000")
    ledger = host({**sshd(), **job()})
    own = marked(ledger)
    open_session(ledger, PID + 200, ask(), uid=1001)
    mine = open_session(ledger, PID + 300, ask(), uid=1000)
    assert marked(ledger) == own | mine


def test_only_the_first_command_of_a_session_counts(host):
    """A user may type the job's number, which ps shows, in the shell of a login."""
    ledger = host({**sshd(), **job()})
    own = marked(ledger)
    open_session(ledger, PID + 200, [b"-bash"])
    shell = image(PID + 202, 900 + PID + 200, START + (PID + 200) * 1000 + 2)
    typed = image(PID + 210, 7, shell.start + 10)
    ledger.on_fork(fork(typed, shell, typed.start))
    ledger.on_exec(execve(typed._replace(exec_id=8), typed.start + 1, b"/bin/sh", ask(), shell.pid))
    assert marked(ledger) == own


def test_a_job_of_ansible_on_this_very_host(host):
    ansible, worker, other = PID + 20, PID + 21, PID + 22
    ledger = host({**job(),
        ansible: (1, b"ansible-playboo", [b""]), worker: (ansible, b"ansible-playboo", [b""]), PID + 23: (worker, b"sh", ask()[1:]),
        other: (1, b"ansible", [b""])})
    assert marked(ledger) == {PID + 50, PID + 51, ME, ansible, worker, PID + 23}


@pytest.fixture
def socket_of_the_job(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 40000 192.0.2.1 22")
    monkeypatch.setattr(session, "socket_inodes", lambda text: {77} if text == "192.0.2.7 40000 192.0.2.1 22" else set())
    monkeypatch.setattr(session.proc, "open_fds", lambda pid: [(0, b"/dev/null"), (4, b"socket:[%d]" % (77 if pid in (MONITOR, LISTENER) else 78))])


def test_the_connection_that_a_job_was_started_over(host, monkeypatch, socket_of_the_job):
    monkeypatch.setenv("CRYPTOFLEET_AUDIT", "ssh")
    ledger = host({**sshd(MONITOR, OTHER), **job(), USER: (MONITOR, b"sshd", [b""])})
    assert marked(ledger) == {PID + 50, PID + 51, ME, MONITOR, USER}


@pytest.mark.parametrize("word", [None, "local"])
def test_a_job_that_was_not_started_over_ssh_leaves_the_login_alone(host, monkeypatch, socket_of_the_job, word):
    if word:
        monkeypatch.setenv("CRYPTOFLEET_AUDIT", word)
    ledger = host({**sshd(MONITOR, OTHER), **job()})
    assert marked(ledger) == {PID + 50, PID + 51, ME}


def test_the_audit_session_where_sudo_removed_the_variable(host, monkeypatch):
    monkeypatch.setenv("CRYPTOFLEET_AUDIT", "ssh")
    numbers = {ME: 12, MONITOR: 12, OTHER: 13}
    monkeypatch.setattr(session.proc, "audit_session", numbers.get)
    assert marked(host({**sshd(MONITOR, OTHER), **job()})) == {PID + 50, PID + 51, ME, MONITOR}
    numbers.update({LISTENER: 12, OTHER: 12})  # a listener that was started in a login, and PAM gives no new number
    assert marked(host({**sshd(MONITOR, OTHER), **job()})) == {PID + 50, PID + 51, ME}


def test_a_service_left_running_is_not_part_of_the_connection(host):
    daemon, worker, short = PID + 30, PID + 31, PID + 32
    processes = {**sshd(MONITOR), USER: (MONITOR, b"sshd", [b""]), ME: (USER, b"python3", [b""]), SHELL: (USER, b"sh", [b""]),
                                       daemon: (SHELL, b"nginx", [b"nginx"]), worker: (daemon, b"nginx", [b"nginx"]), short: (SHELL, b"curl", [b""])}
    ledger = host(processes)
    assert {daemon, worker, short} <= marked(ledger)
    proc = session.proc.read_stat.__self__
    ended = next(record for record in ledger.records() if record.pid == short)
    ledger.on_exit(leave(image(short, None, ended.start), ended.start + 5))
    del proc.processes[short], proc.processes[SHELL]
    proc.processes[daemon]["ppid"] = 1
    ledger.release_services()
    assert marked(ledger) == {MONITOR, USER, SHELL, ME, short}


def test_the_inode_of_a_real_socket_is_found():
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((address, 0))
            server.listen()
            client.connect((address, server.getsockname()[1]))
            accepted, peer = server.accept()
            with accepted:
                text = "%s %d %s %d" % (address, peer[1], address, server.getsockname()[1])
                assert session.socket_inodes(text) == {os.fstat(accepted.fileno()).st_ino}


def test_an_ipv4_client_of_a_server_that_listens_on_both():
    with socket.socket(socket.AF_INET6) as server, socket.socket() as client:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        client.connect(("127.0.0.1", server.getsockname()[1]))
        accepted, peer = server.accept()
        with accepted:
            assert session.socket_inodes("127.0.0.1 %d 127.0.0.1 %d" % (peer[1], server.getsockname()[1])) == {os.fstat(accepted.fileno()).st_ino}


@pytest.mark.parametrize("text", ["", "x", "a 1 b 2", "127.0.0.1 x 127.0.0.1 22", "127.0.0.1 1 127.0.0.1 2 3", "127.0.0.1 1 127.0.0.1 2", "::1 1 fe80::1%lo 2"])
def test_malformed_connections_have_no_socket(text):
    assert session.socket_inodes(text) == set()


def test_audit_numbers_of_the_kernel(tmp_path):
    (tmp_path / "7").mkdir()
    for name, value, expected in (("sessionid", "12", 12), ("sessionid", "4294967295", None), ("sessionid", "", None)):
        (tmp_path / "7" / name).write_text(value)
        assert proc_module.audit_session(7, str(tmp_path)) == expected
    (tmp_path / "7" / "loginuid").write_text("1000")
    assert (proc_module.audit_login(7, str(tmp_path)), proc_module.audit_login(8, str(tmp_path))) == (1000, None)
