# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer of this checkout, in a process of its own: opened before the load, ended after it.

An emulated machine is 20 to 50 times slower than a real one, so nothing here lasts a fixed time: the window is as long as the load.
"""

from __future__ import annotations

import functools
import importlib
import json
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
POLL_SECONDS = 0.2
SLOWER = 50


@functools.cache
def collections() -> str:
    """A folder in which this checkout is the collection, whatever collections are installed."""
    base = Path(tempfile.mkdtemp(prefix="collections-"))
    namespace = base / "ansible_collections" / "cryptofleet"
    namespace.mkdir(parents=True)
    (namespace / "audit").symlink_to(CHECKOUT)
    return str(base)


def utility(name: str) -> Any:
    """A module_utils module of the checkout, such as `_window.tracer`."""
    if collections() not in sys.path:
        sys.path.insert(0, collections())
    return importlib.import_module(f"ansible_collections.cryptofleet.audit.plugins.module_utils.{name}")


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
        """The child leaves a mark when everything is attached and the window runs: see main()."""
        assert self._process is not None
        deadline = time.monotonic() + OPEN_TIMEOUT
        while not _mark(self._profile).exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"the tracer ended before the load began:\n{self._said()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the tracer did not open its window in {OPEN_TIMEOUT:.0f} s:\n{self._said()}")
            time.sleep(POLL_SECONDS)

    def _said(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


def _mark(profile: Path) -> Path:
    """The file that says that the window is open."""
    return profile.with_suffix(".open")


def main() -> None:
    module = utility("_window.tracer")
    target = Path(sys.argv[1])
    run = module.Window.run

    def marked(window: Any) -> str:
        _mark(target).touch()
        return run(window)

    module.Window.run = marked
    budget = utility("_probes.budget")  # of real time: functions must not be detached because the machine is emulated
    budget.BURST_NS *= SLOWER
    budget.INTERNAL_BURST_NS *= SLOWER
    profile = module.trace(utility("_window.request").Request(duration=WINDOW_SECONDS))
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(profile), encoding="utf-8")
    fresh.replace(target)


if __name__ == "__main__":
    main()
