# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes as what a server says: the first byte says as which message, and of which cipher suite."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_messages as tls
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.hello_cache import server_hello_cache
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import server_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import TlsStream
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS

# ECDHE, DHE, each signed, with a pre-shared key, and anonymous; RSA; unknown
SUITES = [0xC02F, 0x009E, 0xC037, 0x00AA, 0xC0AA, 0xC018, 0x0034, 0x002F, 0x9999]

CACHE = server_hello_cache(server_hello)


def seeds():
    for recording in RECORDINGS.values():
        for message in TlsStream().feed(0, recording.from_server, len(recording.from_server)):
            if message.kind == "server_hello":
                yield b"\x00" + message.body
            elif message.kind == "certificate":
                yield b"\x01" + message.body
            elif message.kind == "server_key_exchange":
                for number in range(len(SUITES)):
                    yield bytes((2 + number,)) + message.body


def check(data):
    kind, body = data[:1], data[1:]
    try:
        if kind == b"\x00":
            hello = CACHE.parse(body)
            assert hello == server_hello(body)
            assert all(0 <= code <= 0xFFFF for code in (hello.version, hello.cipher_suite, hello.group or 0))
        elif kind == b"\x01":
            found = tls.certificates(body)
            assert len(found) <= 10 and sum(map(len, found)) <= 64 * 1024
        elif kind:
            number = kind[0]
            exchange = tls.server_key_exchange(body, SUITES[number % len(SUITES)], 0x0301 + number % 3)
            assert (exchange.dh_bits or 0) <= 8 * len(body)
    except tls.MalformedMessage:
        pass
