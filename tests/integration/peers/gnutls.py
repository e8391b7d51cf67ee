# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""gnutls-serv and gnutls-cli. Their debug output names the cipher suite in full; the session's description leaves the hash out."""

from __future__ import annotations

import re

from ..support.programs import run, tool
from . import names
from .base import Said, free_port, serving

_PACKAGE = "gnutls-bin"
_DEBUG = "4"
_GROUPS = {"x25519": "GROUP-X25519", "secp256r1": "GROUP-SECP256R1", "secp384r1": "GROUP-SECP384R1"}


def _said(role, pid, text, sni):
    """The last session in the output. Debug output does not name the cipher suite of a session that TLS 1.2 takes up again."""
    version, group = re.findall(r"^- Description: \((?:TLS)(1\.\d)[^)]*\)-(?:\((?:PSK-)?ECDHE-(\w+)\))?", text, re.MULTILINE)[-1]
    suite = re.findall(r"Selected cipher suite: (\S+)", text)
    alpn = re.findall(r"^- Application protocol: (\S+)", text, re.MULTILINE)
    return Said("GnuTLS", role, pid, "TLS " + version, names.cipher_suite(suite[-1]) if suite else None, names.group(group or None), sni, alpn[-1] if alpn else "",
                "This is a resumed session" in text)


def _served(server, text):
    if "- Description:" not in text:
        return None
    name = re.findall(r"^- Given server name\[\d\]: (\S+)", text, re.MULTILINE)
    return _said("server", server.pid, text, name[-1] if name else None)


class Gnutls:
    name = "GnuTLS"
    versions = ("TLS 1.2", "TLS 1.3")
    client_group = {"TLS 1.2": "secp256r1", "TLS 1.3": "x25519"}

    def serve(self, site):
        port = free_port()
        return serving([tool("gnutls-serv", _PACKAGE), "--port", port, "--x509certfile", site.certificate, "--x509keyfile", site.key, "--disable-client-cert",
                        "--alpn", "http/1.1", "--echo", "--debug", _DEBUG], "^ - .tls-exporter", _served, port=port)

    def connect(self, server, wanted):
        priority = "NORMAL:-VERS-ALL:+VERS-" + wanted.version.replace(" ", "")
        if wanted.group:
            priority += ":-GROUP-ALL:+" + _GROUPS[wanted.group]
        options = [part for protocol in wanted.alpn for part in ("--alpn", protocol)] + (["--resume"] if wanted.resume else [])
        # one stream, in the order in which it was written
        done = run("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", tool("gnutls-cli", _PACKAGE), "--port", server.port, "--insecure", "--sni-hostname", wanted.sni, "--priority", priority, "--debug", _DEBUG,
                   *options, wanted.address, stdin="hello\n", check=False)  # some servers do not end as it likes
        pieces = re.findall(r".*?^- Description:.*?^- Options:", done.stdout, re.MULTILINE | re.DOTALL)
        pieces[-1] += done.stdout[sum(map(len, pieces)):]
        assert len(pieces) == 1 + wanted.resume, done.stdout
        return [_said("client", done.pid, piece, wanted.sni) for piece in pieces]
