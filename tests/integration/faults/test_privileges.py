# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Not root, or not all of it: an honest lower grade or one clear error, and never less coverage than is said."""

from __future__ import annotations

import os

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import (
    as_nobody,
    ask,
    assert_ran,
    assert_reduced,
    broken,
    for_everyone,
    forbid,
    probe,
    statuses,
    without,
)
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, files, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import run, talking, tool

__all__ = ["for_everyone"]  # a fixture

# what a root without it may not read of other processes of root (ptrace_may_access: kernel/ptrace.c)
READS = ("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE")


@pytest.fixture
def nobody(for_everyone):
    """ask() as the user nobody."""
    collections, child = for_everyone

    def run(what, **request):
        return ask(what, prefix=as_nobody(), collections=collections, child=child, **request)
    return run


def test_not_root_is_a_reduced_profile_with_the_reason(nobody):
    with talking("import ssl; input()", user=65534, group=65534, extra_groups=[], cwd="/") as own, talking("import ssl; input()", cwd="/") as roots:
        document = nobody("trace", duration=1).document
        assert_reduced(document, "root")
        names = {library["name"] for library in process(document, own.pid)["libraries"]}
        assert names >= {"libcrypto", "libssl"}, "its own user's processes it can see"
        assert roots.pid not in {entry["pid"] for entry in document["processes"]}
    assert statuses(document) == {"process": "attached", "file_open": "attached", "library_load": "attached", "openssl_api": "unsupported", "library_api": "unsupported",
                                  "tls_handshake": "unsupported", "ssh_kex": "unsupported"}
    assert_permission_denied(document)


def assert_permission_denied(document):
    """Every process of another user counts, and each once."""
    counts = document["coverage"]["processes"]
    others = sum(1 for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists("/proc/%s/exe" % pid) and os.stat("/proc/" + pid).st_uid != 65534)
    assert counts["permission_denied"] > 0 and others - 40 <= counts["permission_denied"] <= others + 40, (counts, others)
    assert counts["permission_denied"] <= counts["seen"]
    found = reason(document, "permission_denied")
    assert (found["count"], found["effect"]) == (counts["permission_denied"], "incomplete" if len(found["concerns"]["names"]) + found["concerns"]["omitted"] > 20 else "excluded")


def test_not_root_with_the_engine_asked_for(nobody):
    for what in ("trace", "monitor", "preflight"):
        assert nobody(what, engine="libbpf", duration=1).error == "engine libbpf can't run here: it needs root"


def test_snapshot_without_root(nobody):
    with talking("import ssl; input()", user=65534, group=65534, extra_groups=[], cwd="/") as own:
        document = nobody("snapshot").document
    assert document["document"] == "snapshot" and document["window"]["ended_because"] == "instant"
    assert process(document, own.pid)["user"] == "nobody"
    assert_permission_denied(document)
    whole = ask("snapshot").document
    assert whole["coverage"]["processes"]["permission_denied"] < document["coverage"]["processes"]["permission_denied"]


def test_monitor_and_preflight_without_root(nobody):
    lines = nobody("monitor", duration=1).document
    assert '"permission_denied"' in lines[-1] and '"complete": false' in lines[-1]
    document = nobody("preflight").document
    assert_reduced(document, "root")
    assert document["supports"]["grade"] == "reduced" and document["remedies"][0] == {"concerns": "libbpf", "code": "not_root", "remedy": "Run it with become: true."}
    assert document["kernel"]["euid"] == 65534 and document["kernel"]["capabilities"] == []


def key_of(tmp_path):
    path = tmp_path / "site.key"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    return path


@pytest.mark.parametrize("capabilities", [("CAP_BPF", "CAP_SYS_ADMIN"), ("CAP_PERFMON", "CAP_SYS_ADMIN"), ("CAP_SYS_ADMIN",), ("CAP_PERFMON",), ("CAP_BPF",),
                                          ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"), READS, READS + ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN")])
def test_root_without_capabilities(capabilities, tmp_path):
    """Whatever is missing: what says it is attached does see, and everything else says why."""
    key = key_of(tmp_path)
    with broken(prefix=without(*capabilities)) as window:
        done = run("openssl", "pkey", "-in", key, "-noout")
        window.settle()
    profile = window.profile
    states = statuses(profile)
    refused = [name for name, status in states.items() if status not in ("attached", "partial")]
    if profile["engine"]["name"] == "procfs":
        assert_reduced(profile)
        rejected = profile["engine"]["rejected"][0]["message"]
        assert rejected.endswith("Operation not permitted") or "no probe" in rejected
    else:
        for name in refused:
            entry = probe(profile, name)
            assert entry["status"] == "failed" and entry["reason"] and entry["hook"] is None
            assert entry["errno"] in ("EPERM", "EACCES", "EINVAL") or entry["targets"]
    assert profile["coverage"]["complete"] is not any(entry["effect"] == "incomplete" for entry in profile["coverage"]["reasons"])
    if refused:
        assert profile["coverage"]["complete"] is False
        named = {name for entry in profile["coverage"]["reasons"] for name in entry["concerns"]["names"]}
        assert set(refused) <= named
    if profile["engine"]["name"] == "libbpf" and states["process"] == states["file_open"] == "attached":
        entry = process(profile, done.pid)
        assert file(entry, key)["count"] == 1 and entry["exit_code"] == 0


