# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asked a window for.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, List


@dataclasses.dataclass
class Request:
    """What the user asked for. Bounds are checked by the modules' options."""

    pids: List[int] = dataclasses.field(default_factory=list)
    names: List[str] = dataclasses.field(default_factory=list)
    units: List[str] = dataclasses.field(default_factory=list)
    containers: List[str] = dataclasses.field(default_factory=list)
    follow_children: bool = True
    duration: int = 30  # seconds
    engine: str = "auto"  # auto, libbpf, procfs
    probes: Dict[str, bool] = dataclasses.field(default_factory=dict)  # name -> wanted; absent: wanted
    host_crypto: bool = True  # no probe, but chosen like one
    redact: bool = True
    max_processes: int = 2000
    max_files: int = 500  # in one process; the next two likewise
    max_libraries: int = 200
    max_operations: int = 500
    max_handshakes: int = 500  # of TLS in one process, and of SSH
    max_events: int = 10000  # crypto_monitor
