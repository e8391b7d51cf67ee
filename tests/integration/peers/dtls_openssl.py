# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""openssl with DTLS 1.2."""

from __future__ import annotations

import socket

from ..support.programs import run, tool
from .base import serving
from .openssl import parse_client, parse_trace


def _free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Dtls:
    name = "openssl DTLS"

    def serve(self, site):
        port = _free_udp_port()
        return serving([tool("openssl", "openssl"), "s_server", "-dtls1_2", "-accept", "127.0.0.1:%d" % port, "-cert", site.certificate, "-key", site.key,
                        "-trace"], "^Secure Renegotiation IS", parse_trace, port=port, ready="^ACCEPT()")

    def connect(self, server, wanted):
        done = run(tool("openssl", "openssl"), "s_client", "-dtls1_2", "-connect", "%s:%d" % (wanted.address, server.port), "-servername", wanted.sni,
                   stdin="hello\n")
        return parse_client(done, wanted)
