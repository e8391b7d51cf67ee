# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.dtls import DtlsStream
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import client_hello, server_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_messages import certificates, server_key_exchange
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import Message
from ansible_collections.cryptofleet.audit.tests.unit.support.recorded import recordings
from hypothesis import given
from hypothesis import strategies as st

RECORDED = recordings("dtls.txt")
FLIGHT = ["server_hello", "certificate", "server_key_exchange", "server_hello_done", "other", "change_cipher_spec"]


def read(title, side):
    """All messages of one side, and its stream."""
    stream, found = DtlsStream(), []
    for sender, datagram in RECORDED[title]:
        if sender == side:
            found += stream.feed(datagram)
    return found, stream


def record(content, kind=22, epoch=0, version=b"\xfe\xfd"):
    return bytes([kind]) + version + epoch.to_bytes(2, "big") + bytes(6) + len(content).to_bytes(2, "big") + content


def fragment(body, begin=0, end=None, kind=2, number=0, length=None):
    piece = body[begin:end]
    length = len(body) if length is None else length
    return bytes([kind]) + length.to_bytes(3, "big") + number.to_bytes(2, "big") + begin.to_bytes(3, "big") + len(piece).to_bytes(3, "big") + piece


@pytest.mark.parametrize("title, name, version, suite, group, bits, scheme", [
    ("DTLS 1.2, cookie", "dtls.example", 0xFEFD, 0xC030, 29, None, 0x0804),
    ("DTLS 1.2, small fragments", "dtls.example", 0xFEFD, 0x0067, None, 2048, 0x0804),
    ("DTLS 1.0", None, 0xFEFF, 0xC014, 29, None, None),
])
def test_real_connections(title, name, version, suite, group, bits, scheme):
    client, server = read(title, "client")[0], read(title, "server")[0]
    assert [message.kind for message in client] == ["client_hello", "client_hello", "other", "change_cipher_spec"]
    assert [message.kind for message in server] == ["hello_verify_request"] + FLIGHT
    first, second = (client_hello(message.body) for message in client[:2])
    assert first == second and second.server_name == name and version in second.versions
    hello = server_hello(server[1].body)
    assert (hello.version, hello.cipher_suite) == (version, suite)
    assert len(certificates(server[2].body)) == 1
    assert server_key_exchange(server[3].body, suite, version) == (group, bits, scheme)


def test_a_real_refusal():
    assert [message.kind for message in read("DTLS 1.2, refused", "client")[0]] == ["client_hello"] * 2
    assert read("DTLS 1.2, refused", "server")[0][1:] == [Message("alert", b"\2\x28")]


def test_a_retransmission_is_returned_once_and_a_new_hello_again():
    stream = DtlsStream()
    datagram = record(fragment(b"a" * 40))
    assert stream.feed(datagram) == [Message("server_hello", b"a" * 40)]
    assert stream.feed(datagram) == []
    assert stream.feed(record(fragment(b"b" * 40))) == [Message("server_hello", b"b" * 40)]


def test_records_and_messages_in_one_datagram():
    content = fragment(b"hello", number=1) + fragment(b"", kind=14, number=2)
    assert DtlsStream().feed(record(content) + record(b"\2\x28", kind=21) + record(b"\1", kind=20)) == [
        Message("server_hello", b"hello"), Message("server_hello_done", b""), Message("alert", b"\2\x28"), Message("change_cipher_spec", b"\1")]


@pytest.mark.parametrize("encrypted", [record(fragment(b"x" * 20), epoch=1), b"\x2f\xfe\xfd" + bytes(40), record(bytes(20), kind=25)])
def test_encrypted_records_are_skipped(encrypted):
    assert DtlsStream().feed(encrypted) == []
    assert DtlsStream().feed(record(fragment(b"clear")) + encrypted) == [Message("server_hello", b"clear")]  # a server's flight of DTLS 1.3


def test_what_is_cut_short_is_passed_over():
    whole = record(fragment(b"x" * 20))
    for size in range(len(whole)):
        assert DtlsStream().feed(whole[:size]) == []
    assert DtlsStream().feed(record(fragment(b"x" * 20, length=10))) == []
    assert DtlsStream().feed(record(fragment(b"x" * 20)[:-1])) == []


def test_a_message_that_is_too_long_is_counted():
    stream = DtlsStream()
    assert stream.feed(record(fragment(b"x" * 20, length=1 << 15))) == []
    assert stream.dropped == 1


def test_of_many_unfinished_messages_the_oldest_is_given_up():
    stream = DtlsStream()
    for number in range(6):
        assert stream.feed(record(fragment(b"x" * 20, end=10, number=number))) == []
    assert (stream.dropped, len(stream._partial)) == (2, 4)
    assert stream.feed(record(fragment(b"x" * 20, begin=10, number=5))) == [Message("server_hello", b"x" * 20)]


@given(st.binary(min_size=1, max_size=400), st.data())
def test_any_fragments_in_any_order_give_the_message(body, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body)), max_size=10)) | {len(body)})
    pieces = [fragment(body, begin, end) for begin, end in zip([0] + cuts, cuts)]
    repeated = [fragment(body, at, at + size) for at, size in data.draw(st.lists(st.tuples(st.integers(0, len(body)), st.integers(0, 100)), max_size=4))]
    stream, found = DtlsStream(), []
    for piece in data.draw(st.permutations(pieces + repeated)):
        found += stream.feed(record(piece))
    assert found == [Message("server_hello", body)]


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 400), st.integers(0, 255)), max_size=20), st.booleans())
def test_changed_bytes_are_survived(title, changes, reverse):
    datagrams = [bytearray(datagram) for side, datagram in RECORDED[title]]
    for which, at, value in changes:
        datagram = datagrams[which % len(datagrams)]
        datagram[at % len(datagram)] = value
    stream = DtlsStream()
    for datagram in reversed(datagrams) if reverse else datagrams:
        stream.feed(bytes(datagram))
        assert sum(len(partial.body) for partial in stream._partial.values()) <= 4 << 14


@given(st.binary(max_size=300))
def test_anything_is_survived(data):
    for datagram in (data, record(data), record(fragment(data, length=len(data) + 1) + data)):
        DtlsStream().feed(datagram)


def test_a_thousand_small_fragments_cost_little():
    body = bytes(2000)
    begin = time.process_time()
    stream, found = DtlsStream(), []
    for at in reversed(range(0, 2000, 2)):
        found += stream.feed(record(fragment(body, at, at + 2)))
    assert time.process_time() - begin < 5
    assert found == [] and stream.dropped  # more than 64 fragments before the first: given up, and said
