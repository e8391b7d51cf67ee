# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A faultless profile passes, and each fault put into it is found: the comparison with a tracer's profile is not an empty one."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compare import PROBES, _build_id, _real, compare, only_lost
from load import INIT_CALLS, RING_OPENS, UNTOUCHED_CALLS, Load, Ran

Profile = dict[str, Any]
STEPS = ("digests", "encryptions", "new_certificate", "relative_opens", "missing_file", "killed_process", "exec_chain", "many_inits",
         "untouched_name", "tls_client", "tls_curl", "tls_server", "ring_opens")
OPERATIONS = {
    "digests": [("EVP_DigestInit_ex", "digest", "SHA256", 2)],
    "encryptions": [("EVP_CipherInit_ex", "encrypt", "AES-256-CBC", 1)],
    "new_certificate": [("EVP_PKEY_keygen", "key_generation", "RSA", 1), ("EVP_DigestSignInit", "sign", "RSA-SHA256", 1)],
    "many_inits": [("EVP_EncryptInit_ex", "encrypt", "AES-256-GCM", INIT_CALLS)],
    "untouched_name": [("EVP_Q_digest", "digest", "SHA512-256", UNTOUCHED_CALLS)],
    "other_library": [("gcry_md_hash_buffer", "digest", "SHA256", INIT_CALLS)],
}


@pytest.fixture(name="load")
def _load(tmp_path: Path) -> Load:
    load = Load(tmp_path)
    for pid, step in enumerate(STEPS, start=100):
        exe = load.openssl if step in ("digests", "encryptions", "new_certificate", "tls_client", "tls_server") else load.python
        load.ran.append(Ran(step, pid, exe, {"missing_file": 3, "killed_process": -9}.get(step, 0)))
    load.service_pid = 99
    load.rings_are_seen = True
    return load


@pytest.fixture(name="profile")
def _profile(load: Load) -> Profile:
    processes = [_process(load, ran) for ran in [Ran("other_library", load.service_pid, load.python, 0), *load.ran]]
    chain = next(ran for ran in load.ran if ran.step == "exec_chain")
    processes.append({**_process(load, Ran("digests", chain.pid, load.openssl, 0)), "exec_number": 3})
    return {
        "engine": {"grade": "full"}, "window": {"ended_because": "signal"}, "processes": processes,
        "coverage": {"complete": True, "scope": {"processes": "all", "excluded": []}, "reasons": [], "lost": {},
                     "probes": [{"name": name, "status": "attached", "hook": "x", "hits": 1, "lost": {}} for name in PROBES]},
    }


def _process(load: Load, ran: Ran) -> Profile:
    killed = ran.returncode < 0
    return {
        "pid": ran.pid, "exe": ran.exe, "exec_number": 2, "started_at": "x", "exited_at": "y", "evidence": {"grade": "observed"},
        "exit_code": None if killed else ran.returncode, "exit_signal": 9 if killed else None, "cmdline": ["x"],
        "libraries": _libraries(), "files": _files(load, ran.step),
        "operations": [{"function": function, "operation": operation, "algorithm": algorithm, "count": count}
                       for function, operation, algorithm, count in OPERATIONS.get(ran.step, [])],
    }


@functools.cache
def _mapped() -> list[tuple[str, str]]:
    """(path, build id) of the system's OpenSSL libraries, as a process has them mapped."""
    maps = subprocess.run([sys.executable, "-c", "import ctypes; ctypes.CDLL('libssl.so.3'); print(open('/proc/self/maps').read())"],
                          capture_output=True, text=True, check=True).stdout
    paths = sorted(set(re.findall(r"/\S*/lib(?:crypto|ssl)\.so\S*", maps)))
    return [(path, _build_id(path)) for path in paths]


def _libraries() -> list[Profile]:
    return [{"path": path, "build_id": build_id, "how": "loaded"} for path, build_id in _mapped()]


def _files(load: Load, step: str) -> list[Profile]:
    def file(path: Path | str, kind: str | None, count: int, result: str = "ok") -> Profile:
        return {"path": str(path), "kind": kind, "count": count, "result": result, "flags": ["O_RDONLY"]}

    certificate = load.folder.resolve() / "server.pem"
    return {
        "relative_opens": [file(certificate, "certificate", 25)],
        "ring_opens": [file(certificate, "certificate", 1 + (RING_OPENS if load.rings_are_seen else 0))],
        "killed_process": [file(certificate, "certificate", 1)],
        "exec_chain": [file(certificate, "certificate", 2)],
        "missing_file": [file(certificate.with_name("missing.pem"), None, 1, "ENOENT")],
        "new_certificate": [file(certificate.with_name("new-key.pem"), "private_key", 1)],
        "tls_server": [file(certificate.with_name("server-key.pem"), "private_key", 1)],
        "digests": [file(_real(load.openssl, "openssl.cnf"), "config", 1)],
    }.get(step, [])


def _step(profile: Profile, step: str) -> Profile:
    return profile["processes"][1 + STEPS.index(step)]


def test_a_faultless_profile_passes(profile: Profile, load: Load) -> None:
    checks = compare(profile, load)
    assert checks.failed == [] and len(checks.done) > 70


