# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any segments in any order: each is five octets (where it goes, how much was not copied, how long it is) and its data."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import MAX_HELD, TlsStream
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS

START = 2 ** 32 - 500  # so that sequence numbers pass zero


def segments(data):
    """(sequence, octets, payload_size) of the segments that data describes."""
    offset = 0
    while offset + 5 <= len(data):
        place = int.from_bytes(data[offset:offset + 2], "big")
        missing = data[offset + 2]
        end = offset + 5 + int.from_bytes(data[offset + 3:offset + 5], "big")
        octets = data[offset + 5:end]
        yield START + place & 0xFFFFFFFF, octets, len(octets) + missing
        offset = end


def seeds():
    for recording in RECORDINGS.values():
        for octets in (recording.from_client, recording.from_server):
            for size in (100, 600, 4000):
                yield b"".join(begin.to_bytes(2, "big") + b"\0" + len(octets[begin:begin + size]).to_bytes(2, "big") + octets[begin:begin + size]
                               for begin in range(0, len(octets), size))


def check(data):
    stream, general = TlsStream(), TlsStream()
    general._start_reassembly()  # as if the first segment were none that is taken at once
    dropped = 0
    for sequence, octets, payload_size in segments(data):
        messages = stream.feed(sequence, octets, payload_size)
        assert messages == general.feed(sequence, octets, payload_size) and stream.dropped == general.dropped
        for message in messages:
            assert isinstance(message.body, bytes) and len(message.body) <= MAX_HELD
        if stream._segments is None:
            continue
        waiting = stream._segments.waiting
        held = sum(len(waiting_octets) for waiting_octets, _size in waiting.values())
        assert stream._segments.held == held and len(waiting) <= 64
        assert len(stream._records) + len(stream._message) + held <= MAX_HELD
        assert stream.dropped >= dropped
        dropped = stream.dropped
