# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs on the wire cost: a packet of each kind, a bulk transfer, and connections that are opened and closed."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import statistics
import struct
import time

from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import syscalls
from ansible_collections.cryptofleet.audit.tests.integration.support.wire import hello, ipv4, ipv6, run_program, tap, tcp, udp
from host import DRIVER_CORE, LOAD_CORE
from measure import Result, interleave, value_row

_PROGRAMS = ("wire_egress", "wire_ingress")
_PACKETS = {
    "TCP without data": ipv4(6, tcp(b"", options=bytes(12))),
    "TCP, other data, IPv4": ipv4(6, tcp(b"GET / HTTP/1.1\r\n" + bytes(500), options=bytes(12))),
    "TCP, other data, IPv6": ipv6(6, tcp(b"GET / HTTP/1.1\r\n" + bytes(500), options=bytes(12))),
    "UDP, other data": ipv4(17, udp(bytes(64))),
}
_HELLO = ipv4(6, tcp(hello(1, 517)))

_CHUNK = 1 << 20
_BPF_ENABLE_STATS = 32  # enum bpf_cmd


@contextlib.contextmanager
def _counted():
    """The kernel counts runs and time of BPF programs for as long as this descriptor is open (5.8+)."""
    fd = syscalls._bpf(_BPF_ENABLE_STATS, struct.pack("=I", 0))
    try:
        yield
    finally:
        os.close(fd)


def _runs(made, name):
    with open("/proc/self/fdinfo/%d" % made._object.program_fd(name)) as stream:
        text = stream.read()
    return [int(re.search(r"^%s:\s*(\d+)" % word, text, re.M).group(1)) for word in ("run_cnt", "run_time_ns")]


@contextlib.contextmanager
def _peer(serve):
    """A listening socket whose connections another process serves on its own core; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        child = os.fork()
        if not child:
            os.sched_setaffinity(0, {LOAD_CORE})
            while True:
                connection = listener.accept()[0]
                with connection, contextlib.suppress(OSError):  # the client resets it
                    serve(connection)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {DRIVER_CORE})
        try:
            yield listener.getsockname()
        finally:
            os.sched_setaffinity(0, before)
            os.kill(child, 9)
            os.waitpid(child, 0)


def _swallow(connection):
    buffer = bytearray(_CHUNK)
    while connection.recv_into(buffer):
        pass
    connection.send(b".")


def _answer(connection):
    while connection.recv(4096):
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")


def _bulk(address, megabytes):
    data = bytes(_CHUNK)
    with socket.create_connection(address) as connection:
        began = time.monotonic()
        for _each in range(megabytes):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        return megabytes * _CHUNK / 1e6 / (time.monotonic() - began)


def _connections(address, count):
    began, cpu = time.monotonic(), time.process_time()
    for _each in range(count):
        with socket.create_connection(address) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no port waits after it
            connection.send(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(100)
    return count / (time.monotonic() - began), (time.process_time() - cpu) / count


def _rows_of_packets(bench):
    rows = []
    with tap(attached=False) as loaded:
        for what, packet in _PACKETS.items():
            for name in _PROGRAMS:
                rows.append(value_row("%s, %s, in a loop" % (name, what), [run_program(loaded._object, name, packet, times=200000)[1]
                                                                        for _each in range(bench.choose(9, 3))], "ns", form="%.0f"))
        for name in _PROGRAMS:
            values = []
            for _each in range(bench.choose(2000, 200)):
                values.append(run_program(loaded._object, name, _HELLO)[1])
                loaded.read()
            rows.append(value_row("%s, a ClientHello of 517 bytes, cold" % name, values, "ns", form="%.0f"))
    return rows


def _rows_of_connections(megabytes, count):
    """ns of a run on real sockets, by the kernel's statistics; some 15 ns of it are theirs."""
    rows, raw = [], {}
    with _counted(), tap() as made:
        for what, serve, work in (("a packet of a bulk transfer", _swallow, lambda address: _bulk(address, megabytes)),
                                  ("a packet of a short connection", _answer, lambda address: _connections(address, count))):
            with _peer(serve) as address:
                before = {name: _runs(made, name) for name in _PROGRAMS}
                work(address)
                for name in _PROGRAMS:
                    runs, spent = (after - earlier for after, earlier in zip(_runs(made, name), before[name]))
                    raw["%s, %s" % (what, name)] = [runs, spent]
                    rows.append(value_row("%s, %s, %d of them" % (name, what, runs), [spent / runs], "ns", form="%.0f"))
    return rows, raw


def wire(bench):
    """Each packet by itself, then both loads with the tap and without; nothing else of the tracer runs."""
    megabytes, count = bench.choose((3000, 4000), (500, 1000))
    rows = _rows_of_packets(bench)
    more, raw = _rows_of_connections(megabytes, count)
    with _peer(_swallow) as address:
        _bulk(address, 200)
        bulk = interleave(bench.choose(10, 3), lambda: {"MB/s": _bulk(address, megabytes)}, tap)["MB/s"]
    with _peer(_answer) as address:
        short = interleave(bench.choose(10, 3), lambda: dict(zip(("per second", "CPU s"), _connections(address, count))), tap)
    rows += more + [
        bulk.share_row("bulk transfer over the loopback, MB/s, tap alone", 99.0),
        value_row("  untraced", [statistics.median(bulk.untraced)], "MB/s", form="%.0f"),
        short["per second"].share_row("TCP connections with one exchange a second, tap alone"),
        short["CPU s"].added_row("  CPU of the client for one", "us", 1e6),
    ]
    return Result(rows, {"programs": raw, "bulk": bulk.raw(), "connections": {name: pairs.raw() for name, pairs in short.items()}})
