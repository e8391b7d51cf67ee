# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One comparison of what should be with what is, and a list of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Check:
    name: str
    passed: bool
    expected: Any
    actual: Any


@dataclass
class Checks:
    done: list[Check] = field(default_factory=list)

    def equal(self, name: str, expected: Any, actual: Any) -> None:
        self.done.append(Check(name, expected == actual, expected, actual))

    def holds(self, name: str, passed: bool, expected: str, actual: Any) -> None:
        self.done.append(Check(name, passed, expected, actual))

    def as_dicts(self) -> list[dict[str, Any]]:
        return [asdict(check) for check in self.done]

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.done if not check.passed]


def write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")
