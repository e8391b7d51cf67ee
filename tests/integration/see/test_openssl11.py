# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same operations asked of OpenSSL 1.1, whose objects are laid out otherwise and whose functions call each other otherwise."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.openssl11 import libcrypto11
from ansible_collections.cryptofleet.audit.tests.integration.support.openssl_api import BOTH, assert_counts, perform
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import build_id
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, library, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

HOLD = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print('loaded'); input()"


@pytest.fixture(scope="module")
def seen():
    path = libcrypto11()
    # one process has it mapped before the window opens, so that it is probed from the beginning
    with talking(HOLD, path) as holder:
        assert holder.hear() == "loaded"
        # here each digest passes through two functions more, which nothing else calls and which the tracer would detach first
        with traced(constants={"_probes.budget.INTERNAL_BURST_NS": 10 ** 10, "_probes.budget.BURST_NS": 10 ** 10}) as window:
            pids = {name: perform(name, path).pid for name in BOTH}
            version = python("import ctypes, sys; c = ctypes.CDLL(sys.argv[1]); c.OpenSSL_version.restype = ctypes.c_char_p; print(c.OpenSSL_version(0).decode())", path)
    assert_attached(window.profile)
    return SimpleNamespace(path=path, pids=pids, holder=holder.pid, profile=window.profile, version=version.stdout.split()[1])


@pytest.mark.parametrize("name", BOTH)
def test_counted_once_and_by_name(seen, name):
    assert_counts(seen.profile, seen.pids[name], seen.path, BOTH[name])


def test_library(seen):
    for pid, how in ((seen.holder, "present"), (seen.pids["digest"], "loaded")):
        found = library(process(seen.profile, pid), "libcrypto")
        assert (found["path"], found["version"], found["build_id"], found["how"]) == (str(seen.path), seen.version, build_id(seen.path), how)
        assert (found["package"], found["deleted"]) == (None, False)
    assert seen.version.startswith("1.1.1")


def test_nothing_came_late(seen):
    assert str(seen.path) not in json.dumps(seen.profile["coverage"]["reasons"])
