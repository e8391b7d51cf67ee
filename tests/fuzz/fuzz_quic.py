# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams of a QUIC connection: an octet (who sent it, whether it is sealed here, version), two of its length, then the frames to seal or the datagram as it is."""

from __future__ import annotations

import functools

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import quic_initial
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.quic_initial import MAX_PACKETS, QuicInitials
from ansible_collections.cryptofleet.audit.tests.unit.support.quic_peer import (
    EXAMPLE_HELLO,
    EXAMPLE_RETRY,
    EXAMPLE_SERVER_HELLO,
    V1,
    V2,
    crypto,
    initial,
)

CLIENT, SEALED, SECOND = 1, 2, 4  # bits of the octet
MAX_MESSAGE = 1 << 14

quic_initial.InitialKeys = functools.lru_cache(256)(quic_initial.InitialKeys)  # most of the time goes there, and nothing of it depends on frames


def part(flags, octets):
    return bytes([flags]) + len(octets).to_bytes(2, "big") + octets


def seeds():
    ack = bytes.fromhex("0200000000")
    hello, answer = crypto(0, EXAMPLE_HELLO), crypto(0, EXAMPLE_SERVER_HELLO)
    yield part(CLIENT | SEALED, hello) + part(SEALED, ack + answer)
    yield part(CLIENT | SEALED, crypto(100, EXAMPLE_HELLO[100:])) + part(CLIENT | SEALED, b"\1\0" + crypto(0, EXAMPLE_HELLO[:100])) + part(SEALED | SECOND, ack + answer)
    yield part(CLIENT, initial(hello)) + part(0, EXAMPLE_RETRY[V1])
    yield part(CLIENT, initial(hello, version=V2)) + part(0, EXAMPLE_RETRY[V2])
    yield part(CLIENT | SEALED, hello) + part(SEALED, b"\3\0\0\1\0\0\0\1\1\1\x1c\x41\x28\6\0") + part(0, b"\x80\0\0\0\0\0\0\0\0\0\1")


def check(data):
    connection = QuicInitials()
    offset, number = 0, 0
    while offset + 3 <= len(data):
        flags, size = data[offset], int.from_bytes(data[offset + 1:offset + 3], "big")
        datagram = data[offset + 3:offset + 3 + size]
        offset += 3 + size
        of_client = bool(flags & CLIENT)
        if flags & SEALED:
            datagram = initial(datagram + b"\0" * 4, number=number, of_client=of_client, version=V2 if flags & SECOND else V1)
            number += 1
        for message in connection.feed(of_client, datagram):
            assert isinstance(message.body, bytes) and len(message.body) <= MAX_MESSAGE
        assert connection._packets <= MAX_PACKETS + 1 and len(connection._keys) <= 8
        assert all(len(side._buffer) <= 1 << 16 for side in connection._sides.values())
