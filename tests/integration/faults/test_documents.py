# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every document of this machine is what its schema says, whatever kinds of files were opened in it."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask, assert_ran, statuses
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import process, processes, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, run, speaking, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """A file of every kind that openssl and ssh-keygen make, with names that hint at nothing: kind -> path."""
    folder = tmp_path_factory.mktemp("kinds")
    made = {}

    def make(kind, name, *command):
        run(*command, cwd=folder)
        made[name] = (kind, folder / name)

    make("private_key", "a1", "openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "a1")
    make("private_key", "a2", "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", "a2")
    make("private_key", "a3", "openssl", "pkcs8", "-topk8", "-in", "a1", "-out", "a3", "-passout", "pass:x")
    make("public_key", "a4", "openssl", "pkey", "-in", "a1", "-pubout", "-out", "a4")
    make("certificate", "a5", "openssl", "req", "-x509", "-new", "-key", "a1", "-subj", "/CN=site.example/O=\u00fc \"quoted\"", "-addext",
         "subjectAltName=DNS:site.example,IP:192.0.2.1,email:a@b.example,URI:https://x.example/", "-out", "a5", "-utf8")
    make("certificate", "a6", "openssl", "x509", "-in", "a5", "-outform", "DER", "-out", "a6")
    make("csr", "a7", "openssl", "req", "-new", "-key", "a1", "-subj", "/CN=site.example", "-out", "a7")
    make("keystore", "a8", "openssl", "pkcs12", "-export", "-inkey", "a1", "-in", "a5", "-out", "a8", "-passout", "pass:x")
    make("keystore", "a9", "openssl", "pkcs12", "-export", "-inkey", "a1", "-in", "a5", "-out", "a9", "-passout", "pass:", "-nomac")
    make("parameters", "b1", "openssl", "ecparam", "-name", "secp384r1", "-out", "b1")
    make(None, "b2", "openssl", "crl2pkcs7", "-nocrl", "-certfile", "a5", "-out", "b2")
    make("signed_data", "b3", "openssl", "cms", "-sign", "-binary", "-nodetach", "-signer", "a5", "-inkey", "a1", "-in", "a4", "-outform", "PEM", "-out", "b3")
    make("private_key", "b4", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "b4")
    made["b4.pub"] = ("public_key", folder / "b4.pub")
    make("private_key", "b5", "ssh-keygen", "-q", "-t", "ecdsa", "-N", "secret", "-f", "b5")
    bundle = folder / "b6"
    bundle.write_bytes((folder / "a5").read_bytes() * 3)
    made["b6"] = ("certificate_bundle", bundle)
    both = folder / "b7"
    both.write_bytes((folder / "a1").read_bytes() + (folder / "a5").read_bytes())
    made["b7"] = (None, both)
    (folder / "b8").write_text("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + (folder / "b4.pub").read_text())
    made["b8"] = (None, folder / "b8")
    cut = folder / "b9"
    cut.write_bytes((folder / "a8").read_bytes()[:100])
    made["b9"] = (None, cut)
    return made


def test_a_profile_of_every_kind_of_file(every_kind):
    paths = [path for _kind, path in every_kind.values()]
    with traced() as window:
        done = python("open_files.py", "O_RDONLY,O_RDWR|O_CLOEXEC,O_RDONLY|O_SYNC", *paths)
        window.settle()
    seen = {}
    for item in process(window.profile, done.pid)["files"]:
        seen.setdefault(item["path"], set()).add(item["kind"])
    for name, (kind, path) in every_kind.items():
        if kind is not None:
            assert seen.get(str(path)) == {kind}, name
    flags = {tuple(item["flags"]) for item in process(window.profile, done.pid)["files"] if item["path"] == str(paths[0])}
    assert flags == {("O_RDONLY", "O_CLOEXEC"), ("O_RDWR", "O_CLOEXEC"), ("O_RDONLY", "O_SYNC", "O_CLOEXEC")}, "Python adds O_CLOEXEC"


def test_a_stream_of_every_kind_of_file(every_kind, tmp_path):
    """Opened again and again while the stream is open: ask() validates every line."""
    paths = [str(path) for _kind, path in every_kind.values()]
    with speaking("open_forever.py", *paths) as load:
        assert load.hear() == "ready"
        for engine in ("auto", "procfs"):
            lines = ask("monitor", pids=[load.pid], duration=2, engine=engine).document
            if engine == "auto":
                assert {json.loads(line)["path"] for line in lines[:-1] if "path" in json.loads(line)} >= {path for path in paths if path.endswith(("a1", "a8", "b4"))}


def test_preflight_of_this_machine():
    document = ask("preflight").document
    assert document["document"] == "preflight" and document["supports"]["grade"] == "full", document["remedies"]
    assert set(statuses(document).values()) == {"attached"} and document["kernel"]["btf"] is True
    assert document["kernel"]["libbpf_version"] == document["engine"]["version"]
    assert ask("preflight", engine="procfs").document["supports"]["grade"] == "reduced"


@pytest.mark.parametrize("disabled", ["process", "file_open", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex"])
def test_a_probe_that_is_not_wanted(disabled):
    for engine in ("auto", "procfs"):
        document = ask("trace", duration=1, probes={disabled: False}, engine=engine).document
        assert statuses(document)[disabled] == "disabled" and document["coverage"]["complete"] is False
    assert ask("preflight", probes={disabled: False}).document["supports"]["grade"] == "full"


def test_snapshot_of_this_machine():
    with talking("import ssl; input()") as load:
        document = ask("snapshot").document
    assert document["document"] == "snapshot" and document["window"]["requested_seconds"] == 0
    assert document["coverage"]["complete"] is False and statuses(document)["openssl_api"] == "unsupported"
    names = {library["name"] for library in process(document, load.pid)["libraries"]}
    assert names >= {"libcrypto", "libssl"}


def test_bounds():
    """What is over a bound is counted, and the document is no longer complete."""
    code = "import ssl; ssl.create_default_context(); import hashlib; [hashlib.new(name, b'x') for name in ('md5', 'sha1', 'sha224', 'sha256', 'sha384')]"
    with traced(max_files=1, max_libraries=1, max_operations=2) as window:
        done = python(code)
        window.settle()
    entry = process(window.profile, done.pid)
    assert (len(entry["libraries"]), len(entry["files"]) <= 1) == (1, True) and entry["libraries_omitted"] >= 1 and entry["operations_omitted"] >= 3
    assert window.profile["coverage"]["complete"] is False
    assert reason(window.profile, "operations_over_bound")["count"] >= 3
    document = ask("trace", duration=1, max_processes=1).document
    counts = document["coverage"]["processes"]
    assert len(document["processes"]) == counts["reported"] == 1
    if counts["omitted_over_bound"]:
        assert reason(document, "processes_over_bound")["message"].endswith("max_processes is 1")


def test_a_document_is_json_and_sorted():
    with traced() as window:
        run("openssl", "version")
        run("openssl", "version")
        window.settle()
    profile = window.profile
    order = [(entry["started_at"] or "", entry["pid"], entry["exec_number"] or 0) for entry in profile["processes"]]
    assert order == sorted(order) and processes(profile, exe="openssl")
    assert json.loads(json.dumps(profile)) == profile and profile["window"]["actual_seconds"] >= 0
    assert_ran(profile)
    assert os.sysconf("SC_CLK_TCK") == 100
