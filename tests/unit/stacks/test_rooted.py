# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files below another root: no symbolic link leads out of it, and nothing blocks."""

from __future__ import annotations

import fcntl
import os
import signal
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks import rooted


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "etc/java").mkdir(parents=True)
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "etc/java/security").write_text("inside")
    (tmp_path / "outside").write_text("outside")
    return folder


def read(root, path):
    return rooted.read(os.fsencode(root), path, 100)


def test_plain_and_through_links(root):
    os.symlink("/etc/java", root / "usr/lib/conf")  # absolute: from the root given
    os.symlink("../../etc/java/security", root / "usr/lib/relative")
    assert read(root, b"/etc/java/security") == read(root, b"/usr/lib/conf/security") == read(root, b"/usr/lib/relative") == b"inside"
    assert read(root, b"/etc/./java//../java/security") == b"inside"
    assert rooted.read(os.fsencode(root), b"/etc/java/security", 3) == b"ins"


@pytest.mark.parametrize("target", ["../../../../../../outside", "/../outside", "/../../outside", "/proc/self/root/outside"])
def test_no_link_leads_out(root, target):
    os.symlink(target, root / "etc/link")
    assert read(root, b"/etc/link") is None
    assert read(root, b"/../outside") is None


def test_other_than_regular_files(root):
    os.mkfifo(root / "fifo")
    os.symlink("loop", root / "loop")
    os.symlink("/", root / "self")
    began = time.monotonic()
    assert read(root, b"/fifo") is None and read(root, b"/loop") is None and read(root, b"/etc") is None and read(root, b"/none") is None
    assert read(root, b"/self" * 30 + b"/etc/java/security") == b"inside"
    assert read(root, b"/self" * 50 + b"/etc/java/security") is None  # as the kernel: 40 links
    assert read(root, b"/" + b"a/" * 5000) is None and read(root, b"/etc" + b"/.." * 5000 + b"/etc/java/security") is None
    assert time.monotonic() - began < 2


def test_a_leased_file_does_not_block(root):
    """Its holder may keep an opener waiting for /proc/sys/fs/lease-break-time, 45 s."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # sent to the holder, whom it would end
    try:
        with open(root / "etc/java/security", "r+b") as holder:
            try:
                fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            except OSError:
                pytest.fail("the file system of the temporary folder has no leases")
            began = time.monotonic()
            assert read(root, b"/etc/java/security") is None
            assert time.monotonic() - began < 2
    finally:
        signal.signal(signal.SIGIO, before)


def test_own_root_and_no_descriptor_left(root):
    before = len(os.listdir("/proc/self/fd"))
    assert rooted.read(b"", b"/etc/passwd", 5) == open("/etc/passwd", "rb").read(5)
    for path in (b"/etc/java/security", b"/nothing/there", b"/etc/java/security/below"):
        read(root, path)
    assert len(os.listdir("/proc/self/fd")) == before
