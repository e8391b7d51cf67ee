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

# For so long after its last plain-text byte a TLS 1.2 handshake may still fail by a plain-text alert. No connection ends by time earlier than that. ns
QUIET = 1_000_000_000
# For so long a hello waits for its answer. ns
_PATIENCE = 15_000_000_000

_CLIENT_HELLO = 1

# Offsets in the record of a hello: a record header, a handshake header and the version precede the random (RFC 8446, 4.1.2, 5.1).
_MESSAGE_TYPE, _LENGTH_HIGH, _VERSION_HIGH = 5, 6, 9
_RANDOM = slice(11, 43)

# Real clients offer at most about 180 cipher suites (OpenSSL's ALL:COMPLEMENTOFALL).
MAX_OFFERED = 256

# Alerts that end nothing when they are warnings: close_notify, user_canceled, no_renegotiation, unrecognized_name (RFC 5246, 7.2; RFC 6066, 3).
_HARMLESS = (0, 90, 100, 112)
_WARNING = 1


def is_tls13(version):
    """Whether a negotiated version is TLS 1.3, one of its drafts (0x7fNN: RFC 8446, 4.2.1.1 of the drafts), or DTLS 1.3.

    :arg version: int.
    :returns: bool.
    """
    return version in (0x0304, 0xFEFC) or version >> 8 == 0x7F


def _bounded(hello):
    """A ClientHello of which no list is longer than MAX_OFFERED: what is kept of a hostile one must stay small."""
    lists = {name: getattr(hello, name) for name in ("cipher_suites", "alpn", "versions", "groups", "key_shares", "signature_algorithms")}
    cut = {name: value[:MAX_OFFERED] for name, value in lists.items() if len(value) > MAX_OFFERED}
    return hello._replace(**cut) if cut else hello


_client_hellos = client_hello_cache(lambda body: _bounded(client_hello(body)))
_server_hellos = server_hello_cache(server_hello)


class HandshakeState:
    """What the plain-text messages of one handshake said so far. Where both ends are on this host they share it: each message was copied once."""

    __slots__ = ("client_hello", "server_hello", "key_exchange", "certificate", "hello_retry", "is_tls13", "done")

    def __init__(self):
        self.client_hello = None
        self.server_hello = None
        self.key_exchange = None
        self.certificate = None  # DER, the server's own
        self.hello_retry = False
        self.is_tls13 = False
        self.done = False  # whether the plain-text part of the server's messages is over

    def complete(self):
        """Whether all is known that a TlsHandshake says."""
        return self.server_hello is not None and self.done

    def resumed(self):
        """Whether a session was resumed; None where that can't be known.

        TLS 1.3 by the selected pre-shared key (RFC 8446, 4.2.11), earlier ones by the session id that the server gives back
        (RFC 5246, 7.4.1.3; RFC 5077, 3.4).
        """
        if self.server_hello is None:
            return None
        if self.is_tls13:
            return self.server_hello.psk
        if self.client_hello is None:
            return None
        return bool(self.server_hello.session_id) and self.server_hello.session_id == self.client_hello.session_id

    def group(self):
        """The group of the key exchange (int), None where there is none or it is not known."""
        if self.is_tls13:
            return self.server_hello.group
        return self.key_exchange.group if self.key_exchange else None


