# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real SSH server on the loopback interface, and an Ansible host behind it."""

from __future__ import annotations

import getpass
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import pytest


class Server:
    """An sshd of these tests. key: path of the one key that may log in; inventory: path, its one host is called far."""

    def __init__(self, folder, sockets):
        self.folder = folder / "sshd"
        self.folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        self.key = self.folder / "user"
        self.remote = folder / "remote"
        self.sockets = sockets
        self.port = _free_port()
        (self.folder / "config").write_text("\n".join([
            "Port %d" % self.port, "ListenAddress 127.0.0.1", "HostKey %s/host" % self.folder, "AuthorizedKeysFile %s/user.pub" % self.folder,
            "PidFile none", "StrictModes no", "UsePAM no", "PermitRootLogin yes", "Subsystem sftp internal-sftp"]))
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.folder / "config"], stderr=subprocess.DEVNULL)
        self.inventory = folder / "hosts.yml"
        self.write_inventory()

    def write_inventory(self, **more):
        """Call again with more variables of the host."""
        self.inventory.write_text(json.dumps({"all": {"hosts": {"far": dict({
            "ansible_host": "127.0.0.1", "ansible_port": self.port, "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.key), "ansible_python_interpreter": "/usr/bin/python3", "ansible_remote_tmp": str(self.remote),
            "ansible_ssh_common_args": "%s -o ControlPath=%s/%%C" % (" ".join(self.options()), self.sockets)}, **more)}}}))

    def options(self):
        """Of ssh(1): what makes it trust this server alone."""
        return ["-o", "UserKnownHostsFile=%s/known" % self.folder, "-o", "StrictHostKeyChecking=no"]

    def wait(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("sshd does not listen")

    def command(self, *command):
        """The arguments of an ssh that has nothing to do with Ansible."""
        return ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port), *self.options(), "%s@127.0.0.1" % getpass.getuser(), *command]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def sshd(tmp_path):
    sockets = tempfile.mkdtemp()  # a path of a socket has 108 bytes at most
    server = Server(tmp_path, sockets)
    try:
        server.wait()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(10)
        shutil.rmtree(sockets)
