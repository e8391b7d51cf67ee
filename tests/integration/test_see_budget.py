# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls may cost: a short program is counted to its last call, functions of a busy one are detached, and the profile says so."""

from __future__ import annotations

import pytest
from support import SYSTEM_PYTHON, images, run, traced

# A call by ctypes takes about a microsecond, so these come faster than any server makes them.
_CALLS = """
import ctypes
crypto = ctypes.CDLL("libcrypto.so.3")
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_MD_CTX_new", "EVP_sha256"):
    getattr(crypto, name).restype = ctypes.c_void_p
cipher, digest = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new()), ctypes.c_void_p(crypto.EVP_MD_CTX_new())
aes, sha = ctypes.c_void_p(crypto.EVP_aes_256_gcm()), ctypes.c_void_p(crypto.EVP_sha256())
for _each in range(%(encrypt)d):
    assert crypto.EVP_EncryptInit_ex(cipher, aes, None, None, None) == 1
for _each in range(%(digest)d):
    assert crypto.EVP_DigestInit_ex(digest, sha, None) == 1
"""


def window(**calls):
    with traced() as opened:
        done = run(SYSTEM_PYTHON, "-c", _CALLS % dict({"encrypt": 0, "digest": 0}, **calls))
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


def test_a_function_called_all_the_time_is_detached_and_reported():
    calls = 1500000
    counts, probe, coverage = window(digest=calls)
    gone, = (each for each in probe["detached"] if each["function"] == "EVP_DigestInit_ex")
    assert probe["status"] == "detached_over_budget" and not coverage["complete"]
    assert any("EVP_DigestInit_ex" in reason for reason in coverage["reasons"])
    assert gone["calls"] <= counts["EVP_DigestInit_ex"] + gone["internal_calls"] + 1000
    assert 10000 < counts["EVP_DigestInit_ex"] < calls
    # the burst, what one look later comes too late for, and the measured cost's own error
    assert probe["cost_ns"] == pytest.approx(probe["budget"]["burst_ns"], rel=4)
