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

# Opening a QUIC datagram costs about a millisecond in Python. So many are opened at once, and so many each second from then on:
# one hundredth of a CPU.
_BURST = 1000
_PER_SECOND = 10
_SECOND = 1_000_000_000


class QuicBudget:
    """How many datagrams may be opened."""

    def __init__(self):
        self.refused = 0
        self._left = float(_BURST)
        self._time = None

    def allow(self, time):
        """Whether one more may be, at this time (ns)."""
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

    def __init__(self, event, flights, budget):
        super().__init__(event, flights)
        self._budget = budget
        self._client_sends = event.outgoing  # the first datagram of a connection is the client's
        self._initials = QuicInitials()
        self._earlier = []

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        if not self._budget.allow(event.time):
            return
        from_client, unreadable = event.outgoing == self._client_sends, self._initials.unreadable
        messages = self._initials.feed(from_client, event.data)
        if from_client and self._flight.complete() and self._initials.unreadable > unreadable:
            self._earlier += super().results()
            self._restart(event)
            messages = self._initials.feed(True, event.data)
        self._take_messages(messages, event)

    def _restart(self, event):
        self._forget(event)
        self._initials = QuicInitials()

    def over(self, now):
        """As TlsConnection's; the rest of its Initial packets is let pass."""
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

    def __init__(self, event, flights):
        super().__init__(event, flights)
        self._streams = {True: DtlsStream(), False: DtlsStream()}

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        self._take_messages(self._streams[event.outgoing].feed(event.data), event)


def udp_connection(event, flights, budget):
    """The connection that a first datagram begins. :arg event: WireData. :arg flights: Flights. :arg budget: QuicBudget."""
    if event.data[0] & _LONG_HEADER:
        return QuicConnection(event, flights, budget)
    return DtlsConnection(event, flights)
