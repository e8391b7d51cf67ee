# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers themselves: what a server says of a connection and what its client says is the same, before anything is compared with a profile."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.dtls_openssl import Dtls
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssh import SSH_CHOICES
from ansible_collections.cryptofleet.audit.tests.integration.peers.quic_aioquic import Quic
from ansible_collections.cryptofleet.audit.tests.integration.peers.stacks import TLS_STACKS


@pytest.mark.parametrize("stack", TLS_STACKS, ids=lambda stack: stack.name)
def test_server_and_client_of_a_stack_agree(stack, peer_site):
    with stack.serve(peer_site) as server:
        for version in stack.versions:
            group = stack.client_group.get(version)
            (client,) = stack.connect(server, Wanted(version, "self.example", group, ("http/1.1",)))
            (served,) = server.take()
            print(client, served, sep="\n")
            assert client.version == served.version == version
            assert client.cipher_suite == served.cipher_suite
            assert (client.role, served.role, client.sni) == ("client", "server", "self.example")
            assert served.sni in (None, "self.example")
            for field in ("group", "alpn", "resumed", "hello_retry"):
                reported = {getattr(one, field) for one in (client, served)} - {None}
                assert len(reported) <= 1, "%s: %s" % (field, reported)
            if group:
                assert client.group == group
            assert client.pid != served.pid > 1


@pytest.mark.parametrize("quic_version", ["1", "2"])
def test_both_ends_of_quic_agree(quic_version, peer_site):
    with Quic().serve(peer_site) as server:
        client = Quic().connect(server, "quic.example", "x25519", quic_version)
        (served,) = server.take()
    assert (client.version, client.cipher_suite, client.alpn) == (served.version, served.cipher_suite, served.alpn)
    assert client.pid != served.pid > 1


def test_both_ends_of_dtls_agree(peer_site):
    with Dtls().serve(peer_site) as server:
        client = Dtls().connect(server, Wanted("DTLS 1.2", "dtls.example"))
        (served,) = server.take()
    assert client.version == "DTLS 1.2"
    assert client[3:7] == served[3:7]


@pytest.mark.parametrize("options", SSH_CHOICES, ids=" ".join)
def test_both_ends_of_ssh_agree(options, ssh_peers):
    with ssh_peers.serve() as server:
        client = ssh_peers.connect(server, *options)
        (served,) = server.take()
    assert client[2:] == (served.peer_software, served.software, *served[4:])
    for option in options:
        assert option.partition("=")[2] in client, (option, client)
    assert len(served.pids) == 2
