# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage section: nothing that may hide cryptography leaves a profile complete, and nothing else makes it incomplete."""

from __future__ import annotations

import collections
import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import LoadError
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import wire
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.base import ATTACHED, DISABLED, FAILED, PARTIAL, UNSUPPORTED, Probe
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.records import ProcessRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._report import coverage, process_state
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.process_coverage import ProcessCoverage
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.reasons import REASONS
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.writer import Writer
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks import finder
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks.stack import Stack, details
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.collector import HandshakeCollector

WRITER = Writer(True, 0.0)
STARTED = 10 ** 12


class Made(Probe):
    """A probe that opens as a test says."""

    name = "file_open"
    hook = "tp_btf/sys_exit"

    def __init__(self, error=None, lost=None, targets=None):
        super().__init__()
        self.error, self.lost, self.files, self.closed = error, lost or {}, targets, 0

    def _open(self):
        if self.error:
            raise self.error

    def losses(self):
        return self.lost

    def targets(self):
        return self.files

    def close(self):
        self.closed += 1


def opened(wanted=True, **made):
    probe = Made(**made)
    probe.open(wanted)
    return probe


class Window:
    """A closed window, as far as the coverage asks it."""

    attach_seconds = detach_seconds = 0.1

    def __init__(self, probes=(), grade="full", lost=None, ended_because="duration", targets=(), records=(), problems=(), omitted=0, left_out=None,
                 unattributed=0, unattributed_omitted=0, orphans=(), unread=0, host_crypto=True):
        self.engine = types.SimpleNamespace(grade=grade, name="procfs" if grade == "reduced" else "libbpf", probes=list(probes), files_gone=lambda: 0)
        held = {"tls": {0: types.SimpleNamespace(count=unattributed)} if unattributed else {}, "ssh": {}}
        self.ledger = types.SimpleNamespace(
            seen=len(records), omitted=omitted, left_out=lambda: left_out or {}, unattributed=held,
            unattributed_omitted=collections.Counter(tls=unattributed_omitted), unattributed_libraries=lambda: list(orphans),
            unread_operations=lambda: unread, records=lambda: list(records))
        self.process_coverage = ProcessCoverage(self.ledger)
        self.selection = types.SimpleNamespace(whole_host=not targets, missing=lambda: list(targets))
        self.library_facts = types.SimpleNamespace(problems=lambda: list(problems))
        self.request = types.SimpleNamespace(host_crypto=host_crypto, max_processes=5, max_events=9)
        self.ended_because = ended_because
        self.handshake_losses = lambda: lost or {}


def reasons(window=None, reported=0, omitted=0, **made):
    """``(complete, {code: entry})``."""
    section = coverage.coverage_of(window or Window(**made), WRITER, reported, omitted)
    return section["complete"], {entry["code"]: entry for entry in section["reasons"]}


def test_nothing_wrong_is_complete():
    assert reasons(probes=[opened(), opened(lost={"ring_full": 0})]) == (True, {})


@pytest.mark.parametrize("code, made", [
    ("engine_reduced", dict(grade="reduced")),
    ("probe_failed", dict(probes=[opened(error=LoadError("the verifier refused it", 13, ["line"]))])),
    ("probe_disabled", dict(probes=[opened(wanted=False)])),
    ("ring_full", dict(probes=[opened(lost={"ring_full": 3})])),
    ("handshake_parts", dict(lost={"handshake_parts": 2})),
    ("user_fault", dict(unread=2)),
    ("unattributed_libraries", dict(orphans=[b"/usr/lib/libcrypto.so.3"])),
    ("processes_not_held", dict(omitted=2)),
    ("files_over_bound", dict(left_out={"files": 7})),
    ("handshakes_over_bound", dict(left_out={"tls": 7, "ssh": 1})),
    ("unattributed_over_bound", dict(unattributed_omitted=4)),
    ("unattributed_of_host", dict(unattributed=1, targets=["name 'nginx'"])),
    ("processes_over_bound", dict(omitted=0)),
    ("stream_ended", dict(ended_because="max_events")),
])
def test_what_may_hide_cryptography_is_incomplete(code, made):
    complete, found = reasons(Window(**made), omitted=3 if code == "processes_over_bound" else 0)
    assert not complete and found[code]["effect"] == "incomplete"


@pytest.mark.parametrize("code, made", [
    ("unattributed_handshakes", dict(unattributed=3)),
    ("target_not_found", dict(targets=["name 'nginx'"])),
    ("package_database", dict(problems=["rpmdb.sqlite: database disk image is malformed"])),
    ("host_crypto_disabled", dict(host_crypto=False)),
])
def test_what_hides_nothing_is_a_note(code, made):
    complete, found = reasons(**made)
    assert complete and found[code]["effect"] == "note"


@pytest.mark.parametrize("status, code", [(FAILED, "probe_failed"), (PARTIAL, "probe_partial"), (UNSUPPORTED, "probe_unsupported"),
                                          ("detached_over_budget", "functions_detached")])
def test_every_status_but_attached(status, code):
    probe = opened()
    probe.status, probe.reason = status, "because of this"
    complete, found = reasons(probes=[probe])
    assert not complete and found[code]["message"].endswith("because of this") and found[code]["concerns"]["names"] == ["file_open"]


