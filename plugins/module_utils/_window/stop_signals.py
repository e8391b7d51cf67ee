# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that end a window early.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import signal

from .._errors import AuditError


class StopSignals:
    """From here on SIGTERM, SIGHUP and SIGINT end the window early: what was seen is still told. One that comes before it is open is an error."""

    def __init__(self):
        self._window = None
        self._early = False
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, _number, _frame):
        if self._window is None:
            self._early = True  # attaching goes on to its end: nothing of it expects to be interrupted
        else:
            self._window.stop("signal")

    def end(self, window):
        """Give the Window that they end. :raises AuditError: one came already."""
        self._window = window
        if self._early:
            raise AuditError("stopped by a signal before the window was open: nothing was observed")
