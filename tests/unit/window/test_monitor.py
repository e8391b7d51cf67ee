# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of a window: what becomes a line, and that it always ends with the coverage."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.records import FileRecord, LibraryRecord, OperationRecord, ProcessRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._report import coverage
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.writer import Writer
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import monitor
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.request import Request
from ansible_collections.cryptofleet.audit.tests.unit.support.ledger_world import LIBCRYPTO, SECOND, image, opened

EVERYTHING = {"events": [], "files": [], "libraries": []}
KINDS = ["process_exec", "process_fork", "process_exit", "file_open", "library_load", "operation"]


def record(**fields):
    return ProcessRecord(**dict({"pid": 4711, "start": SECOND, "exec_id": 2, "source": "kernel", "parent_pid": 7, "comm": b"openssl",
                                 "exe": b"/usr/bin/openssl", "arguments": [b"openssl", b"-passin", b"pass:s3cret"], "uid": 0, "selected": True}, **fields))


def things():
    """One observation of each kind."""
    library = LibraryRecord(LIBCRYPTO, "loaded", "kernel", "libcrypto", "OpenSSL", "3.0", "ab", None, None, False, SECOND)
    call = OperationRecord(LIBCRYPTO, "EVP_DigestInit_ex", "SHA256", "digest", None, False, 0, SECOND, SECOND)
    file = FileRecord(opened(image(), SECOND), 1, SECOND, SECOND)
    return {"process_exec": None, "process_fork": None, "process_exit": None, "file_open": file, "library_load": library, "operation": call}


class Stream:
    """A Stream whose window is open, and its lines."""

    def __init__(self, filters=None, max_events=100, redact=True):
        self.lines, self.stopped = [], []
        self.stream = monitor.Stream(Request(max_events=max_events), dict(EVERYTHING, **(filters or {})), self.lines.append)
        self.stream.writer = Writer(redact, 0.0)
        self.stream.window = types.SimpleNamespace(stop=self.stopped.append, library_facts=types.SimpleNamespace(settle_packages=lambda records: None))

    def observe(self, kinds=KINDS, time=SECOND, **fields):
        made = things()
        for kind in kinds:
            self.stream.observe(kind, time, record(**fields), made[kind])
        return [json.loads(line) for line in self.lines]

    def kinds(self, **fields):
        return [line["event"] for line in self.observe(**fields)]


def test_every_kind_is_a_line():
    lines = Stream().observe()
    assert [line["event"] for line in lines] == KINDS
    for line in lines:
        assert line["time"] == "1970-01-01T00:00:01.000000Z" and line["name"] == "openssl" and line["exe"] == "/usr/bin/openssl"
        assert "s3cret" not in json.dumps(line)
    assert (lines[1]["pid"], lines[1]["child_pid"]) == (7, 4711)
    assert {line["pid"] for line in lines[:1] + lines[2:]} == {4711}
    assert lines[3]["path"] == "/etc/ssl/private/site.key" and lines[4]["library"]["path"] == LIBCRYPTO.decode()
    assert (lines[5]["algorithm"], lines[5]["operation"]) == ("SHA256", "digest")


def test_no_line_is_broken_by_what_is_in_it():
    stream = Stream(redact=False)
    stream.observe(comm=b"new\nline\xff", exe=b"/x\r\n\x00y", arguments=[b"a\nb", b"\xe2\x80\xa8", b"\x1b[31m"])
    for line in stream.lines:
        assert len(line.splitlines()) == 1 and json.loads(line)["name"] == "new\nline\\xff"


@pytest.mark.parametrize("kinds", [["file_open"], ["process_exec", "process_exit"], KINDS])
def test_kinds(kinds):
    assert Stream({"events": kinds}).kinds() == kinds


@pytest.mark.parametrize("pattern, hit", [("/etc/ssl/*", True), ("*.key", True), ("*.pem", False), ("site.key", False), ("/etc/ssl/private/site.key", True)])
def test_files(pattern, hit):
    assert ("file_open" in Stream({"files": [pattern]}).kinds()) is hit
    assert "library_load" in Stream({"files": [pattern]}).kinds(), "a filter of files is none of libraries"


@pytest.mark.parametrize("pattern, hit", [("libcrypto*", True), (LIBCRYPTO.decode(), True), ("libssl*", False), ("*/libcrypto.so.3", True)])
def test_libraries(pattern, hit):
    kinds = Stream({"libraries": [pattern]}).kinds()
    assert ("library_load" in kinds) is hit and ("operation" in kinds) is hit and "file_open" in kinds


def test_several_patterns():
    assert "file_open" in Stream({"files": ["*.pem", "*.key"]}).kinds()


def test_what_is_no_event():
    assert Stream().kinds(selected=False) == []
    assert Stream().kinds(time=None) == [], "it was there before the window"
    stream = Stream()
    stream.stream.window = None
    assert stream.kinds() == [], "the host is still being entered"


def test_max_events_ends_the_window():
    stream = Stream(max_events=3)
    assert stream.kinds() == KINDS[:3] and stream.stopped == ["max_events"]


@pytest.fixture
def window(monkeypatch):
    """monitor() over a window that observes one of each kind."""
    class Window:
        matched = True
        fails = None

        def __init__(self, request, observer):
            self.observer, self.boot_offset, self.ended = observer, 0.0, 2 * SECOND
            self.request = request
            self.engine = types.SimpleNamespace(close=lambda: closed.append(1))
            self.ledger = types.SimpleNamespace(records=lambda: [1, 2])
            self.library_facts = types.SimpleNamespace(settle_packages=lambda records: None)

        def run(self):
            if self.fails:
                raise self.fails
            for kind, thing in things().items():
                self.observer(kind, SECOND, record(selected=self.matched), thing)

        def stop(self, why):
            self.why = why

        def finish(self):
            pass

        def require_match(self):
            if not self.matched:
                raise AuditError("nothing on this host matched name 'x' in the window")

    closed = []
    Window.closed = closed
    monkeypatch.setattr(coverage, "coverage_of", lambda window, writer, reported, omitted: {"complete": True, "reasons": [], "reported": reported})
    monkeypatch.setattr(monitor, "Window", Window)
    monkeypatch.setattr(monitor, "StopSignals", lambda: types.SimpleNamespace(end=lambda window: None))
    return Window


def test_coverage_is_the_last_line(window):
    lines = []
    returned = monitor.monitor(Request(), EVERYTHING, lines.append)
    assert [json.loads(line)["event"] for line in lines] == KINDS + ["coverage"]
    assert json.loads(lines[-1])["coverage"] == returned and json.loads(lines[-1])["time"] == "1970-01-01T00:00:02.000000Z"
    assert window.closed


def test_nothing_that_matched_is_an_error_and_not_an_empty_stream(window):
    window.matched = False
    lines = []
    with pytest.raises(AuditError, match="nothing on this host matched"):
        monitor.monitor(Request(names=["x"]), EVERYTHING, lines.append)
    assert lines == [] and window.closed


def test_an_error_in_the_window_detaches(window):
    window.fails = OSError("broken")
    with pytest.raises(OSError):
        monitor.monitor(Request(), EVERYTHING, [].append)
    assert window.closed
