# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer of this checkout, in a process of its own: opened before the load, ended after it.

An emulated machine is 20 to 50 times slower than a real one, so nothing here lasts a fixed time: the window is as long as the load.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
WINDOW_SECONDS = 3600
OPEN_TIMEOUT = 300.0
CLOSE_TIMEOUT = 300.0
# the tracer has attached when it holds descriptors of the kernel's, their number stands still, and it waits instead of computing
SETTLED_SECONDS = 3.0
SETTLED_CPU_SHARE = 0.2


def tracer() -> Any:
    """The checkout's own `_tracer`, whatever collections are installed."""
    base = Path(tempfile.mkdtemp(prefix="collections-"))
    namespace = base / "ansible_collections" / "cryptofleet"
    namespace.mkdir(parents=True)
    (namespace / "audit").symlink_to(CHECKOUT)
    sys.path.insert(0, str(base))
    from ansible_collections.cryptofleet.audit.plugins.module_utils import _tracer  # pylint: disable=import-outside-toplevel,import-error

    return _tracer


class Window:
    """`with Window(folder) as window: load; profile = window.close()`."""

    def __init__(self, folder: Path) -> None:
        self._profile = folder / "profile.json"
        self._log = folder / "tracer.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.open_seconds = 0.0

    def __enter__(self) -> Window:
        started = time.monotonic()
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen([sys.executable, __file__, str(self._profile)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_attached()
        self.open_seconds = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def close(self) -> dict[str, Any]:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=CLOSE_TIMEOUT)
        if code != 0 or not self._profile.exists():
            raise RuntimeError(f"the tracer ended with {code} and {'a' if self._profile.exists() else 'no'} profile:\n{self._said()}")
        return json.loads(self._profile.read_text(encoding="utf-8"))

    def _wait_until_attached(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + OPEN_TIMEOUT
        before = _state(self._process.pid)
        while time.monotonic() < deadline:
            time.sleep(SETTLED_SECONDS)
            if self._process.poll() is not None:
                raise RuntimeError(f"the tracer ended before the load began:\n{self._said()}")
            now = _state(self._process.pid)
            if now[0] and now[0] == before[0] and now[1] - before[1] < SETTLED_SECONDS * SETTLED_CPU_SHARE:
                return
            before = now
        raise RuntimeError(f"the tracer did not come to rest in {OPEN_TIMEOUT:.0f} s:\n{self._said()}")

    def _said(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


def _state(pid: int) -> tuple[int, float]:
    """(descriptors of perf events, BPF programs, links and maps; CPU seconds)."""
    held = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            held += os.readlink(entry.path).startswith(("anon_inode:[perf_event]", "anon_inode:bpf", "anon_inode:[bpf"))
        except FileNotFoundError:
            continue
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return held, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    module = tracer()
    profile = module.trace(module.Request(duration=WINDOW_SECONDS))
    target = Path(sys.argv[1])
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(profile), encoding="utf-8")
    fresh.replace(target)


if __name__ == "__main__":
    main()
