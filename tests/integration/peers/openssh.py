# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH: what sshd and ssh log of their key exchange, with host keys and a user key of our own."""

from __future__ import annotations

import contextlib
import pathlib
import re
from typing import FrozenSet, NamedTuple, Optional

from ..support.programs import run, tool
from .base import free_port, serving

HOST_KEYS = {"ed25519": ("ed25519", 256), "ecdsa": ("ecdsa", 384), "rsa": ("rsa", 3072)}  # file: (type, bits)
# What ssh is asked to allow, by the options that name it.
SSH_CHOICES = (
    ("KexAlgorithms=sntrup761x25519-sha512@openssh.com", "HostKeyAlgorithms=ssh-ed25519", "Ciphers=chacha20-poly1305@openssh.com"),
    ("KexAlgorithms=curve25519-sha256", "HostKeyAlgorithms=rsa-sha2-512", "Ciphers=aes256-gcm@openssh.com"),
    ("KexAlgorithms=ecdh-sha2-nistp384", "HostKeyAlgorithms=ecdsa-sha2-nistp384", "Ciphers=aes256-ctr", "MACs=hmac-sha2-512-etm@openssh.com"),
    ("KexAlgorithms=diffie-hellman-group14-sha1", "HostKeyAlgorithms=ssh-rsa", "Ciphers=aes128-cbc", "MACs=hmac-sha1"),
    ("KexAlgorithms=diffie-hellman-group-exchange-sha256", "HostKeyAlgorithms=rsa-sha2-256", "Ciphers=aes128-ctr", "MACs=umac-64@openssh.com"),
)
_CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
{host_keys}
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
LogLevel DEBUG3
KexAlgorithms +diffie-hellman-group14-sha1
Ciphers +aes128-cbc
MACs +hmac-sha1
HostKeyAlgorithms +ssh-rsa
"""


class SshSaid(NamedTuple):
    """What one side logs of one key exchange."""

    role: str
    pids: FrozenSet[int]  # ssh: itself; sshd: the processes that serve this connection
    software: str
    peer_software: str
    key_exchange: str
    host_key: str
    cipher_client_to_server: str
    cipher_server_to_client: str
    mac_client_to_server: Optional[str]  # None where the cipher authenticates by itself
    mac_server_to_client: Optional[str]
    strict_kex: bool


def _said(role, pids, text):
    def one(pattern):
        return re.search(pattern, text).group(1)

    directions = dict((direction, (cipher, None if mac == "<implicit>" else mac)) for direction, cipher, mac in
                      re.findall(r"kex: (client->server|server->client) cipher: (\S+) MAC: (\S+)", text))
    to_server, to_client = directions["client->server"], directions["server->client"]
    return SshSaid(role, frozenset(pids), one(r"Local version string SSH-2\.0-(.+?)(?: \[preauth\])?\r?\n"),
                   one(r"remote software version (.+?)(?: \[preauth\])?\r?\n"), one(r"kex: algorithm: (\S+)"), one(r"kex: host key algorithm: (\S+)"),
                   to_server[0], to_client[0], to_server[1], to_client[1], "will use strict KEX ordering" in text)


def _served(_server, text):
    pids = [int(pid) for pid in re.findall(r"(?:Forked child|Network child is on pid) (\d+)", text)]
    return _said("server", pids, text)


class Openssh:
    """sshd on a port of its own, and ssh."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        for name, (kind, bits) in HOST_KEYS.items():
            run(tool("ssh-keygen", "openssh-client"), "-q", "-t", kind, "-b", bits, "-N", "", "-f", self._folder / name)
        run(tool("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", self._folder / "user")

    @contextlib.contextmanager
    def serve(self):
        port = free_port()
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it for its unprivileged half
        configuration = self._folder / "sshd_config"
        configuration.write_text(_CONFIGURATION.format(port=port, folder=self._folder,
                                                       host_keys="\n".join("HostKey %s/%s" % (self._folder, name) for name in HOST_KEYS)))
        with serving([tool("sshd", "openssh-server"), "-D", "-e", "-f", configuration], "Received disconnect from|Connection reset by|Connection closed by",
                     _served, ready=r"Server listening on \S+ port (\d+)") as server:
            yield server

    def connect(self, server, *options):
        """:arg options: as after `ssh -o`."""
        extra = [part for option in options for part in ("-o", option)]
        done = run(tool("ssh", "openssh-client"), "-vvv", "-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes", "-i", self._folder / "user", *extra, "-p", server.port, "root@127.0.0.1", "true")
        return _said("client", [done.pid], done.stderr)
