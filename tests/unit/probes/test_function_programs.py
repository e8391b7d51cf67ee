# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the uprobes of files are numbered, and how many programs kernels without cookies get; the kernel is made up."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.attach_points import MEASURED, AttachPoint
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.family import Family, functions
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import LoadError
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import function_programs
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.function_programs import FunctionPrograms


class FakeObject:
    def __init__(self, _libbpf, name):
        self.name, self.wanted, self.closed = name, [], 0
        FakeObject.made.append(self)

    def set_constants(self, content):
        self.first_uprobe = events.SETTINGS.unpack(content)[2]

    def want_programs(self, names):
        self.wanted = list(names)

    def program_fd(self, name):
        return "%s of %d" % (name, self.first_uprobe) if name.startswith("row_") else 3

    def map_fd(self, name):
        return 1

    def close(self):
        self.closed += 1

    def load(self, names):
        pass

    reuse_map = expect_attach_type = lambda self, *arguments: None


@pytest.fixture
def programs(monkeypatch):
    """FunctionPrograms, with what reached the kernel: ``records`` by uprobe, ``attached`` in turn."""
    FakeObject.made = []
    records, attached = {}, []

    def attach(*arguments):
        attached.append(arguments)
        return SimpleNamespace(failed={}, hook="made up", close=lambda: None, give_up=sorted, give_up_all=list)

    def put(key, value):
        records[int.from_bytes(key, "little")] = value

    monkeypatch.setattr(function_programs, "BpfObject", FakeObject)
    monkeypatch.setattr(function_programs, "PerfAttachment", attach)
    monkeypatch.setattr(function_programs, "MultiAttachment", attach)
    monkeypatch.setattr(function_programs.os, "dup", lambda fd: fd)
    monkeypatch.setattr(function_programs.syscalls, "architecture", lambda: "x86_64")
    monkeypatch.setattr(function_programs.syscalls, "Map", lambda *_arguments: SimpleNamespace(put=put))
    monkeypatch.setattr(function_programs, "FunctionCalls", lambda *_arguments: None)
    monkeypatch.setattr(function_programs.ElfFile, "open", lambda fd: contextlib.nullcontext(SimpleNamespace(machine=62, bits=64, build_id=lambda: None)))
    monkeypatch.setattr(function_programs, "attach_points",
                        lambda elf, family: [AttachPoint(function, 16 * number, True, MEASURED) for number, function in enumerate(family.functions)])
    made = FunctionPrograms(None, None, 0)
    made.records, made.attached = records, attached
    return made


def attach(programs, number, size):
    names = " ".join("f%d" % function for function in range(size))
    target = programs.add_target((1, number), b"/lib", Family("made up", (), functions("digest SHA256: %s" % names), {}, {}))
    programs.attach(target, 3)
    return target


def test_uprobes_of_all_files_are_numbered_in_turn(programs):
    first, second = attach(programs, 1, 300), attach(programs, 2, 2)
    assert (first.first_uprobe, second.first_uprobe) == (0, 300)
    assert [(list(offsets), cookie) for _program, _path, offsets, cookie in programs.attached] == [(list(range(300)), 0), ([0, 1], 300)]
    assert len(programs.records) == 303 and programs.records[events.MEASURED_UPROBE] == MEASURED.pack()
    assert programs.records[301] == MEASURED._replace(library=1, calls=1).pack()
    assert second.give_up({second.family.functions[1]}) == [1]


def test_without_cookies_a_large_file_has_more_than_one_object(programs):
    programs._needs_rows = True
    attach(programs, 1, 2)
    target = attach(programs, 2, 300)
    assert [(each.name, each.first_uprobe) for each in FakeObject.made] == [("functions_rows", first) for first in (0, 2, 130, 258)]
    assert [len([name for name in each.wanted if name.startswith("row_")]) for each in FakeObject.made] == [2, 128, 128, 44]
    fds, _path, offsets = programs.attached[1]
    assert list(offsets) == list(fds) == list(range(300))
    assert (fds[0], fds[127], fds[128], fds[299]) == ("row_0 of 2", "row_127 of 2", "row_0 of 130", "row_43 of 258")
    target.close()
    assert [each.closed for each in FakeObject.made] == [0, 1, 1, 1]


def test_more_than_the_map_holds_is_refused(programs):
    attach(programs, 1, 300)
    programs._uprobes = events.MEASURED_UPROBE - 299
    with pytest.raises(LoadError, match="its 300 functions are over the bound"):
        attach(programs, 2, 300)
    assert attach(programs, 3, 299).first_uprobe == events.MEASURED_UPROBE - 299
