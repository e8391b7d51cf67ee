# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import quic_initial as quic
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import quic_packets as packets
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import client_hello, server_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import Message
from ansible_collections.cryptofleet.audit.tests.unit.support.quic_peer import (
    EXAMPLE_HELLO,
    EXAMPLE_ID,
    EXAMPLE_RETRY,
    EXAMPLE_SERVER_HELLO,
    EXAMPLE_SERVER_ID,
    V1,
    V2,
    crypto,
    initial,
    varint,
)
from ansible_collections.cryptofleet.audit.tests.unit.support.recorded import recordings
from hypothesis import given
from hypothesis import strategies as st

CLIENT_HELLO = Message("client_hello", EXAMPLE_HELLO[4:])
SERVER_HELLO = Message("server_hello", EXAMPLE_SERVER_HELLO[4:])
ACK = bytes.fromhex("0200000000")
ANSWER = ACK + crypto(0, EXAMPLE_SERVER_HELLO)
LARGE = b"\1\0\7\xd0" + bytes(range(250)) * 8  # a ClientHello of 2000 octets, as with post-quantum key shares


def hello(**options):
    return initial(crypto(0, EXAMPLE_HELLO), size=1162, **options)


def answer(frames=ANSWER, **options):
    return initial(frames, of_client=False, destination=b"", source=EXAMPLE_SERVER_ID, **options)


