# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes where the root cgroup can't be had: does the program at the return of system calls load under this kernel, and see both ends?"""

from __future__ import annotations

import errno
import os
import socket

from checks import Checks
from window import utility

# A ClientHello as far as the kernel side looks: record and message headers, version; then what stands for the rest.
HELLO = b"\x16\x03\x01\x02\x08\x01\x00\x02\x04\x03\x03" + bytes(range(256)) * 2 + b"\0\0"
DATA = b"\x17\x03\x03\x00\x14not to be copied ..."


def check_calls() -> Checks:
    """A connection of this process to itself, of which the reader takes five bytes at a time, as OpenSSL takes a record's header."""
    tap = utility("_probes.wire")

    def refuse() -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    tap.open_root, open_root = refuse, tap.open_root
    made = tap.WireTap(utility("_kernel.libbpf").Libbpf(), utility("_kernel.events").LOOK_TLS)
    try:
        made.open(True)
        checks = Checks()
        checks.equal("system calls: the program attaches", ("partial", errno.EPERM, []), (made.status, made.errno, made.verifier_log))
        port = _talk()
        events = [event for event in made.read() if port in (event.local_port, event.remote_port)]
        checks.equal("system calls: what was sent", HELLO, b"".join(event.data for event in events if event.outgoing))
        checks.equal("system calls: what was received", HELLO, b"".join(event.data for event in events if not event.outgoing))
        checks.equal("system calls: who sent it", {os.getpid()}, {event.subject.image.pid for event in events if event.outgoing})
        checks.equal("system calls: nothing is lost", {}, made.losses())
    finally:
        tap.open_root = open_root
        made.close()
    return checks


def _talk() -> int:
    """The server's port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as server:
            left = len(HELLO + DATA)
            client.sendall(HELLO)
            client.sendall(DATA)
            while left:
                left -= len(server.recv(min(5, left)))
    return port
