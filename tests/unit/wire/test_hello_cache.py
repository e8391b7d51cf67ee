# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cache of hellos returns is what parsing them returns."""

from __future__ import annotations

import random

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import hello_cache
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import HELLO_RETRY, client_hello, server_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_messages import MalformedMessage
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, hellos
from hypothesis import given, settings
from hypothesis import strategies as st

CLIENT_HELLOS = [body for recording in RECORDINGS.values() for body in hellos(recording.from_client)]
SERVER_HELLOS = [body for recording in RECORDINGS.values() for body in hellos(recording.from_server)]
BOTH = [(hello_cache.client_hello_cache, client_hello, CLIENT_HELLOS), (hello_cache.server_hello_cache, server_hello, SERVER_HELLOS)]


class Counting:
    """A parser that counts its calls."""

    def __init__(self, parse):
        self._parse = parse
        self.calls = 0

    def __call__(self, body):
        self.calls += 1
        return self._parse(body)


def outcome(parse, body):
    try:
        return parse(body)
    except MalformedMessage:
        return "malformed"


def with_fresh_randoms(body, chance):
    """The same hello of the next connection: another random and session id."""
    size = body[34]
    return body[:2] + chance.randbytes(32) + body[34:35] + chance.randbytes(size) + body[35 + size:]


@pytest.mark.parametrize("make, parse, recorded", BOTH, ids=["client", "server"])
def test_the_hellos_of_real_peers_are_parsed_once(make, parse, recorded):
    chance = random.Random(20261122)
    for body in recorded:
        if body[2:34] == HELLO_RETRY:
            continue
        counting = Counting(parse)
        cache = make(counting)
        for _each in range(5):
            following = with_fresh_randoms(body, chance)
            assert cache.parse(following) == parse(following)
        assert counting.calls == 1 or len(body) > 2048


def test_another_key_is_no_other_shape_and_another_group_is():
    body = next(body for body in CLIENT_HELLOS if client_hello(body).key_shares == (0x1D,))
    at = body.index(b"\x00\x1d\x00\x20") + 4
    counting = Counting(client_hello)
    cache = hello_cache.client_hello_cache(counting)
    assert cache.parse(body) == cache.parse(body[:at] + bytes(32) + body[at + 32:])
    assert counting.calls == 1
    other = body[:at - 4] + b"\x00\x1e" + body[at - 2:]
    assert cache.parse(other) == client_hello(other) and cache.parse(other).key_shares == (0x1E,)
    assert counting.calls == 2


def test_a_retry_is_no_hello_of_its_shape():
    body = next(body for body in SERVER_HELLOS if body[2:34] == HELLO_RETRY)
    cache = hello_cache.server_hello_cache(server_hello)
    assert cache.parse(body).hello_retry and cache.parse(body) == server_hello(body)
    other = body[:2] + bytes(32) + body[34:]
    assert outcome(cache.parse, other) == outcome(server_hello, other)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_nothing_that_is_changed_goes_unnoticed(data):
    """All recorded hellos are known; then one with some octets changed, cut or put in is what parsing it gives."""
    make, parse, recorded = data.draw(st.sampled_from(BOTH))
    cache = make(parse)
    body = bytearray(data.draw(st.sampled_from(recorded)))
    for known in (data.draw(st.sampled_from(recorded)), bytes(body)):
        assert cache.parse(known) == parse(known)
    for _each in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        how = data.draw(st.sampled_from(["change", "change", "cut", "put in"]))
        if how == "change":
            body[at] = data.draw(st.integers(0, 255))
        elif how == "cut" and len(body) > 1:
            del body[at]
        else:
            body.insert(at, data.draw(st.integers(0, 255)))
        assert outcome(cache.parse, bytes(body)) == outcome(parse, bytes(body))


def test_so_many_and_not_more_are_held():
    body = CLIENT_HELLOS[0]
    counting = Counting(client_hello)
    cache = hello_cache.client_hello_cache(counting)
    for number in range(1000):
        suites = 37 + body[34]
        assert cache.parse(body[:suites] + number.to_bytes(2, "big") + body[suites + 2:]).cipher_suites
        assert cache._size <= hello_cache._MAX_HELLOS
        assert sum(len(known) for layouts in cache._layouts.values() for _cut, _layout, known in layouts) == cache._size
    assert counting.calls == 1000


def test_hellos_that_do_not_repeat_are_not_kept_for_a_while():
    body = CLIENT_HELLOS[0]
    suites = 37 + body[34]
    counting = Counting(client_hello)
    cache = hello_cache.client_hello_cache(counting)
    others = [body[:suites] + number.to_bytes(2, "big") + body[suites + 2:] for number in range(hello_cache._MAX_HELLOS + 1)]
    for other in others:
        assert cache.parse(other) == client_hello(other)
    kept = cache._size
    for _each in range(hello_cache._PAUSE):
        assert cache.parse(body) == client_hello(body)
    assert cache._size == kept and counting.calls == len(others) + hello_cache._PAUSE
    for _each in range(10):
        assert cache.parse(body) == client_hello(body)
    assert cache._size == kept + 1 and counting.calls == len(others) + hello_cache._PAUSE + 1


def test_hellos_that_repeat_are_kept_beside_some_that_do_not():
    body = CLIENT_HELLOS[0]
    suites = 37 + body[34]
    counting = Counting(client_hello)
    cache = hello_cache.client_hello_cache(counting)
    for number in range(500):
        for _each in range(3):
            cache.parse(body)
        cache.parse(body[:suites] + number.to_bytes(2, "big") + body[suites + 2:])
    assert counting.calls < 500 + 500 // hello_cache._MAX_HELLOS + 3
