# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshake messages from segments in any shape: split, late, twice, cut short, missing."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import MAX_HELD, Message, TlsStream
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, records
from hypothesis import given, settings
from hypothesis import strategies as st

SIDES = {"%s, %s" % (recording.name, side): octets for recording in RECORDINGS.values()
         for side, octets in (("client", recording.from_client), ("server", recording.from_server))}
CLIENT = RECORDINGS["openssl_tls13"].from_client
HELLO = next(records(CLIENT))
SERVER = RECORDINGS["openssl_tls12_ecdhe_ecdsa"].from_server
CCS = b"\x14\x03\x03\x00\x01\x01"


def fed(segments, stream=None):
    """What a stream finds in segments: (sequence, octets) or (sequence, octets, payload_size)."""
    stream = stream or TlsStream()
    return [message for segment in segments for message in stream.feed(segment[0], segment[1], segment[2] if len(segment) > 2 else len(segment[1]))]


def kinds(found):
    return [message.kind for message in found]


def whole(octets):
    return fed([(0, octets)])


def held(stream):
    if stream._segments is None:
        return 0
    return len(stream._records) + len(stream._message) + sum(len(data) for data, _size in stream._segments.waiting.values())


def handshake(kind, body):
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def record(content, kind=22):
    return bytes((kind, 3, 3)) + len(content).to_bytes(2, "big") + content


def starts_a_hello(octets):
    """Whether a segment may be taken for the beginning of a flight."""
    behind = octets[6:] if octets[:1] == b"\x14" else octets
    return behind[:2] == b"\x16\x03" and behind[5:6] in (b"\1", b"\2") or behind[:5] == b"\x15\x03\x03\x00\x02"


@st.composite
def split_sides(draw):
    """(name, segments in order) of one side of a recording; the sequence numbers may pass 2**32."""
    name = draw(st.sampled_from(sorted(SIDES)))
    octets = SIDES[name]
    cuts = sorted({cut % len(octets) for cut in draw(st.lists(st.integers(0, 5000), max_size=30))} | {0})
    start = draw(st.sampled_from([0, 1, 2 ** 31 - 100, 2 ** 32 - 1, 2 ** 32 - 300, 2 ** 32 - 1000]))
    return name, [((start + begin) % 2 ** 32, octets[begin:end]) for begin, end in zip(cuts, cuts[1:] + [len(octets)])]


@pytest.mark.parametrize("name, expected", [
    ("openssl_tls13, client", ["client_hello", "change_cipher_spec"]),
    ("openssl_tls13, server", ["server_hello", "change_cipher_spec"]),
    ("openssl_tls13_hello_retry, client", ["client_hello", "change_cipher_spec", "client_hello"]),
    ("openssl_tls13_hello_retry, server", ["server_hello", "change_cipher_spec", "server_hello"]),
    ("openssl_tls12_ecdhe_ecdsa, server", ["server_hello", "certificate", "server_key_exchange", "server_hello_done", "other", "change_cipher_spec"]),
    ("openssl_tls12_client_certificate, client", ["client_hello", "certificate", "other", "other", "change_cipher_spec"]),
    ("openssl_tls12_small_records, server", ["server_hello", "certificate", "server_key_exchange", "server_hello_done", "other", "change_cipher_spec"]),
    ("openssl_unrecognized_name, server", ["alert", "server_hello", "certificate", "server_key_exchange", "server_hello_done", "other", "change_cipher_spec"]),
    ("openssl_no_shared_cipher, server", ["alert"]),
    ("chrome_hello_retry, client", ["client_hello", "change_cipher_spec", "client_hello"])])
def test_what_real_peers_say(name, expected):
    assert kinds(whole(SIDES[name])) == expected


def test_a_message_may_pass_from_record_to_record():
    octets = SIDES["openssl_tls12_small_records, server"]
    assert max(int.from_bytes(one[3:5], "big") for one in records(octets)) == 512 and len(list(records(octets))) > 5
    assert [len(message.body) for message in whole(octets) if message.kind == "certificate"] == [793]


@settings(max_examples=300, deadline=None)
@given(split_sides())
def test_segments_may_end_anywhere(side):
    name, segments = side
    stream = TlsStream()
    assert fed(segments, stream) == whole(SIDES[name])
    assert stream.dropped == 0


