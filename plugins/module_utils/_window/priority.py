# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheduling priority of the tracer: lower than the host's own work while its buffers have room, and its original one when they fill up.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

# sched(7): a step of the nice value changes a thread's weight by a factor of about 1.25, so ten steps leave about a tenth of it
_STEPS = 10
_MAX_NICE = 19


class Priority:
    """The nice value of the calling thread. Without CAP_SYS_NICE it is never lowered, because it could not be restored."""

    def __init__(self):
        self._original = self._current = os.getpriority(os.PRIO_PROCESS, 0)
        try:
            os.setpriority(os.PRIO_PROCESS, 0, self._original - 1)
            os.setpriority(os.PRIO_PROCESS, 0, self._original)
            self._allowed = True
        except OSError:
            self._allowed = False

    def lower(self, wanted):
        """Lower the priority, or restore the original one. No system call where it has that already.

        :arg wanted: bool, True to lower, False to restore.
        """
        nice = min(self._original + _STEPS, _MAX_NICE) if wanted and self._allowed else self._original
        if nice != self._current:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            self._current = nice
