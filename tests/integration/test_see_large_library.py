# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A library with more functions than any real one has, probed in each of the three ways that kernels offer: all are counted apart."""

from __future__ import annotations

import pathlib

import pytest
from support import process, run, talking, tool
from support_faults import broken, probe

SOURCE = pathlib.Path(__file__).with_name("peers") / "sources" / "large_library.c"

# libsodium is another library in the tracer: its file is one that the test made.
FAULT = """
import sys
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import families, family
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.function_programs import FunctionPrograms
made = family.Family("libsodium", ("libsodium",), family.functions("digest SHA256: %(names)s"), family.tail_calls("f299 <- jumping"), {})
every = tuple(made if each.name == made.name else each for each in families.FAMILIES)
changed = {"FAMILIES": every, "FUNCTIONS": tuple(function for each in every for function in each.functions)}
for module in list(sys.modules.values()):
    for name, value in changed.items():
        if type(getattr(module, name, None)) is tuple:
            setattr(module, name, value)
families._OF_LIBRARY["libsodium"] = made
create = FunctionPrograms.__init__
def changed_create(self, *arguments):
    create(self, *arguments)
    vars(self).update(%(state)r)
FunctionPrograms.__init__ = changed_create
"""
CALLS = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
print("there")
input()
for number in range(300):
    for _each in range(number % 5 + 1):
        getattr(library, "f%03d" % number)(1)
for _each in range(7):
    library.jumping(1)
print("done")
input()
"""


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
    with broken(fault=FAULT % {"names": " ".join(names), "state": state}, probes={"openssl_api": False}) as window, talking(CALLS, library) as user:
        assert user.hear() == "there"
        window.settle()
        user.tell()
        assert user.hear() == "done"
    target, = (target for target in probe(window.profile, "library_api")["targets"] if target["path"] == str(library))
    assert (target["status"], target["functions"]) == ("attached", probed + 1)
    assert hook is None or probe(window.profile, "library_api")["hook"] == hook
    found = {item["function"]: (item["algorithm"], item["count"]) for item in process(window.profile, user.pid)["operations"]}
    assert found == dict({"f%03d" % number: ("SHA256", number % 5 + 1) for number in numbers}, jumping=("SHA256", 7))
