# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.segments import GAP, Segments
from hypothesis import given
from hypothesis import strategies as st

START = 0xFFFFFFF0  # so that the sequence numbers wrap


def segment(stream, begin, end, copied=None):
    """Arguments of `feed` for bytes begin to end of a stream, of which `copied` were copied."""
    return (START + begin) & 0xFFFFFFFF, stream[begin:end][:copied], end - begin


def test_bytes_in_order_pass_at_once():
    segments = Segments()
    assert segments.feed(5, b"ab", 2) == [b"ab"]
    assert segments.feed(7, b"c", 1) == [b"c"]
    assert segments.feed(8, b"", 0) == []


def test_a_segment_waits_for_an_earlier_one_and_sequence_numbers_wrap():
    segments = Segments()
    assert segments.feed(0xFFFFFFFE, b"a", 1) == [b"a"]
    assert segments.feed(1, b"de", 2) == []
    assert segments.feed(0xFFFFFFFF, b"bc", 2) == [b"bc", b"de"]


def test_retransmissions_give_only_what_is_new():
    segments = Segments()
    segments.feed(0, b"abcd", 4)
    assert segments.feed(0, b"abcd", 4) == []
    assert segments.feed(2, b"XXef", 4) == [b"ef"]
    assert segments.feed(0xFFFFFFF0, b"before", 6) == []


def test_bytes_that_were_not_copied_are_a_gap():
    segments = Segments()
    assert segments.feed(0, b"ab", 10) == [b"ab", GAP]
    assert segments.feed(10, b"cd", 2) == [b"cd"]
    assert segments.feed(0, b"abcdefghij", 10) == []  # too late: later bytes were given
    assert segments.feed(8, b"x", 6) == [GAP]  # 12 and 13 are new and were not copied


def test_missing_bytes_are_given_up_where_too_much_waits():
    segments = Segments(max_held=8)
    segments.feed(0, b"a", 1)
    assert segments.feed(9, b"j" * 6, 6) == []
    assert segments.feed(3, b"ddd", 3) == [GAP, b"ddd"]
    assert segments.feed(6, b"ggg", 3) == [b"ggg", b"j" * 6]


def test_many_small_segments_do_not_wait_for_ever():
    segments = Segments()
    segments.feed(0, b"a", 1)
    answers = [segments.feed(2 * at, b"x", 1) for at in range(1, 66)]
    assert answers[:64] == [[]] * 64
    assert answers[64] == [GAP, b"x"]


def test_skip_gives_what_waits():
    segments = Segments()
    segments.feed(0, b"a", 1)
    segments.feed(9, b"k", 1)
    segments.feed(4, b"e", 1)
    assert segments.skip() == [GAP, b"e", GAP, b"k"]
    assert segments.skip() == []
    assert segments.feed(10, b"l", 1) == [b"l"]


@given(st.data())
def test_any_cut_order_and_repetition_gives_the_same_bytes(data):
    stream = data.draw(st.binary(min_size=1, max_size=200))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=20)) | {len(stream)})
    pieces = [segment(stream, begin, end) for begin, end in zip([0] + cuts, cuts)]
    repeated = pieces[1:] + data.draw(st.lists(st.tuples(st.integers(0, len(stream)), st.integers(1, 50)), max_size=5).map(
        lambda pairs: [segment(stream, at, min(at + size, len(stream))) for at, size in pairs]))
    segments = Segments()
    found = segments.feed(*pieces[0])
    for piece in data.draw(st.permutations(repeated)):
        found += segments.feed(*piece)
    assert b"".join(found) == stream
    assert segments.skip() == []


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1) | st.integers(0, 90), st.binary(max_size=40), st.integers(0, 2**17)), max_size=120))
def test_anything_is_survived_and_little_is_held(calls):
    segments = Segments(max_held=100)
    given_out = 0
    for sequence, data, size in calls:
        given_out += sum(len(part) for part in segments.feed(sequence, data, size) if part)
        assert segments.held == sum(len(data) for data, size in segments.waiting.values()) <= 100
    assert given_out + sum(len(part) for part in segments.skip() if part) <= sum(len(data) for sequence, data, size in calls)


def test_reversed_segments_cost_no_more_than_a_few_milliseconds():
    def seconds(count):
        segments = Segments(1 << 20)
        segments.feed(0, b"a", 1)
        begin = time.process_time()
        for at in range(count, 0, -1):
            segments.feed(at, b"x", 1)
        return time.process_time() - begin
    assert seconds(4000) < 2
