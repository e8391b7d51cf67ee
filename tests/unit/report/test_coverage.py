# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage: nothing that went wrong leaves a profile complete."""

from __future__ import annotations

import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import LoadError
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.base import ATTACHED, DISABLED, FAILED, PARTIAL, UNSUPPORTED, Probe
from ansible_collections.cryptofleet.audit.plugins.module_utils._report import coverage
from ansible_collections.cryptofleet.audit.plugins.module_utils._text import put_text


class Made(Probe):
    """A probe that opens as it is told to."""

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


def opened(wanted=True, **told):
    probe = Made(**told)
    probe.open(wanted)
    return probe


def ledger(permission_denied=0, omitted=0, nobodys=0, **left_out):
    return types.SimpleNamespace(permission_denied=permission_denied, omitted=omitted, left_out=lambda: left_out, nobodys_handshakes=lambda: nobodys)


def reasons(probes=(), grade="full", late=(), of=None):
    engine = types.SimpleNamespace(grade=grade, name="procfs")
    return coverage.reasons(engine, probes, coverage.losses(probes), of or ledger(), late, put_text)


def test_nothing_wrong_is_complete():
    assert reasons([opened(), opened(lost={"ring_full": 0})]) == []


@pytest.mark.parametrize("sentences", [
    reasons(grade="reduced"),
    reasons([opened(error=LoadError("the verifier refused it", 13, ["line"]))]),
    reasons([opened(wanted=False)]),
    reasons([opened(lost={"ring_full": 3})]),
    reasons(late=[b"/opt/\xff/libcrypto.so.3"]),
    reasons(of=ledger(permission_denied=2)),
    reasons(of=ledger(omitted=2)),
    reasons(of=ledger(nobodys=3)),
    reasons(of=ledger(files=7)),
])
def test_everything_wrong_is_a_reason(sentences):
    assert len(sentences) == 1 and sentences[0] and "%" not in sentences[0]


@pytest.mark.parametrize("status", [FAILED, PARTIAL, UNSUPPORTED, "detached_over_budget"])
def test_every_status_but_attached(status):
    probe = opened()
    probe.status, probe.reason = status, "because"
    assert reasons([probe]) == ["probe file_open is %s: because" % status]


def test_every_loss_that_a_probe_may_tell_has_its_sentence():
    for cause in ("ring_full", "map_full", "user_fault", "perf_records", "unclassified_opens", "path_truncated", "io_uring_opens"):
        assert reasons([opened(lost={cause: 4})])[0].startswith("4 ")


def test_losses_add_up():
    assert coverage.losses([opened(lost={"ring_full": 3}), opened(lost={"ring_full": 4, "map_full": 1}), opened()]) == {"ring_full": 7, "map_full": 1}


def test_a_refused_probe_keeps_the_kernels_words():
    probe = opened(error=LoadError("the kernel refused it: Permission denied (errno 13)", 13, ["R1 invalid mem access", "processed 9 insns"]))
    assert probe.closed == 1 and probe.status == FAILED
    assert coverage.probe_entry(probe, put_text, str) == {
        "name": "file_open", "status": "failed", "hook": None, "reason": "the kernel refused it: Permission denied (errno 13)", "errno": "EACCES",
        "verifier_log": ["R1 invalid mem access", "processed 9 insns"], "hits": 0, "lost": {}, "targets": []}


@pytest.mark.parametrize("error, reason, number", [(PermissionError(1, "Operation not permitted"), "Operation not permitted", "EPERM"),
                                                   (OSError("odd"), "odd", None), (LoadError("no hook"), "no hook", None)])
def test_an_error_of_a_probe_is_data(error, reason, number):
    entry = coverage.probe_entry(opened(error=error), put_text, str)
    assert (entry["status"], entry["reason"], entry["errno"]) == ("failed", reason, number)


def test_probes_that_are_not_wanted():
    entry = coverage.probe_entry(opened(wanted=False), put_text, str)
    assert (entry["status"], entry["hook"], entry["reason"]) == (DISABLED, None, "disabled by the probes option")


def test_targets():
    probe = opened(targets=[{"path": b"/opt/\xff.so", "build_id": None, "functions": 3, "status": "attached", "reason": None}])
    entry = coverage.probe_entry(probe, put_text, str)
    assert entry["status"] == ATTACHED and entry["targets"] == [
        {"path": "/opt/\\xff.so", "path_escaped": True, "build_id": None, "functions": 3, "status": "attached", "reason": None}]
