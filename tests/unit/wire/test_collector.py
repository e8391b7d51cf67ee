# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of both directions become one handshake with its owner: recorded from real peers, and cut, lost, hostile."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events as events_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import collector as collector_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_connection
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.entries import ssh_entry, tls_entry
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.handshake import count_handshake
from ansible_collections.cryptofleet.audit.tests.unit.support import quic_peer
from hypothesis import given
from hypothesis import strategies as st

HERE = Path(__file__).parent
SECOND = 10 ** 9
CLIENT, SERVER = (b"\x7f\0\0\1", 40000), (b"\x7f\0\0\1", 443)
SUITES = {
    "openssl_tls13": ("TLS 1.3", "TLS_AES_256_GCM_SHA384", "x25519"),
    "openssl4_pq": ("TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768"),
    "openssl_tls12_ecdhe_ecdsa": ("TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "x25519"),
    "openssl_tls12_rsa": ("TLS 1.2", "TLS_RSA_WITH_AES_256_CBC_SHA", None),
    "openssl_tls10_dhe_rsa": ("TLS 1.0", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", None),
    "openssl_tls13_hello_retry": ("TLS 1.3", "TLS_AES_256_GCM_SHA384", "secp521r1"),
}


def subject(pid):
    return events_module.Subject(events_module.Image(pid, 1, 5 * SECOND), 1, 0, 1, 1, b"x")


def data(octets, outgoing, ends, time=SECOND, pid=None, flags=0, cookie=7, sequence=1, protocol=6):
    (local, local_port), (remote, remote_port) = ends
    return events_module.WireData(time, subject(pid) if pid else None, cookie, 1, 4026531840, sequence, len(octets), 4, protocol, outgoing, flags, local, local_port,
                            remote, remote_port, octets)


def recorded(name):
    made = json.loads((HERE.parent / "support/data/tls" / (name + ".json")).read_text())
    return bytes.fromhex(made["from_client"]), bytes.fromhex(made["from_server"])


def at_client(octets, **more):
    return data(octets, False, (CLIENT, SERVER), **more)


def from_client(octets, **more):
    return data(octets, True, (CLIENT, SERVER), **dict({"pid": 10}, **more))


def at_server(octets, **more):
    return data(octets, False, (SERVER, CLIENT), **dict({"cookie": 8}, **more))


def from_server(octets, **more):
    return data(octets, True, (SERVER, CLIENT), **dict({"pid": 20, "cookie": 8}, **more))


def everything(*events):
    """The handshakes of a window of these events."""
    handshakes, found = collector_module.HandshakeCollector(), []
    for event in events:
        found += handshakes.take(event)
    return found + handshakes.settle(events[-1].time, everything=True)


def entry(seen):
    held, _new = count_handshake({}, seen, 500)
    return (tls_entry if seen.kind == "tls" else ssh_entry)(held, str)


def names(result):
    return tuple(result[key] and result[key]["name"] for key in ("version", "cipher_suite", "group"))


@pytest.mark.parametrize("name", sorted(path.stem for path in (HERE.parent / "support/data/tls").glob("*.json")))
def test_both_ends_of_a_recorded_handshake_say_the_same(name):
    hello, answer = recorded(name)
    # the two flights of each side in one piece, as if each hello waited for the other
    found = everything(from_client(hello), at_server(hello), from_server(answer), at_client(answer))
    assert [(seen.role, seen.subject.image.pid) for seen in found] in ([("client", 10), ("server", 20)], [("server", 20), ("client", 10)])
    one, other = (entry(seen) for seen in sorted(found, key=lambda seen: seen.role))
    for key in ("version", "cipher_suite", "group", "sni", "resumed", "hello_retry", "outcome", "alert", "offered", "certificate", "signature_algorithm"):
        assert one[key] == other[key], key
    if name in SUITES:
        assert names(one) == SUITES[name]
    assert one["peer"] == {"address": "127.0.0.1", "port": 443} and one["local"]["port"] is None
    assert other["peer"]["port"] is None and other["local"] == {"address": "127.0.0.1", "port": 443}


def test_what_was_copied_at_the_sender_is_not_needed_twice():
    hello, answer = recorded("openssl_tls12_ecdhe_ecdsa")
    found = everything(from_client(hello), at_server(hello[:43], flags=events_module.WIRE_KNOWN), from_server(answer),
                       at_client(answer[:43], flags=events_module.WIRE_KNOWN))
    client, server = sorted((entry(seen) for seen in found), key=lambda result: result["role"])
    assert names(client) == names(server) == SUITES["openssl_tls12_ecdhe_ecdsa"]
    assert client["certificate"]["key_algorithm"] == server["certificate"]["key_algorithm"] == "EC"
    assert client["offered"] == server["offered"]


def test_a_known_hello_that_is_not_known_is_counted():
    handshakes = collector_module.HandshakeCollector()
    handshakes.take(at_server(recorded("openssl_tls13")[0][:43], flags=events_module.WIRE_KNOWN))
    assert handshakes.settle(SECOND, everything=True) == [] and handshakes.losses()["handshake_parts"] == 1


def test_an_encrypted_record_that_begins_like_a_hello_is_nothing():
    handshakes = collector_module.HandshakeCollector()
    finished = bytes.fromhex("160303002802fef2f9849f43f79615b1d3a9afeb07c9ea78b06db349738c0d96e7000684ff1b04d4439f13")
    handshakes.take(at_client(finished, flags=events_module.WIRE_KNOWN))
    assert handshakes.settle(SECOND, everything=True) == [] and handshakes.losses()["handshake_parts"] == 0


def test_a_hello_retry_that_was_copied_at_its_sender_loses_nothing():
    hello, answer = recorded("openssl_tls13_hello_retry")
    second, retry = hello.rindex(b"\x16\x03\x03", 0, len(hello) - 300), answer.index(b"\x14\x03\x03\x00\x01\x01")
    final = answer.index(b"\x16\x03\x03", retry)
    handshakes, found = collector_module.HandshakeCollector(), []
    known = {"flags": events_module.WIRE_KNOWN}
    for event in (from_client(hello[:second]), at_server(hello[:43], **known), from_server(answer[:final]), at_client(answer[:43], **known),
                  from_client(hello[second:], sequence=1 + second), at_server(hello[second:second + 43], sequence=1 + second, **known),
                  from_server(answer[final:], sequence=1 + final), at_client(answer[final:final + 43], sequence=1 + final, **known)):
        found += handshakes.take(event)
    results = [entry(seen) for seen in found]
    assert [(item["hello_retry"], names(item)) for item in results] == [(True, SUITES["openssl_tls13_hello_retry"])] * 2
    assert {item["role"] for item in results} == {"client", "server"} and handshakes.losses()["handshake_parts"] == 0


def test_nobody_is_named_where_the_kernel_was_not_sure():
    hello, answer = recorded("openssl_tls13")
    client, = everything(from_client(hello, pid=None), at_client(answer))
    assert client.subject is None and client.role == "client"


def test_the_server_is_who_answered_and_not_who_accepted():
    hello, answer = recorded("openssl_tls13")
    seen, = everything(at_server(hello), from_server(b"\x15\x03\x01\x00\x02\x01\x70", pid=1), from_server(answer, pid=33, sequence=8))
    assert seen.subject.image.pid == 33


def test_a_failed_handshake_is_failed_on_both_sides_with_its_alert():
    hello, answer = recorded("openssl_protocol_version")
    found = everything(from_client(hello), at_server(hello), from_server(answer), at_client(answer))
    results = [entry(seen) for seen in found]
    assert {item["role"] for item in results} == {"client", "server"}
    assert {(item["outcome"], item["alert"], item["version"]) for item in results} == {("failed", "protocol_version", None)}
    assert all(item["offered"]["versions"] for item in results)


def test_a_client_may_still_refuse_a_tls12_server():
    hello, answer = recorded("openssl_tls12_ecdhe_ecdsa")
    seen, = everything(from_client(hello), at_client(answer), from_client(b"\x15\x03\x03\x00\x02\x02\x30", sequence=1 + len(hello), time=SECOND + 5))
    result = entry(seen)
    assert (result["outcome"], result["alert"], names(result)) == ("failed", "unknown_ca", SUITES["openssl_tls12_ecdhe_ecdsa"])


def test_a_hello_without_an_answer_waits_and_is_reported():
    hello, _answer = recorded("openssl_tls13")
    handshakes = collector_module.HandshakeCollector()
    assert handshakes.take(from_client(hello)) == []
    assert handshakes.settle(2 * SECOND) == []
    seen, = handshakes.settle(SECOND + tls_connection._PATIENCE + 1)
    assert entry(seen)["outcome"] == "unanswered" and entry(seen)["version"] is None


def test_a_handshake_begun_before_the_window_has_no_offer():
    seen, = everything(from_server(recorded("openssl_tls13")[1]))
    result = entry(seen)
    assert result["offered"] is None and result["sni"] is None and result["role"] == "server" and names(result) == SUITES["openssl_tls13"]


@pytest.mark.parametrize("cookie", [0, 5])
def test_a_first_segment_that_came_to_the_listener_belongs_to_the_connection(cookie):
    hello, answer = recorded("openssl_tls13")
    seen, = everything(at_server(hello, cookie=cookie), from_server(answer))
    assert entry(seen)["offered"] is not None and entry(seen)["outcome"] == "negotiated"


def test_ports_that_are_used_again_are_another_handshake():
    hello, answer = recorded("openssl_tls13")
    found = everything(at_server(hello), from_server(answer), at_server(hello, cookie=9, sequence=900), from_server(answer, cookie=9, sequence=900))
    assert [entry(seen)["outcome"] for seen in found] == ["negotiated", "negotiated"]


def test_so_many_and_not_more_are_held(monkeypatch):
    monkeypatch.setattr(collector_module, "_MAX_OPEN", 3)
    hello, _answer = recorded("openssl_tls13")
    handshakes = collector_module.HandshakeCollector()
    results = [handshakes.take(data(hello, True, ((b"\x7f\0\0\1", 1000 + number), SERVER), pid=10)) for number in range(5)]
    assert [len(seen) for seen in results] == [0, 0, 0, 1, 1] and results[3][0].local_port == 1000
    assert handshakes.losses()["handshake_parts"] == 2


def test_a_hello_that_is_sent_again_is_no_second_handshake():
    """Both ends of a TLS 1.3 connection are over with the ServerHello."""
    hello, answer = recorded("openssl_tls13")
    client, server = ((b"\x7f\0\0\1", 1000), SERVER), (SERVER, (b"\x7f\0\0\1", 1000))
    handshakes, results = collector_module.HandshakeCollector(), []
    for _sent in range(3):
        results += handshakes.take(data(answer, True, server, pid=20))
    assert [seen.role for seen in results] == ["server"]
    results = handshakes.take(data(hello, True, client, pid=10))
    for _received in range(2):
        results += handshakes.take(data(answer, False, client))
    assert [seen.role for seen in results] == ["client"]
    assert handshakes.settle(0, everything=True) == []


def test_a_connection_that_only_waits_for_an_alert_ends_without_a_loss(monkeypatch):
    monkeypatch.setattr(collector_module, "_MAX_OPEN", 3)
    hello, answer = recorded("openssl_tls12_ecdhe_ecdsa")
    handshakes, results = collector_module.HandshakeCollector(), []
    for number in range(5):
        ends = ((b"\x7f\0\0\1", 1000 + number), SERVER)
        results += handshakes.take(data(hello, True, ends, pid=10)) + handshakes.take(data(answer, False, ends))
    assert [seen.outcome for seen in results] == ["negotiated"] * 2 and handshakes.losses()["handshake_parts"] == 0


def test_a_certificate_that_cannot_be_read_is_malformed():
    hello, answer = recorded("openssl_tls12_ecdhe_ecdsa")
    seen, = everything(from_client(hello), at_client(answer))
    assert entry(seen)["certificate"]["fingerprint_sha256"]
    assert entry(seen._replace(certificate=b"\x30\x03nonsense"))["certificate"] == {"malformed": True}


def test_equal_handshakes_are_counted_and_many_peers_put_together():
    hello, answer = recorded("openssl_tls13")
    held = {}
    for number in range(50):
        seen, = everything(data(hello, False, (SERVER, (bytes([10, 0, 0, number]), 1))), data(answer, True, (SERVER, (bytes([10, 0, 0, number]), 1)), pid=20))
        for _again in range(2):
            assert count_handshake(held, seen, 10)[0] is not None
    results = [tls_entry(record, str) for record in held.values()]
    assert sum(item["count"] for item in results) == 100
    assert [item["peer"]["address"] for item in results] == ["10.0.0.%d" % number for number in range(5)] + [None]


def ssh_recording():
    """name -> (from client, from server)"""
    found, name = {}, None
    for line in (HERE.parent / "support/recordings/ssh.txt").read_text().splitlines():
        if line.startswith("= "):
            name = line[2:]
            found[name] = {"client": b"", "server": b""}
        elif line and not line.startswith("#"):
            side, octets = line.split()
            found[name][side] += base64.b64decode(octets)
    return found


@pytest.mark.parametrize("name", sorted(ssh_recording()))
def test_both_ends_of_a_recorded_ssh_connection_say_the_same(name):
    sides = ssh_recording()[name]
    found = everything(from_client(sides["client"]), at_server(sides["client"]), from_server(sides["server"]), at_client(sides["server"]))
    client, server = sorted((entry(seen) for seen in found), key=lambda result: result["role"])
    assert client["outcome"] == server["outcome"] == ("failed" if "nothing in common" in name else "negotiated")
    assert client["software"] == server["peer_software"] and client["offered"]["key_exchange"]
    for key in ("key_exchange", "host_key", "host_key_bits", "cipher_client_to_server", "mac_server_to_client", "strict_kex"):
        assert client[key] == server[key], key
    assert sorted(seen.subject.image.pid for seen in found) == [10, 20]


def test_a_scanner_that_only_reads_a_banner_is_no_key_exchange():
    assert everything(from_server(b"SSH-2.0-OpenSSH_9.2\r\n")) == []


def test_quic_connections_from_the_same_port_follow_each_other():
    packets = []
    for origin in (quic_peer.EXAMPLE_ID, b"another8"):
        packets.append((True, quic_peer.initial(quic_peer.crypto(0, quic_peer.EXAMPLE_HELLO), origin=origin, size=1162)))
        packets.append((False, quic_peer.initial(quic_peer.crypto(0, quic_peer.EXAMPLE_SERVER_HELLO), of_client=False, origin=origin, destination=b"")))
    found = everything(*[data(octets, outgoing, (CLIENT, SERVER), protocol=17, pid=10 if outgoing else None) for outgoing, octets in packets])
    assert [(entry(seen)["transport"], entry(seen)["outcome"], entry(seen)["version"]["name"]) for seen in found] == [("quic", "negotiated", "TLS 1.3")] * 2


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=200), st.booleans(), st.integers(0, 3), st.integers(0, 2 ** 32 - 1), st.sampled_from([6, 17])), max_size=8))
def test_hostile_octets_end_as_nothing_or_as_a_handshake(parts):
    hello, answer = recorded("openssl_tls12_ecdhe_ecdsa")
    events = [data(octets if len(octets) % 2 else hello[:len(octets)] + octets, outgoing, (CLIENT, SERVER), flags=flags & ~1, sequence=sequence, protocol=protocol)
              for octets, outgoing, flags, sequence, protocol in parts]
    for seen in everything(*events, from_server(answer[:50])):
        assert entry(seen)["outcome"] in ("negotiated", "failed", "unanswered")
