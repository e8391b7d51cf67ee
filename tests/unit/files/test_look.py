# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`Looker` on this process's own files: what it describes, and what must not block it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.look import Looker

# F_SETLEASE is 1024 (fcntl(2)); the signal that breaks the lease must not end the holder
HOLD_A_LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 1024, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


def look(path, inode=None):
    return Looker().look(os.fsencode(str(path)), None, os.getpid(), os.stat(path).st_ino if inode is None else inode)


def test_a_file_is_described(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"# empty\n")
    path.chmod(0o640)
    found = look(path)
    assert (found.facts.kind, found.mode & 0o777, found.uid, found.size, found.gone) == ("known_hosts", 0o640, os.getuid(), 8, False)


def test_what_is_not_a_regular_file_is_not_opened(tmp_path):
    os.mkfifo(str(tmp_path / "server.key"))
    (tmp_path / "target").write_bytes(b"x")
    os.symlink("target", str(tmp_path / "link.key"))
    for name in ("server.key", "link.key"):
        found = look(tmp_path / name)
        assert found.gone and found.mode is None and (found.facts.kind, found.facts.classified_by) == ("private_key", "name")


def test_a_write_lease_does_not_block(tmp_path):
    path = tmp_path / "server.key"
    path.write_bytes(b"secret")
    with subprocess.Popen([sys.executable, "-c", HOLD_A_LEASE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout.readline() != b"held\n":
            pytest.fail("the file system of the temporary folder has no leases")
        began = time.monotonic()
        found = look(path)
        assert time.monotonic() - began < 2
        assert found.gone and found.facts.classified_by == "name"
        holder.stdin.close()
