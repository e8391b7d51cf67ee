# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel supports, found out from its answers; and how the file_open probe chooses its programs by it."""

from __future__ import annotations

import errno
import os
import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import syscalls
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import LoadError
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import file_open
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.base import ATTACHED, PARTIAL, BpfProbe


@pytest.mark.parametrize("number, takes", [(errno.EINVAL, True), (errno.EPERM, False), (errno.EACCES, False), (errno.ENOSYS, False)])
def test_whether_programs_at_kernel_functions_may_be_loaded(monkeypatch, number, takes):
    def refuse(command, attributes):
        assert command == 5 and len(attributes) == 128
        raise OSError(number, "no")

    monkeypatch.setattr(syscalls, "_bpf", refuse)
    assert syscalls.takes_function_programs() is takes


def test_no_runs_are_skipped_of_what_is_no_program():
    with open(os.devnull, "rb") as stream:
        assert syscalls.skipped_runs(stream.fileno()) == 0


@pytest.fixture
def probe(monkeypatch):
    """A FileOpenProbe on a kernel that takes the programs of `takes`; what was tried is in `tried`, what is attached in `attached`."""
    made = file_open.FileOpenProbe(None, -1, 0)
    made.tried, made.takes, made.attached = [], set(), []

    def attach(name):
        if name not in made.takes:
            raise LoadError("refused", errno.ENOENT)
        made.attached.append(name)

    def open_it(self):
        self.tried.append(self.hook)
        self.attached.clear()
        self._object = types.SimpleNamespace(attach=attach, close=lambda: None)
        self._attach()

    monkeypatch.setattr(BpfProbe, "_open", open_it)
    return made


def test_opens_are_seen_at_their_own_function_where_the_kernel_lets(probe, monkeypatch):
    monkeypatch.setattr(syscalls, "takes_function_programs", lambda: True)
    probe.takes = {"open_return", "handle_return", "any_return", "ring_open", "ring_return", "ring_request"}
    probe.open(True)
    assert (probe.status, probe.hook, probe.tried) == (ATTACHED, "fexit/do_sys_openat2", ["fexit/do_sys_openat2"])
    assert probe.attached == ["open_return", "handle_return", "ring_open", "ring_return"]


def test_opens_through_io_uring_are_counted_where_their_function_is_another(probe, monkeypatch):
    """Before 6.0 all is as it was, but for them."""
    monkeypatch.setattr(syscalls, "takes_function_programs", lambda: True)
    probe.takes = {"open_return", "handle_return", "any_return", "ring_entry"}
    probe.open(True)
    assert (probe.status, probe.hook, probe.tried) == (ATTACHED, "fexit/do_sys_openat2", ["fexit/do_sys_openat2"] * 2)
    assert tuple(probe.attached) == probe.programs == ("open_return", "handle_return", "ring_entry")


@pytest.mark.parametrize("asked, tried", [(False, ["tp_btf/sys_exit"]), (True, ["fexit/do_sys_openat2"] * 3 + ["tp_btf/sys_exit"])])
def test_else_at_the_return_of_all_system_calls(probe, monkeypatch, asked, tried):
    monkeypatch.setattr(syscalls, "takes_function_programs", lambda: asked)
    probe.takes = {"any_return", "ring_request", "ring_entry"}
    probe.open(True)
    assert (probe.status, probe.hook, probe.tried) == (ATTACHED, "tp_btf/sys_exit", tried)
    assert probe.programs == ("any_return", "ring_request")


@pytest.mark.parametrize("built, status", [(True, PARTIAL), (False, ATTACHED)])
def test_what_can_not_even_be_counted_is_said_where_it_can_happen(probe, monkeypatch, built, status):
    monkeypatch.setattr(syscalls, "takes_function_programs", lambda: False)
    monkeypatch.setattr(syscalls, "has_io_uring", lambda: built)
    probe.takes = {"any_return"}
    probe.open(True)
    assert probe.status == status and ("io_uring" in (probe.reason or "")) is built


@pytest.mark.parametrize("number, built", [(errno.EFAULT, True), (errno.EPERM, True), (errno.ENOSYS, False)])
def test_whether_the_kernel_has_io_uring(monkeypatch, number, built):
    def refuse(name, *_arguments):
        assert name == "io_uring_setup"
        raise OSError(number, "no")

    monkeypatch.setattr(syscalls, "_syscall", refuse)
    assert syscalls.has_io_uring() is built


def test_refused_both_ways(probe, monkeypatch):
    monkeypatch.setattr(syscalls, "takes_function_programs", lambda: True)
    probe.open(True)
    assert probe.status == "failed" and probe.reason == "refused" and len(probe.tried) == 5


@pytest.mark.parametrize("layout, asked, fits", [
    ((1, 4, 8), (4, 8), True), ((1, 4, 16), (4, 8), False), ((1, 8, 8), (4, 8), False), ((6, 4, 12), (4, 2 * 16), True), ((6, 4, 24), (4, 2 * 16), False)])
def test_a_buffer_is_never_smaller_than_what_the_kernel_writes_into_it(monkeypatch, layout, asked, fits):
    monkeypatch.setattr(syscalls, "map_sizes", lambda fd: layout)
    if fits:
        syscalls.Map(3, *asked)
    else:
        with pytest.raises(AuditError):
            syscalls.Map(3, *asked)
