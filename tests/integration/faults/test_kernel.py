# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel or a host that lacks something, and a verifier that refuses: the other probes go on, and coverage has the kernel's words."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import (
    ask,
    assert_ran,
    assert_reduced,
    broken,
    corrupt,
    forbid,
    mounted,
    probe,
    statuses,
)
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, files, libraries, operations, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import run, tool

BTF = "/sys/kernel/btf"
NO_BTF = 'mount -t tmpfs -o mode=755 tmpfs %s' % BTF

ALL_BPF_FAILED = {"process": "failed", "file_open": "failed", "library_load": "attached", "openssl_api": "failed", "library_api": "failed", "tls_handshake": "failed", "ssh_kex": "failed"}


def no_libbpf():
    """A script that makes the distribution's libbpf something that is no library."""
    known = run("/sbin/ldconfig", "-p").stdout
    paths = {os.path.realpath(line.rpartition(" => ")[2]) for line in known.splitlines() if "libbpf.so." in line}
    assert paths, "libbpf is needed: install the package libbpf1"
    return "\n".join("mount --bind /dev/null %s" % path for path in sorted(paths))


@pytest.mark.parametrize("script, word, remedy", [(lambda: NO_BTF, "no type information (BTF, /sys/kernel/btf/vmlinux)", "CONFIG_DEBUG_INFO_BTF=y"),
                                                  (no_libbpf, "libbpf.so.1 or libbpf.so.0", "libbpf1")])
def test_what_the_engine_needs_is_missing(script, word, remedy):
    prefix = mounted(script())
    document = ask("trace", prefix=prefix, duration=1).document
    assert_reduced(document, word)
    assert document["processes"], "polling sees what is mapped"
    for what in ("trace", "preflight", "monitor"):
        error = ask(what, prefix=prefix, engine="libbpf", duration=1).error
        assert error.startswith("engine libbpf can't run here: ") and word in error
    document = ask("preflight", prefix=prefix).document
    assert_reduced(document, word)
    assert document["supports"] == {"profile": True, "grade": "reduced", "probes": ["process", "file_open", "library_load"]}
    assert remedy in document["remedies"][0]["remedy"]
    if word.startswith("libbpf"):
        assert document["kernel"]["libbpf_version"] is None and document["kernel"]["btf"] is True
    else:
        assert document["kernel"]["btf"] is False


def test_type_information_that_is_damaged():
    """libbpf can't relocate anything: no probe of BPF attaches, and says so."""
    prefix = mounted("head -c 100000 /sys/kernel/btf/vmlinux > /tmp/cut.$$\nmount --bind /tmp/cut.$$ /sys/kernel/btf/vmlinux\nrm /tmp/cut.$$")
    document = ask("trace", prefix=prefix, duration=1).document
    assert document["coverage"]["complete"] is False
    for name in ("process", "file_open"):
        entry = probe(document, name)
        if document["engine"]["name"] == "libbpf":
            assert entry["status"] == "failed" and entry["errno"] and entry["reason"]


def test_no_trace_file_system(tmp_path):
    """Nothing here needs it: hidden where it is mounted, the same is seen."""
    key = tmp_path / "site.key"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
    script = "for at in /sys/kernel/tracing /sys/kernel/debug; do [ ! -d $at ] || mount -t tmpfs tmpfs $at; done"
    with broken(prefix=mounted(script)) as window:
        done = run("openssl", "pkey", "-in", key, "-noout")
        window.settle()
    assert_ran(window.profile)
    entry = process(window.profile, done.pid)
    assert file(entry, key)["count"] == 1 and libraries(entry, "libcrypto")
    assert ask("preflight", prefix=mounted(script)).document["kernel"]["tracefs"] is None


@pytest.mark.parametrize("mode", ["integrity", "confidentiality"])
def test_lockdown_is_reported(mode):
    """The kernel's own file of it, where this kernel has none."""
    text = " ".join("[%s]" % name if name == mode else name for name in ("none", "integrity", "confidentiality"))
    script = "mount -t tmpfs tmpfs /sys/kernel/security\necho '%s' > /sys/kernel/security/lockdown" % text
    assert ask("preflight", prefix=mounted(script)).document["kernel"]["lockdown"] == mode


def test_lockdown_refuses_what_reads_kernel_memory(tmp_path):
    """Under confidentiality the helper that reads kernel memory is unknown to the verifier (kernel/trace/bpf_trace.c)."""
    with broken(faults=corrupt("process", "file_open", "functions", "functions_rows", "wire", how="helper")) as window:
        done = run("openssl", "version")
        window.settle()
    profile = window.profile
    assert statuses(profile) == ALL_BPF_FAILED
    for name in ("process", "file_open"):
        entry = probe(profile, name)
        assert entry["errno"] == "EINVAL" and any("99999" in line for line in entry["verifier_log"]), entry
    assert profile["coverage"]["complete"] is False
    assert done.pid in {entry["pid"] for entry in profile["processes"]} or profile["coverage"]["lost"]["unattributed_libraries"] > 0


def test_all_is_refused():
    """BPF and perf: the engine that polls, and why the other could not."""
    faults = corrupt("process", "file_open", "functions", "functions_rows", "wire") + forbid("perf_event_open")
    document = ask("trace", faults=faults, duration=1).document
    assert_reduced(document, "no probe could be attached", "process: ", "file_open: ", "library_load: ", "openssl_api: ",
                   "tls_handshake: ", "ssh_kex: ")
    error = ask("trace", faults=faults, duration=1, engine="libbpf").error
    assert error.startswith("engine libbpf can't run here: no probe could be attached: process: the kernel refused to load the object")
    document = ask("preflight", faults=faults).document
    assert_reduced(document, "R8 !read_ok")


