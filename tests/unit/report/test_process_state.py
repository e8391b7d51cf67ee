# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a process was covered, from the facts of it."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.process_state import STATES, Facts, state

NOTHING = Facts(used=False, denied=False, libraries=0, probed=0, late=False, unobservable=(), connections=0, wire=True, polled=False)


def of(**facts):
    return state(NOTHING._replace(**facts))


@pytest.mark.parametrize("facts, word", [
    (dict(), None),
    (dict(used=True), "observed"),
    (dict(used=True, denied=True, unobservable=("rustls",), late=True), "observed"),
    (dict(denied=True), "permission_denied"),
    (dict(libraries=2, probed=1), "idle"),
    (dict(libraries=2, probed=1, wire=False), "idle"),
    (dict(libraries=1), "unobservable"),  # only handshakes could have been seen
    (dict(libraries=1, wire=False), "unobservable"),
    (dict(libraries=1, late=True), "exited_before_attach"),
    (dict(libraries=2, probed=1, late=True), "idle"),  # another of its libraries was reached in time
    (dict(unobservable=("Go crypto/tls",)), "unobservable"),
    (dict(unobservable=("Go crypto/tls",), wire=False), "unobservable"),
    (dict(unobservable=("OpenSSL (static)",), libraries=1, probed=1), "unobservable"),
    (dict(connections=1), "unobservable"),
    (dict(connections=1, libraries=1, probed=1), "idle"),
    (dict(unobservable=None), None),
    (dict(unobservable=None, libraries=1, probed=1), "idle"),
    (dict(libraries=1, polled=True, wire=False), "unobservable"),
    (dict(polled=True, wire=False), None),
])
def test_states(facts, word):
    assert of(**facts)[0] == word


def test_reasons_say_what_is_not_known():
    assert of(unobservable=("Go crypto/tls", "ring"))[1] == "no probe observes Go crypto/tls, ring, and no handshake of it was on the wire"
    assert "the wire was not watched" in of(unobservable=("rustls",), wire=False)[1]
    assert "its 3 TLS connections are from before the window" in of(unobservable=("rustls",), connections=3)[1]
    assert "its 2 TLS connections are from before the window" in of(libraries=1, probed=1, connections=2)[1]
    assert of(libraries=1, probed=1)[1] is None and of(used=True)[1] is None and of()[1] is None
    assert "could be searched" in of(unobservable=None)[1]
    assert "nothing was attached" in of(libraries=1, polled=True)[1]


def test_what_was_not_seen_is_never_called_seen():
    """Over all facts: a word for all that has cryptography, a sentence wherever something was not seen."""
    for used, denied, libraries, probed, late, unobservable, connections, wire, polled in itertools.product(
            *[(False, True)] * 2, (0, 2), (0, 1), (False, True), (None, (), ("rustls",)), (0, 4), (False, True), (False, True)):
        facts = Facts(used, denied, libraries, min(probed, libraries), late and bool(libraries), unobservable, connections, wire, polled)
        word, sentence = state(facts)
        assert word in STATES + (None,)
        assert (word == "observed") == used
        if libraries or connections or unobservable:
            assert word is not None
        if word in ("unobservable", "exited_before_attach", "permission_denied"):
            assert sentence
        if word == "idle":
            assert not polled and not unobservable and facts.probed
