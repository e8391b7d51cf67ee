# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stack has in common: what is asked of a connection, what is said of it, and a server that runs for a while."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
from typing import NamedTuple, Optional, Tuple

from ..support.pki import make_site, openssl
from ..support.programs import environment, run
from . import names

SOURCES = pathlib.Path(__file__).resolve().parent / "sources"
_PATIENCE = 60.0


class Wanted(NamedTuple):
    """What a client is asked to do."""

    version: str  # "TLS 1.2", "TLS 1.3"
    sni: str
    group: Optional[str] = None  # IANA's name: the only one allowed; None: the stack's defaults
    alpn: Tuple[str, ...] = ()
    resume: bool = False  # connect a second time, with the session of the first
    address: str = "127.0.0.1"


class Said(NamedTuple):
    """What one peer says of one connection. None: it does not say."""

    stack: str
    role: str
    pid: int
    version: str
    cipher_suite: str
    group: Optional[str] = None
    sni: Optional[str] = None
    alpn: Optional[str] = None  # "" where none was negotiated
    resumed: Optional[bool] = None
    hello_retry: Optional[bool] = None
    group_by: str = "said"  # or "allowed": the only one that this side allowed


class Site(NamedTuple):
    """A server's key and certificate."""

    folder: pathlib.Path
    key: pathlib.Path
    certificate: pathlib.Path
    keystore: pathlib.Path  # both as PKCS #12, password "changeit"


def make_peer_site(folder):
    """A Site in a folder."""
    key, certificate = make_site(folder)
    keystore = pathlib.Path(folder) / "site.p12"
    openssl("pkcs12", "-export", "-inkey", key, "-in", certificate, "-out", keystore, "-passout", "pass:changeit", "-name", "site")
    return Site(pathlib.Path(folder), key, certificate, keystore)


def free_port(address="127.0.0.1"):
    """A TCP port that is free now, for software that can't choose one itself."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as one:
        one.bind((address, 0))
        return one.getsockname()[1]


class Server:
    """A server whose output says what it negotiated: one piece of text a connection, which ends with a line that matches `ends`."""

    def __init__(self, command, ends, parse, port=None, ready=None, **options):
        """:arg parse: called with this server and a connection's text, returns a Said or None. :arg ready: a line's pattern whose group 1 is the port."""
        self._ends, self._parse = re.compile(ends), parse
        self._lines, self._changed = [], threading.Condition()
        self._told = []
        options.setdefault("env", environment())
        self._process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         text=True, errors="backslashreplace", **options)
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = port
        if ready:
            found = self._until(lambda: next(filter(None, (re.search(ready, line) for line in self._lines)), None))
            self.port = port or int(found.group(1))
        else:
            self._until(lambda: answers(port))

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._lines.append("")
            self._changed.notify_all()

    def _until(self, condition):
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while not (found := condition()):
                assert self._process.poll() is None and time.monotonic() < deadline, "the server did not do it:\n" + "".join(self._lines)[-4000:]
                self._changed.wait(0.05)
        return found

    def _complete(self):
        """Move what connections said out of the lines. Returns how many there are to take."""
        for number, line in enumerate(self._lines):
            if self._ends.search(line):
                text, self._lines[:number + 1] = "".join(self._lines[:number + 1]), []
                said = self._parse(self, text)
                if said:
                    self._told.append(said)
                return self._complete()
        return len(self._told)

    def tell(self, said):
        """What only the client's side could ask."""
        self._told.append(said)

    def take(self, number=1):
        """What the server says of the next connections."""
        self._until(lambda: self._complete() >= number)
        taken, self._told[:number] = self._told[:number], []
        return taken

    def close(self):
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._reader.join(timeout=20)
        self._process.stdout.close()


@contextlib.contextmanager
def serving(*arguments, **options):
    """A Server that is gone after the block."""
    server = Server(*arguments, **options)
    try:
        yield server
    finally:
        server.close()


def answers(port, address="127.0.0.1"):
    """Somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


# stacks that a program of ours drives: it prints a line "said JSON" for each connection


def said_of_json(stack, text):
    """A Said of the "said" line of a program of ours."""
    value = json.loads(re.search(r"^said (.*)", text, re.MULTILINE).group(1))
    return Said(stack, value["role"], value["pid"], names.version(value["version"]), names.cipher_suite(value["cipher_suite"]), names.group(value.get("group")),
                value.get("sni"), value.get("alpn"), value.get("resumed"), value.get("hello_retry"))


def allowed(said, group):
    """With the group, where the software does not say it but had no other choice."""
    return said._replace(group=group, group_by="allowed") if group and said.group is None and not said.resumed else said


class ProgramStack:
    """A stack driven by a program of ours that takes one JSON argument, as sources/ has them."""

    name = ""
    versions = ("TLS 1.2", "TLS 1.3")
    server_group = None  # the only group of its server, where that does not say which was used
    client_group = {}  # version: the group that its client is asked to use

    def command(self):
        """The program, ready to run. It takes the JSON argument."""
        raise NotImplementedError

    def parse(self, text):
        """A Said of one connection's output."""
        return said_of_json(self.name, text)

    def serve(self, site, address="127.0.0.1"):
        """Context manager of a Server."""
        argument = {"role": "server", "address": address, "certificate": str(site.certificate), "key": str(site.key), "keystore": str(site.keystore),
                    "group": self.server_group, "alpn": ["http/1.1"]}
        return serving([*self.command(), json.dumps(argument)], "^said ", lambda _server, text: allowed(self.parse(text), self.server_group),
                       ready="^port ([0-9]+)")

    def connect(self, server, wanted):
        """What the client says of each of its connections."""
        argument = {"role": "client", "address": wanted.address, "port": server.port, "version": wanted.version, "group": wanted.group, "sni": wanted.sni,
                    "alpn": list(wanted.alpn), "resume": wanted.resume}
        done = run(*self.command(), json.dumps(argument))
        pieces = re.findall(r"(?:^(?!said ).*\n)*^said .*\n", done.stdout, re.MULTILINE)
        assert len(pieces) == 1 + wanted.resume, done.stdout + done.stderr
        return [allowed(self.parse(piece), wanted.group) for piece in pieces]
