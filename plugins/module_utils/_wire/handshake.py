# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One handshake as the wire showed it, and how equal ones are counted together.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Optional

NEGOTIATED, FAILED, UNANSWERED = "negotiated", "failed", "unanswered"


class TlsHandshake(NamedTuple):
    """One end of one TLS handshake. Numbers are IANA's code points; addresses are 4 or 16 bytes.

    subject is None where no process is known for sure; time is in ns since boot.
    """

    time: int
    subject: Any  # Subject of _kernel.events
    role: str
    transport: str
    outcome: str
    version: Optional[int]
    cipher_suite: Optional[int]
    group: Optional[int]
    dh_bits: Optional[int]
    signature_algorithm: Optional[int]
    sni: Optional[str]
    alpn: Optional[str]
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    resumed: Optional[bool]
    hello_retry: bool
    alert: Optional[int]
    certificate: Optional[bytes]  # DER
    offered: Any  # ClientHello of _wire.tls_messages

    kind = "tls"

    def identity(self):
        """What handshakes of one process are counted together by: all that was negotiated, and the ports that stay the same."""
        return self[3:12] + _ends(self) + self[16:19]


class SshHandshake(NamedTuple):
    """One end of one SSH key exchange; as TlsHandshake. Names are those of the protocol."""

    time: int
    subject: Any
    role: Optional[str]
    outcome: str
    software: Optional[str]
    peer_software: Optional[str]
    negotiated: Any  # Negotiated of _wire.ssh_messages, or None
    host_key_bits: Optional[int]
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    offered: Any  # KexInit of _wire.ssh_messages, of this side

    kind = "ssh"

    def identity(self):
        """As TlsHandshake's."""
        return self[3:8] + _ends(self)


def _ends(handshake):
    """Addresses, with the port of the server's end only: a client's end has another one each time."""
    server = handshake.role == "server"
    return (handshake.role, handshake.local, handshake.local_port if server else None, handshake.remote, None if server else handshake.remote_port)


@dataclasses.dataclass
class HandshakeRecord:
    """Handshakes of one kind by one process. Times in ns since boot."""

    seen: Any  # TlsHandshake or SshHandshake of _wire.handshakes: what the first of them showed
    count: int
    first_seen: int
    last_seen: int


def hold(held, seen, most):
    """Count a handshake among those of its process.

    A server with more peers than half the bound has its further ones counted together, without an address: what was negotiated,
    and how often, stays exact.

    :arg held: dict of identity -> HandshakeRecord. :arg seen: TlsHandshake or SshHandshake. :arg most: int, entries in held.
    :returns: ``(HandshakeRecord, whether it is new)``, or ``(None, False)`` where there is no room.
    """
    identity = seen.identity()
    record = held.get(identity)
    if record is None and seen.role == "server" and 2 * len(held) >= most:
        seen = seen._replace(remote=b"", remote_port=0)
        identity = seen.identity()
        record = held.get(identity)
    if record is not None:
        record.count += 1
        record.first_seen = min(record.first_seen, seen.time)
        record.last_seen = max(record.last_seen, seen.time)
        return record, False
    if len(held) >= most:
        return None, False
    record = held[identity] = HandshakeRecord(seen, 1, seen.time, seen.time)
    return record, True
