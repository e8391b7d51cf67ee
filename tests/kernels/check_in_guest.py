# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a guest, as root: is the machine right, and does the tracer see under this kernel all that is done?

Leaves result.json (and profile.json) in $GUEST_RESULTS, and exits 0 where every check passed, 1 where one failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from calls import check_calls
from checks import Checks, write_json
from compare import compare, only_lost
from host import check_host
from load import Load
from selftest import check_machine
from window import Window, utility

FREE_TIMEOUT = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", default=platform.release(), help="the kernel this should be")
    parser.add_argument("--tracefs", action="store_true", help="tracefs should be mounted")
    parser.add_argument("--libbpf", help="the library that the engine should say it uses")
    parser.add_argument("--selftest", action="store_true", help="check the machine only, not the tracer")
    options = parser.parse_args()
    if not Path("/etc/ld.so.cache").exists():
        # a userland of unpacked packages: on an installed system a trigger has made it
        subprocess.run(["/sbin/ldconfig"], check=True)
    results = Path(os.environ.get("GUEST_RESULTS", tempfile.gettempdir()))
    checks = check_machine(options.release, options.tracefs)
    result: dict[str, Any] = {"kernel": platform.release(), "arch": platform.machine(), "probes": []}
    if not options.selftest:
        with _Told(checks, "preflight"):
            checks.done += _check_preflight(result, options.tracefs).done
        with _Told(checks, "system calls"):
            checks.done += check_calls().done
        with _Told(checks, "the window"):
            checks.done += _check_window(results, result, options.libbpf).done
        # guests of another architecture have none of their kernel's modules, and with the library of another time ip(8) does not run
        if Path("/lib/modules", platform.release()).is_dir() and not options.libbpf:
            with _Told(checks, "host_crypto"):
                checks.done += check_host().done
    result["checks"] = checks.as_dicts()
    write_json(results / "result.json", result)
    print(f"{len(checks.done) - len(checks.failed)} checks passed, {len(checks.failed)} failed", flush=True)
    return 1 if checks.failed else 0


class _Told(contextlib.AbstractContextManager):
    """What the block raises becomes a failed check: it belongs in the result, under this kernel's name."""

    def __init__(self, checks: Checks, name: str) -> None:
        self._checks = checks
        self._name = name

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._checks.holds(f"{self._name}: no exception", False, "none", "".join(traceback.format_exception(kind, error, trace)))
        return True


def _check_preflight(result: dict[str, Any], tracefs: bool) -> Checks:
    """It attaches and detaches everything, and says what a window would."""
    before = _programs()
    started = time.monotonic()
    found = utility("_window.preflight").preflight(utility("_window.request").Request())
    seconds = round(time.monotonic() - started, 2)
    result["preflight"], result["preflight_seconds"] = found, seconds
    print(f"preflight: {seconds} s", flush=True)
    checks = Checks()
    checks.equal("preflight: this kernel can give a full profile", "full", found["supports"]["grade"])
    checks.equal("preflight: there is nothing to remedy", [], found["remedies"])
    for probe in found["probes"]:
        # with kernels before 6.6 it waits for a process that maps a library of its, and says so
        reason = None if probe["name"] != "library_api" or probe["targets"] else "none of its libraries was found on this host or in any process"
        checks.equal(f"preflight: probe {probe['name']} attaches", ("attached", reason), (probe["status"], probe["reason"]))
    checks.equal("preflight: it sees whether tracefs is mounted", tracefs, found["kernel"]["tracefs"] is not None)
    checks.equal("preflight: nothing is left in the kernel", before, _programs_once_like(before))
    return checks


def _programs_once_like(before: list[str]) -> list[str]:
    """The kernel frees programs some time after the last descriptor is closed: what is there when that has had its time."""
    deadline = time.monotonic() + FREE_TIMEOUT
    while _programs() != before and time.monotonic() < deadline:
        time.sleep(0.2)
    return _programs()


def _programs() -> list[str]:
    """The BPF programs in the kernel; none where bpftool is missing."""
    if shutil.which("bpftool") is None:
        return []
    said = subprocess.run(["bpftool", "-j", "prog", "list"], capture_output=True, text=True, check=True).stdout
    return sorted(f"{program['id']} {program['type']} {program.get('name', '')}" for program in json.loads(said))


def _check_window(results: Path, result: dict[str, Any], libbpf: str | None) -> Checks:
    checks = _one_window(results, result, libbpf)
    if "user_fault" in result["lost"] and only_lost(checks):
        # A page of a process may be on its way to another place just when it is read. That is said in the profile, and rare: it can't
        # happen twice to so few processes, so where it does, something else is wrong.
        print("once more, because memory of a process could not be read", *(f"{check.name}: {check.actual}" for check in checks.failed), sep="\n  ", flush=True)
        checks = _one_window(results, result, libbpf)
    return checks


def _one_window(results: Path, result: dict[str, Any], libbpf: str | None) -> Checks:
    # not below /run/guest: files of that share change under the guest's feet, and have no real path of their own
    load = Load(Path(tempfile.mkdtemp(prefix="crypto-load-")))
    load.prepare()
    before = _programs()
    with Window(load.folder) as window:
        print(f"window open after {window.open_seconds:.1f} s", flush=True)
        load.run()
        profile = window.close()
    write_json(results / "profile.json", profile)
    result["probes"] = profile["coverage"]["probes"]
    result["tracer"] = profile["coverage"]["tracer"]
    result["lost"] = profile["coverage"]["lost"]
    checks = compare(profile, load)
    if libbpf is not None:
        checks.equal("the engine uses the library that this guest is to have", libbpf, profile["engine"]["version"])
    checks.equal("the window leaves nothing in the kernel", before, _programs_once_like(before))
    return checks


if __name__ == "__main__":
    sys.exit(main())