@settings(max_examples=300, deadline=None)
@given(split_sides(), st.randoms(use_true_random=False))
def test_segments_may_come_in_another_order_and_twice(side, chance):
    """But a later flight's beginning does not come before what the peer had to receive first."""
    name, segments = side
    flights = []
    for number, segment in enumerate(segments):
        if number == 0 or starts_a_hello(segment[1]):
            flights.append([])
        flights[-1].append(segment)
    order = []
    for number, flight in enumerate(flights):
        rest = flight if number else flight[1:]
        chance.shuffle(rest)
        order += rest if number else flight[:1] + rest
        order += chance.sample(order, min(3, len(order)))  # sent again
    stream = TlsStream()
    assert fed(order, stream) == whole(SIDES[name])
    assert stream.dropped == 0


@pytest.mark.parametrize("cut", [11, 100, 300])
def test_the_first_two_segments_may_be_swapped(cut):
    octets = SIDES["curl, client"]
    assert kinds(fed([(1000 + cut, octets[cut:]), (1000, octets[:cut])])) == ["client_hello", "change_cipher_spec"]


def test_of_overlapping_segments_each_octet_counts_once():
    segments = [(begin, SERVER[begin:begin + 400]) for begin in range(0, len(SERVER), 150)]
    assert fed(segments) == whole(SERVER)
    assert fed(segments[:1] + segments[:0:-1]) == whole(SERVER)


def test_a_retransmission_is_no_second_hello():
    assert kinds(fed([(5, HELLO), (5, HELLO), (5, HELLO[:50])])) == ["client_hello"]
    lost = len(HELLO) + 5
    assert kinds(fed([(5, HELLO), (lost, b"", 100), (5, HELLO)])) == ["client_hello"]


@pytest.mark.parametrize("copied", [0, 3, 43, len(HELLO) - 1])
def test_a_hello_that_was_not_copied_whole_is_dropped_and_counted(copied):
    stream = TlsStream()
    assert fed([(1, HELLO[:copied], len(HELLO))], stream) == []
    assert stream.dropped == (1 if copied else 0)
    assert kinds(fed([(1 + len(HELLO), HELLO)], stream)) == ["client_hello"]


def test_what_was_not_copied_ends_a_flight_and_the_next_hello_is_found():
    stream = TlsStream()
    assert kinds(fed([(1, SERVER[:300], len(SERVER))], stream)) == ["server_hello"]
    assert stream.dropped == 1  # the certificate
    assert fed([(1 + len(SERVER), b"more of the same", 5000)], stream) == []
    assert kinds(fed([(1 + len(SERVER) + 5000, SERVER)], stream))[:2] == ["server_hello", "certificate"]


def test_a_hole_that_is_never_filled_ends_at_the_next_hello():
    stream = TlsStream()
    assert kinds(fed([(1, SERVER[:300]), (700, SERVER[700:])], stream)) == ["server_hello"]
    assert kinds(fed([(100_000, SERVER)], stream))[:3] == ["server_hello", "certificate", "server_key_exchange"]
    assert stream.dropped == 1


def test_a_hole_that_is_never_filled_does_not_wait_for_ever():
    stream = TlsStream()
    found = fed([(1, SERVER[:300])] + [(500 + 1460 * number, bytes(1460)) for number in range(100)], stream)
    assert kinds(found) == ["server_hello"]
    assert stream.dropped == 1 and held(stream) <= MAX_HELD
    assert kinds(fed([(500 + 146_000, HELLO)], stream)) == ["client_hello"]


def test_far_behind_what_was_not_clear_a_hello_is_found():
    stream = TlsStream()
    segments = [(1, HELLO)] + [(1 + len(HELLO) + 2 ** 26 * number & 0xFFFFFFFF, b"", 2 ** 26) for number in range(50)]
    fed(segments, stream)
    assert kinds(fed([(1 + len(HELLO) + 2 ** 26 * 50 & 0xFFFFFFFF, HELLO)], stream)) == ["client_hello"]


def test_a_missed_beginning():
    stream = TlsStream()
    assert fed([(1, SERVER[200:700]), (501, SERVER[700:])], stream) == []
    assert kinds(fed([(1 + len(SERVER), CCS + HELLO)], stream)) == ["change_cipher_spec", "client_hello"]


def test_application_data_ends_what_is_clear():
    stream = TlsStream()
    assert kinds(fed([(1, HELLO + record(b"secret", 23) + HELLO)], stream)) == ["client_hello"]
    after = 1 + 2 * len(HELLO) + 11
    assert fed([(after, record(b"more", 23))], stream) == []
    assert kinds(fed([(after + 9, b"\x15\x03\x03\x00\x02\x02\x28")], stream)) == ["alert"]


