# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""openssl s_server and s_client. The server's -trace names the group; the client says it itself."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time

from ..support.programs import Ran, environment, run, tool
from . import names
from .base import Said, serving

_OPTIONS = {"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"}


def _one(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else None


def parse_trace(server, text):
    """What s_server -trace prints of one connection that succeeded."""
    hello = re.findall(r"^    ServerHello, Length=.*?(?=^Sent|^Received|^    [A-Z])", text, re.MULTILINE | re.DOTALL)[-1]
    suite = _one(r"cipher_suite \{.*\} (\S+)", hello)
    version = _one(r"extension_type=supported_versions\(43\).*\n\s+(TLS 1\.\d)", hello) or names.version(_one(r"server_version=\S+ \((D?TLS 1\.\d)\)", hello))
    group = _one(r"NamedGroup: (\S+) ", hello) or _one(r"^        named_curve: (\S+) ", text)
    return Said("openssl", "server", server.pid, version, suite, names.group(group), _server_name(text), _one(r"^ALPN protocols selected: (\S+)", text) or "",
                bool(re.search("^Reused session-id", text, re.MULTILINE)), len(re.findall("^    ServerHello, Length", text, re.MULTILINE)) > 1)


def _server_name(text):
    """The host name of the last ClientHello: -trace prints the extension as bytes (list length, type, length, name)."""
    dump = re.findall(r"extension_type=server_name\(0\), length=\d+\n((?:\s+[0-9a-f]{4} - .*\n)+)", text)
    if not dump:
        return None
    data = bytes.fromhex("".join(re.split(r"\s{2,}", line.partition(" - ")[2])[0].replace("-", " ") for line in dump[-1].splitlines()))
    return data[5:].decode()


class Openssl:
    name = "openssl"
    versions = ("TLS 1.2", "TLS 1.3")
    client_group = {"TLS 1.2": "x25519", "TLS 1.3": "x448"}

    def serve(self, site, *options, address="127.0.0.1"):
        place = "[%s]:0" % address if ":" in address else address + ":0"
        return serving([tool("openssl", "openssl"), "s_server", "-accept", place, "-cert", site.certificate, "-key", site.key, "-trace", "-alpn", "http/1.1",
                        *options], "^Secure Renegotiation IS", parse_trace, ready=r"^ACCEPT \S+:(\d+)$")

    def connect(self, server, wanted, *options):
        options = [_OPTIONS[wanted.version], "-servername", wanted.sni, *options]
        if wanted.group:
            options += ["-groups", names.OPENSSL_GROUPS[wanted.group]]
        if wanted.alpn:
            options += ["-alpn", ",".join(wanted.alpn)]
        with tempfile.NamedTemporaryFile(prefix="session") as session:
            said = [self._connect(server, wanted, *options, *(["-sess_out", session.name] if wanted.resume else []))]
            if wanted.resume:
                said.append(self._connect(server, wanted, *options, "-sess_in", session.name))
        return said

    def _connect(self, server, wanted, *options):
        place = "[%s]" % wanted.address if ":" in wanted.address else wanted.address
        command = [tool("openssl", "openssl"), "s_client", "-connect", "%s:%d" % (place, server.port), *options]
        if "-sess_out" not in options:
            return parse_client(run(*command, stdin="hello\n"), wanted)
        # it leaves where its input ends, which may be before a ticket came
        with subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()) as client:
            time.sleep(0.5)
            stdout, _stderr = client.communicate("hello\n", timeout=60)
        return parse_client(Ran(client.pid, client.returncode, stdout, "", 0, 0), wanted)


def parse_client(done, wanted):
    """What s_client prints of its connection."""
    kind, version, suite = re.search(r"^(New|Reused), (\S+), Cipher is (\S+)", done.stdout, re.MULTILINE).groups()
    version = _one(r"^    Protocol  : (\S+)", done.stdout) or version
    group = re.search(r"^Server Temp Key: (?!DH, )(?:ECDH, )?([^,]+), ", done.stdout, re.MULTILINE)
    return Said("openssl", "client", done.pid, names.version(version), names.cipher_suite(suite), names.group(group.group(1)) if group else None, wanted.sni,
                _one(r"^ALPN protocol: (\S+)", done.stdout) or "", kind == "Reused")
