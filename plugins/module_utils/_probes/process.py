# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `process`: exec, fork and exit.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .base import BpfProbe


class ProcessProbe(BpfProbe):
    """Yields ProcessExec, ProcessFork and ProcessExit through the shared ring."""

    name = "process"
    hook = "tp_btf/sched_process_{exec,fork,exit}"
    object_name = "process"
    programs = ("process_exec", "process_fork", "process_exit")
