# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handshakes of a host whose root cgroup can't be had, from system calls: the same as from packets, and no byte of what programs say."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import TlsStream
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.gnutls import Gnutls
from ansible_collections.cryptofleet.audit.tests.integration.peers.go import Go
from ansible_collections.cryptofleet.audit.tests.integration.peers.nginx_curl import NginxCurl
from ansible_collections.cryptofleet.audit.tests.integration.peers.node import Node
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssh import HOST_KEYS, SSH_CHOICES
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.peers.postgresql import Postgresql
from ansible_collections.cryptofleet.audit.tests.integration.peers.python_ssl import PythonSsl
from ansible_collections.cryptofleet.audit.tests.integration.peers.smtp import Smtp
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, brief, handshakes
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import certificate_facts
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, require_root, speaking
from ansible_collections.cryptofleet.audit.tests.integration.support.wire import CCS, events_of, real_client_hello, record
from ansible_collections.cryptofleet.audit.tests.integration.support.wire_calls import tap_at_calls, traced_at_calls

_STACKS = (Openssl(), NginxCurl(), PythonSsl(), Gnutls(), Go(), Node(), Postgresql(), Smtp())
_PLAIN_FIRST = ("PostgreSQL", "SMTP STARTTLS")
_CASES = [(stack.name, version) for stack in _STACKS for version in stack.versions]
_MANY = 200
_SECRET = b"correct horse battery staple "


def _host_name(name, version):
    return "".join(letter if letter.isalnum() else "-" for letter in "%s-%s" % (name, version)).lower() + ".example"


@pytest.fixture(autouse=True)
def root():
    require_root()


@pytest.fixture(scope="module")
def seen(peer_site, ssh_peers):
    """One window: of every stack and version what both peers said, of SSH too, many handshakes, and the profile."""
    rows, ssh = {}, {}
    with contextlib.ExitStack() as running:
        servers = {stack.name: running.enter_context(stack.serve(peer_site)) for stack in _STACKS}
        sshd = running.enter_context(ssh_peers.serve())
        counting = running.enter_context(speaking("tls_counting_server.py", peer_site.certificate, peer_site.key))
        port = int(counting.hear())
        with traced_at_calls() as window:
            for stack in _STACKS:
                for version in stack.versions:
                    alpn = () if stack.name in _PLAIN_FIRST else ("http/1.1",)
                    wanted = Wanted(version, _host_name(stack.name, version), stack.client_group.get(version), alpn)
                    said = stack.connect(servers[stack.name], wanted)[0], servers[stack.name].take()[0]
                    rows[stack.name, version] = [Row(one, wanted, servers[stack.name].port) for one in said]
            for options in SSH_CHOICES[:2]:
                ssh[options] = ssh_peers.connect(sshd, *options), sshd.take()[0]
            client = python("tls_many_handshakes.py", port, _MANY, 0, "many.example")
            window.settle()
    return SimpleNamespace(rows=rows, ssh=ssh, sshd=sshd, profile=window.profile, client=client.pid, server=counting.pid)


@pytest.mark.parametrize(("name", "version"), _CASES)
def test_both_peers_of_a_stack(seen, peer_site, name, version):
    client, server = [assert_agrees(seen.profile, row) for row in seen.rows[name, version]]
    for key in ("version", "cipher_suite", "group", "signature_algorithm", "alpn", "hello_retry", "certificate", "offered"):
        assert client[key] == server[key]
    if version == "TLS 1.2":
        expected = certificate_facts(peer_site.certificate)
        assert {key: client["certificate"][key] for key in expected} == expected


@pytest.mark.parametrize("options", SSH_CHOICES[:2], ids=" ".join)
def test_both_ends_of_ssh(seen, options):
    for said in seen.ssh[options]:
        found = [item for pid in said.pids for entry in seen.profile["processes"] if entry["pid"] == pid for item in entry["ssh"]
                 if (item["local"] if said.role == "server" else item["peer"])["port"] == seen.sshd.port and item["role"] == said.role]
        (entry,) = found
        for key in ("key_exchange", "host_key", "cipher_client_to_server", "cipher_server_to_client", "mac_client_to_server", "strict_kex"):
            assert entry[key] == getattr(said, key)
        assert (entry["outcome"], entry["count"]) == ("negotiated", 1)
        assert entry["host_key_bits"] in {bits for _kind, bits in HOST_KEYS.values()}


