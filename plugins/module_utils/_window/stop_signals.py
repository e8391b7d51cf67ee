# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles the signals that end a window early: SIGTERM, SIGHUP and SIGINT.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import signal

from .._errors import AuditError


class StopSignals:
    """The signal handlers, installed on creation. A signal ends the window, and what was observed until then is still reported."""

    def __init__(self):
        self._window = None
        self._early = False
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, _number, _frame):
        if self._window is None:
            self._early = True  # attaching is not interrupted: its steps are not prepared for that
        else:
            self._window.stop("signal")

    def end(self, window):
        """Set the window that the signals end.

        :arg window: Window, which is open now.
        :raises AuditError: a signal has come before.
        """
        self._window = window
        if self._early:
            raise AuditError("stopped by a signal before the window was open: nothing was observed")
