# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of an SSH connection in its first key exchange: both sides' proposals become one SshHandshake.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .handshake import FAILED, NEGOTIATED, UNANSWERED, SshHandshake
from .ssh_messages import negotiate
from .ssh_stream import SshStream

# How long a connection is waited for after its last plain-text byte: once both sides' proposals are known, and before. ns
_QUIET = 1_000_000_000
_PATIENCE = 15_000_000_000

_OTHER = {"client": "server", "server": "client", None: None}


class SshConnection:
    """One end of a TCP connection that began as SSH does. Attributes as TlsConnection's."""

    def __init__(self, event):
        """:arg event: WireData, the first one."""
        self.cookie = event.cookie
        self._gaps = 0
        self._streams = {True: SshStream(), False: SshStream()}
        self._banners = {}
        self._proposals = {}
        self._host_key = None
        self._disconnected = False
        self._owner = None
        self._first = self.last = event.time
        self._ends = event

    def take(self, event):
        """Take one WireData of this connection."""
        self.last = event.time
        for message in self._streams[event.outgoing].feed(event.sequence, event.data, event.payload_size):
            if message.kind == "banner":
                self._banners[event.outgoing] = message.value
            elif message.kind == "kexinit":
                self._proposals[event.outgoing] = message.value
                if event.outgoing:
                    self._owner = event.subject
            elif message.kind == "host_key":
                self._host_key = message.value
            elif message.kind == "disconnect":
                self._disconnected = True
            elif message.kind == "unreadable":
                self._gaps += message.value == "gap"

    def _role(self):
        return self._streams[True].role or _OTHER[self._streams[False].role]

    def over(self, now):
        """Whether nothing more is awaited.

        :arg now: int, ns since boot.
        :returns: bool.
        """
        if all(stream.done for stream in self._streams.values()):
            return True
        return now - self.last > (_QUIET if len(self._proposals) == 2 else _PATIENCE)

    def unfinished(self):
        """Whether one side's proposal is still missing."""
        return len(self._proposals) < 2

    def awaits_socket(self):
        """Whether a socket of its own may still take its place, as in TlsConnection."""
        return True not in self._banners

    def lost(self):
        """Directions that could not be read to the end because bytes are missing (int)."""
        return self._gaps

    def results(self):
        """List of the SshHandshake; empty where only one side is known to speak SSH, as in a port scan."""
        if len(self._banners) < 2:
            return []
        role, chosen = self._role(), None
        if len(self._proposals) == 2 and role is not None:
            chosen = negotiate(self._proposals[role == "client"], self._proposals[role == "server"])
        agreed = chosen is not None and not chosen.failed and not self._disconnected
        ends = self._ends
        return [SshHandshake(
            time=self._first, subject=self._owner, role=role, outcome=NEGOTIATED if agreed else FAILED if chosen or self._disconnected else UNANSWERED,
            software=_text(self._banners[True]), peer_software=_text(self._banners[False]), negotiated=chosen,
            host_key_bits=self._host_key.bits if self._host_key else None, local=ends.local, local_port=ends.local_port, remote=ends.remote,
            remote_port=ends.remote_port, offered=self._proposals.get(True))]


def _text(banner):
    return "SSH-%s-%s" % (banner.protocol, banner.software)
