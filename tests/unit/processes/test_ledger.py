# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: which process an event belongs to, in whatever order processes begin, change and end."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.tests.unit.support.ledger_world import (
    LIBCRYPTO,
    PID,
    SECOND,
    START,
    FakeProc,
    by_image,
    execve,
    fork,
    image,
    leave,
    make,
    mapped,
    only,
    opened,
    operation,
    operation_counts,
    subject,
)

CHILD = image(PID + 1, 1, START + SECOND)


def test_fork_exec_exit(monkeypatch):
    ledger, lines = make(monkeypatch)
    parent = image()
    ledger.on_exec(execve(parent, START))
    ledger.on_fork(fork(CHILD, parent, START + SECOND))
    ran = CHILD._replace(exec_id=2)
    ledger.on_exec(execve(ran, START + 2 * SECOND, b"/usr/bin/curl", (b"curl", b"https://x"), parent=PID))
    ledger.on_library(mapped(CHILD.pid, START + 3 * SECOND))
    ledger.on_exit(leave(ran, START + 4 * SECOND, 3 << 8))
    forked, curl = by_image(ledger, CHILD.pid)
    assert (forked.exec_id, forked.exe, forked.arguments, forked.replaced_at, forked.exit_time) == (1, b"/usr/bin/openssl", [b"openssl", b"dgst"], START + 2 * SECOND, None)
    assert (curl.exec_id, curl.exe, curl.arguments, curl.parent_pid) == (2, b"/usr/bin/curl", [b"curl", b"https://x"], PID)
    assert (curl.exec_time, curl.exit_time, curl.exit_status, curl.replaced_at) == (START + 2 * SECOND, START + 4 * SECOND, 768, None)
    assert list(curl.libraries) == [LIBCRYPTO] and not forked.libraries
    assert [kind for kind, *_rest in lines] == ["process_exec", "process_fork", "process_exec", "library_load", "process_exit"]


def test_two_images_keep_their_own_observations(monkeypatch):
    ledger, _lines = make(monkeypatch)
    first, second = image(exec_id=4), image(exec_id=5)
    ledger.on_exec(execve(first, START, b"/bin/sh"))
    ledger.on_file(opened(first, START + 1, b"/etc/ssl/openssl.cnf"))
    ledger.on_operation(operation(first, name=b"AES-128-CBC", bits=128))
    ledger.on_exec(execve(second, START + 2))
    ledger.on_library(mapped(PID, START + 3))
    ledger.on_file(opened(second, START + 4))
    ledger.on_operation(operation(second))
    ledger.on_file(opened(first, START + 5, b"/etc/ssl/late.pem"))  # a look that came late
    shell, openssl = by_image(ledger)
    assert sorted(held.observed.path for held in shell.files.values()) == [b"/etc/ssl/late.pem", b"/etc/ssl/openssl.cnf"]
    assert not shell.libraries and only(shell.operations.values()).algorithm == "AES-128-CBC"
    assert only(openssl.files.values()).observed.path == b"/etc/ssl/private/site.key"
    assert list(openssl.libraries) == [LIBCRYPTO] and only(openssl.operations.values()).algorithm == "AES-256-GCM"


@pytest.mark.parametrize("apart", [1, 1000, 10_000_000, 10 * SECOND])
def test_a_pid_used_twice_is_two_processes(monkeypatch, apart):
    """Also where both began in the same 1/100 s, and with the same exec number, as two forks of one shell have."""
    ledger, _lines = make(monkeypatch)
    shell, first, second = image(PID + 9), image(exec_id=7, start=START), image(exec_id=7, start=START + apart)
    ledger.on_exec(execve(shell, START - 1, b"/bin/sh"))
    ledger.on_fork(fork(first, shell, START))
    ledger.on_file(opened(first, START, b"/etc/ssl/first.pem"))
    ledger.on_operation(operation(first, name=b"AES-128-CBC"))
    ledger.on_exit(leave(first, START + apart, 1 << 8))
    ledger.on_fork(fork(second, shell, START + apart))
    ledger.on_file(opened(second, START + apart + 1, b"/etc/ssl/second.pem"))
    ledger.on_operation(operation(second, name=b"AES-256-CBC"))
    ledger.on_exit(leave(second, START + apart + 2, 9))
    ledger.add_counts(operation_counts([(operation(first, name=b"AES-128-CBC").key, 256, 10, START, START),
                                        (operation(second, name=b"AES-256-CBC").key, 256, 20, START, START)]))
    before, after = by_image(ledger, PID)
    assert (before.start, before.exit_status, after.start, after.exit_status) == (START, 256, START + apart, 9)
    assert only(before.files.values()).observed.path == b"/etc/ssl/first.pem"
    assert only(after.files.values()).observed.path == b"/etc/ssl/second.pem"
    assert [(held.algorithm, held.count) for record in (before, after) for held in record.operations.values()] == [("AES-128-CBC", 10), ("AES-256-CBC", 20)]


