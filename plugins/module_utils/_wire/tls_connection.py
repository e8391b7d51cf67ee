# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of a TLS connection in its handshake: messages of both directions become one TlsHandshake.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._kernel import events
from .handshake import FAILED, NEGOTIATED, UNANSWERED, TlsHandshake
from .hello_cache import client_hello_cache, server_hello_cache
from .tls_hellos import HELLO_RETRY, client_hello, server_hello
from .tls_messages import MalformedMessage, certificates, server_key_exchange
from .tls_stream import TlsStream

# So long after its last clear octet a TLS 1.2 handshake may still fail by a clear alert. No connection ends by time earlier than that. ns
QUIET = 1_000_000_000
# So long a hello waits for its answer. ns
_PATIENCE = 15_000_000_000

_CLIENT_HELLO = 1

# A record header, a handshake header and the version precede the random (RFC 8446, 4.1.2, 5.1).
_RANDOM = slice(11, 43)
_LENGTH_HIGH, _VERSION_HIGH = 6, 9

# Real clients offer at most about 180 cipher suites (OpenSSL's ALL:COMPLEMENTOFALL).
MOST_OFFERED = 256

# Alerts that end nothing when they are warnings: close_notify, user_canceled, no_renegotiation, unrecognized_name (RFC 5246, 7.2; RFC 6066, 3).
_HARMLESS = (0, 90, 100, 112)
_WARNING = 1


def is_1_3(version):
    """Whether a negotiated version (int) is TLS 1.3, one of its drafts (0x7fNN: RFC 8446, 4.2.1.1 of the drafts), or DTLS 1.3."""
    return version in (0x0304, 0xFEFC) or version >> 8 == 0x7F


def bounded(hello):
    """A ClientHello of which no list is longer than MOST_OFFERED: what is kept of a hostile one must stay small."""
    lists = {name: getattr(hello, name) for name in ("cipher_suites", "alpn", "versions", "groups", "key_shares", "signature_algorithms")}
    cut = {name: value[:MOST_OFFERED] for name, value in lists.items() if len(value) > MOST_OFFERED}
    return hello._replace(**cut) if cut else hello


_client_hellos = client_hello_cache(lambda body: bounded(client_hello(body)))
_server_hellos = server_hello_cache(server_hello)


class Flight:
    """What the clear messages of one handshake say. Where both ends are on this host they share it: each message was copied once."""

    __slots__ = ("client_hello", "server_hello", "key_exchange", "certificate", "hello_retry", "is_1_3", "done")

    def __init__(self):
        self.client_hello = None
        self.server_hello = None
        self.key_exchange = None
        self.certificate = None
        self.hello_retry = False
        self.is_1_3 = False
        self.done = False  # the server's clear part is over

    def complete(self):
        """Whether nothing more of what is told is to come."""
        return self.server_hello is not None and self.done

    def resumed(self):
        """Whether a session was taken up again; None where that can't be told.

        TLS 1.3 by the selected pre-shared key (RFC 8446, 4.2.11), earlier ones by the session id that the server gives back
        (RFC 5246, 7.4.1.3; RFC 5077, 3.4).
        """
        if self.server_hello is None:
            return None
        if self.is_1_3:
            return self.server_hello.psk
        if self.client_hello is None:
            return None
        return bool(self.server_hello.session_id) and self.server_hello.session_id == self.client_hello.session_id


