# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams of one side of a DTLS connection: two octets of their length, then they."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.dtls import DtlsStream
from ansible_collections.cryptofleet.audit.tests.unit.support.recorded import recordings

MAX_MESSAGE = 1 << 14


def seeds():
    for datagrams in recordings("dtls.txt").values():
        for wanted in ("client", "server"):
            yield b"".join(len(octets).to_bytes(2, "big") + octets for side, octets in datagrams if side == wanted)


def check(data):
    stream = DtlsStream()
    offset = 0
    while offset + 2 <= len(data):
        end = offset + 2 + int.from_bytes(data[offset:offset + 2], "big")
        for message in stream.feed(data[offset + 2:end]):
            assert isinstance(message.body, bytes) and len(message.body) <= MAX_MESSAGE
        assert len(stream._partial) <= 4 and all(len(partial.body) < MAX_MESSAGE for partial in stream._partial.values())
        offset = end
