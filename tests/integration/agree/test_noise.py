# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser's hello with GREASE, and bytes that are no TLS or only look like it."""

from __future__ import annotations

import random
import socket
import struct
import threading
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import GREASE, code_points, handshake, listed, wire_traced

_GREASE_1, _GREASE_2, _GREASE_3 = 0x3A3A, 0xDADA, 0x0A0A


def _vector(size, data):
    return len(data).to_bytes(size, "big") + data


def _extension(kind, data=b""):
    return struct.pack(">H", kind) + _vector(2, data)


def _numbers(*values):
    return b"".join(struct.pack(">H", value) for value in values)


def browser_hello(name):
    """A ClientHello with the suites, extensions and places of GREASE that Chrome's has (RFC 8701 for the values)."""
    suites = _numbers(_GREASE_1, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x9C, 0x9D, 0x2F, 0x35)
    shares = _numbers(_GREASE_2) + _vector(2, b"\0") + _numbers(0x1D) + _vector(2, random.randbytes(32))
    extensions = b"".join((
        _extension(_GREASE_3), _extension(0, _vector(2, b"\0" + _vector(2, name.encode()))), _extension(23), _extension(65281, b"\0"),
        _extension(10, _vector(2, _numbers(_GREASE_2, 0x1D, 0x17, 0x18))), _extension(11, b"\1\0"), _extension(35),
        _extension(16, _vector(2, _vector(1, b"h2") + _vector(1, b"http/1.1"))), _extension(5, b"\1\0\0\0\0"),
        _extension(13, _vector(2, _numbers(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))), _extension(18),
        _extension(51, _vector(2, shares)), _extension(45, b"\1\1"), _extension(43, _vector(1, _numbers(_GREASE_1, 0x0304, 0x0303))),
        _extension(27, b"\2\0\2"), _extension(0x4469, _vector(2, _vector(1, b"h2"))), _extension(_GREASE_1, b"\0"), _extension(21, bytes(175)),
    ))
    body = b"\3\3" + random.randbytes(32) + _vector(1, random.randbytes(32)) + _vector(2, suites) + b"\1\0" + _vector(2, extensions)
    return b"\x16\3\1" + _vector(2, b"\1" + _vector(3, body))


def _noises():
    """{what it is: bytes}, the same in each run."""
    dice = random.Random(8701)
    hello = browser_hello("noise.example")
    return {
        "random": dice.randbytes(4096),
        "zeros": bytes(4096),
        "a record that never ends": b"\x16\3\1\xff\xff\1\0\xff\xfb" + dice.randbytes(60000),
        "a hello of nothing": b"\x16\3\1\0\4\1\0\0\0",
        "a hello in a record that is too short": b"\x16\3\1\0\6\1\0\2\0\3\3" + dice.randbytes(512),
        "a hello cut off": hello[:200],
        "a hello with lengths beyond its end": hello[:76] + b"\xff\xff" + hello[78:],
        "a hello with its bytes mixed": hello[:9] + bytes(dice.sample(list(hello[9:]), len(hello) - 9)),
        "a server's hello from a client": b"\x16\3\3\0\x2c\2\0\0\x28\3\3" + dice.randbytes(37),
        "only alerts": b"\x15\3\3\0\2\2\x28" * 100,
        "changes of nothing": b"\x14\3\3\0\1\1" * 200,
        "SSH without a key exchange": b"SSH-2.0-noise\r\n" + dice.randbytes(3000),
        "SSH that never ends its line": b"SSH-" + b"A" * 9000,
        "many small records": b"".join(b"\x16\3\3\0\1" + bytes([value]) for value in dice.randbytes(400)),
    }


@pytest.fixture(scope="module")
def seen(peer_site):
    noises = _noises()
    with Openssl().serve(peer_site) as server, socket.create_server(("127.0.0.1", 0)) as listener:

        def swallow():
            for _number in noises:
                sock, _peer = listener.accept()
                with sock:
                    while sock.recv(65536):
                        pass
                    sock.sendall(random.Random(1).randbytes(500))

        reader = threading.Thread(target=swallow, daemon=True)
        reader.start()
        with wire_traced() as window:
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.sendall(browser_hello("browser.example"))
                answer = sock.recv(65536)
            for data in noises.values():
                with socket.create_connection(listener.getsockname()) as sock:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    sock.recv(1000)
            reader.join()
            window.settle()
        return SimpleNamespace(profile=window.profile, server=server.pid, answer=answer, port=listener.getsockname()[1])


def test_a_browsers_hello_is_reported_without_its_grease(seen):
    assert seen.answer.startswith(b"\x16\3\3") and seen.answer[5] == 2
    entry = handshake(seen.profile, seen.server, role="server", sni="browser.example")
    suite = "0x" + seen.answer[76:78].hex()  # behind record, message, version, random and the session id of 32 bytes
    assert (entry["version"]["name"], entry["cipher_suite"]["code"], entry["group"]["name"]) == ("TLS 1.3", suite, "x25519")
    assert not GREASE & set(code_points(entry))
    assert listed(entry, "versions") == ["TLS 1.3", "TLS 1.2"]
    assert listed(entry, "groups") == ["x25519", "secp256r1", "secp384r1"]
    assert listed(entry, "key_shares") == ["x25519"]
    assert listed(entry, "alpn") == ["h2", "http/1.1"]
    assert listed(entry, "cipher_suites")[:4] == ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
                                                  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    assert len(listed(entry, "cipher_suites")) == 15
    assert len(listed(entry, "signature_algorithms")) == 8


def _of_noise(seen, kind):
    ends = [item for entry in seen.profile["processes"] for item in entry[kind]] + seen.profile["unattributed"][kind]
    return [item for item in ends if seen.port in (item["local"]["port"], item["peer"]["port"])]


def test_noise_is_never_reported_as_negotiated(seen):
    assert not [item for kind in ("tls", "ssh") for item in _of_noise(seen, kind) if item["outcome"] == "negotiated"]


def test_nothing_of_noise_is_reported_as_an_offer(seen):
    """None of it is a hello that can be read."""
    assert not [item for item in _of_noise(seen, "tls") if item["offered"]]