@pytest.fixture(name="deaf")
def _deaf(profile: Profile, load: Load) -> Profile:
    """A faultless profile of a kernel before 6.0."""
    load.rings_are_seen = False
    _step(profile, "ring_opens")["files"] = _files(load, "ring_opens")
    profile["coverage"].update(complete=False, lost={"io_uring_opens": RING_OPENS}, reasons=[
        {"code": "io_uring_opens", "effect": "incomplete"}])
    profile["coverage"]["probes"][0]["lost"] = {"io_uring_opens": RING_OPENS}
    return profile


def test_what_a_kernel_can_not_tell_has_to_be_said(deaf: Profile, load: Load) -> None:
    assert compare(deaf, load).failed == []


@pytest.mark.parametrize(("fault", "check"), [
    (lambda p: p["coverage"].update(complete=True), "coverage is complete, but for what this kernel can't report"),
    (lambda p: p["coverage"]["reasons"].append({"code": "ring_full", "effect": "incomplete"}), "coverage is complete, but for what this kernel can't report"),
    (lambda p: p["coverage"]["lost"].update(io_uring_opens=RING_OPENS - 1), "nothing else is lost"),
    (lambda p: p["coverage"]["lost"].update(ring_full=1), "nothing else is lost"),
    (lambda p: p["coverage"]["probes"][0].update(lost={}), "no probe has lost anything else"),
])
def test_a_fault_is_found_beside_it(deaf: Profile, load: Load, fault: Callable[[Profile], Any], check: str) -> None:
    fault(deaf)
    assert check in [failed.name for failed in compare(deaf, load).failed]


@pytest.mark.parametrize(("fault", "check"), [
    (lambda p: _step(p, "many_inits")["operations"][0].update(count=999), "many_inits: EVP_EncryptInit_ex is counted exactly"),
    (lambda p: _step(p, "many_inits")["operations"][0].update(algorithm="AES-128-GCM"), "many_inits: its algorithm"),
    (lambda p: _step(p, "untouched_name")["operations"][0].update(algorithm=None),
     "untouched_name: what could not be read at first is named and counted in the end"),
    (lambda p: p["processes"][0]["operations"][0].update(count=999), "other_library: Libgcrypt's digests are counted exactly"),
    (lambda p: _step(p, "digests").update(operations=[]), "digests (pid 100): digest SHA2?-?256"),
    (lambda p: _step(p, "relative_opens")["files"][0].update(count=24), "relative_opens: server.pem is counted"),
    (lambda p: _step(p, "relative_opens")["files"][0].update(path="server.pem"), "relative_opens: server.pem has its real path and result"),
    (lambda p: _step(p, "missing_file")["files"][0].update(result="ok"), "missing_file: missing.pem has its real path and result"),
    (lambda p: _step(p, "tls_server")["files"][0].update(kind="certificate"), "tls_server: server-key.pem has its kind"),
    (lambda p: _step(p, "missing_file").update(exit_code=0), "missing_file (pid 104): exit code"),
    (lambda p: _step(p, "killed_process").update(exit_signal=None), "killed_process (pid 105): exit signal"),
    (lambda p: _step(p, "tls_client")["libraries"][0].update(build_id="00"), "tls_client (pid 109): libcrypto and its build id"),
    (lambda p: _step(p, "tls_curl").update(libraries=[]), "tls_curl (pid 110): libssl and its build id"),
    (lambda p: p["processes"].pop(), "exec_chain: openssl is an image of its own"),
    (lambda p: _step(p, "digests").update(pid=1), "digests (pid 100): the process is in the profile"),
    (lambda p: _step(p, "encryptions").update(cmdline=["pass:correct-horse-battery"]), "the password on a command line is redacted"),
    (lambda p: p["coverage"].update(complete=False), "coverage is complete, but for what this kernel can't report"),
    (lambda p: p["coverage"]["lost"].update(ring_full=1), "nothing else is lost"),
    (lambda p: p["coverage"]["probes"][0].update(lost={"user_fault": 1}), "no probe has lost anything else"),
    (lambda p: _step(p, "ring_opens")["files"][0].update(count=1), "ring_opens: server.pem is counted"),
    (lambda p: p["coverage"]["probes"][0].update(status="failed"), "probe file_open is attached"),
    (lambda p: p["coverage"]["probes"][0].update(hits=0), "probe file_open has hits"),
    (lambda p: p["coverage"]["probes"].pop(), "the probes of the profile"),
])
def test_a_fault_is_found(profile: Profile, load: Load, fault: Callable[[Profile], Any], check: str) -> None:
    fault(profile)
    assert check in [failed.name for failed in compare(profile, load).failed]


def test_a_loss_beside_another_fault_is_no_mere_loss(profile: Profile, load: Load) -> None:
    assert not only_lost(compare(profile, load))
    profile["coverage"]["lost"]["user_fault"] = 1
    assert only_lost(compare(profile, load))
    _step(profile, "many_inits")["operations"][0]["count"] -= 1
    assert not only_lost(compare(profile, load))
