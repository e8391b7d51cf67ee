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

_OPEN_RELATIVE = f"for _ in range({RELATIVE_OPENS}): open('server.pem', 'rb').close()"

_OPEN_MISSING = """
try:
    open('missing.pem', 'rb')
except FileNotFoundError:
    raise SystemExit(3)
"""

_OPEN_LINK_AND_DIE = "import os; open('link.pem', 'rb').close(); os.kill(os.getpid(), 9)"

_OPEN_AND_EXEC = "import os; [open('server.pem', 'rb').close() for _ in range(2)]; os.execv('{openssl}', ['openssl', 'dgst', '-sha256', 'data'])"

_INIT_MANY = f"""
import ctypes
crypto = ctypes.CDLL('libcrypto.so.3')
for function in (crypto.EVP_CIPHER_CTX_new, crypto.EVP_aes_256_gcm):
    function.restype = ctypes.c_void_p
crypto.EVP_EncryptInit_ex.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_char_p] * 2
context, cipher = crypto.EVP_CIPHER_CTX_new(), crypto.EVP_aes_256_gcm()
for _ in range({INIT_CALLS}):
    if crypto.EVP_EncryptInit_ex(context, cipher, None, b'k' * 32, b'i' * 12) != 1:
        raise SystemExit('EVP_EncryptInit_ex failed')
"""


# A fresh mapping has no page of its file yet: the name's is first read inside the call.
_UNTOUCHED_NAME = f"""
import ctypes, mmap
crypto = ctypes.CDLL('libcrypto.so.3')
crypto.EVP_Q_digest.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_size_t] + [ctypes.c_void_p] * 2
digest = ctypes.create_string_buffer(64)
with open('name', 'r+b') as file:
    for _ in range({UNTOUCHED_CALLS}):
        page = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        if crypto.EVP_Q_digest(None, ctypes.addressof(ctypes.c_char.from_buffer(page)), None, digest, 64, digest, None) != 1:
            raise SystemExit('EVP_Q_digest failed')
"""

# One open of the usual kind, so that the process is known wherever the others can't be seen.
_OPEN_BY_RING = f"""
{(Path(__file__).resolve().parent.parent / "ring_opens.py").read_text(encoding="ascii")}
open('server.pem', 'rb').close()
ring = Ring()
for number in range({RING_OPENS}):
    if ring_open(ring, 'server.pem', by=OPENAT2 if number % 2 else OPENAT, how=ASYNC if number % 5 == 0 else 0) < 0:
        raise SystemExit('not opened')
"""

# Maps its libraries before the window, as a service does: with kernels before 6.6 what is first mapped inside it is probed a moment too late.
# libgnutls and those below it are curl's.
_OTHER_LIBRARY = f"""
import ctypes
gcrypt, gnutls = ctypes.CDLL('libgcrypt.so.20'), ctypes.CDLL('libgnutls.so.30')
gcrypt.gcry_check_version(None)
print('there', flush=True)
input()
digest = ctypes.create_string_buffer(32)
for _ in range({INIT_CALLS}):
    gcrypt.gcry_md_hash_buffer(8, digest, b'abc', ctypes.c_size_t(3))
"""

_SSH_PROPOSALS = """
import socket
def say(end, name):
    end.sendall(b'SSH-2.0-' + name + bytes((13, 10)))
    lists = [b'curve25519-sha256', b'ssh-ed25519', b'aes256-ctr', b'aes256-ctr', b'hmac-sha2-256', b'hmac-sha2-256', b'none', b'none', b'', b'']
    kexinit = bytes((20,)) + bytes(16) + b''.join(len(names).to_bytes(4, 'big') + names for names in lists) + bytes(5)
    padding = 16 - (5 + len(kexinit)) % 8
    end.sendall((1 + len(kexinit) + padding).to_bytes(4, 'big') + bytes((padding,)) + kexinit + bytes(padding))
with socket.create_server(('127.0.0.1', 0)) as listener, socket.create_connection(listener.getsockname()) as client:
    server = listener.accept()[0]
    say(client, b'client')
    say(server, b'server')
    if client.recv(8) + server.recv(8) != b'SSH-2.0-SSH-2.0-':
        raise SystemExit('no banners')
"""


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
        # before 6.0 io_uring has no function whose return tells all; on arm64 no function can be probed at its return before 6.4
        major, minor = map(int, platform.release().split(".")[:2])
        self.rings_are_seen = (major, minor) >= ((6, 0) if platform.machine() == "x86_64" else (6, 4))

    def prepare(self) -> None:
        """What the steps work on; made before the window opens."""
        (self.folder / "data").write_bytes(b"0123456789abcdef" * 4096)
        subprocess.run([self.openssl, *self._request("server-key.pem", "server.pem")], cwd=self.folder, check=True, capture_output=True)
        (self.folder / "name").write_bytes(b"SHA512-256" + b"\0")
        (self.folder / "link.pem").symlink_to("server.pem")
        self._service = subprocess.Popen([self.python, "-S", "-c", _OTHER_LIBRARY], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
        self._python("relative_opens", _OPEN_RELATIVE)

    def missing_file(self) -> None:
        self._python("missing_file", _OPEN_MISSING)

    def killed_process(self) -> None:
        self._python("killed_process", _OPEN_LINK_AND_DIE)

    def exec_chain(self) -> None:
        """One pid, two program images: what python opened isn't openssl's."""
        self._python("exec_chain", _OPEN_AND_EXEC.format(openssl=self.openssl))

    def many_inits(self) -> None:
        self._python("many_inits", _INIT_MANY)

    def untouched_name(self) -> None:
        """Names in pages that are not there when the call begins."""
        self._python("untouched_name", _UNTOUCHED_NAME)

    def ring_opens(self) -> None:
        """Opens that are no system calls, by the process and by threads that the kernel makes for it."""
        self._python("ring_opens", _OPEN_BY_RING)

    def other_library(self) -> None:
        """A process from before the window asks a library that is not OpenSSL."""
        self._service.communicate(b"\n", timeout=STEP_TIMEOUT)
        if self._service.returncode:
            raise RuntimeError(f"the load's service ended with {self._service.returncode}")

    def ssh_proposals(self) -> None:
        """Both ends of the clear beginning of SSH, by one process."""
        self._python("ssh_proposals", _SSH_PROPOSALS)

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

    def _python(self, step: str, program: str) -> None:
        # -S: no site packages, which may open certificates of their own
        self._wait(step, self.python, self._start([self.python, "-S", "-c", program]))

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
