# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens that no path leads to: what can't be read is said, whether it was opened for reading or for writing."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.look import Looker
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.file_open import FileObserved, FileOpenProbe

IMAGE = events.Image(4711, 1, 10 ** 9)
SUBJECT = events.Subject(IMAGE, 1, 0, 0, None, b"load")


def opened(path, flags=0):
    key = events.OpenKey(IMAGE.pid, IMAGE.exec_id, IMAGE.start, 7, 1, flags, 0, 0)
    return events.FileOpened(10 ** 9, SUBJECT, key, path, 100, 0, stat.S_IFREG | 0o600, False)


def told(probe, path, flags):
    """What becomes of an open: at once, and when its process ends."""
    found = probe.observe(opened(path, flags))
    return ([found] if found else []) + probe.observe_written(IMAGE)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_WRONLY])
def test_a_file_in_no_mounted_tree_is_not_read_and_that_is_said(flags):
    probe = FileOpenProbe(None, -1, 0)
    assert told(probe, b".../memfd:copy", flags) == [events.FileNotRead(10 ** 9, SUBJECT, b".../memfd:copy")]
    assert probe._truncated == 0


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_its_name_may_say_what_it_is(flags):
    found, = told(FileOpenProbe(None, -1, 0), b".../site.pem", flags)
    assert isinstance(found, FileObserved) and found.path_truncated


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
@pytest.mark.parametrize("path", [b".../" + b"d/" * 47 + b"x", b".../" + b"d" * 250 * 17])
def test_a_path_that_was_cut_is_a_loss(path, flags):
    probe = FileOpenProbe(None, -1, 0)
    assert told(probe, path, flags) == [] and probe._truncated == 1


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_a_file_that_is_gone_is_not_read_and_that_is_said(tmp_path, flags):
    """A key in a temporary file that was unlinked at once."""
    probe = FileOpenProbe(None, -1, 0)
    probe.looker = Looker()
    path = os.fsencode(tmp_path / "tmpx8k2")
    assert told(probe, path, flags) == [events.FileNotRead(10 ** 9, SUBJECT, path)] and probe.unseen() == 1
