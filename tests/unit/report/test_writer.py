# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as entries of the profile."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._files import kinds
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.look import Look
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.records import FileRecord, LibraryRecord, OperationRecord, ProcessRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.writer import Writer, error_name, flag_names
from ansible_collections.cryptofleet.audit.tests.unit.support.ledger_world import LIBCRYPTO, SECOND, image, opened


def record(**fields):
    return ProcessRecord(**dict({"pid": 4711, "start": SECOND, "exec_id": 2, "source": "kernel", "comm": b"openssl", "exe": b"/usr/bin/openssl",
                                 "arguments": [b"openssl"], "uid": 0}, **fields))


def entry(redact=True, **fields):
    return Writer(redact, 1000.0).process(record(**fields), (None, None))


@pytest.mark.parametrize("flags, names", [
    (os.O_RDONLY, ["O_RDONLY"]),
    (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, ["O_WRONLY", "O_CREAT", "O_TRUNC"]),
    (os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, ["O_RDWR", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC"]),
    (os.O_RDONLY | os.O_DSYNC, ["O_RDONLY", "O_DSYNC"]),
    (os.O_RDONLY | os.O_SYNC, ["O_RDONLY", "O_SYNC"]),
    (os.O_WRONLY | os.O_TMPFILE, ["O_WRONLY", "O_TMPFILE"]),
    (os.O_RDONLY | os.O_DIRECTORY, ["O_RDONLY"]),
    (os.O_RDONLY | os.O_DIRECT | os.O_NOATIME | os.O_PATH | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND,
     ["O_RDONLY", "O_NOCTTY", "O_APPEND", "O_NONBLOCK", "O_DIRECT", "O_NOATIME", "O_PATH"]),
    (3, ["O_ACCMODE"]),
    (0o100000, ["O_RDONLY"]),  # O_LARGEFILE of a 32-bit habit
])
def test_flag_names(flags, names):
    assert flag_names(flags) == names


@pytest.mark.parametrize("number, name", [(None, None), (errno.EACCES, "EACCES"), (errno.ELOOP, "ELOOP"), (512, "errno_512"), (524, "errno_524")])
def test_error_name(number, name):
    """512 to 516 restart a system call, 524 is ENOTSUPP: no program sees them, but a probe does (include/linux/errno.h)."""
    assert error_name(number) == name


@pytest.mark.parametrize("status, code, signal", [
    (None, None, None), (0, 0, None), (3 << 8, 3, None), (255 << 8, 255, None), (9, None, 9), (11 | 0x80, None, 11), (15, None, 15), (64, None, 64),
])
def test_exit_code_and_signal(status, code, signal):
    told = entry(exit_status=status)
    assert (told["exit_code"], told["exit_signal"]) == (code, signal)


def test_times():
    told = entry(start=2 * SECOND, exec_time=3 * SECOND, exit_time=None)
    assert (told["started_at"], told["exec_at"], told["exited_at"]) == ("1970-01-01T00:16:42.000000Z", "1970-01-01T00:16:43.000000Z", None)


def test_absent_facts_are_null():
    told = entry(comm=b"", exe=None, arguments=None, uid=None, exec_id=None, cgroups=None)
    for key in ("name", "exe", "cmdline", "user", "uid", "exec_number", "unit", "container", "exe_build_id", "exe_package"):
        assert told[key] is None, key
    assert not [key for key in told if key.endswith(("_escaped", "_truncated", "_omitted"))]
    assert entry(arguments=[])["cmdline"] == []


def test_marks():
    told = entry(comm=b"\xff", exe=b"/\xff", arguments=[b"ok", b"\xfe"], arguments_truncated=True)
    assert (told["name"], told["exe"], told["cmdline"]) == ("\\xff", "/\\xff", ["ok", "\\xfe"])
    assert told["name_escaped"] and told["exe_escaped"] and told["cmdline_escaped"] and told["cmdline_truncated"]
    assert "exe_truncated" not in told


def test_a_program_deeper_than_the_kernel_side_walks():
    told = entry(exe=b".../deep/down/program")
    assert (told["exe"], told["exe_truncated"]) == (".../deep/down/program", True)


def test_redaction_is_on_unless_asked_otherwise():
    fields = {"exe": b"/home/alice/bin/tool", "arguments": [b"curl", b"-u", b"alice:s3cret", b"/home/alice/x"]}
    told = entry(**fields)
    assert "alice" not in told["exe"] and "s3cret" not in str(told["cmdline"]) and "/home/alice" not in str(told["cmdline"])
    told = entry(redact=False, **fields)
    assert told["exe"] == "/home/alice/bin/tool" and told["cmdline"] == ["curl", "-u", "alice:s3cret", "/home/alice/x"]


def test_file():
    observed = opened(image(), SECOND, b"/home/alice/.ssh/id_rsa\xff", flags=os.O_RDWR)
    facts = kinds.FileFacts("private_key", "content", "PEM", {})
    observed = observed._replace(facts=facts, look=Look(facts, 0o100600, 12345678, 12345678, 1704, False))
    told = Writer(True, 0).file(FileRecord(observed, 3, SECOND, 2 * SECOND))
    assert told["path"] == "/home/[user]/.ssh/id_rsa\\xff" and told["path_escaped"]
    assert (told["kind"], told["classified_by"], told["flags"], told["result"], told["count"]) == ("private_key", "content", ["O_RDWR"], "ok", 3)
    assert (told["mode"], told["owner"], told["group"], told["size"], told["deleted"], told["facts"]) == ("0600", "12345678", "12345678", 1704, False, None)


def test_failed_open_and_file_that_is_gone():
    writer = Writer(True, 0)
    told = writer.file(FileRecord(opened(image(), SECOND, error=-13), 1, SECOND, SECOND))
    assert (told["result"], told["mode"], told["owner"], told["size"], told["deleted"]) == ("EACCES", None, None, None, None)
    observed = opened(image(), SECOND)
    told = writer.file(FileRecord(observed._replace(look=observed.look._replace(gone=True), path=b".../x.key", path_truncated=True), 1, SECOND, SECOND))
    assert (told["deleted"], told["mode"], told["path_truncated"]) == (True, None, True)


def test_lists_are_sorted():
    libraries = {path: LibraryRecord(path, "loaded", "kernel", "libcrypto", "OpenSSL", None, None, None, None, None, SECOND) for path in (b"/b", b"/a", b"/c")}
    files = {number: FileRecord(opened(image(), SECOND, b"/%d.pem" % number), 1, SECOND, SECOND) for number in (3, 1, 2)}
    calls = {name: OperationRecord(LIBCRYPTO, name, "AES", "encrypt", None, False, 1, SECOND, SECOND) for name in ("EVP_b", "EVP_a")}
    told = entry(libraries=libraries, files=files, operations=calls)
    assert [item["path"] for item in told["libraries"]] == ["/a", "/b", "/c"]
    assert [item["path"] for item in told["files"]] == ["/1.pem", "/2.pem", "/3.pem"]
    assert [item["function"] for item in told["operations"]] == ["EVP_a", "EVP_b"]


def test_what_a_library_does_inside_itself_is_told_only_where_nothing_else_explains_it():
    def call(function, algorithm, internal):
        return OperationRecord(LIBCRYPTO, function, algorithm, "encrypt", None, internal, 1, SECOND, SECOND)
    calls = [call("EVP_EncryptInit_ex", "AES-256-CBC", False), call("EVP_CipherInit_ex", "AES-256-CBC", True),
             call("EVP_CipherInit_ex", "RC2-40-CBC", True), call("EVP_CipherInit_ex", None, True)]
    told = entry(operations=dict(enumerate(calls)))["operations"]
    assert [(item["algorithm"], item.get("internal")) for item in told] == [("RC2-40-CBC", True), ("AES-256-CBC", None)]