def test_a_pid_used_twice_without_an_exit_seen(monkeypatch):
    ledger, _lines = make(monkeypatch)
    first, second = image(start=START), image(start=START + 5 * SECOND)
    ledger.on_exec(execve(first, START, b"/bin/a"))
    ledger.on_exec(execve(second, START + 6 * SECOND, b"/bin/b"))
    ledger.on_library(mapped(PID, START + 7 * SECOND))
    before, after = by_image(ledger)
    assert (before.exe, before.replaced_at, after.exe) == (b"/bin/a", None, b"/bin/b") and list(after.libraries) == [LIBCRYPTO]


def test_a_process_of_proc_takes_the_exec_number_of_its_first_event(monkeypatch):
    proc = FakeProc()
    proc.processes[PID] = {"start": START + 7, "exe": b"/usr/sbin/nginx", "comm": b"nginx", "maps": [LIBCRYPTO, b"/lib/libc.so.6"]}
    ledger, lines = make(monkeypatch, proc)
    assert [(pid, mapping.path) for pid, mapping in ledger.scan()] == [(PID, LIBCRYPTO)]
    record = only(ledger.records())
    assert (record.exec_id, record.source, record.libraries[LIBCRYPTO].how, record.libraries[LIBCRYPTO].first_seen) == (None, "proc", "present", None)
    ledger.on_file(opened(image(exec_id=12, start=START + 7), START + SECOND))
    assert only(ledger.records()) is record
    assert (record.exec_id, record.start, len(record.files)) == (12, START + 7, 1)
    assert lines[0] == ("library_load", None, PID, None)


def test_kernel_threads_are_not_entered(monkeypatch):
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "flags": 0x00200000}
    ledger, _lines = make(monkeypatch, proc)
    assert not list(ledger.scan()) and not ledger.records()


def test_events_that_the_scan_has_overtaken(monkeypatch):
    """Probes are attached before /proc is read: fork and execve before that reading describe what it has shown already."""
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/usr/bin/openssl", "arguments": [b"openssl"], "maps": [LIBCRYPTO]}
    ledger, lines = make(monkeypatch, proc)
    list(ledger.scan())
    entered = only(ledger.records()).entered_at
    ledger.on_fork(fork(image(exec_id=1), image(PID + 1), entered - 2))
    ledger.on_exec(execve(image(exec_id=2), entered - 1))
    record = only(ledger.records())
    assert (record.exec_id, record.exec_time, record.exe, list(record.libraries)) == (2, entered - 1, b"/usr/bin/openssl", [LIBCRYPTO])
    ledger.on_exec(execve(image(exec_id=3), entered + 1, b"/usr/bin/curl"))
    before, after = by_image(ledger)
    assert before.replaced_at and (after.exec_id, after.exe, after.libraries) == (3, b"/usr/bin/curl", {})
    assert [line[0] for line in lines] == ["library_load", "process_fork", "process_exec", "process_exec"]


def test_the_scan_overtakes_only_its_own_process(monkeypatch):
    """A pid that was used before by a process that is gone when /proc is read."""
    proc = FakeProc()
    proc.processes[PID] = {"start": START + 10 * SECOND, "exe": b"/usr/bin/new"}
    ledger, _lines = make(monkeypatch, proc)
    list(ledger.scan())
    entered = only(ledger.records()).entered_at
    ledger.on_exec(execve(image(start=START), entered - 3, b"/usr/bin/gone"))
    ledger.on_exit(leave(image(start=START), entered - 2))
    gone, new = by_image(ledger)
    assert (gone.exe, gone.ended, new.exe, new.ended) == (b"/usr/bin/gone", True, b"/usr/bin/new", False)
    ledger.on_library(mapped(PID, entered + 1))
    assert list(new.libraries) == [LIBCRYPTO] and not gone.libraries


def test_a_fork_has_its_parents_libraries_until_it_runs_something_else(monkeypatch):
    ledger, _lines = make(monkeypatch)
    parent, worker, helper = image(), CHILD, image(PID + 2, 1, START + SECOND)
    ledger.on_exec(execve(parent, START, b"/usr/sbin/nginx"))
    ledger.on_library(mapped(PID, START + 1))
    ledger.on_fork(fork(worker, parent, START + SECOND))
    ledger.on_fork(fork(helper, parent, START + SECOND))
    ledger.on_exec(execve(helper._replace(exec_id=2), START + 2 * SECOND, b"/bin/true"))
    libraries = {(record.pid, record.exec_id): list(record.libraries) for record in ledger.records()}
    assert libraries == {(PID, 1): [LIBCRYPTO], (worker.pid, 1): [LIBCRYPTO], (helper.pid, 1): [], (helper.pid, 2): []}


