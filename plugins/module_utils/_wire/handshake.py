# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One handshake as it was seen on the wire, and how equal ones of a process are counted together.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Optional

NEGOTIATED, FAILED, UNANSWERED = "negotiated", "failed", "unanswered"


class TlsHandshake(NamedTuple):
    """One end of one TLS handshake. Numbers are IANA's code points."""

    time: int  # ns since boot
    subject: Any  # Subject of _kernel.events, or None where the process is not certain
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
    local: bytes  # address, 4 or 16 bytes
    local_port: int
    remote: bytes
    remote_port: int
    resumed: Optional[bool]
    hello_retry: bool
    alert: Optional[int]
    certificate: Optional[bytes]  # DER
    offered: Any  # ClientHello of _wire.tls_hellos

    kind = "tls"

    def identity(self):
        """What handshakes of one process are counted together by: all that was negotiated, and the ports that stay the same.

        :returns: tuple.
        """
        return (self.transport, self.outcome, self.version, self.cipher_suite, self.group, self.dh_bits, self.signature_algorithm,
                self.sni, self.alpn, self.resumed, self.hello_retry, self.alert) + _endpoints(self)


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
        return (self.outcome, self.software, self.peer_software, self.negotiated, self.host_key_bits) + _endpoints(self)


def _endpoints(handshake):
    """Role and addresses, with the port of the server's end only: a client's end has another one each time."""
    server = handshake.role == "server"
    return (handshake.role, handshake.local, handshake.local_port if server else None, handshake.remote, None if server else handshake.remote_port)


@dataclasses.dataclass
class HandshakeRecord:
    """Handshakes of one kind by one process. Times in ns since boot."""

    seen: Any  # TlsHandshake or SshHandshake: the first of them
    count: int
    first_seen: int
    last_seen: int


def count_handshake(records, handshake, limit):
    """Count a handshake among those of its process.

    Once a server's records fill half the limit, handshakes with further peers are counted together, without an address: what was
    negotiated, and how often, stays exact.

    :arg records: dict of identity -> HandshakeRecord, those of the process; gets a new one where none is equal.
    :arg handshake: TlsHandshake or SshHandshake.
    :arg limit: int, entries in records at most.
    :returns: ``(HandshakeRecord, bool whether it is new)``, or ``(None, False)`` where there is no room.
    """
    identity = handshake.identity()
    record = records.get(identity)
    if record is None and handshake.role == "server" and 2 * len(records) >= limit:
        handshake = handshake._replace(remote=b"", remote_port=0)
        identity = handshake.identity()
        record = records.get(identity)
    if record is not None:
        record.count += 1
        if handshake.time > record.last_seen:
            record.last_seen = handshake.time
        elif handshake.time < record.first_seen:
            record.first_seen = handshake.time
        return record, False
    if len(records) >= limit:
        return None, False
    record = records[identity] = HandshakeRecord(handshake, 1, handshake.time, handshake.time)
    return record, True
