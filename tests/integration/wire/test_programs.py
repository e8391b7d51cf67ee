# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs on the wire copy of one packet, run by the kernel's BPF_PROG_TEST_RUN. Whatever it is, the packet passes."""

from __future__ import annotations

import os
import random
from ipaddress import ip_address

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import LOOK_SSH, LOOK_TLS, WIRE_KNOWN, WIRE_START
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import require_root
from ansible_collections.cryptofleet.audit.tests.integration.support.wire import (
    CCS,
    SYN,
    forget_sent_hellos,
    hello,
    ipv4,
    ipv6,
    real_client_hello,
    record,
    run_program,
    tap,
    tcp,
    udp,
)

PROGRAMS = ("wire_egress", "wire_ingress")
MSS = 1448
CLIENT_HELLO = real_client_hello()
# as large as with ML-KEM-1024, and in one packet, as it is before segmentation
LARGE_HELLO = real_client_hello("protocol-%d" % number for number in range(180))
BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"


@pytest.fixture(scope="module")
def loaded():
    require_root()
    with tap(attached=False) as made:
        yield made


@pytest.fixture
def copied(loaded):
    """Call it with a packet: what was copied by each program, which must agree; the packet must pass both."""
    def run(packet, tap_in_use=loaded):
        reported = []
        for name in PROGRAMS:
            forget_sent_hellos(tap_in_use)  # or the second program only says which one it is
            verdict, _ns = run_program(tap_in_use._object, name, packet)
            assert verdict == 1
            reported.append(tap_in_use.read())
        outgoing, incoming = reported
        assert [event.data for event in outgoing] == [event.data for event in incoming]
        assert {event.outgoing for event in outgoing} <= {True} and {event.outgoing for event in incoming} <= {False}
        return outgoing
    return run


def data(events):
    return b"".join(event.data for event in events)


def test_a_client_hello(copied):
    event, = copied(ipv4(6, tcp(CLIENT_HELLO, sequence=0xfffffff0)))
    assert event.data == CLIENT_HELLO and event.payload_size == len(CLIENT_HELLO) and event.sequence == 0xfffffff0
    assert (event.family, event.protocol, event.flags) == (4, 6, WIRE_START)
    assert (event.local, event.local_port) == (ip_address("192.0.2.1").packed, 40000)
    assert (event.remote, event.remote_port) == (ip_address("192.0.2.2").packed, 443)
    assert event.network_namespace == os.stat("/proc/self/ns/net").st_ino
    assert event.subject is None  # no process holds the test run's socket
    assert event.cookie and event.time


def test_both_ends_are_distinguished_by_direction(loaded):
    forget_sent_hellos(loaded)
    run_program(loaded._object, "wire_ingress", ipv6(6, tcp(CLIENT_HELLO)))
    event, = loaded.read()
    assert (event.local, event.local_port) == (ip_address("2001:db8::2").packed, 443)
    assert (event.remote, event.remote_port) == (ip_address("2001:db8::1").packed, 40000)


KNOWN_SIZE = 43


@pytest.mark.parametrize("received, known", [
    (ipv4(6, tcp(CLIENT_HELLO)), True),
    (ipv4(6, tcp(CLIENT_HELLO, sequence=2000)), False),
    (ipv4(6, tcp(CLIENT_HELLO, source=40001)), False),
    (ipv4(6, tcp(CLIENT_HELLO), source="192.0.2.3"), False),
    (ipv4(6, tcp(CLIENT_HELLO[:11] + bytes(32) + CLIENT_HELLO[43:])), False),
], ids=["the same", "another place in the stream", "another port", "another address", "another random"])
def test_a_hello_that_was_copied_where_it_was_sent(loaded, received, known):
    """Only which hello it is comes from the other end: a second one with the same random is not taken for it."""
    forget_sent_hellos(loaded)
    run_program(loaded._object, "wire_egress", ipv4(6, tcp(CLIENT_HELLO)))
    run_program(loaded._object, "wire_ingress", received)
    first, second = loaded.read()
    assert first.data == CLIENT_HELLO and first.flags == WIRE_START
    assert second.flags == WIRE_START | WIRE_KNOWN * known
    assert len(second.data) == KNOWN_SIZE if known else len(second.data) == len(CLIENT_HELLO)


def test_a_hello_whose_copy_was_lost_is_not_known(loaded):
    forget_sent_hellos(loaded)
    while not loaded.counters()["ring_full"]:
        run_program(loaded._object, "wire_egress", ipv4(6, tcp(LARGE_HELLO, sequence=5)))
    lost = loaded.counters()["ring_full"]
    run_program(loaded._object, "wire_egress", ipv4(6, tcp(LARGE_HELLO, sequence=9)))
    assert loaded.counters()["ring_full"] == lost + 1
    loaded.read()
    run_program(loaded._object, "wire_ingress", ipv4(6, tcp(LARGE_HELLO, sequence=9)))
    assert [event.data for event in loaded.read()] == [LARGE_HELLO]


