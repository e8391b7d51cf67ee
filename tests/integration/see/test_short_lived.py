# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that start and end inside the window: all of what they were and did is reported, though they are gone from /proc."""

from __future__ import annotations

import datetime
import os
import pwd
import re
import signal
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import build_id, certificate_facts, make_site, package_of
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import (
    assert_attached,
    file,
    files,
    functions,
    images,
    library,
    operations,
    process,
)
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, python, run, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """One window for all: name -> Ran, and the profile."""
    folder = tmp_path_factory.mktemp("short")
    key, certificate = make_site(folder)
    (folder / "text").write_text("some text\n" * 100)
    result = SimpleNamespace(folder=folder, key=key, certificate=certificate, done={})
    with traced() as window:
        result.done = _run_all(folder, key, certificate)
    result.profile = window.profile
    assert_attached(window.profile)
    return result


def _run_all(folder, key, certificate):
    openssl = tool("openssl", "openssl")
    server = subprocess.Popen([openssl, "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate, "-key", key, "-naccept", "1"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
    try:
        port = next(re.search(r":(\d+)$", line).group(1) for line in server.stdout if line.startswith("ACCEPT"))
        done = {"curl": run(tool("curl", "curl"), "--silent", "--cacert", certificate, "--resolve", "localhost:%s:127.0.0.1" % port,
                            "--user", "someone:correct-horse", "--header", "Authorization: Bearer abc.def.ghi", "https://localhost:%s/" % port)}
        server.stdout.read()
        server.wait(timeout=30)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        server.stdout.close()
    done["server"] = SimpleNamespace(pid=server.pid)
    done["dgst"] = run(openssl, "dgst", "-sha512", folder / "text")
    done["sign"] = run(openssl, "dgst", "-sha256", "-sign", key, "-out", folder / "signature", folder / "text")
    done["enc"] = run(openssl, "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:hunter2", "-in", folder / "text", "-out", folder / "secret")
    done["dec"] = run(openssl, "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-k", "hunter2", "-in", folder / "secret")
    done["req"] = run(openssl, "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-subj", "/CN=made", "-keyout", folder / "made.key", "-out", folder / "made.crt")
    done["python"] = python("certificate_and_digests.py", certificate)
    done["missing"] = run(openssl, "dgst", "-sha256", folder / "nowhere.pem", check=False)
    done["killed"] = python("import hashlib, os, signal; hashlib.sha256(b''); os.kill(os.getpid(), signal.SIGTERM)", check=False)
    done["exit42"] = python("import hashlib, sys; hashlib.sha256(b''); sys.exit(42)", check=False)
    # the shell becomes openssl: one pid, two program images
    done["shell"] = run("/bin/sh", "-c", "exec openssl dgst -md5 %s" % (folder / "text"))
    return done


@pytest.fixture
def entry(load):
    return lambda name: process(load.profile, load.done[name].pid)


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("name, exe", [
    ("curl", "/usr/bin/curl"), ("dgst", "/usr/bin/openssl"), ("enc", "/usr/bin/openssl"), ("req", "/usr/bin/openssl"), ("shell", "/usr/bin/openssl"),
    ("python", os.path.realpath("/usr/bin/python3"))])
def test_who_it_was(load, entry, name, exe):
    found = entry(name)
    assert (found["exe"], found["exe_deleted"]) == (exe, False)
    assert found["exe_build_id"] == build_id(exe)
    assert found["exe_package"] == package_of(exe)
    assert (found["ppid"], found["uid"], found["user"]) == (os.getpid(), 0, pwd.getpwuid(0).pw_name)
    assert found["audit_connection"] is False
    assert found["evidence"] == {"source": "kernel", "grade": "observed"}


def test_names(entry):
    assert {name: entry(name)["name"] for name in ("curl", "dgst", "shell", "python")} == {
        "curl": "curl", "dgst": "openssl", "shell": "openssl", "python": "python3"}


def test_command_lines_are_whole_and_redacted(load, entry):
    assert entry("dgst")["cmdline"] == ["/usr/bin/openssl", "dgst", "-sha512", str(load.folder / "text")]
    assert entry("shell")["cmdline"] == ["openssl", "dgst", "-md5", str(load.folder / "text")]
    text = " ".join(" ".join(each["cmdline"] or ()) for each in load.profile["processes"])
    for secret in ("correct-horse", "abc.def.ghi", "hunter2"):
        assert secret not in text
    assert entry("curl")["cmdline"][:4] == ["/usr/bin/curl", "--silent", "--cacert", str(load.certificate)]
    assert entry("enc")["cmdline"][-4:] == ["-in", str(load.folder / "text"), "-out", str(load.folder / "secret")]


@pytest.mark.parametrize("name, code, number", [
    ("curl", 0, None), ("dgst", 0, None), ("missing", 1, None), ("exit42", 42, None), ("killed", None, int(signal.SIGTERM)), ("python", 0, None)])
def test_how_it_ended(entry, name, code, number):
    assert (entry(name)["exit_code"], entry(name)["exit_signal"]) == (code, number)


@pytest.mark.parametrize("name", ["curl", "dgst", "enc", "req", "python", "killed"])
def test_times_are_inside_the_window_and_in_order(load, entry, name):
    found, done, window = entry(name), load.done[name], load.profile["window"]
    times = [window["started_at"], found["started_at"], found["exec_at"], found["exited_at"], window["ended_at"]]
    assert times == sorted(times)
    assert abs(_seconds(found["started_at"]) - done.began) < 0.5
    assert done.began - 0.1 <= _seconds(found["exited_at"]) <= done.ended + 0.1
    for thing in found["libraries"] + found["files"] + found["operations"]:
        assert found["started_at"] <= thing["first_seen"] <= found["exited_at"], thing
        assert thing["first_seen"] <= thing.get("last_seen", thing["first_seen"]) <= found["exited_at"], thing


@pytest.mark.parametrize("name, names", [
    ("curl", ["libcrypto", "libssl", "libgnutls", "libssh2", "libkrb5", "libk5crypto", "libgssapi"]), ("dgst", ["libcrypto", "libssl"]),
    ("python", ["libcrypto", "libssl", "python-ssl"])])
def test_libraries(entry, name, names):
    found = entry(name)
    loaded = {item["name"] for item in found["libraries"]}
    for wanted in names:
        if wanted == "libgnutls" and name == "curl":
            continue  # Debian's curl program is built with OpenSSL; its libcurl is named for it
        assert wanted in loaded
    for item in found["libraries"]:
        assert item["path"] == os.path.realpath(item["path"]), "a library's real path"
        assert (item["how"], item["deleted"]) == ("loaded", False)
        assert item["build_id"] == build_id(item["path"])
        assert item["package"] == package_of(item["path"])
        assert item["evidence"] == {"source": "kernel", "grade": "observed"}


def test_library_version(entry):
    said = run("openssl", "version").stdout.split()[1]
    assert library(entry("dgst"), "libcrypto")["version"] == said
    assert library(entry("python"), "libcrypto")["version"] == said


def test_certificate_and_its_facts(load, entry):
    for name, count in (("curl", 1), ("python", 1)):
        found = file(entry(name), load.certificate)
        assert (found["kind"], found["classified_by"], found["format"]) == ("certificate", "content", "PEM")
        assert (found["flags"][0], found["result"], found["count"], found["deleted"]) == ("O_RDONLY", "ok", count, False)
        facts = found["facts"]
        assert {key: facts[key] for key in certificate_facts(load.certificate)} == certificate_facts(load.certificate)
        assert (facts["key_algorithm"], facts["key_bits"], facts["signature_algorithm"]) == ("RSA", 2048, "sha256WithRSAEncryption")
        assert "CN=localhost" in facts["subject"].replace(" ", "")
        assert facts["subject"] == facts["issuer"]
        assert facts["self_signed"] is True


def test_private_key_read(load, entry):
    found = file(entry("sign"), load.key)
    assert (found["kind"], found["classified_by"], found["flags"], found["result"], found["count"]) == ("private_key", "content", ["O_RDONLY"], "ok", 1)
    assert (found["mode"], found["owner"], found["group"], found["size"]) == ("0600", "root", "root", load.key.stat().st_size)
    assert (found["facts"]["algorithm"], found["facts"]["key_bits"]) == ("RSA", 2048)


def test_files_written(load, entry):
    for path, kind in (("made.key", "private_key"), ("made.crt", "certificate")):
        found = file(entry("req"), load.folder / path)
        assert (found["kind"], found["classified_by"], found["result"]) == (kind, "content", "ok")
        assert found["flags"][0] == "O_WRONLY" and {"O_CREAT", "O_TRUNC"} <= set(found["flags"])
        assert found["facts"]["key_bits"] == 3072
    assert not files(entry("enc"), load.folder / "secret")  # enciphered text is not a file of cryptography's own
    assert not files(entry("dgst"), load.folder / "text")


def test_failed_open(load, entry):
    found = file(entry("missing"), load.folder / "nowhere.pem")
    assert (found["result"], found["flags"], found["classified_by"], found["count"]) == ("ENOENT", ["O_RDONLY"], "name", 1)
    assert (found["mode"], found["size"], found["facts"]) == (None, None, None)


def test_configuration_of_openssl(entry):
    for name in ("dgst", "enc", "python"):
        assert file(entry(name), "/etc/ssl/openssl.cnf")["kind"] == "config"


def test_operations(entry):
    assert operations(entry("dgst")) == {("SHA512", "digest"): 1}
    assert functions(entry("enc"))["PKCS5_PBKDF2_HMAC", "PBKDF2-HMAC-SHA256", "derive", None] == 1
    # enc(1) starts its cipher in two calls: one for the cipher, one for the key
    assert functions(entry("enc"))["EVP_CipherInit_ex", "AES-256-CBC", "encrypt", 256] == 2
    assert functions(entry("dec"))["EVP_CipherInit_ex", "AES-256-CBC", "decrypt", 256] == 2
    assert operations(entry("shell")) == {("MD5", "digest"): 1}
    assert operations(entry("python"))["SHA384", "digest"] == 7 + 1  # importing hashlib tries each digest once
    assert operations(entry("sign"))["RSA-SHA256", "sign"] == 1
    assert operations(entry("req"))["RSA", "key_generation"] == 1
    assert ("TLS", "tls_context") in operations(entry("curl"))
    assert ("TLS", "tls_context") in operations(entry("server"))


def test_operations_name_their_library(entry):
    for name in ("dgst", "enc", "python"):
        assert {item["library"] for item in entry(name)["operations"]} <= {item["path"] for item in entry(name)["libraries"]}


def test_two_images_of_one_pid(load):
    found = images(load.profile, load.done["shell"].pid)
    assert [each["name"] for each in found][-1] == "openssl"
    assert len({each["exec_number"] for each in found}) == len(found)
    assert not [each for each in found[:-1] if each["operations"] or each["libraries"]], "what openssl did belongs to openssl alone"
