# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the software that makes a file, and look at what was made."""

from __future__ import annotations

import os
import subprocess

from ansible_collections.cryptofleet.audit.plugins.module_utils._file_kinds import classify


def run(folder, *words, **more):
    return subprocess.run(words, check=True, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more).stdout.decode()


def found(path, name=None):
    fd = os.open(str(path), os.O_RDONLY)
    try:
        return classify(fd, name or os.fsencode(str(path)))
    finally:
        os.close(fd)
