# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations asked of OpenSSL 3: each counted once, by its algorithm's name, with direction and key size."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support import assert_attached, process, traced
from support_openssl import ASK_FOR_LONG_NAMES, BOTH, ONLY_3, assert_counts, libcrypto, perform

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
