# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A library with more functions than any real one has, probed in each of the three ways that kernels offer: all are counted apart."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import broken, probe
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import PROGRAMS, run, talking, tool

SOURCE = PROGRAMS / "large_library.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "libsodium.so.23"
    # each function has code of its own, and the jump is one
    run(tool("gcc", "gcc"), "-shared", "-fPIC", "-O1", "-fno-ipa-icf", "-foptimize-sibling-calls", "-Wl,-soname,libsodium.so.23", "-o", path, SOURCE)
    return path


@pytest.mark.parametrize("hook, state, probed", [
    (None, {}, 300), ("uprobe (perf)", {"slow_to_detach": True}, 140), ("uprobe (perf)", {"slow_to_detach": True, "_needs_rows": True}, 140)],
    ids=["best", "cookies", "rows"])
def test_every_function_is_counted(library, hook, state, probed):
    """The best way of this kernel; as from 5.15 to 6.5, by cookies; as before, by small programs in more than one object.

    The older ways take some 50 ms to detach each function, so they get no more of them than needed.
    """
    numbers = [*range(probed - 1), 299]
    names = ["f%03d" % number for number in numbers] + ["jumping"]
    with broken(faults=[("large_library", {"names": names, "state": state})], probes={"openssl_api": False}) as window, talking("large_library_calls.py", library) as user:
        assert user.hear() == "there"
        window.settle()
        user.tell()
        assert user.hear() == "done"
    target, = (target for target in probe(window.profile, "library_api")["targets"] if target["path"] == str(library))
    assert (target["status"], target["functions"]) == ("attached", probed + 1)
    assert hook is None or probe(window.profile, "library_api")["hook"] == hook
    found = {item["function"]: (item["algorithm"], item["count"]) for item in process(window.profile, user.pid)["operations"]}
    assert found == dict({"f%03d" % number: ("SHA256", number % 5 + 1) for number in numbers}, jumping=("SHA256", 7))
