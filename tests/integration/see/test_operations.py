# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations asked of OpenSSL 3: each counted once, by its algorithm's name, with direction and key size."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import probe
from ansible_collections.cryptofleet.audit.tests.integration.support.openssl_api import (
    BOTH,
    ONLY_3,
    assert_counts,
    libcrypto,
    perform,
)
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

SCENARIOS = dict(BOTH, **ONLY_3)
# As long as the kernel side keeps them whole (23 bytes), and longer.
LONG_NAMES = ("AES-128-CBC-HMAC-SHA256", "AES-128-CBC-HMAC-SHA256-ETM", "DIGEST-OF-TWENTY-4-BYTES", "DIGEST-OF-22-BYTES-LONG")


@pytest.fixture(scope="module")
def seen():
    with traced() as window:
        pids = {name: perform(name, libcrypto()).pid for name in SCENARIOS}
    assert_attached(window.profile)
    return SimpleNamespace(pids=pids, profile=window.profile)


@pytest.mark.parametrize("name", SCENARIOS)
def test_counted_once_and_by_name(seen, name):
    assert_counts(seen.profile, seen.pids[name], libcrypto(), SCENARIOS[name])


def test_a_name_that_is_cut_has_a_mark():
    with traced() as window:
        pid = perform("digest_names", libcrypto(), *LONG_NAMES).pid
    found = {(item["algorithm"], item.get("algorithm_truncated", False)): item["count"] for item in process(window.profile, pid)["operations"]}
    assert found == {("AES-128-CBC-HMAC-SHA256", False): 10, ("AES-128-CBC-HMAC-SHA256", True): 10, ("DIGEST-OF-TWENTY-4-BYTE", True): 10,
                     ("DIGEST-OF-22-BYTES-LONG", False): 10}


def test_a_name_whose_page_was_not_there_yet(tmp_path):
    name = tmp_path / "name"
    name.write_bytes(b"SHA512-256\0")
    with traced() as window:
        pid = perform("untouched_name", libcrypto(), name, 200).pid
    assert [(item["algorithm"], item["count"]) for item in process(window.profile, pid)["operations"] if item["function"] == "EVP_Q_digest"] == [
        ("SHA512-256", 200)]
    assert "user_fault" not in probe(window.profile, "openssl_api")["lost"]


def test_memory_that_can_not_be_read_is_said():
    """A pointer to nothing: the process dies of it, and its call stays."""
    with traced() as window:
        died = perform("null_page", libcrypto(), check=False)
    assert died.returncode == -signal.SIGSEGV
    found = [item for item in process(window.profile, died.pid)["operations"] if item["function"] == "EVP_EncryptInit_ex"]
    assert [(item["algorithm"], item["algorithm_unread"], item["count"]) for item in found] == [(None, True, 1)]
    coverage = window.profile["coverage"]
    assert coverage["lost"]["user_fault"] >= 1 and not coverage["complete"]
    assert reason(window.profile, "user_fault")["count"] == coverage["lost"]["user_fault"]