def test_losses_add_up():
    assert coverage.sum_losses([opened(lost={"ring_full": 3}), opened(lost={"ring_full": 4, "map_full": 1}), opened()]) == {"ring_full": 7, "map_full": 1}


def test_a_loss_without_a_reason_of_its_own_is_incomplete():
    complete, found = reasons(lost={"solar_flares": 2})
    assert not complete and found["other_loss"]["message"] == "2 observations were lost: solar_flares"


def test_every_cause_of_loss_has_a_reason_of_its_own():
    causes = set(HandshakeCollector().losses()) | set(wire._LOSSES) | {
        "ring_full", "map_full", "user_fault", "skipped_runs", "unclassified_opens", "io_uring_opens", "path_truncated", "perf_records", "unnamed_mappings",
        "unattributed_libraries"}
    assert causes <= set(REASONS)


# processes

def process(pid=100, **made):
    made = {"exe": b"/usr/bin/agent", "stacks": [], **made}
    record = ProcessRecord(pid, STARTED - 10 ** 10, 1, "proc", comm=b"agent")
    for key, value in made.items():
        setattr(record, key, value)
    record.selected = True
    return record


def settled(monkeypatch, *records):
    window = Window(records=records)
    monkeypatch.setattr(finder, "find_all", lambda looker, given: None)
    window.process_coverage.settle(window.engine, None, STARTED)
    return reasons(window)


GO = finder.ProcessStack(Stack("Go crypto/tls", "1.25", "build info", details()), b"/usr/bin/agent", None)


@pytest.mark.parametrize("code, made", [
    ("permission_denied", dict(permission_denied=True)),
    ("unobservable", dict(stacks=[GO])),
    ("unobservable", dict(stacks=[GO], operations={0: types.SimpleNamespace(unread=False, count=1)})),  # what was seen is of another library
    ("program_not_searched", dict(stacks=None, exit_time=STARTED + 5)),
    ("stacks_not_searched", dict(partly_searched=True)),
    ("files_not_read", dict(files_not_read=True)),
])
def test_a_process_of_which_something_may_be_missing_is_excluded_by_name(monkeypatch, code, made):
    complete, found = settled(monkeypatch, process(**made))
    assert complete and found[code]["effect"] == "excluded" and found[code]["concerns"]["names"] == ["agent (pid 100)"]


def test_a_stack_whose_handshakes_were_seen_is_covered(monkeypatch):
    assert settled(monkeypatch, process(stacks=[GO], tls={0: types.SimpleNamespace(count=1)})) == (True, {})


def test_what_exited_while_the_window_opened_is_no_part_of_it(monkeypatch):
    complete, found = settled(monkeypatch, process(stacks=None, exit_time=STARTED - 1), process(101, exe=None, stacks=None, replaced_at=STARTED - 1))
    assert complete and set(found) == {"exited_while_opening"} and found["exited_while_opening"]["count"] == 2


def test_many_processes_are_no_scope(monkeypatch):
    complete, found = settled(monkeypatch, *[process(pid, exe=b"/usr/bin/%d" % pid, permission_denied=True) for pid in range(100, 130)])
    assert not complete and found["permission_denied"]["effect"] == "incomplete" and found["permission_denied"]["count"] == 30


def test_every_state_that_is_not_observed_has_a_reason():
    assert set(process_state.STATES) - {"observed", "idle"} <= set(REASONS)


# probes

def test_a_refused_probe_keeps_the_kernels_words():
    probe = opened(error=LoadError("the kernel refused it: Permission denied (errno 13)", 13, ["R1 invalid mem access", "processed 9 insns"]))
    assert probe.closed == 1 and probe.status == FAILED
    assert coverage.probe_entry(probe, WRITER) == {
        "name": "file_open", "status": "failed", "hook": None, "reason": "the kernel refused it: Permission denied (errno 13)", "errno": "EACCES",
        "verifier_log": ["R1 invalid mem access", "processed 9 insns"], "hits": 0, "lost": {}, "targets": []}


@pytest.mark.parametrize("error, reason, number", [(PermissionError(1, "Operation not permitted"), "Operation not permitted", "EPERM"),
                                                   (OSError("odd"), "odd", None), (LoadError("no hook"), "no hook", None)])
def test_an_error_of_a_probe_is_data(error, reason, number):
    entry = coverage.probe_entry(opened(error=error), WRITER)
    assert (entry["status"], entry["reason"], entry["errno"]) == ("failed", reason, number)


def test_probes_that_are_not_wanted():
    entry = coverage.probe_entry(opened(wanted=False), WRITER)
    assert (entry["status"], entry["hook"], entry["reason"]) == (DISABLED, None, "disabled by the probes option")


def test_targets():
    probe = opened(targets=[{"path": b"/opt/\xff.so", "build_id": None, "functions": 3, "status": "attached", "reason": None}])
    entry = coverage.probe_entry(probe, WRITER)
    assert entry["status"] == ATTACHED and entry["targets"] == [
        {"path": "/opt/\\xff.so", "path_escaped": True, "build_id": None, "functions": 3, "status": "attached", "reason": None}]
