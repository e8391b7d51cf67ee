# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows over a real SSH connection, which is cut while they are open. The tracer is made up; sshd and ssh are real."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest


@pytest.fixture
def sshd(tmp_path):
    """A server of our own on a free port of the loopback interface. Gives its process and the inventory of one host."""
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text("\n".join([
        "Port %d" % port, "ListenAddress 127.0.0.1", "HostKey %s/host" % folder, "AuthorizedKeysFile %s/user.pub" % folder, "PidFile none",
        "StrictModes no", "UsePAM no", "PermitRootLogin yes", "Subsystem sftp internal-sftp"]))
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    sockets = tempfile.mkdtemp()  # a path of a socket has 108 bytes at most
    remote = tmp_path / "remote"
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"far": {
        "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_user": getpass.getuser(),
        "ansible_ssh_private_key_file": str(folder / "user"), "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": str(remote),
        "ansible_ssh_common_args": "-o UserKnownHostsFile=%s/known -o StrictHostKeyChecking=no -o ControlPath=%s/%%C" % (folder, sockets)}}}}))
    yield server, inventory, remote
    server.terminate()
    server.wait(10)
    shutil.rmtree(sockets)


def children(pid):
    return [int(child) for child in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def test_a_long_window_outlives_its_connection_and_leaves_nothing(made_up, profile, sshd, tmp_path):
    server, inventory, remote = sshd
    cut = []

    def cut_connections():
        time.sleep(8)
        for child in children(server.pid):
            os.kill(child, signal.SIGKILL)
            cut.append(child)

    cutter = threading.Thread(target=cut_connections)
    cutter.start()
    done, result = made_up().module("cryptofleet.audit.crypto_profile", "duration=16 dest=%s/" % tmp_path, "far", "-i", inventory,
                                    ANSIBLE_PIPELINING="True")
    cutter.join()
    assert cut
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(gzip.decompress((tmp_path / "far.json.gz").read_bytes())) == profile
    assert result["changed"] is False and "ansible_job_id" not in result
    assert list(remote.iterdir()) == []


def test_a_short_window_is_one_call_over_the_connection(made_up, sshd):
    _server, inventory, remote = sshd
    done, result = made_up().module("cryptofleet.audit.crypto_profile", "duration=1", "far", "-i", inventory, ANSIBLE_PIPELINING="True")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["profile"]["document"] == "profile"
    assert not remote.exists() or list(remote.iterdir()) == []


def test_delegation_names_the_host_of_the_task(made_up, sshd, tmp_path):
    _server, inventory, _remote = sshd
    done = made_up().play("""
- hosts: here
  gather_facts: false
  tasks:
    - cryptofleet.audit.crypto_profile: {duration: 1, dest: "%s/"}
      delegate_to: far
""" % tmp_path, "-i", inventory, "-i", "here,")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "here.json.gz").exists()


def test_the_windows_of_a_fleet_open_together_whatever_forks_is(made_up, tmp_path):
    place = made_up()
    hosts = {"h%d" % number: {} for number in range(6)}
    (place.folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": {
        "ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}}))
    start = time.monotonic()
    done = place.run("ansible-playbook", "-i", "hosts.yml", "--forks", "1", "cryptofleet.audit.crypto_audit", "-e", "crypto_inventory_duration=20",
                     "-e", "crypto_inventory_become=false", "-e", "crypto_inventory_dest=%s" % (tmp_path / "audit"))
    took = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "audit" / "manifest.json").read_text())["counts"]["ok"] == 6
    # one after the other they would take six windows
    assert took < 3 * 20