class TlsConnection:
    """One end of a TCP connection in its handshake."""

    transport = "tcp"

    def __init__(self, event, flights):
        """:arg event: the first WireData. :arg flights: Flights of this host."""
        self.cookie = event.cookie
        self._unknown = 0  # hellos copied at their sender that were never read
        self._flights = flights
        self._streams = {}  # by whether it goes out
        self._ends = event
        self._forget(event)

    def _forget(self, event):
        """Begin with nothing known of a handshake."""
        self._flight = Flight()
        self._role = None
        self._owner = None
        self._alert = None
        self._first = self.last = event.time

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        if event.flags & events.WIRE_KNOWN:
            self._take_known(event)
            return
        stream = self._streams.get(event.outgoing)
        if stream is None:
            stream = self._streams[event.outgoing] = TlsStream()
        self._take_messages(stream.feed(event.sequence, event.data, event.payload_size), event)

    def _take_messages(self, messages, event):
        for message in messages:
            try:
                self._take_message(message, event)
            except MalformedMessage:
                continue  # bytes that only began like a hello

    def _take_known(self, event):
        """A hello that was copied at its sender, which is on this host too."""
        if event.data[_LENGTH_HIGH] or event.data[_VERSION_HIGH] != 3:
            return  # an encrypted record whose first octet is that of a hello: at its sender it was no hello either
        random = event.data[_RANDOM]
        flight = self._flights.get(random)
        if random == HELLO_RETRY:
            self._flight.hello_retry = True  # of no handshake in particular; the second ClientHello belongs to the first one's
        elif flight is None:
            self._unknown += 1
        else:
            self._flight = flight
            self._role = "server" if event.data[5] == _CLIENT_HELLO else "client"

    def _take_message(self, message, event):
        flight, kind = self._flight, message.kind
        if kind == "client_hello":
            self._take_client_hello(_client_hellos.parse(message.body), event)
        elif kind == "server_hello":
            self._take_server_hello(_server_hellos.parse(message.body), event)
        elif kind == "alert":
            self._take_alert(message.body, event)
        elif flight.server_hello is None or event.outgoing != (self._role == "server"):
            return  # of the client, or of nothing
        elif kind == "certificate":
            chain = certificates(message.body)
            flight.certificate = flight.certificate or (chain[0] if chain else None)
        elif kind == "server_key_exchange":
            flight.key_exchange = server_key_exchange(message.body, flight.server_hello.cipher_suite, flight.server_hello.version)
        elif kind in ("server_hello_done", "change_cipher_spec"):
            flight.done = True

    def _take_client_hello(self, hello, event):
        self._role = "client" if event.outgoing else "server"
        if event.outgoing:
            self._owner = event.subject
        if self._flight.client_hello is None:
            self._flight.client_hello = hello
            self._flights.remember(hello.random, self._flight)

    def _take_server_hello(self, hello, event):
        self._role = "server" if event.outgoing else "client"
        if event.outgoing:
            self._owner = event.subject
        if hello.hello_retry:
            self._flight.hello_retry = True
            return
        flight = self._flight
        flight.server_hello = hello
        flight.is_1_3 = is_1_3(hello.version)
        flight.done = flight.done or flight.is_1_3
        self._flights.remember(hello.random, self._flight)

    def _take_alert(self, body, event):
        level, number = body[0], body[1]
        if self._role is None or (level == _WARNING and number in _HARMLESS):
            return
        self._alert = number if self._alert is None else self._alert
        if event.outgoing and self._owner is None and self._role == "server":
            self._owner = event.subject

    def over(self, now):
        """Whether nothing more is awaited at this time (ns)."""
        if self._role is None:
            return now - self.last > QUIET
        if self._alert is not None:
            return True
        if self._flight.complete():
            return self._flight.is_1_3 or now - self.last > QUIET
        return now - self.last > _PATIENCE

    def awaits_socket(self):
        """Whether a socket of its own may still take its place: a client's first segment can reach the listener's (TCP_DEFER_ACCEPT, tcp(7))."""
        return self._role == "server" and self._flight.server_hello is None

    def unfinished(self):
        """Whether a handshake has begun of which not all is known that is told."""
        return self._role is not None and self._alert is None and not self._flight.complete()

    def lost(self):
        """Parts of this handshake that could not be read or joined (int)."""
        return self._unknown + (sum([stream.dropped for stream in self._streams.values()]) if self.unfinished() else 0)

    def results(self):
        """List of the TlsHandshake; empty where there was none."""
        if self._role is None:
            return []
        flight, hello = self._flight, self._flight.server_hello
        offered, exchange, group = flight.client_hello, flight.key_exchange, None
        if hello is not None:
            group = hello.group if flight.is_1_3 else exchange.group if exchange else None
        ends = self._ends
        return [tuple.__new__(TlsHandshake, (  # as of WireData: see _kernel.events
            self._first, self._owner, self._role, self.transport, FAILED if self._alert is not None else UNANSWERED if hello is None else NEGOTIATED,
            hello.version if hello else None, hello.cipher_suite if hello else None, group,
            exchange.dh_bits if exchange else None, exchange.signature_algorithm if exchange else None,
            offered.server_name if offered else None, hello.alpn if hello else None,
            ends.local, ends.local_port, ends.remote, ends.remote_port,
            flight.resumed(), flight.hello_retry, self._alert, flight.certificate, offered))]
