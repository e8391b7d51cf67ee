# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QUIC server or client of aioquic; the argument is JSON, as base.py makes it."""

import asyncio
import json
import os
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite, Context, Group

VERSIONS = {"1": QuicProtocolVersion.VERSION_1, "2": QuicProtocolVersion.VERSION_2}
order = json.loads(sys.argv[1])
plain_init = Context.__init__


def one_group_only(self, *arguments, **options):
    plain_init(self, *arguments, **options)
    if order["group"]:
        self._supported_groups = [Group[order["group"].upper()]]


Context.__init__ = one_group_only


class Speaker(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            print("said " + json.dumps({"role": order["role"], "pid": os.getpid(), "version": "TLSv1.3",
                                        "cipher_suite": "TLS_" + CipherSuite(self._quic.tls.key_schedule.cipher_suite).name,
                                        "sni": order["sni"],
                                        "alpn": event.alpn_protocol or "", "resumed": event.session_resumed}), flush=True)


async def serve_forever():
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq-interop"])
    configuration.load_cert_chain(order["certificate"], order["key"])
    server = await serve(order["address"], 0, configuration=configuration, create_protocol=Speaker)
    print("port %d" % server._transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


async def connect_once():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=order["alpn"], server_name=order["sni"], verify_mode=0)
    configuration.supported_versions = [VERSIONS[order["quic_version"]]]
    configuration.original_version = VERSIONS[order["quic_version"]]
    async with connect(order["address"], order["port"], configuration=configuration, create_protocol=Speaker) as client:
        await client.ping()


asyncio.run(serve_forever() if order["role"] == "server" else connect_once())
