# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A profile against what the load did: each difference is a named check that failed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks import Checks
from load import INIT_CALLS, PASSWORD, RELATIVE_OPENS, RING_OPENS, UNTOUCHED_CALLS, Load, Ran

Entry = dict[str, Any]

PROBES = ("file_open", "library_api", "library_load", "openssl_api", "process", "ssh_kex", "tls_handshake")
# what each step's processes must be seen to do: (operation, algorithm as the profile may spell it)
_OPERATIONS = {
    "digests": [("digest", r"SHA2?-?256")],
    "encryptions": [("encrypt", r"AES-256-CBC")],
    "new_certificate": [("key_generation", r".*"), ("sign", r".*")],
}
_WITH_LIBSSL = ("tls_client", "tls_curl", "tls_server")
_WITH_LIBCRYPTO = ("digests", "encryptions", "new_certificate", "many_inits", "untouched_name", *_WITH_LIBSSL)
# the checks that fail where anything is lost, whatever it is
_LOSS_CHECKS = ("coverage is complete, but for what this kernel can't report", "nothing else is lost", "no probe has lost anything else")
_BUILD_ID_NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"


def compare(profile: Entry, load: Load) -> Checks:
    checks = Checks()
    _coverage(checks, profile, load)
    images = {(ran.step, ran.pid): _image_of(profile, ran) for ran in load.ran}
    for ran in load.ran:
        _identity(checks, profile, ran, images[ran.step, ran.pid])
        _libraries(checks, ran, images[ran.step, ran.pid])
        _operations(checks, ran, images[ran.step, ran.pid])
    _files(checks, images, load)
    _exec_chain(checks, profile, load)
    checks.equal("many_inits: EVP_EncryptInit_ex is counted exactly", INIT_CALLS,
                 sum(_counts(_only(images, "many_inits"), lambda op: op["function"] == "EVP_EncryptInit_ex")))
    checks.equal("many_inits: its algorithm", ["AES-256-GCM"],
                 sorted({op["algorithm"] for op in _only(images, "many_inits").get("operations", []) if op["function"] == "EVP_EncryptInit_ex"}))
    checks.equal("untouched_name: what could not be read at first is named and counted in the end", [("SHA512-256", UNTOUCHED_CALLS)],
                 [(op["algorithm"], op["count"]) for op in _only(images, "untouched_name").get("operations", []) if op["function"] == "EVP_Q_digest"])
    of_service = [op for entry in profile["processes"] if entry["pid"] == load.service_pid for op in entry["operations"]]
    checks.equal("other_library: Libgcrypt's digests are counted exactly", [("SHA256", "digest", INIT_CALLS)],
                 [(op["algorithm"], op["operation"], op["count"]) for op in of_service if op["function"] == "gcry_md_hash_buffer"])
    checks.equal("the password on a command line is redacted", False, PASSWORD in str(profile))
    return checks


def only_lost(checks: Checks) -> bool:
    """Whether something was lost, and nothing else is wrong."""
    return bool(checks.failed) and all(check.name in _LOSS_CHECKS for check in checks.failed)


# --- coverage -------------------------------------------------------------------------------------------------------------------

def _coverage(checks: Checks, profile: Entry, load: Load) -> None:
    coverage = profile["coverage"]
    unseen = 0 if load.rings_are_seen else RING_OPENS
    codes = ["io_uring_opens"] if unseen else []
    complete, nothing, of_probes = _LOSS_CHECKS
    checks.equal(complete, (not unseen, codes), (coverage["complete"], [reason["code"] for reason in coverage["reasons"] if reason["effect"] == "incomplete"]))
    checks.equal("the whole host is covered, and every process of the load", ("all", []),
                 (coverage["scope"]["processes"], sorted({entry["pid"] for entry in coverage["scope"]["excluded"]} & {ran.pid for ran in load.ran})))
    lost = {"io_uring_opens": unseen} if unseen else {}
    checks.equal(nothing, lost, coverage["lost"])
    checks.equal(of_probes, {"file_open": lost} if lost else {},
                 {probe["name"]: probe["lost"] for probe in coverage["probes"] if probe["lost"]})
    checks.equal("the engine's grade", "full", profile["engine"]["grade"])
    checks.equal("the probes of the profile", sorted(PROBES), sorted(probe["name"] for probe in coverage["probes"]))
    for probe in coverage["probes"]:
        checks.holds(f"probe {probe['name']} is attached", probe["status"] == "attached", "attached",
                     {key: probe.get(key) for key in ("status", "reason", "errno", "verifier_log") if probe.get(key)})
        checks.holds(f"probe {probe['name']} has hits", probe["hits"] > 0, "more than 0", probe["hits"])
    checks.equal("the window ended by a signal", "signal", profile["window"]["ended_because"])


# --- processes ------------------------------------------------------------------------------------------------------------------

def _images(profile: Entry, ran: Ran) -> list[Entry]:
    return [process for process in profile["processes"] if process["pid"] == ran.pid]


def _image_of(profile: Entry, ran: Ran) -> Entry:
    """The last program image of that pid which is the program: the fork before an exec may be the same python."""
    found = [image for image in _images(profile, ran) if image["exe"] == ran.exe]
    return max(found, key=lambda image: image.get("exec_number") or 0, default={})


def _only(images: dict[tuple[str, int], Entry], step: str) -> Entry:
    return next((image for (name, _), image in images.items() if name == step), {})