def test_a_fork_that_used_its_parents_libraries_keeps_them(monkeypatch):
    ledger, _lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START, b"/bin/sh"))
    ledger.on_library(mapped(PID, START + 1))
    ledger.on_fork(fork(CHILD, image(), START + SECOND))
    ledger.on_operation(operation(CHILD))
    ledger.on_exec(execve(CHILD._replace(exec_id=2), START + 2 * SECOND, b"/bin/true"))
    used, after = by_image(ledger, CHILD.pid)
    assert list(used.libraries) == [LIBCRYPTO] and not after.libraries


def test_an_exit_counts_once(monkeypatch):
    """Two last threads on two CPUs may both report the end: the first is the process's."""
    ledger, lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START))
    ledger.on_exit(leave(image(), START + 1, 9))
    ledger.on_exit(leave(image(), START + 2, 0))
    record = only(ledger.records())
    assert (record.exit_time, record.exit_status) == (START + 1, 9) and [line[0] for line in lines] == ["process_exec", "process_exit"]


def test_what_proc_says_of_a_later_image_is_not_the_earlier_ones(monkeypatch):
    """A late event of an image nobody told of (its exec was lost): /proc already shows what came after it."""
    proc = FakeProc()
    ledger, _lines = make(monkeypatch, proc)
    ledger.on_exec(execve(image(exec_id=5), START, b"/usr/bin/curl"))
    proc.processes[PID] = {"start": START, "exe": b"/usr/bin/curl"}
    ledger.on_file(opened(image(exec_id=4), START + 1))
    lost, current = by_image(ledger)
    assert (lost.exe, lost.replaced_at is not None, len(lost.files)) == (None, True, 1)
    ledger.on_library(mapped(PID, START + 2))
    assert list(current.libraries) == [LIBCRYPTO] and current.replaced_at is None


def test_polling_knows_no_exec_numbers(monkeypatch):
    """The engine without events: both images of a process stay apart all the same."""
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/bin/sh", "maps": [LIBCRYPTO]}
    ledger, _lines = make(monkeypatch, proc)
    list(ledger.scan())
    entered = only(ledger.records()).entered_at
    ledger.on_exec(execve(image(exec_id=None), entered + 1, b"/usr/bin/curl"))
    assert sorted((record.exe, record.replaced_at is not None, len(record.libraries)) for record in ledger.records()) == [
        (b"/bin/sh", True, 1), (b"/usr/bin/curl", False, 0)]


def test_a_process_that_must_not_be_read_counts_once(monkeypatch):
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/usr/bin/secret", "forbidden": True, "maps": [LIBCRYPTO]}
    proc.processes[PID + 1] = {"start": START, "exe": b"/usr/bin/open"}
    ledger, _lines = make(monkeypatch, proc)
    list(ledger.scan())
    assert (sum(record.permission_denied for record in ledger.records()), ledger.seen) == (1, 2)
    proc.processes[PID + 2] = {"start": START, "forbidden": True}
    ledger.on_file(opened(image(PID + 2), START + 1))  # an event of a process without CAP_SYS_PTRACE
    assert sum(record.permission_denied for record in ledger.records()) == 2


def test_subjects_without_a_parent(monkeypatch):
    ledger, _lines = make(monkeypatch)
    record = ledger.find(subject(image(exec_id=2)))
    assert (record.pid, record.exec_id, record.source, record.comm) == (PID, 2, "kernel", b"load")


def test_a_cut_name_is_not_the_name_it_begins_with(monkeypatch):
    """AES-128-CBC-HMAC-SHA256 has as many bytes as are kept of AES-128-CBC-HMAC-SHA256-ETM."""
    ledger, _lines = make(monkeypatch)
    whole = b"AES-128-CBC-HMAC-SHA256"
    for name in (whole, whole + b"X", whole + b"\xff"):
        ledger.on_operation(operation(image(), name=name))
    found = sorted((held.algorithm, held.cut) for held in only(ledger.records()).operations.values())
    assert found == [("AES-128-CBC-HMAC-SHA256", False), ("AES-128-CBC-HMAC-SHA256", True), ("AES-128-CBC-HMAC-SHA256X", False)]


def test_threads_of_the_kernel_are_no_processes(monkeypatch):
    ledger, _lines = make(monkeypatch)
    thread = image(PID + 5)
    ledger.on_fork(fork(thread, image(2, 1, 0), START))
    assert not only(by_image(ledger, PID + 5)).selected and ledger.seen == 0


def test_an_unreadable_child_of_pid_2_is_a_process(monkeypatch):
    """As in a PID namespace, where pid 2 is not the kernel's."""
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/usr/bin/secret", "ppid": 2, "forbidden": True}
    ledger, _lines = make(monkeypatch, proc)
    list(ledger.scan())
    record = only(ledger.records())
    assert record.selected and record.permission_denied
