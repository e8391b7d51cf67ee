# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs on the wire, without the rest of the tracer: run on made-up packets by the kernel itself, or attached to the host."""

from __future__ import annotations

import contextlib
import ctypes
import os
import ssl
import struct
import time
from ipaddress import ip_address

from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import syscalls
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import LOOK_SSH, LOOK_TLS
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import Libbpf
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.wire import WireTap

# enum bpf_cmd, enum bpf_prog_type, include/uapi/linux/bpf.h
_BPF_PROG_LOAD, _BPF_PROG_ATTACH, _BPF_PROG_DETACH, _BPF_PROG_TEST_RUN = 5, 8, 9, 10
_CGROUP_SKB = 8
_ETHERNET = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}
SYN, PSH_ACK = 0x02, 0x18


class _LoadedOnly(WireTap):
    def _attach(self):
        """Sees no packet but those it is given."""


@contextlib.contextmanager
def tap(looks=LOOK_TLS | LOOK_SSH, attached=True):
    """A WireTap for the time of the block."""
    made = (WireTap if attached else _LoadedOnly)(Libbpf(), looks)
    made.open(True)
    try:
        assert made.status == "attached", (made.reason, made.verifier_log)
        yield made
    finally:
        made.close()


def load_verdict(verdict):
    """The descriptor of a foreign program that lets every packet pass, or none: r0 = verdict; exit."""
    code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, verdict, 0x95, 0, 0, 0), 16)
    license_text = ctypes.create_string_buffer(b"GPL")
    return syscalls._bpf(_BPF_PROG_LOAD, struct.pack("=IIQQIIQII16sII", _CGROUP_SKB, 2, ctypes.addressof(code), ctypes.addressof(license_text), 0, 0, 0, 0, 0,
                                                b"foreign", 0, syscalls.CGROUP_INET_EGRESS))


@contextlib.contextmanager
def foreign_program(verdict, folder, flags):
    """A foreign program attached as systemd does it: to a cgroup's folder, without a link."""
    program = load_verdict(verdict)
    target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls._bpf(_BPF_PROG_ATTACH, struct.pack("=IIIII", target, program, syscalls.CGROUP_INET_EGRESS, flags, 0))
        try:
            yield program
        finally:
            syscalls._bpf(_BPF_PROG_DETACH, struct.pack("=IIIII", target, program, syscalls.CGROUP_INET_EGRESS, 0, 0))
    finally:
        os.close(target)
        os.close(program)


def forget_sent_hellos(loaded):
    """As if no hello had been sent from this host."""
    hellos, nothing = syscalls.Map(loaded._object.map_fd("sent_hellos"), 4, 24), bytes(24)
    for slot in hellos.keys():
        if hellos.get(slot) != nothing:
            hellos.put(slot, nothing)


def run_program(loaded, name, packet, times=1):
    """BPF_PROG_TEST_RUN. :returns: ``(return value, mean ns of a run)``."""
    data = ctypes.create_string_buffer(packet, len(packet))
    # union bpf_attr, test: prog_fd, retval, data_size_in, data_size_out, data_in, data_out, repeat, duration, ctx sizes, ctx_in, ctx_out
    attributes = ctypes.create_string_buffer(struct.pack("=IIIIQQIIIIQQ", loaded.program_fd(name), 0, len(packet), 0, ctypes.addressof(data), 0,
                                                         times, 0, 0, 0, 0, 0))
    syscalls._syscall("bpf", ctypes.c_int(_BPF_PROG_TEST_RUN), attributes, ctypes.c_uint(len(attributes) - 1))
    return struct.unpack_from("=I", attributes, 4)[0], struct.unpack_from("=I", attributes, 36)[0]


def ipv4(protocol, payload, source="192.0.2.1", target="192.0.2.2", options=b""):
    """A packet as the test run wants it, behind an Ethernet header."""
    size = 20 + len(options)
    return _ETHERNET[4] + struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(payload), 0, 0, 64, protocol, 0) + (
        ip_address(source).packed + ip_address(target).packed + options + payload)


def ipv6(protocol, payload, source="2001:db8::1", target="2001:db8::2", extensions=()):
    """extensions: ``(number, units of 8 bytes beyond the first)`` each."""
    numbers = [number for number, _units in extensions] + [protocol]
    headers = b"".join(bytes((following, units)) + bytes(6 + 8 * units) for (_number, units), following in zip(extensions, numbers[1:]))
    return _ETHERNET[6] + struct.pack(">IHBB", 6 << 28, len(headers) + len(payload), numbers[0], 64) + (
        ip_address(source).packed + ip_address(target).packed + headers + payload)


def tcp(payload, sequence=1000, flags=PSH_ACK, options=b"", source=40000, target=443):
    return struct.pack(">HHIIBBHHH", source, target, sequence, 1, (5 + len(options) // 4) << 4, flags, 1000, 0, 0) + options + payload


def overtaking(payload, sequence, source, target):
    """An IPv4 packet of the loopback with a right checksum (RFC 9293, 3.1), as a raw socket sends it."""
    addresses = ip_address("127.0.0.1").packed * 2
    segment = tcp(payload, sequence, source=source, target=target)
    summed = addresses + struct.pack(">HH", 6, len(segment)) + segment + bytes(len(segment) % 2)
    total = sum(struct.unpack(">%dH" % (len(summed) // 2), summed))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    segment = segment[:16] + struct.pack(">H", total ^ 0xFFFF) + segment[18:]
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + addresses + segment


def udp(payload, source=40000, target=443):
    return struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload


def record(kind, body, version=b"\x03\x03"):
    """A TLS record."""
    return bytes((kind,)) + version + struct.pack(">H", len(body)) + body


CCS = record(20, b"\1")


def hello(kind, size):
    """A hello of that many bytes, record header included: kind 1 of a client, 2 of a server."""
    return record(22, bytes((kind,)) + (size - 9).to_bytes(3, "big") + b"\x03\x03" + bytes(index % 251 for index in range(size - 11)))


def real_client_hello(protocols=()):
    """What OpenSSL sends first. protocols: ALPN names, which make it as large as one wants."""
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname="example.test")
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def events_of(attached, port, count=None, seconds=10.0):
    """What the tap has seen of that port so far; with a count, as soon as there are that many."""
    found, deadline = [], time.monotonic() + seconds
    while True:
        found += [event for event in attached.read() if port in (event.local_port, event.remote_port)]
        if count is None or len(found) >= count or time.monotonic() > deadline:
            return sorted(found, key=lambda event: event.time)
        time.sleep(0.02)
