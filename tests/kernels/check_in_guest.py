# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a guest, as root: is the machine right, and does the tracer see under this kernel all that is done?

Leaves result.json (and profile.json) in $GUEST_RESULTS, and exits 0 where every check passed, 1 where one failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from checks import Checks, write_json
from compare import compare
from load import Load
from selftest import check_machine
from window import Window, tracer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", default=platform.release(), help="the kernel this should be")
    parser.add_argument("--tracefs", action="store_true", help="tracefs should be mounted")
    parser.add_argument("--selftest", action="store_true", help="check the machine only, not the tracer")
    options = parser.parse_args()
    results = Path(os.environ.get("GUEST_RESULTS", tempfile.gettempdir()))
    checks = check_machine(options.release, options.tracefs)
    result: dict[str, Any] = {"kernel": platform.release(), "arch": platform.machine(), "probes": []}
    if not options.selftest:
        try:
            checks.done += _check_tracer(results, result).done
        except Exception:  # noqa: BLE001 - whatever the tracer raised belongs in the result, under this kernel's name
            checks.holds("the tracer's checks ran to their end", False, "no exception", traceback.format_exc())
    result["checks"] = checks.as_dicts()
    write_json(results / "result.json", result)
    print(f"{len(checks.done) - len(checks.failed)} checks passed, {len(checks.failed)} failed", flush=True)
    return 1 if checks.failed else 0


def _check_tracer(results: Path, result: dict[str, Any]) -> Checks:
    module = tracer()
    started = time.monotonic()
    result["preflight"] = module.preflight(module.Request())
    result["preflight_seconds"] = round(time.monotonic() - started, 2)
    print(f"preflight: {result['preflight_seconds']} s", flush=True)
    # not below /run/guest: files of that share change under the guest's feet, and have no real path of their own
    load = Load(Path(tempfile.mkdtemp(prefix="crypto-load-")))
    load.prepare()
    with Window(load.folder) as window:
        print(f"window open after {window.open_seconds:.1f} s", flush=True)
        load.run()
        profile = window.close()
    write_json(results / "profile.json", profile)
    result["probes"] = profile["coverage"]["probes"]
    result["tracer"] = profile["coverage"]["tracer"]
    return compare(profile, load)


if __name__ == "__main__":
    sys.exit(main())
