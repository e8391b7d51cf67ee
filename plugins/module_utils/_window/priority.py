# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer leaves a processor to the host's own work as long as nothing is lost by that: it reads its buffers at a lower priority, and at its own
again when one of them fills up.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

# sched(7): the weight of a nice value is about 1/1.25 of that of the next lower one, so this is a tenth of what others get
_NICER = 10
_NICEST = 19


class Priority:
    """The priority of the calling thread. Without CAP_SYS_NICE it is never lowered, because it could not be raised again."""

    def __init__(self):
        self._own = self._now = os.getpriority(os.PRIO_PROCESS, 0)
        try:
            os.setpriority(os.PRIO_PROCESS, 0, self._own - 1)
            os.setpriority(os.PRIO_PROCESS, 0, self._own)
            self._allowed = True
        except OSError:
            self._allowed = False

    def lower(self, wanted):
        """Run at a lower priority than others, or at the one it had.

        :arg wanted: bool.
        """
        nice = min(self._own + _NICER, _NICEST) if wanted and self._allowed else self._own
        if nice != self._now:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            self._now = nice
