# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says at its end."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checks import Check

# a kernel that complains about what a probe did is a fault of ours even where the profile is right
_KERNEL_COMPLAINTS = re.compile(r"\b(BUG:|WARNING: CPU|Oops|general protection|INFO: task|rcu: INFO|Call Trace)")
_MAX_SHOWN = 600


@dataclass
class KernelReport:
    """One kernel's run."""

    series: str
    release: str
    boot_seconds: float = 0.0
    command_seconds: float = 0.0
    checks: list[Check] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)

    def read_result(self, folder: Path) -> None:
        """What check_in_guest.py left."""
        path = folder / "result.json"
        if not path.exists():
            self.fail("the guest left a result", "result.json", "nothing")
            return
        result = json.loads(path.read_text(encoding="utf-8"))
        self.checks += [Check(**check) for check in result["checks"]]
        self.probes = result["probes"]

    def read_dmesg(self, dmesg: str) -> None:
        found = [line for line in dmesg.splitlines() if _KERNEL_COMPLAINTS.search(line)]
        self.checks.append(Check("the kernel did not complain", not found, "no BUG, WARNING or Oops", found))

    def fail(self, name: str, expected: str, actual: Any) -> None:
        self.checks.append(Check(name, False, expected, actual))

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]


def failures(report: KernelReport) -> str:
    lines = []
    for check in report.failed:
        lines += [f"FAILED {report.release}: {check.name}", f"  expected: {_shown(check.expected)}", f"  actual:   {_shown(check.actual)}"]
    return "\n".join(lines)


def table(reports: list[KernelReport]) -> str:
    rows = [("kernel", "probe", "status", "hook", "hits")]
    for report in reports:
        verdict = f"{len(report.checks) - len(report.failed)} passed, {len(report.failed)} failed"
        rows.append((report.release, "", verdict, f"boot {report.boot_seconds:.1f} s, run {report.command_seconds:.1f} s", ""))
        rows += [("", probe["name"], probe["status"], str(probe["hook"] or "-"), str(probe["hits"])) for probe in report.probes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) > _MAX_SHOWN:
        # both ends: of a list the beginning matters, of a traceback the end
        text = f"{text[:_MAX_SHOWN // 2]} ... ({len(text)} characters) ... {text[-_MAX_SHOWN:]}"
    return text.replace("\n", "\n            ")
