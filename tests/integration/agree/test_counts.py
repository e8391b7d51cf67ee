# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every handshake counts: thousands in a row, and a few among a transfer at full speed."""

from __future__ import annotations

import concurrent.futures
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import brief, handshakes, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, speaking

_MANY = 5000
_CLIENTS = 2  # programs at once: each makes half of them
_RATE = 20  # a second
_AMONG = 80


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("counts"), newkey="ec:P-256")


def _several(port, number, pause, name):
    done = python("tls_many_handshakes.py", port, number, pause, name)
    assert done.stdout.strip() == str(number)
    return done.pid


@pytest.fixture(scope="module")
def seen(site):
    key, certificate = site
    with speaking("tls_counting_server.py", certificate, key) as server:
        port = int(server.hear())
        with wire_traced() as window, concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
            clients = list(pool.map(lambda number: _several(port, _MANY // _CLIENTS, 0, "many.example"), range(_CLIENTS)))
            with speaking("tls_bulk_client.py", port) as bulk:
                assert bulk.hear() == "connected"
                among = _several(port, _AMONG, 1 / _RATE, "among.example")
                bulk.tell()
                received = int(bulk.hear())
            window.settle()
            server.tell()
            made = int(server.hear())
    return SimpleNamespace(profile=window.profile, server=server.pid, clients=clients, among=among, bulk=bulk.pid, received=received, made=made)


def _count(seen, pid, role, name):
    found = handshakes(seen.profile, pid, role=role, sni=name)
    assert {entry["outcome"] for entry in found} == {"negotiated"}, [brief(entry) for entry in found]
    return sum(entry["count"] for entry in found)


def test_thousands_are_counted_exactly(seen):
    assert seen.made == _MANY + _AMONG + 1
    assert _count(seen, seen.server, "server", "many.example") == _MANY
    assert [_count(seen, pid, "client", "many.example") for pid in seen.clients] == [_MANY // _CLIENTS] * _CLIENTS


def test_those_among_a_transfer_at_full_speed_are_counted_exactly(seen):
    assert seen.received > 100_000_000
    assert _count(seen, seen.server, "server", "among.example") == _AMONG
    assert _count(seen, seen.among, "client", "among.example") == _AMONG


def test_the_transfer_is_one_handshake(seen):
    assert _count(seen, seen.server, "server", "bulk.example") == 1
    assert _count(seen, seen.bulk, "client", "bulk.example") == 1


def test_all_of_one_kind_are_one_entry(seen):
    assert len(handshakes(seen.profile, seen.server, role="server")) == 3


def test_none_is_unattributed(seen):
    assert not [brief(item) for item in seen.profile["unattributed"]["tls"] if item["sni"] in ("many.example", "among.example", "bulk.example")]