@pytest.mark.parametrize("encrypted", [
    handshake(20, bytes(12)), b"\x01" + bytes(39), b"\x02\x00\x00\x24\x03\x03" + bytes(34), b"\x01\x00\x00\x50\x03\x03" + bytes(34),
    handshake(1, b"\x03\x03" + bytes(32) + b"\x40" + bytes(100)), b"\x01", b""])
def test_behind_a_change_cipher_spec_only_a_whole_hello_is_clear(encrypted):
    stream = TlsStream()
    octets = HELLO + CCS + (record(encrypted) if encrypted else b"") + HELLO
    assert kinds(fed([(1, octets)], stream)) == ["client_hello", "change_cipher_spec", "client_hello"]
    assert stream.dropped == 0


def test_a_change_cipher_spec_may_come_first():
    assert kinds(whole(CCS + HELLO)) == ["change_cipher_spec", "client_hello"]


def test_alerts_that_are_encrypted_are_skipped():
    found = whole(HELLO + record(bytes(24), 21) + record(b"\x07\x28", 21) + record(b"\x02\x28", 21))
    assert found[1:] == [Message("alert", b"\x02\x28")]


@pytest.mark.parametrize("size", [1, 3, 700, 16384])
def test_records_have_any_number_of_messages(size):
    content = handshake(2, b"\x03\x03" + bytes(78)) + handshake(11, bytes(3000)) + handshake(14, b"")
    octets = b"".join(record(content[begin:begin + size]) for begin in range(0, len(content), size))
    found = fed([(1, octets)] if size >= 700 else [(1, HELLO), (1 + len(HELLO), octets)])
    assert [(message.kind, len(message.body)) for message in found][-3:] == [("server_hello", 80), ("certificate", 3000), ("server_hello_done", 0)]


def test_a_message_longer_than_what_is_held_is_dropped():
    stream = TlsStream()
    assert kinds(fed([(1, HELLO + record(b"\x0b\x10\x00\x00" + bytes(500)) + HELLO)], stream)) == ["client_hello"]
    assert stream.dropped == 1


def test_a_message_that_does_not_end_is_dropped():
    octets = HELLO + record(b"\x0b\x00\xff\xff" + bytes(16000)) + record(bytes(16000)) * 5
    stream = TlsStream()
    for begin in range(0, len(octets), 1400):
        stream.feed(1 + begin, octets[begin:begin + 1400], 1400)
        assert held(stream) <= MAX_HELD
    assert stream.dropped == 1


segments_of_any_kind = st.lists(st.tuples(
    st.one_of(st.integers(0, 3000), st.integers(0, 2 ** 32 - 1)),
    st.one_of(st.binary(max_size=60), st.sampled_from([HELLO, SERVER, CCS, HELLO[:20], SERVER[:300], bytes(3000), record(bytes(16384))]),
              st.builds(lambda a, b: a + b, st.sampled_from([b"\x16\x03\x03", b"\x16\x03\x01\x40\x00\x01", b"\x14\x03\x03", b"\x15\x03"]), st.binary(max_size=40))),
    st.integers(0, 70_000)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(segments_of_any_kind)
def test_whatever_comes_is_survived_in_bounded_memory(segments):
    stream = TlsStream()
    for sequence, data, payload_size in segments:
        for message in stream.feed(sequence, data, payload_size):
            assert isinstance(message.body, bytes) and isinstance(message.kind, str)
        assert held(stream) <= MAX_HELD
        assert stream._segments is None or len(stream._segments.waiting) <= 64
    # and a hello behind all that is found
    following = stream._next if stream._segments is None else stream._segments.next
    sequence = 0 if following is None else following + 1_000_000 & 0xFFFFFFFF
    assert kinds(stream.feed(sequence, HELLO, len(HELLO)))[:1] == ["client_hello"]


def test_one_octet_at_a_time():
    octets = HELLO + b"".join(record(handshake(99, bytes(8000))) for _number in range(8))
    stream = TlsStream()
    found = [message for number in range(len(octets)) for message in stream.feed(1 + number, octets[number:number + 1], 1)]
    assert found == whole(octets)
    assert kinds(found) == ["client_hello"] + ["other"] * 8
