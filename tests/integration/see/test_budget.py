# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls may cost: a short program is counted to its last call, a busy function is detached, and the profile says so."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import images
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


def window(encrypt=0, digest=0):
    with traced() as opened:
        done = python("repeated_inits.py", encrypt, digest)
    counts = {}
    for entry in images(opened.profile, done.pid):
        for item in entry["operations"]:
            if not item.get("internal"):
                counts[item["function"]] = counts.get(item["function"], 0) + item["count"]
    probe, = (each for each in opened.profile["coverage"]["probes"] if each["name"] == "openssl_api")
    return counts, probe, opened.profile["coverage"]


def test_fifty_thousand_operations_are_counted_exactly():
    counts, probe, _coverage = window(encrypt=50000)
    assert counts["EVP_EncryptInit_ex"] == 50000
    assert "EVP_EncryptInit_ex" not in [gone["function"] for gone in probe["detached"]]


def test_what_a_hit_costs_is_measured_here():
    _counts, probe, _coverage = window(digest=1000)
    cost = probe["ns_per_hit"]
    assert cost["measured"] and 50 < cost["emulated"] <= cost["single_stepped"] < 1000000
    assert probe["cost_ns"] >= 1000 * cost["emulated"]


def test_a_function_called_without_pause_is_detached_and_reported():
    calls = 1500000
    counts, probe, coverage = window(digest=calls)
    gone, = (each for each in probe["detached"] if each["function"] == "EVP_DigestInit_ex")
    assert probe["status"] == "detached_over_budget" and not coverage["complete"]
    assert any("EVP_DigestInit_ex" in entry["message"] for entry in coverage["reasons"] if entry["code"] == "functions_detached")
    assert gone["calls"] <= counts["EVP_DigestInit_ex"] + gone["internal_calls"] + 1000
    assert 10000 < counts["EVP_DigestInit_ex"] < calls
    # the burst, what one look later comes too late for, and the measured cost's own error
    assert probe["cost_ns"] == pytest.approx(probe["budget"]["burst_ns"], rel=4)