class TlsConnection:
    """One end of a TCP connection in its handshake.

    cookie: int, names the socket as in WireData. last: int, time of its last event, ns since boot.
    """

    transport = "tcp"

    def __init__(self, event, states):
        """
        :arg event: WireData, the first one.
        :arg states: StatesByRandom of this host.
        """
        self.cookie = event.cookie
        self._unknown = 0  # hellos copied at their sender that were never read
        self._states = states
        self._streams = {}  # by whether it goes out
        self._ends = event
        self._start_anew(event)

    def _start_anew(self, event):
        """Begin with nothing known of a handshake."""
        self._state = HandshakeState()
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
            return  # an encrypted record whose first byte is that of a hello: at its sender it was no hello either
        random = event.data[_RANDOM]
        state = self._states.get(random)
        if random == HELLO_RETRY:
            self._state.hello_retry = True  # all such randoms are equal; the second ClientHello belongs to the handshake of the first
        elif state is None:
            self._unknown += 1
        else:
            self._state = state
            self._role = "server" if event.data[_MESSAGE_TYPE] == _CLIENT_HELLO else "client"

    def _take_message(self, message, event):
        state, kind = self._state, message.kind
        if kind == "client_hello":
            self._take_client_hello(_client_hellos.parse(message.body), event)
        elif kind == "server_hello":
            self._take_server_hello(_server_hellos.parse(message.body), event)
        elif kind == "alert":
            self._take_alert(message.body, event)
        elif state.server_hello is None or event.outgoing != (self._role == "server"):
            return  # the client's, or behind no hello
        elif kind == "certificate":
            chain = certificates(message.body)
            state.certificate = state.certificate or (chain[0] if chain else None)
        elif kind == "server_key_exchange":
            state.key_exchange = server_key_exchange(message.body, state.server_hello.cipher_suite, state.server_hello.version)
        elif kind in ("server_hello_done", "change_cipher_spec"):
            state.done = True

    def _take_client_hello(self, hello, event):
        self._role = "client" if event.outgoing else "server"
        if event.outgoing:
            self._owner = event.subject
        if self._state.client_hello is None:
            self._state.client_hello = hello
            self._states.put(hello.random, self._state)

    def _take_server_hello(self, hello, event):
        self._role = "server" if event.outgoing else "client"
        if event.outgoing:
            self._owner = event.subject
        state = self._state
        if hello.hello_retry:
            state.hello_retry = True
            return
        state.server_hello = hello
        state.is_tls13 = is_tls13(hello.version)
        state.done = state.done or state.is_tls13
        self._states.put(hello.random, state)

    def _take_alert(self, body, event):
        level, number = body[0], body[1]
        if self._role is None or (level == _WARNING and number in _HARMLESS):
            return
        self._alert = number if self._alert is None else self._alert
        if event.outgoing and self._owner is None and self._role == "server":
            self._owner = event.subject

    def over(self, now):
        """Whether nothing more is awaited.

        :arg now: int, ns since boot.
        :returns: bool.
        """
        if self._role is None:
            return now - self.last > QUIET
        if self._alert is not None:
            return True
        if self._state.complete():
            return self._state.is_tls13 or now - self.last > QUIET
        return now - self.last > _PATIENCE

    def awaits_socket(self):
        """Whether a socket of its own may still take its place: a client's first segment can reach the listener's (TCP_DEFER_ACCEPT, tcp(7))."""
        return self._role == "server" and self._state.server_hello is None

    def unfinished(self):
        """Whether a handshake has begun and not all is known that a TlsHandshake says."""
        return self._role is not None and self._alert is None and not self._state.complete()

    def lost(self):
        """Parts of this handshake that could not be read or joined (int)."""
        return self._unknown + (sum([stream.dropped for stream in self._streams.values()]) if self.unfinished() else 0)

    def _outcome(self):
        if self._alert is not None:
            return FAILED
        return UNANSWERED if self._state.server_hello is None else NEGOTIATED

    def results(self):
        """List of the TlsHandshake; empty where there was none."""
        if self._role is None:
            return []
        state, ends = self._state, self._ends
        chosen, exchange, offered = state.server_hello, state.key_exchange, state.client_hello
        return [TlsHandshake(
            time=self._first, subject=self._owner, role=self._role, transport=self.transport, outcome=self._outcome(),
            version=chosen.version if chosen else None, cipher_suite=chosen.cipher_suite if chosen else None,
            group=state.group(), dh_bits=exchange.dh_bits if exchange else None,
            signature_algorithm=exchange.signature_algorithm if exchange else None,
            sni=offered.server_name if offered else None, alpn=chosen.alpn if chosen else None,
            local=ends.local, local_port=ends.local_port, remote=ends.remote, remote_port=ends.remote_port,
            resumed=state.resumed(), hello_retry=state.hello_retry, alert=self._alert,
            certificate=state.certificate, offered=offered)]
