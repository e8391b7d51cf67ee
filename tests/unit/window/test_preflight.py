# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight document from made-up engines: what can run, and a remedy wherever something can't."""

from __future__ import annotations

import types

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import LoadError
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.base import Probe
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import preflight as preflight_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.request import Request
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import validate

NAMES = ("process", "file_open", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex")


class Made(Probe):
    hook = "tp_btf/x"

    def __init__(self, name, error):
        super().__init__()
        self.name, self.error = name, error

    def _open(self):
        if self.error:
            raise self.error


@pytest.fixture
def preflight(monkeypatch):
    """Call it with errors by probe, or None for a probe that is not wanted; the document is validated."""
    def run(rejected=(), grade="full", name="libbpf", **told):
        probes = []
        for probe in NAMES:
            made = Made(probe, told.get(probe))
            made.open(probe not in told or told[probe] is not None)
            probes.append(made)
        engine = types.SimpleNamespace(name=name, grade=grade, version="libbpf 1.1", probes=probes, closed=0)

        def close():
            engine.closed += 1

        engine.close = close
        monkeypatch.setattr(preflight_module, "choose_engine", lambda request: (engine, list(rejected)))
        document = preflight_module.preflight(Request())
        assert engine.closed == 1
        validate(document, "preflight")
        return document
    return run


def refusal(number, log=()):
    return LoadError("the kernel refused it (errno %d)" % number, number, log)


def test_everything_runs(preflight):
    document = preflight()
    assert document["supports"] == {"profile": True, "grade": "full", "probes": list(NAMES)} and document["remedies"] == []
    for probe in document["probes"]:
        assert probe["attach_ms"] >= 0 and probe["remedy"] is None and probe["hook"] == "tp_btf/x"


@pytest.mark.parametrize("number, word", [(1, "root"), (13, "verifier"), (22, "kernel"), (7, "size"), (12, "memory"), (2, "hook"), (524, "troubleshooting")])
def test_one_is_refused(preflight, number, word):
    document = preflight(file_open=refusal(number, ["R1 invalid mem access 'scalar'", "processed 12 insns"]))
    assert document["supports"] == {"profile": True, "grade": "reduced", "probes": ["process", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex"]}
    probe = document["probes"][1]
    assert (probe["status"], probe["attach_ms"], probe["hook"]) == ("failed", None, None)
    assert probe["verifier_log"] == ["R1 invalid mem access 'scalar'", "processed 12 insns"]
    assert word in probe["remedy"] and document["remedies"] == [{"concerns": "file_open", "code": "probe_failed", "remedy": probe["remedy"]}]


def test_nothing_runs(preflight):
    document = preflight(**{name: refusal(1) for name in NAMES})
    assert document["supports"] == {"profile": False, "grade": "none", "probes": []} and len(document["remedies"]) == len(NAMES)


def test_what_is_not_wanted_is_no_fault(preflight):
    document = preflight(openssl_api=None)
    assert document["supports"]["grade"] == "full" and document["remedies"] == [] and document["probes"][3]["status"] == "disabled"


@pytest.mark.parametrize("code, word", [
    ("not_root", "become"), ("no_btf", "CONFIG_DEBUG_INFO_BTF"), ("no_libbpf", "libbpf1"), ("pid_namespace", "not in a container"),
    ("no_ring_buffer", "5.8"), ("probes_refused", "verifier"), (None, "Report")])
def test_an_engine_that_can_not_run_has_a_remedy(preflight, code, word):
    document = preflight([("libbpf", AuditError("it can't run", code))], grade="reduced", name="procfs")
    assert document["supports"]["grade"] == "reduced"
    remedy, = document["remedies"]
    rejected, = document["engine"]["rejected"]
    assert (remedy["concerns"], remedy["code"]) == ("libbpf", code or "engine_failed") and word in remedy["remedy"]
    assert rejected == {"name": "libbpf", "code": remedy["code"], "message": "it can't run", "remedy": remedy["remedy"]}


def test_the_engine_asked_for_can_not_run(monkeypatch):
    def refuse(_request):
        raise AuditError("engine libbpf can't run here: it needs root")
    monkeypatch.setattr(preflight_module, "choose_engine", refuse)
    with pytest.raises(AuditError, match="needs root"):
        preflight_module.preflight(Request(engine="libbpf"))


@pytest.mark.parametrize("text, mode", [
    ("none [integrity] confidentiality\n", "integrity"), ("[none] integrity confidentiality\n", "none"), ("", None), ("odd\n", None)])
def test_lockdown(monkeypatch, tmp_path, text, mode):
    (tmp_path / "lockdown").write_text(text)
    monkeypatch.setattr(preflight_module, "_line", lambda path, _line=preflight_module._line: _line(str(tmp_path / "lockdown")))
    assert preflight_module._lockdown() == mode


@pytest.mark.parametrize("mounts, mode", [([], None), (["proc /proc proc rw"], None), (["cgroup2 /sys/fs/cgroup cgroup2 rw"], "v2"),
                                          (["cgroup /sys/fs/cgroup/cpu cgroup rw"], "v1"),
                                          (["cgroup /sys/fs/cgroup/cpu cgroup rw", "cgroup2 /sys/fs/cgroup/unified cgroup2 rw"], "hybrid")])
def test_cgroup_mode(mounts, mode):
    assert preflight_module._cgroup_mode([line.split() for line in mounts]) == mode


def test_facts_of_this_kernel():
    facts = preflight_module.kernel_facts()
    assert facts["euid"] >= 0 and isinstance(facts["btf"], bool) and facts["capabilities"] == sorted(facts["capabilities"])
