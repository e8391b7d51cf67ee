# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resumed sessions, and servers that ask for another ClientHello: the profile agrees with both peers."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.gnutls import Gnutls
from ansible_collections.cryptofleet.audit.tests.integration.peers.go import Go
from ansible_collections.cryptofleet.audit.tests.integration.peers.java import Java
from ansible_collections.cryptofleet.audit.tests.integration.peers.nginx_curl import NginxCurl
from ansible_collections.cryptofleet.audit.tests.integration.peers.node import Node
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.pyopenssl import PyOpenssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.python_ssl import PythonSsl
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, handshakes, wire_traced

_RESUMING = [Openssl(), NginxCurl(), PythonSsl(), Gnutls(), Java(), Go(), Node()]
_CASES = [(stack.name, version) for stack in _RESUMING for version in stack.versions]
_RETRIED = [Go(), Openssl(), Java(), PyOpenssl(), Gnutls()]  # clients; none of them sends a share for the server's only group


class GoOfOneGroup(Go):
    server_group = "secp384r1"


@pytest.fixture(scope="module")
def seen(peer_site):
    """Rows by (stack, version), or (stack, "retry"), and the profile."""
    rows = {}
    with contextlib.ExitStack() as running:
        servers = {stack.name: running.enter_context(stack.serve(peer_site)) for stack in _RESUMING}
        choosy = running.enter_context(GoOfOneGroup().serve(peer_site))
        openssl = running.enter_context(Openssl().serve(peer_site, "-groups", "P-521"))
        with wire_traced() as window:
            for stack in _RESUMING:
                for version in stack.versions:
                    wanted = Wanted(version, "again-%d.example" % len(rows), resume=True)
                    said = stack.connect(servers[stack.name], wanted) + servers[stack.name].take(2)
                    rows[stack.name, version] = [Row(one, wanted, servers[stack.name].port) for one in said]
            for stack in _RETRIED:
                for server in (choosy, openssl):
                    wanted = Wanted("TLS 1.3", "retry-%d.example" % len(rows))
                    if stack.name == "Go" and server is openssl:
                        continue  # its default shares are for groups that s_server of OpenSSL 3.0 does not know; the other way round is above
                    said = stack.connect(server, wanted) + server.take()
                    rows[stack.name, server] = [Row(one, wanted, server.port) for one in said]
            window.settle()
    return rows, window.profile, choosy, openssl


@pytest.mark.parametrize(("name", "version"), _CASES)
def test_a_resumed_session_is_reported_as_both_peers_say(seen, agreement_table, name, version):
    rows, profile = seen[:2]
    assert [row.said.resumed for row in rows[name, version]] == [False, True, False, True], rows[name, version]
    for row in (row for row in rows[name, version] if row.said.resumed):
        found = handshakes(profile, row.said.pid, role=row.said.role, sni=row.wanted.sni, resumed=True)
        agreement_table.add("%s -> %s" % (name, name), row.said, found[0] if len(found) == 1 else None)
    for row in rows[name, version]:
        entry = assert_agrees(profile, row)
        if row.said.resumed:
            assert entry["certificate"] is None
            assert bool(entry["group"]) == (version == "TLS 1.3")  # all of these take a new share; TLS 1.2 has none


@pytest.mark.parametrize("name", [stack.name for stack in _RETRIED])
def test_a_hello_retry_is_reported(seen, agreement_table, name):
    rows, profile, choosy, openssl = seen
    for server, group in ((choosy, "secp384r1"), (openssl, "secp521r1")):
        for row in rows.get((name, server), ()):
            entry = assert_agrees(profile, row)
            agreement_table.add("%s -> %s, retry" % (name, "Go" if server is choosy else "openssl"), row.said, entry)
            assert entry["hello_retry"] is True
            assert entry["group"]["name"] == group
            assert row.said.hello_retry in (None, True)
