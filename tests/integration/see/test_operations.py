# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations asked of OpenSSL 3: each counted once, by its algorithm's name, with direction and key size."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import probe
from ansible_collections.cryptofleet.audit.tests.integration.support.openssl_api import (
    ASK_FOR_LONG_NAMES,
    BOTH,
    ONLY_3,
    assert_counts,
    libcrypto,
    perform,
    try_scenario,
)
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, process
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

SCENARIOS = dict(BOTH, **ONLY_3)


@pytest.fixture(scope="module")
def seen():
    with traced() as window:
        pids = perform(SCENARIOS, libcrypto())
    assert_attached(window.profile)
    return SimpleNamespace(pids=pids, profile=window.profile)


@pytest.mark.parametrize("name", SCENARIOS)
def test_counted_once_and_by_name(seen, name):
    assert_counts(seen.profile, seen.pids[name], libcrypto(), SCENARIOS[name][1])


def test_a_name_that_is_cut_has_a_mark():
    with traced() as window:
        pid = perform({"long": (ASK_FOR_LONG_NAMES, None)}, libcrypto())["long"]
    found = {(item["algorithm"], item.get("algorithm_truncated", False)): item["count"] for item in process(window.profile, pid)["operations"]}
    assert found == {("AES-128-CBC-HMAC-SHA256", False): 10, ("AES-128-CBC-HMAC-SHA256", True): 10, ("DIGEST-OF-TWENTY-4-BYTE", True): 10,
                     ("DIGEST-OF-22-BYTES-LONG", False): 10}


# Each mapping is fresh: no page of its file is in it until the library reads the name.
_UNTOUCHED = """
import mmap, tempfile
with tempfile.TemporaryFile() as file:
    file.write(b"SHA512-256" + bytes(1))
    file.flush()
    for _count in range(200):
        page = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        ok("EVP_Q_digest", None, ctypes.addressof(ctypes.c_char.from_buffer(page)), None, DATA, ctypes.c_size_t(32), OUT, None)
"""


def test_a_name_whose_page_was_not_there_yet():
    with traced() as window:
        pid = perform({"untouched": (_UNTOUCHED, None)}, libcrypto())["untouched"]
    assert [(item["algorithm"], item["count"]) for item in process(window.profile, pid)["operations"] if item["function"] == "EVP_Q_digest"] == [
        ("SHA512-256", 200)]
    assert "user_fault" not in probe(window.profile, "openssl_api")["lost"]


def test_memory_that_can_not_be_read_is_said():
    """A pointer to nothing: the process dies of it, and its call stays."""
    code = 'f("EVP_EncryptInit_ex", f("EVP_CIPHER_CTX_new"), 0x10000, None, KEY, IV)'
    with traced() as window:
        died = try_scenario(code, libcrypto())
    assert died.returncode == -signal.SIGSEGV
    found = [item for item in process(window.profile, died.pid)["operations"] if item["function"] == "EVP_EncryptInit_ex"]
    assert [(item["algorithm"], item["algorithm_unread"], item["count"]) for item in found] == [(None, True, 1)]
    coverage = window.profile["coverage"]
    assert coverage["lost"]["user_fault"] >= 1 and not coverage["complete"]
    assert any("memory of a process could not be read" in reason for reason in coverage["reasons"])