@pytest.mark.parametrize("version, begins, ends", [
    (V1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"),
    (V2, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", "a18b2faa745b6fe189cf772a9f84cbfc"),
])
def test_the_client_packet_of_the_rfc(version, begins, ends):
    datagram = hello(number=2, version=version)
    assert (datagram[:32].hex(), datagram[-16:].hex()) == (begins, ends)  # RFC 9001 and RFC 9369, A.2
    connection = quic.QuicInitials()
    assert connection.feed(True, datagram) == [CLIENT_HELLO]
    assert (connection.version, connection.unreadable, connection.broken) == (version, 0, False)


@pytest.mark.parametrize("version, packet", [
    (V1, "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c7"
         "3cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee"),
    (V2, "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382d"
         "d16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140"),
])
def test_the_server_packet_of_the_rfc(version, packet):
    connection = quic.QuicInitials()
    connection.feed(True, hello(version=version))
    assert connection.feed(False, bytes.fromhex(packet)) == [SERVER_HELLO]  # RFC 9001 and RFC 9369, A.3


@pytest.mark.parametrize("version", [V1, V2])
def test_after_the_retry_of_the_rfc_the_keys_follow_from_the_new_connection_id(version):
    connection = quic.QuicInitials()
    connection.feed(True, hello(version=version))
    assert connection.feed(False, EXAMPLE_RETRY[version]) == [Message("retry", b"")]
    assert connection.retried
    assert connection.feed(True, hello(version=version, origin=EXAMPLE_SERVER_ID, token=b"token", number=1)) == [CLIENT_HELLO]
    assert connection.feed(False, answer(version=version, origin=EXAMPLE_SERVER_ID)) == [SERVER_HELLO]
    assert connection.unreadable == 0


def test_a_real_hello_of_three_datagrams_that_is_sent_twice():
    datagrams, = recordings("quic.txt").values()
    connection, found = quic.QuicInitials(), []
    for side, datagram in datagrams:
        found += connection.feed(side == "client", datagram)
    assert [message.kind for message in found] == ["client_hello", "server_hello"]
    hello, reply = client_hello(found[0].body), server_hello(found[1].body)
    assert (len(found[0].body) > 2500, hello.server_name, hello.key_shares) == (True, "quic.example", (0x11EC, 29))
    assert (reply.cipher_suite, reply.group, connection.unreadable) == (0x1301, 0x11EC, 0)  # X25519MLKEM768


def test_a_retry_that_answers_another_packet_is_not_believed():
    for origin in (b"somebody", b""):
        connection = quic.QuicInitials()
        connection.feed(True, hello(origin=origin))
        assert connection.feed(False, EXAMPLE_RETRY[V1]) == []
        assert not connection.retried


def test_a_compatible_version_is_answered_with_the_same_connection_id():
    connection = quic.QuicInitials()
    connection.feed(True, hello(version=V1))
    assert connection.feed(False, answer(version=V2)) == [SERVER_HELLO]  # RFC 9369, 4.1
    assert connection.version == V2


def test_version_negotiation_and_a_new_beginning():
    connection = quic.QuicInitials()
    connection.feed(True, hello())
    offered = b"\x80\0\0\0\0\0\x08" + EXAMPLE_ID + bytes.fromhex("6b3343cf0a0a0a0a")
    assert connection.feed(False, offered) == [Message("version_negotiation", bytes.fromhex("6b3343cf0a0a0a0a"))]
    assert connection.feed(True, hello(version=V2, origin=b"another8")) == [CLIENT_HELLO]
    assert connection.feed(False, answer(version=V2, origin=b"another8")) == [SERVER_HELLO]


def test_later_packets_of_the_client_go_to_the_server_id_with_the_first_keys():
    connection = quic.QuicInitials()
    connection.feed(True, initial(crypto(0, LARGE[:1000]), size=1162))
    connection.feed(False, answer(ACK))
    assert connection.feed(True, initial(crypto(1000, LARGE[1000:]), number=1, destination=EXAMPLE_SERVER_ID)) == [Message("client_hello", LARGE[4:])]


def test_a_hello_retry_request_and_the_second_hello():
    connection = quic.QuicInitials()
    assert connection.feed(True, hello()) == [CLIENT_HELLO]
    assert connection.feed(False, answer()) == [SERVER_HELLO]
    second = initial(crypto(len(EXAMPLE_HELLO), EXAMPLE_HELLO), number=1, destination=EXAMPLE_SERVER_ID)
    assert connection.feed(True, second) == [CLIENT_HELLO]
    assert connection.feed(False, answer(crypto(len(EXAMPLE_SERVER_HELLO), EXAMPLE_SERVER_HELLO), number=1)) == [SERVER_HELLO]


def test_coalesced_packets_and_padding_behind_them():
    handshake = b"\xe0\0\0\0\1\0\x08" + EXAMPLE_SERVER_ID + b"\x40\x20" + bytes(32)
    zero_rtt = b"\xd0\0\0\0\1\x08" + EXAMPLE_ID + b"\0\x40\x20" + bytes(32)
    connection = quic.QuicInitials()
    assert connection.feed(True, zero_rtt + initial(crypto(0, EXAMPLE_HELLO[:50])) + initial(crypto(50, EXAMPLE_HELLO[50:]), number=1) + bytes(99)) == [CLIENT_HELLO]
    assert connection.feed(False, handshake + answer() + handshake + b"\x40short") == [SERVER_HELLO]


def test_why_a_connection_is_closed():
    def closed(code):
        connection = quic.QuicInitials()
        connection.feed(True, hello())
        return connection.feed(False, answer(ACK + b"\x1c" + varint(code) + b"\6\3bad"))
    assert closed(0x128) == [Message("alert", b"\2\x28")]
    assert closed(2) == [Message("close", b"\0\0\0\0\0\0\0\2")]


def test_a_retransmission_is_returned_once():
    connection = quic.QuicInitials()
    assert connection.feed(True, hello()) == [CLIENT_HELLO]
    assert connection.feed(True, hello(number=1)) == []


@pytest.mark.parametrize("frames", [
    b"\x02\x05\0\2\1\0\0\0\0", b"\x03\5\0\0\0\1\1\1", b"\x01\x01\0\0", b"\x02\x7f\xff\x40\x11\0\0"])
def test_other_frames_are_passed_over(frames):
    connection = quic.QuicInitials()
    connection.feed(True, hello())
    assert connection.feed(False, answer(frames + crypto(0, EXAMPLE_SERVER_HELLO))) == [SERVER_HELLO]


@pytest.mark.parametrize("frames", [
    b"\x02", b"\x02\xff", b"\x02\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0", b"\6", b"\6\0\x40", b"\6\0\x44\0x", b"\6\xff\xff\xff\xff\xff\xff\xff\xff\1x", b"\x1c", b"\x08\0", b"\x1d\0"])
def test_frames_that_are_wrong_end_the_packet(frames):
    connection = quic.QuicInitials()
    connection.feed(True, hello())
    assert connection.feed(False, answer(frames)) == []
    assert connection.feed(False, answer(number=1)) == [SERVER_HELLO]


@pytest.mark.parametrize("number_size, number, expected", [(1, 0xA9, 0), (1, 0x1A9, 0x1A0), (2, 0xA82F9B32, 0xA82F30EB), (1, 0xFF, 0x101), (1, 0x101, 0xFF), (4, 1 << 31, 0)])
def test_packet_numbers_are_completed(number_size, number, expected):
    datagram = initial(crypto(0, EXAMPLE_HELLO), number=number, number_size=number_size)
    keys = packets.InitialKeys(V1, EXAMPLE_ID, True)
    assert keys.open(datagram, packets.read_header(datagram), expected)[0] == number  # RFC 9000, A.3 has the third


def test_a_second_connection_from_the_same_port_shows():
    connection = quic.QuicInitials()
    connection.feed(True, hello())
    connection.feed(False, answer())
    again = hello(origin=b"another8")
    assert connection.feed(True, again) == [] and connection.unreadable == 1
    assert quic.QuicInitials().feed(True, again) == [CLIENT_HELLO]


def test_nothing_is_read_without_the_first_packet_of_the_client():
    connection = quic.QuicInitials()
    assert connection.feed(False, answer()) == []
    assert (connection.unreadable, connection.version) == (1, None)


@given(st.integers(0, 1199), st.integers(1, 255))
def test_a_changed_byte_is_not_believed(at, change):
    datagram = bytearray(hello())
    datagram[at] ^= change
    connection = quic.QuicInitials()
    assert connection.feed(True, bytes(datagram)) == []
    assert connection.version is None


@given(st.data())
def test_scattered_crypto_frames_give_the_hello(data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(LARGE)), max_size=20)) | {len(LARGE)})
    frames = data.draw(st.permutations([crypto(begin, LARGE[begin:end]) for begin, end in zip([0] + cuts, cuts)]))
    between = st.sampled_from([b"", b"\0\0\0", b"\1", ACK])
    connection, found, number = quic.QuicInitials(), [], 0
    while frames:
        count = data.draw(st.integers(1, len(frames)))
        content = b"".join(frame + data.draw(between) for frame in frames[:count])
        found += connection.feed(True, initial(content, number=number))
        frames, number = frames[count:], number + 1
    assert found == [Message("client_hello", LARGE[4:])]


