# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations asked of libraries other than OpenSSL: each counted once, by its algorithm's name; by small programs and by real ones."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.library_api import SCENARIOS, assert_counts, perform
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, operations, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, python, run, talking, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


@pytest.fixture(scope="module")
def seen():
    with traced() as window:
        pids = {name: perform(name) for name in SCENARIOS}
    assert_attached(window.profile)
    return SimpleNamespace(pids=pids, profile=window.profile)


@pytest.mark.parametrize("name", SCENARIOS)
def test_counted_once_and_by_name(seen, name):
    library, _program, _scenario, expected = SCENARIOS[name]
    assert_counts(seen.profile, seen.pids[name], library, expected)


def test_targets_are_named(seen):
    entry = next(probe for probe in seen.profile["coverage"]["probes"] if probe["name"] == "library_api")
    names = {target["path"].rpartition("/")[2].split(".so")[0]: target for target in entry["targets"]}
    assert set(names) >= {"libgnutls", "libgcrypt", "libsodium", "libnettle", "libhogweed", "libnss3", "libssl3", "libwolfssl", "libmbedcrypto"}
    assert all(target["status"] == "attached" and target["build_id"] for target in entry["targets"])
    assert names["libgcrypt"]["functions"] == 16 and entry["hits"] > 10000 and entry["detached"] == []


def asked(profile, pid, library):
    entry = process(profile, pid)
    return operations(dict(entry, operations=[item for item in entry["operations"] if "/%s.so" % library in item["library"]]))


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Programs of Debian, each doing what it is for."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "text").write_text("abc\n")
    (folder / "password").write_text("password\n")
    (folder / "noise").write_bytes(bytes(range(256)) * 8)
    (folder / "ca").write_text("cn = test\nexpiration_days = 3\n")
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = [tool("gpg", "gpg"), "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "--no-symkey-cache"]
    pids = {}
    with traced() as window:
        done = {
            "certtool key": [tool("certtool", "gnutls-bin"), "--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1", "--outfile", folder / "key"],
            "certtool certificate": ["certtool", "--generate-self-signed", "--load-privkey", folder / "key", "--template", folder / "ca", "--outfile", folder / "crt",
                                     "--hash", "SHA384"],
            "gpg": [*gpg, "--s2k-digest-algo", "SHA512", "--cipher-algo", "AES256", "--output", folder / "text.gpg", "--symmetric", folder / "text"],
            "nettle-hash": [tool("nettle-hash", "nettle-bin"), "--algorithm", "sha512", folder / "text"],
            "certutil database": [tool("certutil", "libnss3-tools"), "-N", "-d", folder, "-f", folder / "password"],
            "certutil certificate": ["certutil", "-S", "-d", folder, "-f", folder / "password", "-n", "ca", "-s", "CN=ca", "-x", "-t", "CT,,", "-k", "rsa", "-g", "2048",
                                     "-Z", "SHA256", "-z", folder / "noise"],
        }
        for name, command in done.items():
            pids[name] = run(*command, env=environment(HOME=str(folder))).pid
    assert_attached(window.profile)
    return SimpleNamespace(pids=pids, profile=window.profile)


def test_certtool(programs):
    assert asked(programs.profile, programs.pids["certtool key"], "libgnutls")["EC", "key_generation"] == 1
    assert asked(programs.profile, programs.pids["certtool certificate"], "libgnutls")["EC-SHA384", "sign"] == 1
    assert asked(programs.profile, programs.pids["certtool certificate"], "libhogweed")["ECDSA", "sign"] == 1


def test_gpg(programs):
    found = asked(programs.profile, programs.pids["gpg"], "libgcrypt")
    assert found["S2K-ITERATED-SHA512", "derive"] == 1 and found["AES-256-CFB", "cipher"] == 1


def test_nettle_hash(programs):
    assert asked(programs.profile, programs.pids["nettle-hash"], "libnettle")["SHA512", "digest"] == 1


def test_certutil(programs):
    found = asked(programs.profile, programs.pids["certutil certificate"], "libnss3")
    assert found["RSA", "key_generation"] == 1 and found["RSA", "sign"] == 2, "the request, then the certificate"


def test_a_bound_on_files_is_reported():
    """Files over the bound are left out, and that is said."""
    with traced(constants={"_engines.libbpf._MOST_OTHER_FILES": 2}) as window:
        pass
    entry = next(probe for probe in window.profile["coverage"]["probes"] if probe["name"] == "library_api")
    assert entry["status"] == "partial" and len(entry["targets"]) == 2 and "over the bound of 2" in entry["reason"]
    assert not window.profile["coverage"]["complete"] and reason(window.profile, "probe_partial")["concerns"]["names"] == ["library_api"]


def test_without_openssl_api():
    """Each of the two probes can be left out alone."""
    name = "libsodium boxes"
    library, _program, _scenario, expected = SCENARIOS[name]
    with traced(probes={"openssl_api": False}) as window:
        pid = perform(name)
    assert_counts(window.profile, pid, library, expected)


def test_one_budget_for_both_and_each_probe_reports_its_own():
    """Called without pause: detached by the shared budget, with counts that are lower bounds, and the right probe reports it."""
    with traced() as window:
        pid = python("gnutls_calls.py", "libgnutls.so.30", "many_digests").pid
    probes = {probe["name"]: probe for probe in window.profile["coverage"]["probes"]}
    gone = {item["function"]: item for item in probes["library_api"]["detached"]}
    assert probes["library_api"]["status"] == "detached_over_budget" and "gnutls_hash_fast" in gone
    assert not {item["function"] for item in probes["openssl_api"]["detached"]} & set(gone)
    count = asked(window.profile, pid, "libgnutls")["SHA256", "digest"]
    assert 10000 < count < 600000 and gone["gnutls_hash_fast"]["calls"] <= count + 1000
    detached = [entry for entry in window.profile["coverage"]["reasons"] if entry["code"] == "functions_detached"]
    assert any("gnutls_hash_fast" in entry["message"] for entry in detached)


def test_a_process_that_only_has_the_library_is_idle():
    with traced() as window, talking("import ctypes; lib = ctypes.CDLL('libsodium.so.23'); print('there'); input()") as idle:
        assert idle.hear() == "there"
        window.settle()
    entry = process(window.profile, idle.pid)
    assert (entry["coverage"], entry["coverage_reason"], entry["operations"]) == ("idle", None, [])


def test_a_library_from_another_place_is_probed_when_it_is_mapped(tmp_path):
    """Not in the linker's cache, as in a container: it is found by its mapping, and earlier calls are reported as not seen."""
    copy = tmp_path / "libsodium.so.23"
    shutil.copy(os.path.realpath("/usr/lib/%s-linux-gnu/libsodium.so.23" % os.uname().machine), copy)
    with traced() as window, talking("sodium_calls.py", copy, "waits") as user:
        assert user.hear() == "there"
        window.settle()
        user.tell()
        assert user.hear() == "done"
    entry = process(window.profile, user.pid)
    found = [(item["library"], item["algorithm"], item["count"]) for item in entry["operations"] if not item.get("internal")]
    assert found == [(str(copy), "SHA256", 500)]
    assert str(copy) in reason(window.profile, "library_first_mapped")["concerns"]["names"]
    assert user.pid in {entry["pid"] for entry in window.profile["coverage"]["scope"]["excluded"]}
