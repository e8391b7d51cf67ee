# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request for a window: which processes, for how long, with which probes and limits.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, List


@dataclasses.dataclass
class Request:
    """What the user asked for. options.request_from() has checked the ranges."""

    pids: List[int] = dataclasses.field(default_factory=list)
    names: List[str] = dataclasses.field(default_factory=list)
    units: List[str] = dataclasses.field(default_factory=list)
    containers: List[str] = dataclasses.field(default_factory=list)
    follow_children: bool = True
    duration: int = 30  # seconds
    engine: str = "auto"  # auto, libbpf, procfs
    probes: Dict[str, bool] = dataclasses.field(default_factory=dict)  # name -> enabled; a probe that is absent is enabled
    host_crypto: bool = True  # not a probe, but selected like one
    redact: bool = True
    max_processes: int = 2000
    max_files: int = 500  # per process; the next two likewise
    max_libraries: int = 200
    max_operations: int = 500
    max_handshakes: int = 500  # TLS handshakes per process, and SSH handshakes per process
    max_events: int = 10000  # crypto_monitor
