# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects handshakes from the plain-text bytes of all connections: joins both directions, and names the process where it is certain.

What equal handshakes are counted by is in `_wire.handshake`.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .ssh_connection import SshConnection
from .tls_connection import QUIET, TlsConnection
from .udp_connection import QuicBudget, udp_connection

# Connections in the middle of a handshake that are held. One more, and the one that was quiet for longest ends with what is known of it.
_MAX_OPEN = 4096
_MAX_STATES = 4096
# Ends that are over, of which the last packet may come again: where a queue of the host dropped it, the kernel sends it as if it were new.
_MAX_ENDED = 2048

_TCP = 6


class StatesByRandom:
    """HandshakeStates by the randoms of their hellos, for the other ends of their connections on this host; the oldest are forgotten."""

    def __init__(self):
        self._by_random = collections.OrderedDict()

    def put(self, random, state):
        """Remember a state.

        :arg random: bytes, of a ClientHello or a ServerHello.
        :arg state: HandshakeState.
        """
        self._by_random[random] = state
        if len(self._by_random) > _MAX_STATES:
            self._by_random.popitem(last=False)

    def get(self, random):
        """Find a state.

        :arg random: bytes, of a ClientHello or a ServerHello.
        :returns: HandshakeState, or None where it is not known.
        """
        return self._by_random.get(random)


class HandshakeCollector:
    """All connections of a window that are in a handshake."""

    def __init__(self):
        self._open = collections.OrderedDict()  # by their ends, the one longest without an event first
        self._ended = collections.OrderedDict()  # ends -> cookie and sequence number of their last packet
        self._states = StatesByRandom()
        self._quic = QuicBudget()
        self._lost = 0

    def take(self, event):
        """Take the bytes of one packet.

        :arg event: WireData.
        :returns: list of TlsHandshake and SshHandshake that are over.
        """
        key = (event.protocol, event.network_namespace, event.local, event.local_port, event.remote, event.remote_port)
        connection, over = self._open.get(key), []
        if connection is not None and event.cookie != connection.cookie:
            if not connection.cookie or (event.outgoing and connection.awaits_socket()):
                connection.cookie = event.cookie
            else:
                over += self._finish(key)
                connection = None
        if connection is None:
            if self._ended.get(key) == (event.cookie, event.sequence):
                return over
            connection = self._open[key] = self._begin(event)
        connection.take(event)
        if connection.over(event.time):
            over += self._finish(key)
            if event.protocol == _TCP:
                self._ended[key] = event.cookie, event.sequence
                if len(self._ended) > _MAX_ENDED:
                    self._ended.popitem(last=False)
        else:
            self._open.move_to_end(key)
            if len(self._open) > _MAX_OPEN:
                key, oldest = next(iter(self._open.items()))
                self._lost += oldest.unfinished()  # its end will not be seen
                over += self._finish(key)
        return over

    def _begin(self, event):
        if event.protocol != _TCP:
            return udp_connection(event, self._states, self._quic)
        if event.data.startswith(b"SSH-"):
            return SshConnection(event)
        return TlsConnection(event, self._states)

    def _finish(self, key):
        connection = self._open.pop(key)
        self._lost += connection.lost()
        return connection.results()

    def settle(self, now, everything=False):
        """End the connections that were quiet for long enough.

        :arg now: int, ns since boot.
        :arg everything: bool, end all of them: the window ends.
        :returns: list of TlsHandshake and SshHandshake.
        """
        ended, over = [], []
        for key, connection in self._open.items():
            if not everything and now - connection.last <= QUIET:
                break  # what is behind it had its last event later, and nothing ends by time before that
            if everything or connection.over(now):
                ended.append(key)
        for key in ended:
            over += self._finish(key)
        return over

    def losses(self):
        """What could not be joined or read of the connections that are over.

        :returns: dict of str -> int, by cause.
        """
        return {"handshake_parts": self._lost, "quic_datagrams": self._quic.refused}
