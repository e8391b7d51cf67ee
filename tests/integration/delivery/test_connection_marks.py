# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever way Ansible comes, its own connection is marked in the profile, and another ssh login at the same time is not.

Everything is real: the tracer, sshd, ssh, paramiko, sudo.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.sshd import sshd

__all__ = ["sshd"]  # a fixture

COLLECTED = """
- hosts: far
  gather_facts: false
  tasks:
    - cryptofleet.audit.crypto_profile: {duration: 8, dest: "%(dest)s/"}
      async: 100
      poll: 0
      register: window
    - cryptofleet.audit.crypto_collect: {jid: "{{ window.ansible_job_id }}"}
"""
WAITED_FOR = """
- hosts: far
  gather_facts: false
  tasks:
    - cryptofleet.audit.crypto_profile: {duration: %(duration)d, dest: "%(dest)s/"}
"""


def own_python(folder):
    """A name of Python that no other program uses: every module that Ansible runs on the host has it as its program."""
    path = folder / "python_of_audit"
    path.symlink_to("/usr/bin/python3")
    return str(path)


@contextlib.contextmanager
def as_root(_folder):
    """Variables of a host that is root already."""
    yield {}


@contextlib.contextmanager
def with_sudo(folder):
    """Variables of a host that is become root on by sudo; at the end it is certain that it was."""
    program = folder / "sudo"
    program.write_text('#!/bin/sh\necho "$@" >>%s/sudo.log\nexec sudo "$@"\n' % folder)
    program.chmod(0o755)
    yield {"ansible_become": True, "ansible_become_method": "sudo", "ansible_become_user": "root", "ansible_become_exe": str(program)}
    assert "BECOME-SUCCESS" in (folder / "sudo.log").read_text()


@contextlib.contextmanager
def other_login(server):
    """Somebody logs in by ssh again and again, the same user with the same key from the same address, and uses openssl."""
    # echo ends it once its reader is gone
    script = "echo $PPID; while echo; do echo x | openssl dgst -sha384 >/dev/null; sleep 0.5; done"
    login = subprocess.Popen(server.command(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield int(login.stdout.readline())
    finally:
        login.kill()
        login.communicate()


def audit(place, server, play, tmp_path, **environment):
    """``(processes, pid of the other login's sshd)`` of a window with another login in it."""
    path = tmp_path / "play.yml"
    path.write_text(play)
    with other_login(server) as other:
        done = place.run("ansible-playbook", "-i", server.inventory, path, ANSIBLE_BECOME_ALLOW_SAME_USER="True", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    profile = json.loads(gzip.decompress((tmp_path / "far.json.gz").read_bytes()))
    return profile["processes"], other


def assert_marks(processes, server, other, python):
    others = {process["pid"] for process in processes if (process["cmdline"] or [""])[:2] == ["openssl", "dgst"]} | {other}
    parents = {process["pid"]: process["ppid"] for process in processes}
    while parents.get(other) not in (None, server.process.pid):
        other = parents[other]
        others.add(other)
    logins = set()  # every sshd of our server but its listener
    for process in sorted(processes, key=lambda process: process["started_at"]):
        if process["ppid"] in logins | {server.process.pid} and (process["name"] or "").startswith("sshd"):
            logins.add(process["pid"])
    ansible = [process for process in processes if process["pid"] in logins - others or (process["cmdline"] or [""])[0] == python]
    assert [process for process in ansible if (process["name"] or "").startswith("sshd")]
    assert [process["cmdline"] for process in ansible if not process["audit_connection"]] == []
    theirs = [process for process in processes if process["pid"] in others]
    assert {process["name"] for process in theirs} >= {"openssl", "sshd"}
    assert [process["cmdline"] for process in theirs if process["audit_connection"]] == []
    listener, = [process for process in processes if process["pid"] == server.process.pid]
    assert listener["audit_connection"] is False
    return ansible


@pytest.mark.parametrize("transport", ["ssh", "paramiko"])
@pytest.mark.parametrize("become", [as_root, with_sudo], ids=["root", "sudo"])
@pytest.mark.parametrize("pipelining", ["True", "False"], ids=["piped", "copied"])
def test_a_job_that_left_its_connection(checkout, sshd, tmp_path, transport, become, pipelining):
    python = own_python(tmp_path)
    with become(tmp_path) as variables:
        sshd.write_inventory(ansible_connection=transport, ansible_python_interpreter=python, ansible_paramiko_host_key_checking=False, **variables)
        processes, other = audit(checkout, sshd, COLLECTED % {"dest": tmp_path}, tmp_path, ANSIBLE_PIPELINING=pipelining)
    ansible = assert_marks(processes, sshd, other, python)
    assert len([process for process in ansible if process["cmdline"][0] == python]) > 3  # the job and the modules that asked for it


@pytest.mark.parametrize("duration", [4, 16], ids=["at once", "as a job"])
def test_a_window_that_is_waited_for(checkout, sshd, tmp_path, duration):
    python = own_python(tmp_path)
    with with_sudo(tmp_path) as variables:
        sshd.write_inventory(ansible_python_interpreter=python, **variables)
        processes, other = audit(checkout, sshd, WAITED_FOR % {"dest": tmp_path, "duration": duration}, tmp_path, ANSIBLE_PIPELINING="True")
    assert_marks(processes, sshd, other, python)


@pytest.mark.parametrize("play", [COLLECTED, WAITED_FOR], ids=["collected", "waited for"])
def test_ansible_on_this_very_host(checkout, sshd, tmp_path, play):
    """Typed in an ssh login, as administrators do: the login itself is not the audit's."""
    python = own_python(tmp_path)
    sshd.write_inventory(ansible_connection="local", ansible_python_interpreter=python)
    path = tmp_path / "play.yml"
    path.write_text(play % {"dest": tmp_path, "duration": 8})
    typed = "cd %s; PATH=%s ansible-playbook -i %s %s & while kill -0 $!; do echo x | openssl dgst -sha384 >/dev/null; sleep 0.5; done"
    done = subprocess.run(sshd.command(typed % (checkout.folder, checkout.environment["PATH"], sshd.inventory, path)),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    processes = json.loads(gzip.decompress((tmp_path / "far.json.gz").read_bytes()))["processes"]
    assert "failed=0" in done.stdout, done.stdout + done.stderr
    ansible = [process for process in processes if str(path) in (process["cmdline"] or []) or (process["cmdline"] or [""])[0] == python]
    assert len(ansible) > 2 and [process for process in ansible if process["name"] == "ansible-playboo"]
    assert [process["cmdline"] for process in ansible if not process["audit_connection"]] == []
    login = [process for process in processes if process["ppid"] == sshd.process.pid or (process["cmdline"] or [""])[:2] == ["openssl", "dgst"]]
    assert {process["name"] for process in login} >= {"openssl", "sshd"}
    assert [process["cmdline"] for process in login if process["audit_connection"]] == []
