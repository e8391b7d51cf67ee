# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both directions of an SSH connection: segments of four octets (how much was not copied and the direction, where it goes, how long it is) and their data."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.ssh_messages import Negotiated, negotiate
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.ssh_stream import SshStream
from ansible_collections.cryptofleet.audit.tests.unit.support.recorded import recordings

START = 2 ** 32 - 500  # so that sequence numbers pass zero
MAX_HELD = 40 << 10
SEGMENT = 1500


def segment(side, shift, octets):
    return bytes([side, 128 + shift]) + len(octets).to_bytes(2, "big") + octets


def seeds():
    for sides in recordings("ssh.txt").values():
        for size in (200, SEGMENT):
            yield b"".join(segment(side == "client", 0, octets[at:at + size]) for side, octets in sides for at in range(0, len(octets), size))
    yield segment(1, 0, b"text\r\nSSH-2.0-x\r\n") + segment(0, 0, b"SSH-1.5-x\n") + segment(1, 1, b"\0") + segment(1, -1, b"\0\0")


def check(data):
    streams = [SshStream(), SshStream()]
    ends = [START, START]
    offers = [None, None]
    offset = 0
    while offset + 4 <= len(data):
        side = data[offset] & 1
        end = offset + 4 + int.from_bytes(data[offset + 2:offset + 4], "big")
        octets = data[offset + 4:end]
        sequence = ends[side] + data[offset + 1] - 128
        done = streams[side].done
        found = streams[side].feed(sequence & 0xFFFFFFFF, octets, len(octets) + (data[offset] >> 1))
        assert not (done and found)
        for message in found:
            assert message.kind in ("banner", "kexinit", "host_key", "new_keys", "disconnect", "unreadable")
            if message.kind == "kexinit":
                offers[side] = message.value
        held = streams[side]._segments.held if streams[side]._segments else 0
        assert len(streams[side]._buffer) + held <= MAX_HELD
        ends[side] += len(octets)
        offset = end
    if all(offers):
        check_negotiated(offers[0], offers[1], negotiate(*offers))


def check_negotiated(client, server, value):
    for at, name in enumerate(Negotiated._fields[:6]):
        assert value[at] is None or value[at] in client[at] and value[at] in server[at]
        assert name not in value.failed or value[at] is None
