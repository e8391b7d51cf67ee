# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handshake costs in user space: records of the ring buffer are decoded, joined and counted. And what each part that is there for speed saves of it."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from typing import NamedTuple
from unittest import mock

from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import segments, tls_connection, tls_stream
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.collector import HandshakeCollector
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.handshake import count_handshake
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.hello_cache import HelloCache
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, records
from measure import Result, value_row

_COUNT = 400  # handshakes of a run, each between other ports
_ADDRESS = b"\x7f\0\0\1"
_KNOWN_HELLO = 43  # bytes of a hello that was copied at its sender: KNOWN_HELLO of bpf/places.bpf.h
_ENCRYPTED = 2000  # bytes behind a ServerHello of TLS 1.3, which are not copied
_CLIENT, _SERVER = 10, 20  # process numbers
_SECOND = 1_000_000_000


class Load(NamedTuple):
    """Handshakes like a recorded one. segment: bytes of the server's segments. both_ends: the client is on this host, too."""

    recording: str
    both_ends: bool
    segment: int = 1 << 16
    known: bool = True  # of hellos that were copied at their sender only the beginning is copied again
    permuted: bool = False  # each client sends its extensions in another order, as Chrome does


_LOADS = {
    "TLS 1.3, both ends here": Load("openssl_tls13", True),
    "TLS 1.3, the server here": Load("openssl_tls13", False),
    "TLS 1.3 post-quantum, both ends here": Load("openssl4_pq", True),
    "TLS 1.3 post-quantum, both ends here, hellos copied twice": Load("openssl4_pq", True, known=False),
    "TLS 1.3 from Chrome, the server here": Load("chrome", False, permuted=True),
    "TLS 1.2, both ends here": Load("openssl_tls12_ecdhe_ecdsa", True),
    "TLS 1.2, the server here, 2 segments": Load("openssl_tls12_dhe_rsa", False, segment=1448),
}


def _record(at, pid, cookie, sequence, data, size, outgoing, port, flags=0):
    """A record of the ring buffer: struct wire_event of bpf/events.h. The server's port is 443."""
    server = cookie % 2
    ports = (443, port) if server else (port, 443)
    subject = events._SUBJECT.pack(pid, 1, _SECOND, 1, 0, 77, 4026531840, 0, b"x")
    body = subject + events._WIRE.pack(cookie, 77, 4026531840, sequence, size, len(data), 4, 6, outgoing, flags, *ports, 0, _ADDRESS, _ADDRESS) + data
    return events._HEADER.pack(events.EVENT_ABI, events.WIRE, events._HEADER.size + len(body), at) + body


def _fresh(hello, chance):
    """The record of a hello with another random and session id."""
    size = hello[43]
    return hello[:11] + chance.randbytes(32) + hello[43:44] + chance.randbytes(size) + hello[44 + size:]


def _permuted(hello, chance):
    """The record of a ClientHello with its extensions in another order."""
    offset = 44 + hello[43]
    offset += 2 + int.from_bytes(hello[offset:offset + 2], "big")
    offset += 1 + hello[offset]
    start, found = offset + 2, []
    offset = start
    while offset < len(hello):
        end = offset + 4 + int.from_bytes(hello[offset + 2:offset + 4], "big")
        found.append(hello[offset:end])
        offset = end
    chance.shuffle(found)
    return hello[:start] + b"".join(found)


def _made(load):
    """The records of many handshakes, as the programs in the kernel write them."""
    chance = random.Random(1)
    recording = RECORDINGS[load.recording]
    hello = next(records(recording.from_client))
    answer = list(records(recording.from_server))
    plain = b"".join(one for one in answer[1:] if one[0] == 22 and one[5] in (11, 12, 14)) if "tls12" in load.recording else b""
    found = []
    for number in range(_COUNT):
        at, port = (10 + number) * _SECOND // 1000, 1024 + number
        client, server = 2 * number + 2, 2 * number + 1
        sent = _fresh(hello, chance)
        if load.permuted:
            sent = _permuted(sent, chance)
        flight = _fresh(answer[0], chance) + plain
        known = _KNOWN_HELLO if load.both_ends and load.known else None
        flag = events.WIRE_KNOWN if known else 0
        if load.both_ends:
            found.append(_record(at, _CLIENT, client, 1, sent, len(sent), True, port))
        found.append(_record(at, 0, server, 1, sent[:known], len(sent), False, port, flag))
        parts = [(offset, flight[offset:offset + load.segment]) for offset in range(0, len(flight), load.segment)]
        for offset, part in parts:
            found.append(_record(at, _SERVER, server, 1 + offset, part, len(part) if plain else len(part) + _ENCRYPTED, True, port))
        if load.both_ends:
            found.append(_record(at, 0, client, 1, flight[:known], len(flight) if plain else len(flight) + _ENCRYPTED, False, port, flag))
    return found


def _cpu(made, expected):
    """CPU seconds of one handshake."""
    collector, counted, found = HandshakeCollector(), {_CLIENT: {}, _SERVER: {}}, 0
    began = time.process_time()
    for record in made:
        for handshake in collector.take(events.decode(record)):
            count_handshake(counted[handshake.subject.image.pid], handshake, 500)
            found += 1
    for handshake in collector.settle(0, everything=True):
        count_handshake(counted[handshake.subject.image.pid], handshake, 500)
        found += 1
    spent = time.process_time() - began
    if found != expected:
        raise RuntimeError("%d handshakes were found, not %d" % (found, expected))
    return spent / _COUNT


class _AlwaysReassembles(tls_stream.TlsStream):
    """A stream that has a reassembly from its first segment on."""

    __slots__ = ()

    def __init__(self):
        super().__init__()
        self._start_reassembly()


class _NoShortCut(segments.Segments):
    """A reassembly that never sees the sequence number it expects, before it is taken modulo 2**32."""

    __slots__ = ()

    def feed(self, sequence, data, payload_size):
        return super().feed(sequence - (1 << 32), data, payload_size)


_WITHOUT = {
    "without the cache of hellos": lambda: mock.patch.object(HelloCache, "parse", lambda self, body: self._parse(body)),
    "without the short cut for a lone hello": lambda: mock.patch.object(tls_connection, "TlsStream", _AlwaysReassembles),
    "without the short cut for the next segment": lambda: mock.patch.object(tls_stream, "Segments", _NoShortCut),
}


def handshakes(bench):
    """Each load with all parts and without each one, in turn."""
    rows, raw = [], {}
    for what, load in _LOADS.items():
        made, expected = _made(load), _COUNT * (1 + load.both_ends)
        spent = {name: [] for name in ("", *_WITHOUT)}
        for _each in range(bench.choose(40, 5)):
            for name, values in spent.items():
                with _WITHOUT[name]() if name else contextlib.nullcontext():
                    values.append(1e6 * _cpu(made, expected))
        rows.append(value_row("%s, CPU of a handshake in user space" % what, spent[""], "us"))
        for name in _WITHOUT:
            rows.append(value_row("  " + name, [100 * (value / whole - 1) for value, whole in zip(spent[name], spent[""])], "%", form="%+.0f"))
        rows.append(value_row("  bytes of its records", [sum(map(len, made)) / _COUNT], "bytes", form="%.0f"))
        raw[what] = {name or "whole": [min(values), statistics.median(values)] for name, values in spent.items()}
    return Result(rows, raw)
