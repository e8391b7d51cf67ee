# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's counts and bounds: what the kernel counted goes to the right image, and what is left out is counted."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes import ledger as ledger_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes import table
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.writer import Writer
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
    open_counts,
    opened,
    operation,
    operation_counts,
)


def test_counts_of_opens(monkeypatch):
    ledger, _lines = make(monkeypatch)
    first, second = image(), image(exec_id=2)
    ledger.on_exec(execve(first, START))
    one = opened(first, START + 10, inode=4)
    replaced = opened(first, START + 20, inode=5)  # the key file was renewed meanwhile: the same path, another inode
    ledger.on_file(one)
    ledger.on_file(replaced)
    ledger.on_exec(execve(second, START + 30))
    other = opened(second, START + 40)
    ledger.on_file(other)
    ledger.add_counts(open_counts([
        (one.key, 7, START + 9, START + 11), (replaced.key, 5, START + 19, START + 99), (other.key, 1, START + 40, START + 40),
        (opened(image(PID + 1), 1).key, 1000, 1, 2)]))
    before, after = by_image(ledger)
    held = only(before.files.values())
    assert (held.count, held.first_seen, held.last_seen) == (12, START + 9, START + 99)
    assert only(after.files.values()).count == 1


def test_opens_that_the_kernel_could_not_count(monkeypatch):
    """The counter map was full: each record stands for itself."""
    ledger, _lines = make(monkeypatch)
    for moment in range(5):
        ledger.on_file(opened(image(), START + moment, counted=False))
    held = only(only(ledger.records()).files.values())
    assert (held.count, held.first_seen, held.last_seen) == (5, START, START + 4)


def test_flags_and_results_are_apart(monkeypatch):
    ledger, _lines = make(monkeypatch)
    for flags, error in ((0, 0), (2, 0), (0, -13), (0, -2)):
        ledger.on_file(opened(image(), START, flags=flags, error=error))
    assert len(only(ledger.records()).files) == 4


def test_counts_of_operations(monkeypatch):
    ledger, lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START))
    seen = operation(image(), time=START + 5)
    ledger.on_operation(seen)
    down = seen.key._replace(direction=2)
    ledger.add_counts(operation_counts([(seen.key, 256, 1000, START + 5, START + 9), (down, 256, 3, START + 6, START + 7)]))
    held = only(ledger.records()).operations.values()
    assert [(item.operation, item.count, item.first_seen, item.last_seen) for item in held] == [
        ("encrypt", 1000, START + 5, START + 9), ("decrypt", 3, START + 6, START + 7)]
    assert [line[0] for line in lines] == ["process_exec", "operation", "operation"], "a count is an event only where none told of it before"


def test_late_counts_of_an_image_that_was_forgotten(monkeypatch):
    """The record of the first sight was lost, the process ended and thousands more did: its count is still its own."""
    ledger, _lines = make(monkeypatch)
    kept, first = image(PID - 1), image()  # of each program one image is kept, to search its files for crypto stacks
    for number, ended in enumerate([kept, first] + [image(PID + number) for number in range(1, table.MOST_ENDED + 5)]):
        ledger.on_exec(execve(ended, START + number))
        ledger.on_exit(leave(ended, START + number))
    assert not by_image(ledger, PID) and by_image(ledger, kept.pid)
    assert len(ledger.records()) == table.MOST_ENDED + 1
    again = image(start=START + 10 * SECOND)
    ledger.on_exec(execve(again, START + 10 * SECOND, b"/usr/bin/other"))
    ledger.on_library(mapped(PID, START + 11 * SECOND))
    ledger.add_counts(operation_counts([(operation(first).key, 256, 6, START, START)]))
    before, after = by_image(ledger, PID)
    assert (only(before.operations.values()).count, after.operations, after.exe) == (6, {}, b"/usr/bin/other")
    assert before.exe is None


def test_an_ended_process_with_observations_is_never_forgotten(monkeypatch):
    ledger, _lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START))
    ledger.on_library(mapped(PID, START))
    ledger.on_exit(leave(image(), START + 1))
    for number in range(1, table.MOST_ENDED + 5):
        ledger.on_exec(execve(image(PID + number), START + number))
        ledger.on_exit(leave(image(PID + number), START + number))
    assert len(by_image(ledger, PID)) == 1


def test_a_chosen_process_is_never_forgotten(monkeypatch):
    ledger, _lines = make(monkeypatch, names=["openssl"])
    ledger.on_exec(execve(image(), START))
    ledger.on_exit(leave(image(), START + 1))
    for number in range(1, table.MOST_ENDED + 5):
        ledger.on_exec(execve(image(PID + number), START + number, b"/bin/true"))
        ledger.on_exit(leave(image(PID + number), START + number))
    assert len(by_image(ledger, PID)) == 1 and ledger.seen == 1


@pytest.mark.parametrize("kind", ["files", "libraries", "operations"])
def test_what_is_over_a_bound_is_counted(monkeypatch, kind):
    ledger, _lines = make(monkeypatch, bounds={kind: 3})
    ledger.on_exec(execve(image(), START))
    counts = []
    for number in range(5):
        name = b"%d" % number
        if kind == "files":
            ledger.on_file(opened(image(), START, b"/etc/ssl/%s.pem" % name, inode=number))
        elif kind == "libraries":
            ledger.on_library(mapped(PID, START, LIBCRYPTO + name))
        else:
            event = operation(image(), name=b"CIPHER-" + name)
            ledger.on_operation(event)
            counts.append((event.key, 256, 10, START, START))
    ledger.add_counts(operation_counts(counts))
    record = only(ledger.records())
    entry = Writer(True, 0).process(record, (None, None))
    assert len(entry[kind]) == 3
    assert entry[kind + "_omitted"] == 2, "each is left out once, however often it is met"
    assert ledger.left_out() == {kind: 2}


