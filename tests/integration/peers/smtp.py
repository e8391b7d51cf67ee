# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP with STARTTLS: Python's smtplib, and a small server."""

from __future__ import annotations

from ..support.programs import SYSTEM_PYTHON, run
from .base import SOURCES, allowed, said_of_json, serving

_GROUP = "secp256r1"  # smtp_peer.py allows no other


class Smtp:
    name = "SMTP STARTTLS"
    versions = ("TLS 1.2", "TLS 1.3")
    client_group = {}

    def serve(self, site):
        return serving([SYSTEM_PYTHON, "-I", SOURCES / "smtp_peer.py", site.certificate, site.key], "^said ",
                       lambda _server, text: allowed(said_of_json(self.name, text), _GROUP), ready="^port ([0-9]+)")

    def connect(self, server, wanted):
        done = run(SYSTEM_PYTHON, "-I", SOURCES / "smtp_client.py", server.port, wanted.sni, wanted.version)
        return [said_of_json(self.name, done.stdout)]