LOAD = ("openssl", "pkey", "-noout", "-in")


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "site.key"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    return path


@pytest.mark.parametrize("name", ["process", "file_open", "openssl_api"])
def test_the_verifier_refuses_one_probe(name, key):
    """The tool before this one went on with two of five programs, and called empty profiles complete."""
    objects = ["functions", "functions_rows"] if name == "openssl_api" else [name]
    with broken(faults=corrupt(*objects)) as window:
        done = run("openssl", "dgst", "-sha256", key)
        window.settle()
    profile = window.profile
    assert statuses(profile)[name] == "failed"
    # both probes of libraries' functions share one program
    assert_ran(profile, but=("openssl_api", "library_api") if name == "openssl_api" else (name,))
    entry = probe(profile, name)
    assert entry["errno"] in ("EACCES", "EINVAL") and entry["hook"] is None and entry["hits"] == 0
    assert any("R8 !read_ok" in line for line in entry["verifier_log"]), entry["verifier_log"]
    assert 1 <= len(entry["verifier_log"]) <= 12 and entry["reason"]
    if name == "openssl_api":
        assert {target["status"] for target in entry["targets"]} == {"failed"}
        assert all("refused" in target["reason"] for target in entry["targets"])
    coverage = profile["coverage"]
    failed = [entry for entry in coverage["reasons"] if entry["code"] == "probe_failed" and entry["concerns"]["names"] == [name]]
    assert coverage["complete"] is False and len(failed) == 1 and entry["reason"] in failed[0]["message"]
    seen = process(profile, done.pid)
    assert bool(files(seen, key)) is (name != "file_open")
    assert bool(operations(seen)) is (name != "openssl_api")
    assert (seen["exit_code"] == 0) is (name != "process")
    assert libraries(seen, "libcrypto") or name == "process" and coverage["lost"]["unattributed_libraries"] > 0


def test_the_verifier_refuses_the_newer_way_of_uprobes(key):
    """The way that older kernels have is taken instead, and sees the same."""
    with broken(faults=corrupt("functions")) as window:
        done = run("openssl", "dgst", "-sha256", key)
        window.settle()
    entry = probe(window.profile, "openssl_api")
    if entry["status"] == "failed":  # where only a missing link is a reason for the older way
        assert any("R8 !read_ok" in line for line in entry["verifier_log"])
        assert window.profile["coverage"]["complete"] is False
    else:
        assert entry["hook"] == "uprobe (perf)"
        assert operations(process(window.profile, done.pid))["SHA256", "digest"] == 1


def test_what_only_counts_is_no_reason_to_see_nothing(key):
    """The programs that count opens through io_uring, where these can't be seen."""
    with broken(faults=corrupt("file_open", section="raw_tp/")) as window:
        done = run("openssl", "dgst", "-sha256", key)
        window.settle()
    entry = probe(window.profile, "file_open")
    assert files(process(window.profile, done.pid), key)
    if entry["hook"].startswith("fexit/"):  # there they are seen
        assert entry["status"] == "attached"
    else:
        assert entry["status"] == "partial" and "io_uring are neither seen nor counted" in entry["reason"]
        assert window.profile["coverage"]["complete"] is False


def test_preflight_has_the_verifiers_words():
    document = ask("preflight", faults=corrupt("file_open")).document
    entry = probe(document, "file_open")
    assert (entry["status"], entry["attach_ms"]) == ("failed", None) and entry["remedy"]
    assert any("R8 !read_ok" in line for line in entry["verifier_log"])
    assert document["supports"] == {"profile": True, "grade": "reduced", "probes": ["process", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex"]}
    assert document["remedies"] == [{"concerns": "file_open", "code": "probe_failed", "remedy": entry["remedy"]}]


def test_the_verifier_refuses_the_wire(key):
    """One object for two probes; both say so, and no other is affected."""
    with broken(faults=corrupt("wire")) as window:
        done = run("openssl", "dgst", "-sha256", key)
        window.settle()
    assert {name for name, status in statuses(window.profile).items() if status != "attached"} == {"tls_handshake", "ssh_kex"}
    for name in ("tls_handshake", "ssh_kex"):
        entry = probe(window.profile, name)
        assert entry["status"] == "failed" and any("R8 !read_ok" in line for line in entry["verifier_log"]), entry
    assert operations(process(window.profile, done.pid)) and window.profile["coverage"]["complete"] is False


def test_an_object_that_is_none():
    document = ask("trace", faults=[("replace_objects", {})], duration=1).document
    assert statuses(document) == ALL_BPF_FAILED
    assert "could not open the object" in probe(document, "process")["reason"]


def test_an_object_that_was_changed():
    """Its SHA-256 is not that of its text: an installation is damaged, which is one error or one reason."""
    faults = [("change_digest", {"name": "process"})]
    document = ask("trace", faults=faults, duration=1).document
    text = json.dumps(document["coverage"]) + json.dumps(document["engine"])
    assert "SHA-256" in text and document["coverage"]["complete"] is False
    error = ask("trace", faults=faults, duration=1, engine="libbpf")
    assert error.document or "SHA-256" in error.error


def test_an_architecture_without_objects():
    faults = [("set_architecture", {"name": "riscv64"})]
    document = ask("trace", faults=faults, duration=1).document
    assert_reduced(document, "riscv64")


def test_tools_that_these_tests_need():
    for name, package in (("unshare", "util-linux"), ("setpriv", "util-linux"), ("prlimit", "util-linux"), ("bpftool", "bpftool")):
        assert tool(name, package)
