# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs on the wire copy of real connections over the loopback, however their bytes are cut, and whom they name."""

from __future__ import annotations

import os
import socket
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import WIRE_GAP, WIRE_KNOWN, WIRE_START
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.collector import HandshakeCollector
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import require_root
from ansible_collections.cryptofleet.audit.tests.integration.support.wire import CCS, events_of, hello, overtaking, real_client_hello, record, tap

HELLO = real_client_hello()
SERVER_HELLO = hello(2, 127)
# of what was copied whole where it was sent: the headers and the random
KNOWN_HELLO, KNOWN_ANSWER = HELLO[:43], SERVER_HELLO[:43]
APPLICATION = record(23, b"e" * 700)


@pytest.fixture(scope="module")
def attached():
    require_root()
    with tap() as made:
        yield made


class Pair:
    """Two ends of a connection in this process. Each send is a packet of its own."""

    def __init__(self, family=socket.AF_INET, address="127.0.0.1", to=None, deferred=False, receive_buffer=None):
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if deferred:
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
        self._listener.bind((address, 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        self.client = socket.create_connection((to or address, self.port), timeout=20)
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = None if deferred else self._accept()

    def _accept(self):
        server = self._listener.accept()[0]
        server.settimeout(20)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    @property
    def server(self):
        if self._server is None:
            self._server = self._accept()
        return self._server

    def say(self, data):
        """From the client, and taken by the server."""
        self.client.sendall(data)
        self._take(self.server, len(data))

    def answer(self, data):
        self.server.sendall(data)
        self._take(self.client, len(data))

    @staticmethod
    def _take(end, size):
        while size:
            size -= len(end.recv(size))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for end in (self.client, self._server, self._listener):
            if end is not None:
                end.close()


def streams(attached, port):
    """``(from client, to server, from server, to client)``: the bytes in the order of their sequence, each only once."""
    found = {}
    for event in events_of(attached, port):
        found.setdefault((event.outgoing, event.local_port == port), {})[event.sequence] = event.data
    return [b"".join(part[number] for number in sorted(part)) for part in (found.get(key, {}) for key in ((1, 0), (0, 1), (1, 1), (0, 0)))]


def test_both_directions_at_both_ends(attached):
    with Pair() as pair:
        pair.say(HELLO)
        pair.answer(SERVER_HELLO + CCS + APPLICATION)
        pair.say(CCS + APPLICATION)
        assert streams(attached, pair.port) == [HELLO, KNOWN_HELLO, SERVER_HELLO, KNOWN_ANSWER]


@pytest.mark.parametrize("family, address, to, stated", [
    (socket.AF_INET6, "::1", None, (6, bytes(15) + b"\1")),
    (socket.AF_INET6, "::", "127.0.0.1", (4, b"\x7f\0\0\1")),
], ids=["IPv6", "IPv4 to an IPv6 socket"])
def test_addresses(attached, family, address, to, stated):
    with Pair(family, address, to) as pair:
        pair.say(HELLO)
        events = events_of(attached, pair.port, 2)
        client, server = pair.client.getsockname()[1], pair.port
        assert [(event.family, event.local, event.local_port, event.remote, event.remote_port) for event in events] == [
            stated + (client,) + stated[1:] + (server,), stated + (server,) + stated[1:] + (client,)]
        assert len({event.cookie for event in events}) == 2 and {event.network_namespace for event in events} == {os.stat("/proc/self/ns/net").st_ino}


@pytest.mark.parametrize("cuts", [(5,), (1, 2, 3, 4, 5, 6, 7), (6,), (3, 9), (200,), (5, 6, 60)])
def test_a_hello_in_pieces(attached, cuts):
    with Pair() as pair:
        for start, end in zip((0,) + cuts, cuts + (len(HELLO),)):
            pair.say(HELLO[start:end])
        assert streams(attached, pair.port)[:2] == [HELLO, HELLO]


def test_a_piece_that_overtakes_another(attached):
    """As where a packet was lost on its way: what comes behind the gap is copied as it is, with a mark, and user space puts it together."""
    with Pair() as pair, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        pair.say(HELLO[:200])
        events = events_of(attached, pair.port, 2)
        begins = next(event for event in events if not event.outgoing).sequence
        raw.sendto(overtaking(HELLO[300:], begins + 300 & 0xFFFFFFFF, pair.client.getsockname()[1], pair.port), ("127.0.0.1", 0))
        pair.say(HELLO[200:300])
        pair.say(HELLO[300:])
        events = [event for event in events + events_of(attached, pair.port) if not event.outgoing]
    assert [(event.sequence - begins & 0xFFFFFFFF, event.data, event.flags) for event in events[:3]] == [
        (0, HELLO[:200], WIRE_START), (300, HELLO[300:], WIRE_GAP), (200, HELLO[200:300], WIRE_GAP)]
    handshakes = HandshakeCollector()
    seen = [seen for event in events for seen in handshakes.take(event)] + handshakes.settle(0, everything=True)
    assert [(one.role, one.outcome) for one in seen] == [("server", "unanswered")] and seen[0].offered.cipher_suites
    assert handshakes.losses()["handshake_parts"] == 0


@pytest.mark.parametrize("cut", [130, 129, 127 + 5, 127 + 905 + 3, 127 + 905 + 105 - 1])
def test_a_server_flight_in_pieces(attached, cut):
    """Also where a record's header is cut."""
    flight = SERVER_HELLO + record(22, b"\x0b" * 900) + record(22, b"\x0c" * 100) + record(22, b"\x0e\0\0\0")
    with Pair() as pair:
        pair.say(HELLO)
        pair.answer(flight[:cut])
        pair.answer(flight[cut:])
        pair.answer(CCS + record(22, b"f" * 40))
        pair.answer(APPLICATION)
        said = streams(attached, pair.port)[2]
        # of what follows, not more than the header of a record that had to be read
        assert said.startswith(flight) and len(said) - len(flight) <= 6


def test_a_hello_after_a_plain_beginning(attached):
    """STARTTLS."""
    with Pair() as pair:
        for number in range(10):
            pair.answer(b"250 number %d\r\n" % number)
            pair.say(b"EHLO client\r\n")
        pair.say(b"STARTTLS\r\n")
        pair.answer(b"220 go\r\n")
        pair.say(HELLO)
        pair.answer(SERVER_HELLO + APPLICATION)
        assert streams(attached, pair.port) == [HELLO, KNOWN_HELLO, SERVER_HELLO, KNOWN_ANSWER]


def test_a_second_flight_after_a_retry(attached):
    for first, second in ((CCS, HELLO), (CCS + HELLO, b"")):
        with Pair() as pair:
            pair.say(HELLO)
            pair.answer(SERVER_HELLO + CCS)
            pair.say(first)
            if second:
                pair.say(second)
            pair.answer(SERVER_HELLO + APPLICATION)
            change = b"" if second == b"" else CCS  # alone it is copied at both ends: what it begins is not known
            assert streams(attached, pair.port) == [HELLO + CCS + HELLO, KNOWN_HELLO + change + KNOWN_HELLO, SERVER_HELLO * 2, KNOWN_ANSWER * 2]


def test_an_alert_of_a_connection_with_a_hello(attached):
    alert = record(21, b"\2\x28")
    with Pair() as pair:
        pair.say(HELLO)
        pair.answer(alert)
        assert streams(attached, pair.port)[2:] == [alert, alert]


def test_beyond_the_first_segments_nothing_is_looked_for(attached):
    with Pair() as pair:
        for _number in range(40):
            pair.say(b"x")
        pair.say(HELLO)
        assert events_of(attached, pair.port) == []


def test_application_data_is_never_copied(attached):
    with Pair() as pair:
        pair.say(HELLO)
        pair.answer(SERVER_HELLO + CCS + APPLICATION)
        for _number in range(60):
            pair.say(APPLICATION)
            pair.answer(APPLICATION)
        assert streams(attached, pair.port) == [HELLO, KNOWN_HELLO, SERVER_HELLO, KNOWN_ANSWER]


def test_ssh_of_each_direction_only_the_beginning(attached):
    with Pair() as pair:
        pair.answer(b"a line before the banner\r\n")
        pair.say(b"SSH-2.0-client\r\n")
        pair.answer(b"SSH-2.0-server\r\n")
        for _number in range(8):
            pair.say(b"c" * 1500)
            pair.answer(b"s" * 1500)
        client, _seen, server, _seen_too = streams(attached, pair.port)
        assert client == (b"SSH-2.0-client\r\n" + b"c" * 12000)[:8192] and server == (b"SSH-2.0-server\r\n" + b"s" * 12000)[:8192]


def test_a_flight_has_an_end(attached):
    before = attached.counters()["truncated_handshakes"]
    flight = SERVER_HELLO + record(22, b"\x0b" * 16000) * 3
    with Pair() as pair:
        pair.say(HELLO)
        pair.answer(flight)
        said = streams(attached, pair.port)[2]
        assert said == flight[:16384] and attached.counters()["truncated_handshakes"] > before


@pytest.mark.parametrize("cut", [None, 5, 100, 6, 3])
def test_data_that_opens_the_connection(attached, cut):
    """With TCP_DEFER_ACCEPT, as Apache has it, the first data comes to the listening socket; what follows, to the connection's own."""
    with Pair(deferred=True) as pair:
        if cut is None:
            pair.say(HELLO)
        else:
            pair.client.sendall(HELLO[:cut])
            time.sleep(0.05)
            pair.client.sendall(HELLO[cut:])
            pair._take(pair.server, len(HELLO))
        pair.answer(SERVER_HELLO + APPLICATION)
        sent, got, *answered = streams(attached, pair.port)
        assert sent == HELLO and answered == [SERVER_HELLO, KNOWN_ANSWER]
        assert got == (KNOWN_HELLO if cut is None else HELLO if cut >= 6 else b""), "less than a record's header and a byte can't be followed there"


def test_data_that_opens_the_connection_has_no_socket(attached):
    with Pair(deferred=True) as pair:
        pair.say(HELLO)
        first, second = events_of(attached, pair.port, 2)
        assert first.cookie and not second.cookie and second.flags == WIRE_START | WIRE_KNOWN and second.data == KNOWN_HELLO


def test_who_sent_it(attached):
    """The process that sends, not the one that connected or accepted."""
    with Pair() as pair:
        child = os.fork()
        if not child:
            pair.say(HELLO)
            os._exit(0)
        os.waitpid(child, 0)
        pair.answer(SERVER_HELLO)
        owners = [(event.outgoing, event.subject and event.subject.image.pid) for event in events_of(attached, pair.port, 4)]
        assert owners == [(True, child), (False, None), (True, os.getpid()), (False, None)]


def test_who_sent_it_in_full(attached):
    with Pair() as pair:
        pair.say(HELLO)
        subject = events_of(attached, pair.port, 1)[0].subject
    assert subject.parent_pid == os.getppid() and subject.uid == 0
    assert subject.comm.decode() == open("/proc/self/comm").read().strip()
    assert subject.mount_namespace == os.stat("/proc/self/ns/mnt").st_ino
    assert abs(subject.image.start / 1e9 - float(open("/proc/self/stat").read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")) < 0.02


def test_what_the_kernel_sends_later_has_no_sender(attached):
    """The peer's window is closed: what send() left in the queue goes out when it opens, in softirq, whoever runs at that moment."""
    with Pair(receive_buffer=4096) as pair:
        pair.client.setblocking(False)
        filling = pair.client.send(b"x" * 20000, socket.MSG_EOR)
        assert pair.client.send(HELLO) == len(HELLO)
        assert events_of(attached, pair.port) == []
        pair._take(pair.server, filling + len(HELLO))
        events = events_of(attached, pair.port, 2)
        assert {event.outgoing for event in events} == {True, False} and {event.subject for event in events} == {None}
        assert [event.data for event in events] == [HELLO, KNOWN_HELLO]
