# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stack, as server and as client, in TLS 1.2 and 1.3: what it says of its own connections is what the profile of the host says."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.stacks import TLS_STACKS
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, handshake, handshakes, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import certificate_facts

_CASES = [(stack.name, version) for stack in TLS_STACKS for version in stack.versions]
# PostgreSQL and SMTP begin in plain text, each in its own way: no client of another stack can speak to them.
_DIRECT = [stack for stack in TLS_STACKS if stack.name not in ("PostgreSQL", "SMTP STARTTLS")]
_PAIRS = [(client, server) for number, client in enumerate(_DIRECT) for server in (_DIRECT[(number + 1) % len(_DIRECT)], _DIRECT[(number + 3) % len(_DIRECT)])]
_CROSS = [(client.name, server.name, version) for client, server in _PAIRS for version in client.versions]


def _host_name(*parts):
    return "".join(letter if letter.isalnum() else "-" for letter in "-".join(parts).lower()) + ".example"


@pytest.fixture(scope="module")
def seen(peer_site):
    """One window of the whole host: {(client, server, version): (what the client said, what the server said)} and the profile."""
    rows = {}
    with contextlib.ExitStack() as running:
        servers = {stack.name: running.enter_context(stack.serve(peer_site)) for stack in TLS_STACKS}
        with wire_traced() as window:
            for client, server in [(stack, stack) for stack in TLS_STACKS] + _PAIRS:
                for version in client.versions:
                    group = client.client_group.get(version) if client is server else None
                    alpn = () if client.name in ("PostgreSQL", "SMTP STARTTLS") else ("http/1.1",)
                    wanted = Wanted(version, _host_name(client.name, server.name, version), group, alpn)
                    (said,) = client.connect(servers[server.name], wanted)
                    (served,) = servers[server.name].take()
                    rows[client.name, server.name, version] = tuple(Row(one, wanted, servers[server.name].port) for one in (said, served))
            window.settle()
    return rows, window.profile


def _check(seen, key, table):
    rows, profile = seen
    for row in rows[key]:
        found = handshakes(profile, row.said.pid, role=row.said.role, sni=row.wanted.sni)
        table.add("%s -> %s" % key[:2], row.said, found[0] if len(found) == 1 else None)
    return [assert_agrees(profile, row) for row in rows[key]]


@pytest.mark.parametrize(("name", "version"), _CASES)
def test_both_peers_of_a_stack(seen, agreement_table, peer_site, name, version):
    client, server = _check(seen, (name, name, version), agreement_table)
    for key in ("version", "cipher_suite", "group", "signature_algorithm", "alpn", "hello_retry", "certificate", "offered"):
        assert client[key] == server[key]
    if version == "TLS 1.2":
        expected = certificate_facts(peer_site.certificate)
        assert {key: client["certificate"][key] for key in expected} == expected
        assert client["signature_algorithm"]["name"]
    else:
        assert (client["certificate"], client["signature_algorithm"], client["alpn"]) == (None, None, None)


@pytest.mark.parametrize(("client", "server", "version"), _CROSS)
def test_one_stack_speaks_to_another(seen, agreement_table, client, server, version):
    one, other = _check(seen, (client, server, version), agreement_table)
    for key in ("version", "cipher_suite", "group", "signature_algorithm", "alpn", "hello_retry", "certificate", "offered"):
        assert one[key] == other[key]


def test_no_handshake_is_reported_that_was_not_there(seen):
    rows, profile = seen
    ours = {(row.said.pid, row.said.role, row.wanted.sni) for pair in rows.values() for row in pair}
    reported = {(entry["pid"], item["role"], item["sni"]) for entry in profile["processes"] for item in entry["tls"] if entry["pid"] in {pid for pid, _r, _s in ours}}
    assert reported == ours
    assert sum(item["count"] for entry in profile["processes"] for item in entry["tls"] if (entry["pid"], item["role"], item["sni"]) in ours) == len(ours)


def test_none_is_unattributed(seen):
    rows, profile = seen
    assert not {item["sni"] for item in profile["unattributed"]["tls"]} & {row.wanted.sni for pair in rows.values() for row in pair}


def test_the_hybrid_group_is_named(seen):
    """The hello that offers it is split over segments on most links; its name is IANA's."""
    rows, profile = seen
    for row in rows["pyOpenSSL", "pyOpenSSL", "TLS 1.3"]:
        assert handshake(profile, row.said.pid, role=row.said.role, sni=row.wanted.sni)["group"] == {"name": "X25519MLKEM768", "code": "0x11ec"}