@pytest.mark.parametrize("packet", [
    ipv4(6, tcp(CLIENT_HELLO), options=bytes(40)),
    ipv4(6, tcp(CLIENT_HELLO, options=bytes(40))),
    ipv6(6, tcp(CLIENT_HELLO)),
    ipv6(6, tcp(CLIENT_HELLO), extensions=[(0, 0)]),
    ipv6(6, tcp(CLIENT_HELLO), extensions=[(0, 3), (60, 1), (43, 2), (60, 0)]),
], ids=["IPv4 options", "TCP options", "IPv6", "hop-by-hop", "four extension headers"])
def test_headers(copied, packet):
    event, = copied(packet)
    assert event.data == CLIENT_HELLO


def test_headers_that_are_not_stepped_over_are_counted(copied, loaded):
    before = loaded.counters()["unparsed_packets"]
    assert copied(ipv6(6, tcp(CLIENT_HELLO), extensions=[(0, 0)] + [(60, 0)] * 4)) == []
    assert loaded.counters()["unparsed_packets"] == before + 2


@pytest.mark.parametrize("protocol", [1, 47, 50, 58, 132])
def test_other_protocols(copied, protocol):
    assert copied(ipv4(protocol, tcp(CLIENT_HELLO))) == [] and copied(ipv6(protocol, tcp(CLIENT_HELLO))) == []


def test_data_of_a_syn(copied):
    """TCP Fast Open: the SYN itself takes a sequence number."""
    event, = copied(ipv4(6, tcp(CLIENT_HELLO, sequence=7, flags=SYN)))
    assert event.sequence == 8 and event.data == CLIENT_HELLO


def test_a_hello_with_post_quantum_key_shares(copied):
    assert len(LARGE_HELLO) > 2 * 1000
    event, = copied(ipv4(6, tcp(LARGE_HELLO)))
    assert event.data == LARGE_HELLO


@pytest.mark.parametrize("size", [1, 5, 6, 10, 11, 43, 640, 641, MSS, 2048, 2049, 3000])
def test_a_truncated_hello(copied, size):
    assert data(copied(ipv4(6, tcp(LARGE_HELLO[:size])))) == LARGE_HELLO[:size]


def test_a_hello_truncated_anywhere(copied):
    for size in range(1, len(CLIENT_HELLO)):
        event, = copied(ipv4(6, tcp(CLIENT_HELLO[:size])))
        assert event.data == CLIENT_HELLO[:size] and event.payload_size == size


def test_a_packet_truncated_anywhere(loaded):
    for whole in (ipv4(6, tcp(CLIENT_HELLO[:60], options=bytes(12)), options=bytes(8)), ipv6(17, udp(b"\xc0\0\0\0\1" + bytes(60)), extensions=[(0, 1)])):
        for size in range(34 if whole[12:14] == b"\x08\x00" else 54, len(whole)):
            for name in PROGRAMS:
                assert run_program(loaded._object, name, whole[:size])[0] == 1
    loaded.read()


SERVER_HELLO = hello(2, 127)
ENCRYPTED = record(23, b"e" * 500)


@pytest.mark.parametrize("payload, plain", [
    (SERVER_HELLO + CCS + ENCRYPTED, SERVER_HELLO),
    (SERVER_HELLO + ENCRYPTED, SERVER_HELLO),
    (SERVER_HELLO + record(22, b"\x0b" * 900) + record(22, b"\x0c" * 300) + record(22, b"\x0e\0\0\0"), None),
    (SERVER_HELLO + record(22, b"\x0b" * 900) + CCS + record(22, b"f" * 40), SERVER_HELLO + record(22, b"\x0b" * 900)),
    (SERVER_HELLO + record(21, b"\2\x28"), None),
    (SERVER_HELLO + record(21, b"a" * 26), SERVER_HELLO),
    (CCS + CLIENT_HELLO, None),
    (CCS + record(22, b"\xf3" * 40), b""),
    (CCS + ENCRYPTED, b""),
    (CCS + record(21, b"\2\x28"), None),
    (CCS + record(21, b"a" * 26), b""),
    (CLIENT_HELLO + ENCRYPTED, CLIENT_HELLO),
    (SERVER_HELLO + b"".join(record(22, b"\x0b%d" % number) for number in range(6)), None),
    (SERVER_HELLO + record(22, b"")  + record(22, b"\x0b"), None),
], ids=["TLS 1.3 server", "no CCS", "TLS 1.2 server", "resumed", "alert behind a hello", "encrypted alert", "after a retry", "TLS 1.2 finished",
        "TLS 1.3 finished", "an alert after a retry", "TLS 1.3 alert", "early data", "many records", "an empty record"])
def test_only_what_is_plain(copied, payload, plain):
    assert data(copied(ipv4(6, tcp(payload)))) == (payload if plain is None else plain)


