# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A window of some processes has their handshakes and no others."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.nginx_curl import NginxCurl
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.python_ssl import PythonSsl
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, brief, handshake, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, speaking


@pytest.fixture
def running(peer_site):
    """An nginx, a Python server and a forking one; call connect() to have a client speak to each, and for the rows of what they say."""
    with contextlib.ExitStack() as stack:
        nginx, other = stack.enter_context(NginxCurl().serve(peer_site)), stack.enter_context(PythonSsl().serve(peer_site))
        forking = stack.enter_context(speaking("tls_forking_server.py", peer_site.certificate, peer_site.key))
        port = int(forking.hear())

        def connect():
            rows = SimpleNamespace()
            for name, client, server in (("nginx", NginxCurl(), nginx), ("other", Openssl(), other)):
                wanted = Wanted("TLS 1.3", name + ".example")
                setattr(rows, name, [Row(said, wanted, server.port) for said in client.connect(server, wanted) + server.take()])
            rows.forked_client = int(python("tls_client.py", port, "forked.example").stdout.split("|")[0])
            rows.forked = int(forking.hear().split("|")[0])
            return rows

        yield SimpleNamespace(nginx=nginx.pid, other=other.pid, forking=forking.pid, connect=connect)


def _reported(profile):
    ends = [item for entry in profile["processes"] for item in entry["tls"]] + profile["unattributed"]["tls"]
    return sorted((item["role"], item["sni"]) for item in ends if item["sni"] and item["sni"].endswith(".example"))


def test_of_a_pid(running):
    with wire_traced(pids=[running.other]) as window:
        rows = running.connect()
        window.settle()
    assert_agrees(window.profile, rows.other[1])
    assert _reported(window.profile) == [("server", "other.example")]


def test_of_a_name_with_the_workers_of_its_master(running):
    with wire_traced(names=["nginx"]) as window:
        rows = running.connect()
        window.settle()
    assert rows.nginx[1].said.pid != running.nginx
    assert_agrees(window.profile, rows.nginx[1])
    assert _reported(window.profile) == [("server", "nginx.example")], [brief(item) for item in window.profile["unattributed"]["tls"]]


def test_of_a_process_and_the_children_it_makes_later(running):
    with wire_traced(pids=[running.forking]) as window:
        rows = running.connect()
        window.settle()
    assert handshake(window.profile, rows.forked, role="server", sni="forked.example")["outcome"] == "negotiated"
    assert _reported(window.profile) == [("server", "forked.example")]


def test_not_of_the_children_where_they_are_not_followed(running):
    with wire_traced(pids=[running.forking], follow_children=False) as window:
        running.connect()
        window.settle()
    assert _reported(window.profile) == []
