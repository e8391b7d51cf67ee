# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the place of _window/monitor.py: sends the events that the test wrote down, without a wait."""

from __future__ import annotations

import json

from .tracer import _ANSWERS


def monitor(request, filters, sink):
    for event in _ANSWERS["events"]:
        sink(json.dumps(event))
    return _ANSWERS["events"][-1]["coverage"]
