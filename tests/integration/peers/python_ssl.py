# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's Python with its ssl module."""

from __future__ import annotations

from ..support.programs import SYSTEM_PYTHON
from .base import SOURCES, ProgramStack


class PythonSsl(ProgramStack):
    name = "Python ssl"
    server_group = "secp384r1"
    client_group = {"TLS 1.2": "secp384r1", "TLS 1.3": "secp384r1"}

    def command(self):
        return SYSTEM_PYTHON, "-I", SOURCES / "tls_peer.py"
