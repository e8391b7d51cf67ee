# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real load whose every use of cryptography is known: what a complete profile has to hold.

Each step starts processes of its own, waits for them and notes what they were. Nothing here knows the tracer.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RELATIVE_OPENS = 25
RING_OPENS = 40
INIT_CALLS = 1000
UNTOUCHED_CALLS = 30
PASSWORD = "correct-horse-battery"
PORT = 44330
STEP_TIMEOUT = 300

_PROGRAMS = Path(__file__).resolve().parents[1] / "integration" / "programs"


@dataclass(frozen=True)
class Ran:
    """A process that a step started and that has ended."""

    step: str
    pid: int
    exe: str
    returncode: int


class Load:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[Ran] = []
        self.python = os.path.realpath(sys.executable)
        self.openssl = _program("openssl")
        self.service_pid = 0
        # before 6.0 io_uring has no function at whose return all is known; on arm64 no function can be probed at its return before 6.4
        major, minor = map(int, platform.release().split(".")[:2])
        self.rings_are_seen = (major, minor) >= ((6, 0) if platform.machine() == "x86_64" else (6, 4))

    def prepare(self) -> None:
        """What the steps work on; made before the window opens."""
        (self.folder / "data").write_bytes(b"0123456789abcdef" * 4096)
        subprocess.run([self.openssl, *self._request("server-key.pem", "server.pem")], cwd=self.folder, check=True, capture_output=True)
        (self.folder / "name").write_bytes(b"SHA512-256" + b"\0")
        (self.folder / "link.pem").symlink_to("server.pem")
        # It maps its libraries before the window, as a service does: with kernels before 6.6 what is first mapped inside it is probed a moment
        # too late. libgnutls and those below it are curl's.
        self._service = subprocess.Popen(self._program("waiting_digests.py", str(INIT_CALLS)), cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.service_pid = self._service.pid
        assert self._service.stdout and self._service.stdout.readline() == b"there\n"

    def run(self) -> None:
        for step in (self.digests, self.encryptions, self.new_certificate, self.relative_opens, self.missing_file,
                     self.killed_process, self.exec_chain, self.many_inits, self.untouched_name, self.ring_opens, self.other_library, self.tls, self.ssh_proposals):
            print(f"load: {step.__name__}", flush=True)
            step()

    # --- steps ------------------------------------------------------------------------------------------------------------------

    def digests(self) -> None:
        for _ in range(3):
            self._openssl("digests", "dgst", "-sha256", "data")

    def encryptions(self) -> None:
        for _ in range(2):
            self._openssl("encryptions", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", f"pass:{PASSWORD}", "-in", "data", "-out", "data.enc")

    def new_certificate(self) -> None:
        self._openssl("new_certificate", *self._request("new-key.pem", "new.pem"))

    def relative_opens(self) -> None:
        self._python("relative_opens", "open_times.py", "server.pem", str(RELATIVE_OPENS))

    def missing_file(self) -> None:
        self._python("missing_file", "open_times.py", "missing.pem", "1")

    def killed_process(self) -> None:
        self._python("killed_process", "open_times.py", "link.pem", "1", "kill")

    def exec_chain(self) -> None:
        """One pid, two program images: what python opened isn't openssl's."""
        self._python("exec_chain", "open_times.py", "server.pem", "2", self.openssl, "dgst", "-sha256", "data")

    def many_inits(self) -> None:
        self._python("many_inits", "repeated_inits.py", str(INIT_CALLS), "0")

    def untouched_name(self) -> None:
        """Names in pages that are not there when the call begins."""
        self._python("untouched_name", "openssl_calls.py", "libcrypto.so.3", "untouched_name", "name", str(UNTOUCHED_CALLS))

    def ring_opens(self) -> None:
        """Opens that are no system calls, by the process and by threads that the kernel makes for it."""
        self._python("ring_opens", "ring_opens.py", "mixed", "server.pem", str(RING_OPENS))

    def other_library(self) -> None:
        """A process from before the window asks a library that is not OpenSSL."""
        self._service.communicate(b"\n", timeout=STEP_TIMEOUT)
        if self._service.returncode:
            raise RuntimeError(f"the load's service ended with {self._service.returncode}")

    def ssh_proposals(self) -> None:
        """Both ends of the clear beginning of SSH, by one process."""
        self._python("ssh_proposals", "ssh_proposals.py")

    def tls(self) -> None:
        """A server that ends by itself after its two clients."""
        server = self._start([self.openssl, "s_server", "-accept", f"127.0.0.1:{PORT}", "-cert", "server.pem", "-key", "server-key.pem",
                              "-naccept", "2", "-www"])
        try:
            _wait_for_listener(PORT, server)
            self._openssl("tls_client", "s_client", "-connect", f"127.0.0.1:{PORT}", "-brief")
            self._wait("tls_curl", _program("curl"), self._start(
                ["curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", f"https://127.0.0.1:{PORT}/"]))
            self._wait("tls_server", self.openssl, server)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()

    # --- how ----------------------------------------------------------------------------------------------------------------------

    def _request(self, key: str, certificate: str) -> list[str]:
        return ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "30", "-subj", "/CN=localhost"]

    def _openssl(self, step: str, *arguments: str) -> None:
        self._wait(step, self.openssl, self._start([self.openssl, *arguments]))

    def _python(self, step: str, name: str, *arguments: str) -> None:
        self._wait(step, self.python, self._start(self._program(name, *arguments)))

    def _program(self, name: str, *arguments: str) -> list[str]:
        # -S: no site packages, which may open certificates of their own
        return [self.python, "-S", "-B", str(_PROGRAMS / name), *arguments]

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def _wait(self, step: str, exe: str, process: subprocess.Popen[bytes]) -> None:
        _, errors = process.communicate(timeout=STEP_TIMEOUT)
        expected = {"missing_file": 3, "killed_process": -signal.SIGKILL}.get(step, 0)
        if process.returncode != expected:
            raise RuntimeError(f"the load's step {step} ended with {process.returncode}: {errors.decode(errors='replace')[-500:]}")
        self.ran.append(Ran(step, process.pid, exe, process.returncode))


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed")
    return os.path.realpath(path)


def _wait_for_listener(port: int, server: subprocess.Popen[bytes]) -> None:
    """Looks in /proc: to connect would use up one of the connections the server waits for."""
    address = f"0100007F:{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + STEP_TIMEOUT
    while address not in Path("/proc/net/tcp").read_text(encoding="ascii"):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("openssl s_server does not listen")
        time.sleep(0.1)
