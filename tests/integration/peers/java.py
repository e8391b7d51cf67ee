# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java 17 with JSSE. Its debug output names the group and whether a session was resumed."""

from __future__ import annotations

import atexit
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from ..support.programs import run
from . import names
from .base import SOURCES, ProgramStack, said_of_json, serving

_PACKAGE = "openjdk-17-jdk-headless"


@functools.lru_cache(maxsize=None)
def _java_home():
    """The folder of Debian's own Java 17."""
    for home in sorted(pathlib.Path("/usr/lib/jvm").glob("java-17-openjdk-*")):
        if (home / "bin" / "javac").exists():
            return home
    pytest.fail("javac 17 is missing: apt-get install " + _PACKAGE, pytrace=False)


@functools.lru_cache(maxsize=None)
def _classes():
    folder = tempfile.mkdtemp(prefix="java-peer-")
    atexit.register(shutil.rmtree, folder)
    subprocess.run([_java_home() / "bin" / "javac", "-d", folder, SOURCES / "TlsPeer.java"], check=True, timeout=120)
    return folder


def _command(group=None):
    options = ["-Djdk.tls.namedGroups=" + group] if group else []
    return [_java_home() / "bin" / "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djavax.net.debug=ssl:handshake:verbose", *options,
            "-cp", _classes(), "TlsPeer"]


def _parse(text):
    said = said_of_json("Java", text)
    # TLS 1.3: the share of the ServerHello; TLS 1.2: the parameters of the ServerKeyExchange
    hello = re.findall(r"\"ServerHello\": \{.*?^\}", text, re.MULTILINE | re.DOTALL)[-1]
    group = re.search(r"\"server_share\": \{\s*\"named group\": (\S+)", hello) or re.search(
        r"\"ECDH ServerKeyExchange\": \{.*?\"named group\": \"(\S+)\"", text, re.DOTALL)
    retried = "\"HelloRetryRequest\": {" in text
    resumed = "\"pre_shared_key (41)\"" in hello or (said.version == "TLS 1.2" and not re.search("(Produced|Consuming).*ServerHelloDone", text))
    return said._replace(group=names.group(group.group(1).strip('"')) if group else None, resumed=resumed, hello_retry=retried)


class Java(ProgramStack):
    name = "Java"
    client_group = {"TLS 1.2": "secp384r1", "TLS 1.3": "secp256r1"}

    def command(self):
        return _command()

    def serve(self, site, address="127.0.0.1"):
        return serving([*_command(), "server", address, site.keystore, "http/1.1"], "^said ", lambda _server, text: _parse(text), ready="^port ([0-9]+)")

    def connect(self, server, wanted):
        # one stream: the debug output and what the program says, in the order in which they were written
        done = run("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *_command(wanted.group), "client", wanted.address, server.port, wanted.version.replace(" ", "v"), "", wanted.sni, ",".join(wanted.alpn),
                   1 + wanted.resume)
        pieces = re.findall(r"(?:^(?!said ).*\n)*^said .*\n", done.stdout, re.MULTILINE)
        assert len(pieces) == 1 + wanted.resume, done.stdout
        return [_parse(piece) for piece in pieces]