@pytest.mark.parametrize("payload", [
    b"", b"G", b"GET / HTTP/1.1\r\n\r\n", b"220 mail.example.test ESMTP\r\n", bytes(100), b"\x16" * 100, b"\x16\x03\x09" + bytes(100),
    record(22, b"\3" + bytes(60)), record(22, b"\1\1\0\0\3\3" + bytes(60)), record(22, b"\1\0\0\x40\2\2" + bytes(60)), record(22, b"\1\0\0\x40\2" + bytes(60)),
    record(21, b"\3\x28"), record(23, bytes(100)), b"SSH", b"SSX-2.0", b"\x80\x2e\1\3\1" + bytes(41),
])
def test_what_is_none(copied, payload):
    if payload == b"SSH":
        assert data(copied(ipv4(6, tcp(payload)))) == payload  # it may become a banner
    else:
        assert copied(ipv4(6, tcp(payload))) == []


def test_an_alert_is_copied_whatever_was_before_it(copied):
    """User space knows whether there was a hello."""
    alert = record(21, b"\2\x28")
    assert data(copied(ipv4(6, tcp(alert)))) == alert
    assert data(copied(ipv4(6, tcp(alert + b"GET")))) == alert


def test_garbage(copied):
    """Random packets, and hellos whose lengths lie."""
    chance = random.Random(20261122)
    for _number in range(1500):
        payload = bytes(chance.randrange(256) for _each in range(chance.randrange(200)))
        if chance.random() < 0.7:
            payload = bytes((chance.choice((20, 21, 22)), 3, chance.randrange(5))) + payload
        if chance.random() < 0.5:
            payload = bytearray(CLIENT_HELLO[:chance.randrange(len(CLIENT_HELLO))])
            for _each in range(min(len(payload), 3)):
                payload[chance.randrange(len(payload))] = chance.randrange(256)
        found = data(copied(ipv4(6, tcp(bytes(payload)))))
        assert bytes(payload).startswith(found)


def test_an_ssh_banner(copied):
    payload = BANNER + bytes(1500)
    assert data(copied(ipv4(6, tcp(payload)))) == payload


QUIC = b"\x08" + bytes(8) + bytes(1180)


@pytest.mark.parametrize("payload, wanted", [
    (b"\xc3\0\0\0\1" + QUIC, True), (b"\xcf\0\0\0\1" + QUIC, True), (b"\xd0\x6b\x33\x43\xcf" + QUIC, True),
    (b"\xd0\0\0\0\1" + QUIC, False), (b"\xe0\0\0\0\1" + QUIC, False), (b"\xc0\x6b\x33\x43\xcf" + QUIC, False), (b"\xc0\0\0\0\2" + QUIC, False),
    (b"\x40\0\0\0\1" + QUIC, False), (b"\x80\0\0\0\1" + QUIC, False),
    (b"\x16\xfe\xff" + bytes(8) + b"\0\x40\1" + bytes(63), True), (b"\x16\xfe\xfd" + bytes(8) + b"\0\x40\2" + bytes(63), True),
    (b"\x16\xfe\xfd\0\1" + bytes(6) + b"\0\x40\1" + bytes(63), False), (b"\x16\xfe\xfd" + bytes(8) + b"\0\x40\x0b" + bytes(63), True),
    (b"\x16\xfe\xfd" + bytes(8) + b"\0\x40\x10" + bytes(63), False),  # the client's key exchange
    (b"\x16\xfe\xfd" + bytes(8), False), (b"\x16\x03\x03" + bytes(100), False), (b"\xc0\0\0\0", False), (bytes(50), False),
])
def test_datagrams(copied, payload, wanted):
    events = copied(ipv4(17, udp(payload))) + copied(ipv6(17, udp(payload)))
    assert [(event.data, event.protocol, event.sequence, event.payload_size) for event in events] == [(payload, 17, 0, len(payload))] * 2 * wanted


@pytest.mark.parametrize("looks, ssh, tls", [(LOOK_TLS, False, True), (LOOK_SSH, True, False)])
def test_a_probe_that_is_disabled(copied, looks, ssh, tls):
    with tap(looks, attached=False) as made:
        assert bool(copied(ipv4(6, tcp(BANNER)), made)) is ssh
        assert bool(copied(ipv4(6, tcp(CLIENT_HELLO)), made)) is tls
        assert bool(copied(ipv4(17, udp(b"\xc3\0\0\0\1" + QUIC)), made)) is tls


def test_what_does_not_fit_the_ring_is_counted(loaded):
    loaded.read()
    before = loaded.counters()["ring_full"]
    for _number in range(1200):
        assert run_program(loaded._object, "wire_egress", ipv4(6, tcp(LARGE_HELLO)))[0] == 1
    lost = loaded.counters()["ring_full"] - before
    assert lost and loaded.losses()["ring_full"] == loaded.counters()["ring_full"]
    assert len(loaded.read()) + lost == 1200