def test_all_are_counted_exactly(seen):
    for pid, role in ((seen.client, "client"), (seen.server, "server")):
        (entry,) = handshakes(seen.profile, pid, role=role, sni="many.example")
        assert (entry["outcome"], entry["count"]) == ("negotiated", _MANY)


def test_none_is_unattributed(seen):
    names = {row.wanted.sni for rows in seen.rows.values() for row in rows} | {"many.example"}
    assert not [brief(item) for item in seen.profile["unattributed"]["tls"] if item["sni"] in names]
    ports = {end["port"] for item in seen.profile["unattributed"]["ssh"] for end in (item["local"], item["peer"])}
    assert seen.sshd.port not in ports


def test_the_profile_says_what_it_leaves_out(seen):
    messages = [entry["message"] for entry in seen.profile["coverage"]["reasons"] if entry["code"] == "probe_partial" and entry["concerns"]["names"] == ["tls_handshake"]]
    assert len(messages) == 1 and all(word in messages[0] for word in ("exclusively", "QUIC", "DTLS", "io_uring", "sendfile", "splice", "kernel's own"))
    assert process(seen.profile, seen.client)["coverage"] == "observed"


@contextlib.contextmanager
def _connection(family=socket.AF_INET):
    """Two ends of a TCP connection in this process, and the server's port."""
    with socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as server:
            yield client, server, port


def _take(server, size, step):
    """Read so many bytes, step of them at a time."""
    data = b""
    while len(data) < size:
        data += server.recv(min(step, size - len(data)))
    return data


def _messages(events, outgoing):
    """What one direction says: message bodies by kind, its bytes, and the events they came in."""
    stream, found = TlsStream(), [event for event in events if event.outgoing is outgoing]
    messages = [message for event in found for message in stream.feed(event.sequence, event.data, event.payload_size)]
    assert all((event.subject is not None) is outgoing and event.payload_size == len(event.data) for event in found)
    return [message.kind for message in messages], b"".join(event.data for event in found)


_HELLO = real_client_hello()


@pytest.mark.parametrize("step", [1, 5, 6, 11, 4096])
def test_a_hello_that_is_read_in_pieces(step):
    with tap_at_calls() as made, _connection(socket.AF_INET6) as (client, server, port):
        assert server.getsockname()[0].startswith("::ffff:")
        client.sendall(_HELLO)
        assert server.recv(8, socket.MSG_PEEK) == _HELLO[:8]
        _take(server, len(_HELLO), step)
        client.sendall(record(23, _SECRET * 10))
        _take(server, 5 + 290, step)
        events = events_of(made, port, 1)
    for outgoing in (True, False):
        assert _messages(events, outgoing) == (["client_hello"], _HELLO)
    assert {(event.family, event.local, event.remote) for event in events} == {(4, b"\x7f\0\0\1", b"\x7f\0\0\1")}
    assert len({event.cookie for event in events if event.outgoing} | {event.cookie for event in events if not event.outgoing}) == 2


@pytest.mark.parametrize("cuts", [(3,), (5, 6), (0, 5, 5, 11, 40), tuple(range(7))], ids=str)
def test_a_hello_in_parts_of_one_call(cuts):
    ends = (0, *cuts, len(_HELLO))
    with tap_at_calls() as made, _connection() as (client, server, port):
        assert client.sendmsg([_HELLO[begin:end] for begin, end in zip(ends, ends[1:])]) == len(_HELLO)
        buffers = [bytearray(end - begin) for begin, end in zip(ends, ends[1:])]
        assert server.recvmsg_into(buffers)[0] == len(_HELLO) and b"".join(buffers) == _HELLO
        events = events_of(made, port, 1)
    for outgoing in (True, False):
        assert _messages(events, outgoing) == (["client_hello"], _HELLO)


