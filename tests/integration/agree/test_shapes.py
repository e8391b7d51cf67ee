# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes of unusual shape or ownership: split hellos, IPv6, other network namespaces, forked workers, passed sockets, hellos of before the window."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sys
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers import names
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import SOURCES, Said, Wanted, said_of_json
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.pyopenssl import PyOpenssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.python_ssl import PythonSsl
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, brief, handshake, handshakes, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import images
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, run, speaking, tool

# name: bytes of a piece, seconds between two, version
_PIECES = {"halves.example": (800, 0.05, "TLS 1.3"), "hundreds.example": (100, 0.002, "TLS 1.3"), "fives.example": (5, 0.001, "TLS 1.2"),
           "ones.example": (1, 0, "TLS 1.2")}
_AT_ONCE = 40
# RFC 2544: for tests of network devices. Another run of these tests at the same time has others.
_OUTSIDE, _INSIDE = (str(ipaddress.ip_address("198.18.0.0") + os.getpid() % 16384 * 4 + number) for number in (1, 2))


def _said(text, role):
    pid, version, suite = text.split("|")
    return Said("Python ssl", role, int(pid), names.version(version), names.cipher_suite(suite))


@pytest.fixture(scope="module")
def namespace():
    """A network namespace of its own at the end of a pair of devices with small frames, each segment by itself."""
    name, device = "cfa-%d" % os.getpid(), "cfa%d" % os.getpid()
    ip = tool("ip", "iproute2")
    run(ip, "netns", "add", name)
    try:
        run(ip, "link", "add", device, "mtu", "576", "gso_max_segs", "1", "type", "veth", "peer", "name", "inside", "mtu", "576", "netns", name)
        for where, link, address in (((), device, _OUTSIDE), (("-n", name), "inside", _INSIDE)):
            run(ip, *where, "address", "add", address + "/30", "dev", link)
            run(ip, *where, "link", "set", link, "gso_max_segs", "1", "up")
        run(ip, "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run(ip, "link", "del", device, check=False)
        run(ip, "netns", "del", name)


class _PyOpensslInside(PyOpenssl):
    """In the namespace. `ip netns exec` becomes what it runs: the pid stays."""

    def __init__(self, namespace):
        self._namespace = namespace

    def command(self):
        return (tool("ip", "iproute2"), "netns", "exec", self._namespace, *super().command())


def _pieces(server, name):
    size, pause, version = _PIECES[name]
    done = run(sys.executable, "-I", SOURCES / "pieces_client.py", server.port, name, size, pause, version, "127.0.0.1")
    return SimpleNamespace(length=int(re.search("hello of ([0-9]+)", done.stdout).group(1)),
                           rows=[Row(said, Wanted(version, name), server.port) for said in (said_of_json("pyOpenSSL", done.stdout), *server.take())])


@pytest.fixture(scope="module")
def seen(peer_site, namespace):
    """One window over all of them."""
    result = SimpleNamespace(rows={}, pieces={}, owners={})
    keys = peer_site.certificate, peer_site.key
    with contextlib.ExitStack() as running:
        server, alone = (running.enter_context(PyOpenssl().serve(peer_site)) for _number in range(2))
        over6 = running.enter_context(Openssl().serve(peer_site, address="::1"))
        inside = running.enter_context(_PyOpensslInside(namespace).serve(peer_site, _INSIDE))
        outside = running.enter_context(PyOpenssl().serve(peer_site, _OUTSIDE))
        owners = {name: running.enter_context(speaking("tls_%s_server.py" % kind, *keys)) for name, kind in
                  (("forked.example", "forking"), ("executed.example", "executing"), ("passed.example", "passing"), ("asyncio.example", "asyncio"))}
        ports = {name: int(owner.hear()) for name, owner in owners.items()}
        result.accepting = {name: owner.pid for name, owner in owners.items()}
        before, during = (running.enter_context(speaking("tls_waiting_server.py", *keys)) for _number in range(2))
        ports["before"], ports["during"] = int(before.hear()), int(during.hear())
        old = running.enter_context(speaking("tls_waiting_client.py", ports["before"], "before.example"))
        begun = running.enter_context(speaking("tls_waiting_client.py", ports["during"], "during.example"))
        assert (old.hear(), begun.hear()) == ("asking", "asking")
        before.tell()
        result.old = {_said(old.hear(), "client").pid, _said(before.hear(), "server").pid}
        with wire_traced() as window:
            during.tell()
            result.begun = [_said(begun.hear(), "client"), _said(during.hear(), "server")]
            for one in (before, during):
                one.tell()  # much data on connections that are open already
                assert one.hear() == "6"
            result.begun_port = ports["during"]
            for name in _PIECES:
                result.pieces[name] = _pieces(alone if name == "ones.example" else server, name)
            wanted = Wanted("TLS 1.3", "six.example", address="::1")
            result.rows["six.example"] = [Row(one, wanted, over6.port) for one in PythonSsl().connect(over6, wanted) + over6.take()]
            for name, client, other, address in (("inward.example", PyOpenssl(), inside, _INSIDE), ("outward.example", _PyOpensslInside(namespace), outside, _OUTSIDE)):
                for version in ("TLS 1.2", "TLS 1.3"):
                    wanted = Wanted(version, "%s-%s" % (version[-1], name), address=address)
                    result.rows[wanted.sni] = [Row(one, wanted, other.port, _OUTSIDE if address == _INSIDE else _INSIDE)
                                               for one in client.connect(other, wanted) + other.take()]
            for name in ("forked.example", "executed.example", "passed.example"):
                result.owners[name] = []
                for _number in range(3):
                    client = _said(python("tls_client.py", ports[name], name).stdout.strip(), "client")
                    result.owners[name].append((client, _said(owners[name].hear(), "server")))
            result.itself = python("tls_both_ends.py", *keys, "itself.example")
            clients = python("tls_asyncio_client.py", ports["asyncio.example"], _AT_ONCE, "asyncio.example").stdout.splitlines()
            result.asyncio = _said(clients[0], "client"), _said(owners["asyncio.example"].hear(), "server")
            assert len(clients) == clients.count(clients[0]) == _AT_ONCE
            window.settle()
    result.profile, result.ports = window.profile, ports
    return result


def _of_connection(profile, pid, role, port):
    """The one entry of an end of a connection to this port of ours: of its process, or unattributed, and never of another one."""
    key = "peer" if role == "client" else "local"
    held = [(entry["pid"], item) for entry in profile["processes"] for item in entry["tls"] if item["role"] == role and item[key]["port"] == port]
    held += [(None, item) for item in profile["unattributed"]["tls"] if item["role"] == role and item[key]["port"] == port]
    assert len(held) == 1 and held[0][0] in (pid, None), [(holder, brief(item)) for holder, item in held]
    return held[0]


@pytest.mark.parametrize("name", [name for name in _PIECES if name != "ones.example"])
def test_a_hello_in_pieces(seen, name):
    shape = seen.pieces[name]
    assert shape.length > (1200 if _PIECES[name][2] == "TLS 1.3" else 100)
    assert [assert_agrees(seen.profile, row)["role"] for row in shape.rows] == ["client", "server"]


def test_a_hello_in_single_bytes(seen):
    """More segments than are copied of one hello: what was not read is absent and counted as lost, what was read is right."""
    assert seen.profile["coverage"]["lost"]["truncated_handshakes"] >= 2
    for row in seen.pieces["ones.example"].rows:
        _holder, entry = _of_connection(seen.profile, row.said.pid, row.said.role, row.port)
        assert (entry["outcome"], entry["version"]["name"], entry["cipher_suite"]["name"], entry["group"]["name"], entry["count"]) == (
            "negotiated", row.said.version, row.said.cipher_suite, row.said.group, 1)
        assert entry["sni"] in (None, "ones.example")
        assert (entry["offered"] is None) == (entry["sni"] is None)


def test_ip6(seen):
    for row in seen.rows["six.example"]:
        assert assert_agrees(seen.profile, row)["local"]["address"] == "::1"


@pytest.mark.parametrize("way", ["inward", "outward"])
@pytest.mark.parametrize("version", ["2", "3"])
def test_across_network_namespaces(seen, way, version):
    """Frames of 576 bytes: a hybrid hello takes three of them, and the server's certificate as well."""
    for row in seen.rows["%s-%s.example" % (version, way)]:
        assert_agrees(seen.profile, row)


@pytest.mark.parametrize("name", ["forked.example", "executed.example"])
def test_the_worker_is_the_owner_not_the_process_that_accepted(seen, name):
    pids = [served.pid for _client, served in seen.owners[name]]
    assert len(set(pids)) == 3
    for client, served in seen.owners[name]:
        for said in (client, served):
            entry = handshake(seen.profile, said.pid, role=said.role, sni=name)
            assert (entry["outcome"], entry["version"]["name"], entry["cipher_suite"]["name"], entry["count"]) == ("negotiated", said.version, said.cipher_suite, 1)
            assert not [item for image in images(seen.profile, said.pid)[:-1] for item in image["tls"]]  # of what it was before it executed another
    assert not handshakes(seen.profile, seen.accepting[name])


def test_the_receiver_of_a_passed_socket_is_the_owner_not_the_process_that_accepted(seen):
    (pid,) = {served.pid for _client, served in seen.owners["passed.example"]}
    assert pid != seen.accepting["passed.example"]
    entry = handshake(seen.profile, pid, role="server", sni="passed.example")
    assert (entry["outcome"], entry["count"]) == ("negotiated", 3)
    assert not [item for one in seen.profile["processes"] if one["pid"] == seen.accepting["passed.example"] for item in one["tls"]]


def test_both_ends_in_one_process(seen):
    port = int(seen.itself.stdout.splitlines()[0])
    for role, key in (("client", "peer"), ("server", "local")):
        entry = handshake(seen.profile, seen.itself.pid, role=role, sni="itself.example")
        assert (entry["outcome"], entry["count"], entry[key]["port"]) == ("negotiated", 1, port)


def test_many_at_once_that_never_block(seen):
    for said in seen.asyncio:
        found = handshakes(seen.profile, said.pid, role=said.role, sni="asyncio.example")
        assert {(entry["outcome"], entry["version"]["name"], entry["cipher_suite"]["name"]) for entry in found} == {
            ("negotiated", said.version, said.cipher_suite)}
        assert sum(entry["count"] for entry in found) == _AT_ONCE


def test_a_handshake_that_began_before_the_window(seen):
    """Only the answer was seen: what it says is reported, and nothing is made up of the hello."""
    for said in seen.begun:
        holder, entry = _of_connection(seen.profile, said.pid, said.role, seen.begun_port)
        assert (entry["version"]["name"], entry["cipher_suite"]["name"], entry["count"]) == (said.version, said.cipher_suite, 1)
        assert (entry["offered"], entry["sni"]) == (None, None)
        assert holder == said.pid or said.role == "client"  # the server sent the answer; the client, nothing in clear


def test_a_handshake_that_was_over_before_the_window_is_not_there(seen):
    assert len(seen.old) == 2
    for pid in seen.old:
        assert handshakes(seen.profile, pid) == []
    assert not [item for item in seen.profile["unattributed"]["tls"] if seen.ports["before"] in (item["local"]["port"], item["peer"]["port"])]