def _identity(checks: Checks, profile: Entry, ran: Ran, image: Entry) -> None:
    where = f"{ran.step} (pid {ran.pid})"
    checks.holds(f"{where}: the process is in the profile", bool(image), ran.exe,
                 [entry["exe"] for entry in _images(profile, ran)] or "no process of that pid")
    if not image or ran.step == "exec_chain":
        # the image that python left by execve has no exit of its own
        return
    killed = ran.returncode < 0
    checks.equal(f"{where}: exit code", None if killed else ran.returncode, image["exit_code"])
    checks.equal(f"{where}: exit signal", -ran.returncode if killed else None, _signal_number(image["exit_signal"]))
    checks.holds(f"{where}: it has a start and an end", bool(image["started_at"] and image["exited_at"]), "two times",
                 [image["started_at"], image["exited_at"]])
    checks.holds(f"{where}: it was observed, not polled", image["evidence"]["grade"] == "observed", "observed", image["evidence"])


def _signal_number(value: Any) -> Any:
    return {"SIGKILL": 9}.get(value, value)


def _libraries(checks: Checks, ran: Ran, image: Entry) -> None:
    wanted = (["libcrypto"] if ran.step in _WITH_LIBCRYPTO else []) + (["libssl"] if ran.step in _WITH_LIBSSL else [])
    for name in wanted:
        found = [library for library in image.get("libraries", []) if Path(library["path"]).name.startswith(f"{name}.so")]
        checks.equal(f"{ran.step} (pid {ran.pid}): {name} and its build id", [(_build_id(library["path"]), "loaded") for library in found] or "one entry",
                     [(library["build_id"], library["how"]) for library in found])


def _build_id(path: str) -> str:
    data = Path(path).read_bytes()
    start = data.index(_BUILD_ID_NOTE) + len(_BUILD_ID_NOTE)
    return data[start:start + 20].hex()


# --- files ----------------------------------------------------------------------------------------------------------------------

def _files(checks: Checks, images: dict[tuple[str, int], Entry], load: Load) -> None:
    certificate = str(load.folder.resolve() / "server.pem")
    expected = {
        "relative_opens": (certificate, "certificate", "ok", RELATIVE_OPENS),
        "ring_opens": (certificate, "certificate", "ok", 1 + (RING_OPENS if load.rings_are_seen else 0)),
        "killed_process": (certificate, "certificate", "ok", 1),
        "exec_chain": (certificate, "certificate", "ok", 2),
        "missing_file": (str(load.folder.resolve() / "missing.pem"), None, "ENOENT", 1),
        "new_certificate": (str(load.folder.resolve() / "new-key.pem"), "private_key", "ok", None),
        "tls_server": (str(load.folder.resolve() / "server-key.pem"), "private_key", "ok", None),
        "digests": (_real(load.openssl, "openssl.cnf"), "config", "ok", None),
    }
    for step, (path, kind, result, count) in expected.items():
        files = _only(images, step).get("files", [])
        entries = [file for file in files if file["path"] == path]
        name = f"{step}: {Path(path).name}"
        # where the path is wrong, all that the process has is the clue
        checks.equal(f"{name} has its real path and result", [(path, result)], sorted({(file["path"], file["result"]) for file in entries or files}))
        if kind:
            checks.equal(f"{name} has its kind", [kind], sorted({str(file["kind"]) for file in entries}))
        if count:
            checks.equal(f"{name} is counted", count, sum(file["count"] for file in entries))
            checks.equal(f"{name} has its flags", [True], sorted({"O_RDONLY" in file["flags"] for file in entries}))


def _real(openssl: str, name: str) -> str:
    """The configuration file of that openssl, behind its symbolic links."""
    said = subprocess.run([openssl, "version", "-d"], capture_output=True, text=True, check=True).stdout
    match = re.search(r'"(.*)"', said)
    return str(Path(match.group(1) if match else "/usr/lib/ssl", name).resolve())


def _exec_chain(checks: Checks, profile: Entry, load: Load) -> None:
    ran = next(ran for ran in load.ran if ran.step == "exec_chain")
    after = [image for image in _images(profile, ran) if image["exe"] == load.openssl]
    checks.equal("exec_chain: openssl is an image of its own", 1, len(after))
    for image in after:
        checks.equal("exec_chain: openssl has its exit code", 0, image["exit_code"])
        checks.holds("exec_chain: openssl did the digest", sum(_counts(image, lambda op: op["operation"] == "digest")) > 0, "more than 0 digests",
                     image["operations"])
        checks.equal("exec_chain: what python opened is not openssl's", [],
                     [file["path"] for file in image["files"] if file["path"].endswith("server.pem")])


# --- operations -----------------------------------------------------------------------------------------------------------------

def _operations(checks: Checks, ran: Ran, image: Entry) -> None:
    for operation, algorithm in _OPERATIONS.get(ran.step, []):
        counted = sum(_counts(image, lambda op, o=operation, a=algorithm: op["operation"] == o and re.fullmatch(a, op["algorithm"] or "", re.IGNORECASE)))
        checks.holds(f"{ran.step} (pid {ran.pid}): {operation} {'' if algorithm == '.*' else algorithm}".rstrip(), counted > 0, "more than 0",
                     [(op["function"], op["operation"], op["algorithm"], op["count"]) for op in image.get("operations", [])])


def _counts(image: Entry, wanted: Any) -> Iterator[int]:
    return (op["count"] for op in image.get("operations", []) if wanted(op))
