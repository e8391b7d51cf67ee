# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server of our own on loopback with one worker on a core of its own, and a look at what the worker has done so far."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import time
from typing import NamedTuple

from ansible_collections.cryptofleet.audit.tests.integration.support.pki import make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import end, environment, tool
from host import CORES, LOAD_CORE, cpu_seconds

BIG_NAME, BIG_BYTES = "big", 500_000_000

# wrk resumes sessions where it is given tickets, so it is given none and each connection is a full handshake. The rest is nginx as it comes.
_CONFIGURATION = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
worker_cpu_affinity {mask};
daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_timeout 600;
    keepalive_requests 1000000;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {folder};
    server {{ listen 127.0.0.1:{tls12} ssl; ssl_protocols TLSv1.2; ssl_session_tickets off; location = / {{ return 200 "hello"; }} }}
    server {{ listen 127.0.0.1:{tickets} ssl; ssl_protocols TLSv1.3; location = / {{ return 200 "hello"; }} }}
    server {{ listen 127.0.0.1:{tls13} ssl; ssl_protocols TLSv1.3; ssl_session_tickets off; location = / {{ return 200 "hello"; }} }}
    server {{ listen 127.0.0.1:{status}; location = / {{ stub_status; }} }}
}}
"""


class Sample(NamedTuple):
    """What the worker had done at a moment."""

    at: float
    requests: int
    cpu: float


class Server:
    """The running server."""

    def __init__(self, ports, certificate, worker):
        self.ports = ports
        self.certificate = certificate
        self.worker = worker
        self._asked = 0
        self._status = http.client.HTTPConnection("127.0.0.1", ports["status"], timeout=30)

    def sample(self):
        """Requests served and CPU time, without those of this method."""
        self._asked += 1
        self._status.request("GET", "/")
        text = self._status.getresponse().read().decode()
        served = int(text.splitlines()[2].split()[2])
        return Sample(time.monotonic(), served - self._asked, cpu_seconds(self.worker))

    def close(self):
        self._status.close()


def _free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _each in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _worker(master):
    """The worker's pid, when it is there and has become what it will be."""
    for child in pathlib.Path("/proc/%d/task/%d/children" % (master, master)).read_text().split():
        if b"worker process" in pathlib.Path("/proc/%s/cmdline" % child).read_bytes():
            return int(child)
    return None


@contextlib.contextmanager
def server(parent):
    """nginx around the block. parent: pathlib.Path, where its folder goes."""
    folder = parent / ("nginx-%d" % time.monotonic_ns())
    folder.mkdir()
    for one in (parent, folder):
        one.chmod(0o755)  # the worker is not root
    with open(folder / BIG_NAME, "wb") as big:
        os.truncate(big.fileno(), BIG_BYTES)  # without blocks: no disk is read
    key, certificate = make_site(folder, newkey="ec:P-256")
    ports = dict(zip(("TLS 1.2", "TLS 1.3", "TLS 1.3 tickets", "status"), _free_ports(4)))
    mask = "".join("1" if core == LOAD_CORE else "0" for core in range(max(CORES), -1, -1))
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(
        folder=folder, mask=mask, certificate=certificate, key=key, tls12=ports["TLS 1.2"], tls13=ports["TLS 1.3"],
        tickets=ports["TLS 1.3 tickets"], status=ports["status"]))
    with open(folder / "stderr", "wb") as errors:
        master = subprocess.Popen([tool("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")],
                                  stdin=subprocess.DEVNULL, stderr=errors, env=environment())
    site = None
    try:
        deadline = time.monotonic() + 30
        while master.poll() is None and not _worker(master.pid):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        if master.poll() is not None or not _worker(master.pid):
            raise RuntimeError("nginx did not start:\n" + (folder / "stderr").read_text())
        site = Server(ports, certificate, _worker(master.pid))
        yield site
    finally:
        if site:
            site.close()
        end(master, signal.SIGTERM)