@given(st.binary(max_size=100), st.booleans())
def test_anything_is_survived(data, of_client):
    for datagram in (data, b"\xc0\0\0\0\1" + data, b"\xf0\0\0\0\1" + data, b"\xd0\x6b\x33\x43\xcf" + data, b"\x80\0\0\0\0" + data, initial(data + bytes(20), of_client=of_client)):
        connection = quic.QuicInitials()
        connection.feed(True, hello())
        connection.feed(of_client, datagram)


def test_a_hello_that_can_not_be_put_together_is_said():
    connection = quic.QuicInitials()
    assert connection.feed(True, initial(b"".join(crypto(2 * at, b"x") for at in range(1, 70)))) == []
    assert connection.broken
    connection = quic.QuicInitials()
    connection.feed(True, initial(crypto(0, b"\1\1\0\0" + bytes(100))))
    assert connection.broken


def test_the_work_for_a_connection_is_bounded():
    connection = quic.QuicInitials()
    wrong = hello()[:-1] + b"\0"
    begin = time.process_time()
    for at in range(500):
        connection.feed(True, wrong)
    assert connection.exhausted and connection.unreadable == quic.MAX_PACKETS
    assert time.process_time() - begin < 5
    connection = quic.QuicInitials()
    for at in range(500):
        connection.feed(True, hello(origin=b"%08d" % at)[:-1] + b"\0")
    assert connection.exhausted and len(connection._keys) <= 8
