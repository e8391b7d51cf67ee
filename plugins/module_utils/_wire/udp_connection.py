# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of a QUIC or DTLS connection in its handshake: as TlsConnection, with datagrams in the place of segments.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .dtls import DtlsStream
from .quic_initial import QuicInitials
from .tls_connection import QUIET, TlsConnection

_LONG_HEADER = 0x80  # RFC 9000, 17.2; a DTLS record begins with its content type, at most 25 (RFC 7983, 7)

# Decrypting a QUIC datagram costs about a millisecond in Python. So many are decrypted at once, and so many each second from then on:
# one hundredth of a CPU.
_BURST = 1000
_PER_SECOND = 10
_SECOND = 1_000_000_000


class QuicBudget:
    """How many datagrams may be decrypted.

    refused: int, datagrams that were not allowed.
    """

    def __init__(self):
        self.refused = 0
        self._left = float(_BURST)
        self._time = None

    def allow(self, time):
        """Ask for one more, and count it.

        :arg time: int, ns.
        :returns: bool.
        """
        if self._time is not None:
            self._left = min(_BURST, self._left + (time - self._time) * _PER_SECOND / _SECOND)
        self._time = time
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True


class QuicConnection(TlsConnection):
    """The two addresses and ports of a QUIC connection; where one follows another between the same ends, each has its result."""

    transport = "quic"

    def __init__(self, event, states, budget):
        """
        :arg event: WireData, the first one.
        :arg states: StatesByRandom of this host.
        :arg budget: QuicBudget of all connections.
        """
        super().__init__(event, states)
        self._budget = budget
        self._client_sends = event.outgoing  # the first datagram of a connection is the client's
        self._earlier = []

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        if not self._budget.allow(event.time):
            return
        from_client, unreadable = event.outgoing == self._client_sends, self._initials.unreadable
        messages = self._initials.feed(from_client, event.data)
        if from_client and self._state.complete() and self._initials.unreadable > unreadable:
            self._earlier += super().results()
            self._start_anew(event)
            messages = self._initials.feed(True, event.data)
        self._take_messages(messages, event)

    def _start_anew(self, event):
        super()._start_anew(event)
        self._initials = QuicInitials()

    def over(self, now):
        """As TlsConnection's, but only after QUIET: further Initial packets of the connection belong to it and not to another one."""
        return super().over(now) and (self._role is None or now - self.last > QUIET)

    def lost(self):
        """As TlsConnection's: datagrams of a handshake that was not seen whole."""
        unopened = self._initials.unreadable + self._initials.broken + self._initials.exhausted
        return unopened if self.unfinished() else 0

    def results(self):
        """As TlsConnection's."""
        return self._earlier + super().results()


class DtlsConnection(TlsConnection):
    """The two addresses and ports of a DTLS connection."""

    transport = "dtls"

    def __init__(self, event, states):
        """As TlsConnection's."""
        super().__init__(event, states)
        self._streams = {True: DtlsStream(), False: DtlsStream()}

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        self._take_messages(self._streams[event.outgoing].feed(event.data), event)


def udp_connection(event, states, budget):
    """The connection that a datagram begins.

    :arg event: WireData, the first one.
    :arg states: StatesByRandom of this host.
    :arg budget: QuicBudget of all connections.
    :returns: QuicConnection or DtlsConnection.
    """
    if event.data[0] & _LONG_HEADER:
        return QuicConnection(event, states, budget)
    return DtlsConnection(event, states)