def test_a_hello_in_more_parts_than_are_followed():
    with tap_at_calls() as made, _connection() as (client, server, port):
        client.sendmsg([_HELLO[at:at + 8] for at in range(0, len(_HELLO), 8)])
        events, losses = events_of(made, port), made.losses()
    assert _messages(events, True) == ([], _HELLO[:64])
    assert losses["truncated_handshakes"] >= 1  # of the whole host


def test_a_hello_larger_than_a_record_of_the_ring():
    large = real_client_hello(["protocol-%d" % number for number in range(700)])
    assert len(large) > 2 * 4096
    with tap_at_calls() as made, _connection() as (client, server, port):
        client.sendall(large)
        _take(server, len(large), 1 << 16)
        events = events_of(made, port, 1)
    for outgoing in (True, False):
        assert _messages(events, outgoing) == (["client_hello"], large)


def test_a_second_hello_behind_a_change_of_ciphers_and_an_alert():
    alert = record(21, b"\2\x28")
    with tap_at_calls() as made, _connection() as (client, server, port):
        for content in (_HELLO, CCS + _HELLO):
            client.sendall(content)
            _take(server, len(content), 1 << 16)
        server.sendall(alert)
        _take(client, len(alert), 1 << 16)
        events = events_of(made, port, 1)
    to_server = [event for event in events if event.outgoing is (event.remote_port == port)]
    for outgoing in (True, False):
        kinds, content = _messages(to_server, outgoing)
        assert kinds == ["client_hello", "change_cipher_spec", "client_hello"] and content == _HELLO + CCS + _HELLO
        assert _messages([event for event in events if event not in to_server], outgoing) == (["alert"], alert)


# What a program may say that begins as if it were more, how it is written, and how it is read.
_TALK = {
    "text": (b"GET / HTTP/1.1\r\nCookie: " + _SECRET * 40, 1 << 16),
    "letters of a banner": (b"SSH is not spoken here: " + _SECRET, 1),
    "a record of another type": (record(23, _SECRET * 20), 5),
    "an encrypted handshake record": (record(22, b"\x07" + _SECRET * 20), 5),
    "an encrypted one that looks like a hello": (record(22, b"\1" + _SECRET * 20), 5),
    "an alert where no hello was": (record(21, b"\2\x28") + _SECRET, 3),
    "a hello behind text": (_SECRET + _HELLO, 1 << 16),
}


@pytest.mark.parametrize("talk", sorted(_TALK))
def test_nothing_else_is_copied(talk):
    content, step = _TALK[talk]
    with tap_at_calls() as made, _connection() as (client, server, port), _connection() as (other, other_server, other_port):
        for at in range(0, len(content), step):
            client.sendall(content[at:at + step])
            _take(server, len(content[at:at + step]), step)
        other.sendall(_HELLO)  # that something is seen at all
        _take(other_server, len(_HELLO), 1 << 16)
        events = made.read()
    assert _messages([event for event in events if other_port in (event.local_port, event.remote_port)], True) == (["client_hello"], _HELLO)
    assert not [event for event in events if port in (event.local_port, event.remote_port)]


def test_no_byte_of_what_a_connection_carries():
    """Neither of the text before STARTTLS nor of what follows the hello."""
    content = _HELLO + record(23, _SECRET * 30)
    with tap_at_calls() as made, _connection() as (client, server, port):
        client.sendall(b"EHLO " + _SECRET + b"\r\n")
        _take(server, 7 + len(_SECRET), 1)
        reader = threading.Thread(target=_take, args=(server, len(content), 5))
        reader.start()
        client.sendall(content)
        reader.join()
        events = events_of(made, port, 3)
    assert _messages(events, True) == (["client_hello"], _HELLO) == _messages(events, False)
    assert not [event for event in events if _SECRET[:8] in event.data]


def test_a_hello_late_in_a_connection_is_not_looked_for():
    with tap_at_calls() as made, _connection() as (client, server, port):
        for _number in range(3):
            client.sendall(bytes(65536))
            _take(server, 65536, 1 << 16)
        client.sendall(_HELLO)
        _take(server, len(_HELLO), 1 << 16)
        assert events_of(made, port) == []
