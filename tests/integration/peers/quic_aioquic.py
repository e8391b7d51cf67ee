# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""aioquic: QUIC of version 1 and 2, where the hellos are inside Initial packets."""

from __future__ import annotations

import json
import sys

from ..support.programs import run
from .base import SOURCES, allowed, said_of_json, serving


class Quic:
    """Says what aioquic says; the only group is the one that it was left with."""

    name = "aioquic"

    def serve(self, site):
        argument = {"role": "server", "address": "127.0.0.1", "certificate": str(site.certificate), "key": str(site.key), "group": None, "sni": None}
        return serving([*self._command(), json.dumps(argument)], "^said ", lambda _server, text: said_of_json(self.name, text), ready="^port ([0-9]+)")

    def connect(self, server, sni, group, quic_version):
        """:arg quic_version: "1" or "2"."""
        argument = {"role": "client", "address": "127.0.0.1", "port": server.port, "group": group, "sni": sni, "alpn": ["hq-interop"],
                    "quic_version": quic_version}
        return allowed(said_of_json(self.name, run(*self._command(), json.dumps(argument)).stdout), group)

    @staticmethod
    def _command():
        return sys.executable, "-I", SOURCES / "quic_peer.py"