def test_more_processes_than_are_held(monkeypatch):
    monkeypatch.setattr(ledger_module, "_MOST_OBSERVED", 2)
    ledger, _lines = make(monkeypatch)
    for number in range(4):
        ledger.on_exec(execve(image(PID + number), START))
        ledger.on_library(mapped(PID + number, START))
    assert ledger.omitted == 2 and sum(record.has_crypto() for record in ledger.records()) == 2


def test_one_library_by_two_build_ids_is_two(monkeypatch):
    """An update in the window: the path is the same, the file is another."""
    ledger, _lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START))
    for build_id in ("aa", "aa", "bb"):
        ledger.on_library(mapped(PID, START, build_id=build_id))
    assert sorted(item.build_id for item in only(ledger.records()).libraries.values()) == ["aa", "bb"]


def test_a_deleted_library(monkeypatch):
    ledger, _lines = make(monkeypatch)
    ledger.on_exec(execve(image(), START))
    ledger.on_library(mapped(PID, START, LIBCRYPTO + b" (deleted)"))
    held = only(only(ledger.records()).libraries.values())
    assert (held.path, held.deleted) == (LIBCRYPTO, True)


@pytest.mark.parametrize("function, extra, algorithm, what", [
    ("EVP_EncryptInit_ex", {"name": b"AES-256-GCM"}, "AES-256-GCM", "encrypt"),
    ("EVP_EncryptInit_ex", {"name": b"", "nid": 901}, "AES-256-GCM", "encrypt"),
    ("EVP_EncryptInit_ex", {"name": b""}, None, "encrypt"),
    ("EVP_CipherInit_ex", {"direction": 1}, "AES-256-GCM", "encrypt"),
    ("EVP_CipherInit_ex", {"direction": 2}, "AES-256-GCM", "decrypt"),
    ("EVP_CipherInit_ex", {"direction": 3}, "AES-256-GCM", "cipher"),
    ("AES_set_encrypt_key", {"name": b"", "bits": 128}, "AES", "cipher"),
    ("HMAC", {"name": b"", "nid": 672}, "HMAC-SHA256", "mac"),
    ("HMAC_Init_ex", {"name": b""}, "HMAC-unknown", "mac"),
    ("PKCS5_PBKDF2_HMAC", {"name": b"", "nid": 672}, "PBKDF2-HMAC-SHA256", "derive"),
    ("EVP_DigestSignInit", {"name": b"", "nid": 6, "digest": 672}, "RSA-SHA256", "sign"),
    ("EVP_DigestSignInit", {"name": b"", "nid": 0xFFFFFFFF, "digest": 672}, "SHA256", "sign"),
    ("EVP_DigestVerifyInit_ex", {"name": b"sha256", "nid": 6}, "RSA-SHA256", "verify"),
    ("RSA_sign", {"name": b"", "digest": 672}, "RSA-SHA256", "sign"),
    ("EVP_PKEY_Q_keygen", {"name": b"X25519"}, "X25519", "key_generation"),
    ("SSL_CTX_new", {"name": b""}, "TLS", "tls_context"),
    ("EVP_Q_digest", {"name": b"\xff\xfe"}, "\\xff\\xfe", "digest"),
])
def test_names_of_algorithms(monkeypatch, function, extra, algorithm, what):
    ledger, _lines = make(monkeypatch)
    ledger.on_operation(operation(image(), function, **extra))
    held = only(only(ledger.records()).operations.values())
    assert (held.function, held.algorithm, held.operation) == (function, algorithm, what)


@pytest.mark.parametrize("function", ["EVP_EncryptInit_ex", "HMAC", "EVP_DigestSignInit_ex", "gcry_md_open", "gcry_pk_sign"])
def test_what_could_not_be_read_has_no_name_and_is_told(monkeypatch, function):
    ledger, _lines = make(monkeypatch)
    lost = operation(image(), function, name=b"\xfe")
    assert ledger.unread_operations() == 0
    ledger.add_counts(operation_counts([(lost.key, 0, 3, START, START + 1), (lost.key._replace(nid=901, name=b""), 0, 5, START, START)]))
    unread = [held for held in only(ledger.records()).operations.values() if held.unread]
    assert [(held.algorithm, held.count) for held in unread] == [(None, 3)]
    assert ledger.unread_operations() == 3


def test_forked_children_end(monkeypatch):
    """selected_alive() decides whether a window may end early."""
    proc = FakeProc()
    proc.processes[PID] = {"start": START, "exe": b"/bin/sh"}
    ledger, _lines = make(monkeypatch, proc, pids=[PID])
    list(ledger.scan())
    moment = only(ledger.records()).entered_at + 1
    child = image(PID + 1, 1, START + SECOND)
    ledger.on_fork(fork(child, image(), moment))
    ledger.on_exit(leave(image(), moment + 1))
    assert ledger.selected_alive()
    ledger.on_exec(execve(child._replace(exec_id=2), moment + 2, b"/bin/sleep"))
    assert ledger.selected_alive()
    ledger.on_exit(leave(child._replace(exec_id=2), moment + 3))
    assert not ledger.selected_alive()
