# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fuzz target for some seconds (FUZZ_SECONDS), and that the runner finds what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
TARGETS = sorted(FOLDER.glob("fuzz_*.py"))


def fuzz(target, seconds, *options):
    return subprocess.run([sys.executable, str(FOLDER / "run.py"), "--seconds", str(seconds), *options, str(target)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + 120, check=False)


def executed(done):
    return int(re.search(rb"stat::number_of_executed_units: *(\d+)", done.stdout).group(1))


@pytest.mark.parametrize("target", TARGETS, ids=[target.stem for target in TARGETS])
def test_nothing_is_found(target):
    done = fuzz(target, SECONDS)
    assert done.returncode == 0, done.stdout[-4000:].decode("utf-8", "replace")
    assert executed(done) > 1000


def test_what_is_wrong_is_found(tmp_path):
    target = tmp_path / "fuzz_planted.py"
    target.write_text("def seeds():\n    return [b'a']\n\n\ndef check(data):\n"
                      "    if data[:1] == b'b':\n        if data[1:2] == b'c':\n            if data[2:3] == b'd':\n                raise KeyError('planted')\n", "ascii")
    done = fuzz(target, 60, "--output", str(tmp_path))
    assert done.returncode == 1
    assert b"planted" in done.stdout
