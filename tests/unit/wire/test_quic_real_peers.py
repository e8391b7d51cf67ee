# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of aioquic on the loopback, read from the datagrams that pass a proxy."""
from __future__ import annotations

import asyncio
import datetime

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.quic_initial import QuicInitials
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import client_hello, server_hello
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

V1, V2 = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quic.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1).not_valid_before(
        now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return built, key


class Far(asyncio.DatagramProtocol):
    """The proxy's side of the server."""

    def __init__(self, near):
        self.near = near

    def datagram_received(self, data, address):
        self.near.passed.append((False, data))
        self.near.transport.sendto(data, self.near.client)


class Near(asyncio.DatagramProtocol):
    """The proxy's side of the client. passed: (whether the client sent it, datagram)."""

    def __init__(self):
        self.passed = []
        self.far = self.client = self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.client = address
        self.passed.append((True, data))
        self.far.sendto(data)


async def converse(certificate, server_options, client_options, retry):
    """Let a client connect and close. :returns: list of (whether the client sent it, datagram)."""
    loop = asyncio.get_running_loop()
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq"], certificate=certificate[0], private_key=certificate[1])
    vars(configuration).update(server_options)
    server = await serve(LOOPBACK, 0, configuration=configuration, retry=retry)
    transport, near = await loop.create_datagram_endpoint(Near, local_addr=(LOOPBACK, 0))
    near.far, far = await loop.create_datagram_endpoint(lambda: Far(near), remote_addr=server._transport.get_extra_info("sockname"))
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["hq"], verify_mode=0, server_name="quic.example", idle_timeout=5)
    vars(configuration).update(client_options)
    try:
        async with connect(LOOPBACK, transport.get_extra_info("sockname")[1], configuration=configuration):
            pass
    except ConnectionError:
        near.passed.append((True, b""))  # what was to be refused
    finally:
        server.close()
        near.far.close()
        transport.close()
    return near.passed


def read(certificate, server_options=None, client_options=None, retry=False):
    """The messages of both sides of such a connection, and what read them."""
    connection, found = QuicInitials(), {True: [], False: []}
    for from_client, datagram in asyncio.run(converse(certificate, server_options or {}, client_options or {}, retry)):
        found[from_client] += connection.feed(from_client, datagram)
    return found[True], found[False], connection


@pytest.mark.parametrize("server_options, client_options, retry, version, before, unreadable", [
    ({}, {}, False, V1, [], 0),
    ({}, {}, True, V1, ["retry"], 0),
    ({"supported_versions": [V2]}, {"supported_versions": [V2], "original_version": V2}, False, V2, [], 0),
    ({"supported_versions": [V2]}, {"supported_versions": [V2], "original_version": V2}, True, V2, ["retry"], 0),
    ({"supported_versions": [V2, V1]}, {"supported_versions": [V2, V1], "original_version": V1}, False, V2, [], 1),  # this client seals its ACK for version 2 with the keys of version 1
    ({"supported_versions": [V2]}, {"supported_versions": [V2, V1], "original_version": V1}, False, V2, ["version_negotiation"], 0),
])
def test_the_hellos_of_real_connections(certificate, server_options, client_options, retry, version, before, unreadable):
    client, server, connection = read(certificate, server_options, client_options, retry)
    hello = client_hello(client[-1].body)
    assert (hello.server_name, hello.alpn, hello.versions) == ("quic.example", ("hq",), (0x0304,))
    assert [message.kind for message in server] == before + ["server_hello"]
    answer = server_hello(server[-1].body)
    assert (answer.version, answer.cipher_suite in hello.cipher_suites, answer.group in hello.key_shares) == (0x0304, True, True)
    assert (connection.version, connection.retried, connection.unreadable, connection.broken) == (version, retry, unreadable, False)


def test_a_hello_of_two_datagrams(certificate):
    client, server, connection = read(certificate, client_options={"alpn_protocols": ["hq"] + ["protocol-%d" % at for at in range(120)]})
    assert len(client_hello(client[0].body).alpn) == 121 and len(client[0].body) > 1400
    assert [message.kind for message in server] == ["server_hello"]


def test_a_real_refusal(certificate):
    client, server, connection = read(certificate, client_options={"alpn_protocols": ["other"]})
    assert [message.kind for message in client] == ["client_hello"]
    assert ("alert", 120) in [(message.kind, message.body[-1]) for message in server]  # no_application_protocol (RFC 7301, 3.2)
