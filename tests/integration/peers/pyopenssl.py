# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pyOpenSSL with the OpenSSL inside PyPI's cryptography: hybrid post-quantum groups by default."""

from __future__ import annotations

import sys

from .base import SOURCES, ProgramStack


class PyOpenssl(ProgramStack):
    name = "pyOpenSSL"

    def command(self):
        return sys.executable, "-I", SOURCES / "openssl4_peer.py"