@pytest.mark.parametrize("capabilities", [("CAP_BPF", "CAP_SYS_ADMIN"), ("CAP_PERFMON", "CAP_SYS_ADMIN")])
def test_preflight_without_capabilities(capabilities):
    document = ask("preflight", prefix=without(*capabilities)).document
    assert not set(capabilities) & set(document["kernel"]["capabilities"])
    assert document["supports"]["grade"] == "reduced" and document["remedies"]


def test_processes_that_root_may_not_read_are_counted():
    document = ask("trace", prefix=without(*READS), duration=1).document
    counted = document["coverage"]["processes"]["permission_denied"]
    found = reason(document, "permission_denied")
    excluded = [entry for entry in document["coverage"]["scope"]["excluded"] if entry["code"] == "permission_denied"]
    assert 0 < counted == found["count"] and len(excluded) == (counted if found["effect"] == "excluded" else 0)


@pytest.mark.parametrize("number, name", [(1, "EPERM"), (38, "ENOSYS"), (13, "EACCES")])
def test_a_container_profile_that_forbids_bpf(number, name):
    assert_reduced(ask("trace", faults=forbid("bpf", number), duration=1).document, os.strerror(number))
    error = ask("trace", faults=forbid("bpf", number), duration=1, engine="libbpf").error
    assert error.startswith("engine libbpf can't run here: ") and os.strerror(number) in error


def test_a_container_profile_that_forbids_perf_events(tmp_path):
    """BPF alone still sees processes, files and operations; libraries only as they were at the beginning."""
    key = key_of(tmp_path)
    with broken(faults=forbid("perf_event_open", 13)) as window:
        done = run("openssl", "dgst", "-sha256", "-sign", key_of_rsa(tmp_path), key)
        window.settle()
    profile = window.profile
    entry = probe(profile, "library_load")
    assert (entry["status"], entry["errno"], entry["hook"]) == ("failed", "EACCES", None) and "Permission denied" in entry["reason"]
    assert profile["coverage"]["complete"] is False and "library_load" in reason(profile, "probe_failed")["concerns"]["names"]
    seen = process(profile, done.pid)
    assert seen["operations"] and files(seen, key) and seen["exit_code"] == 0


def key_of_rsa(tmp_path):
    path = tmp_path / "rsa.key"
    run("openssl", "genrsa", "-out", path, "2048")
    return path


def test_locked_memory_is_low(tmp_path):
    """Before 5.11 BPF maps count against it, and perf's buffers do on every kernel."""
    prefix = [tool("prlimit", "util-linux"), "--memlock=0:0", "--"] + without("CAP_SYS_RESOURCE", "CAP_IPC_LOCK")
    key = key_of(tmp_path)
    with broken(prefix=prefix) as window:
        done = run("openssl", "pkey", "-in", key, "-noout")
        window.settle()
    states = statuses(window.profile)
    for name, status in states.items():
        if status == "attached":
            continue
        entry = probe(window.profile, name)
        assert status == "failed" and entry["errno"] in ("EPERM", "ENOMEM") and entry["reason"]
        assert any(name in entry["concerns"]["names"] for entry in window.profile["coverage"]["reasons"])
    if states["file_open"] == states["process"] == "attached":
        assert files(process(window.profile, done.pid), key)


@pytest.mark.parametrize("what", ["trace", "monitor", "preflight", "snapshot"])
def test_inside_a_pid_namespace(what):
    prefix = [tool("unshare", "util-linux"), "--pid", "--fork", "--mount-proc"]
    answer = ask(what, prefix=prefix, duration=1)
    if what == "preflight":
        assert_reduced(answer.document, "namespace")
        assert answer.document["remedies"][0]["code"] == "pid_namespace"
    elif what == "trace":
        assert_reduced(answer.document, "namespace")
        assert all(entry["pid"] < 1000 for entry in answer.document["processes"]), "numbers of the namespace"
    elif what == "monitor":
        assert '"complete": false' in answer.document[-1]
    if what != "snapshot":
        error = ask(what, prefix=prefix, duration=1, engine="libbpf").error
        assert error == "engine libbpf can't run here: kernel PIDs would not match this PID namespace"


def test_in_a_user_namespace():
    """Root there has no privileges here: the kernel refuses everything."""
    prefix = [tool("unshare", "util-linux"), "--user", "--map-root-user"]
    document = ask("trace", prefix=prefix, duration=1).document
    assert_reduced(document, "not permitted")


@pytest.mark.parametrize("limit", [16, 24, 40, 60])
def test_few_descriptors(limit):
    """A limit that is reached in the middle of it ends in one error, or in coverage that says so."""
    with talking("import ssl; input()"):
        answer = ask("trace", prefix=[tool("prlimit", "util-linux"), "--nofile=%d:%d" % (limit, limit), "--"], duration=1)
    if answer.error is None:
        assert answer.document["coverage"]["complete"] is False
    else:
        assert "Too many open files" in answer.error


def test_the_soft_limit_of_descriptors_does_not_matter():
    document = ask("trace", prefix=[tool("prlimit", "util-linux"), "--nofile=20:4096", "--"], duration=1).document
    assert_ran(document)
