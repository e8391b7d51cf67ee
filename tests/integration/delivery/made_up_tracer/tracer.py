# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the place of _window/tracer.py: sleeps through its window and returns what the test wrote into answers.py beside it."""

from __future__ import annotations

import json
import time

from .._errors import AuditError
from .answers import ANSWERS

_ANSWERS = json.loads(ANSWERS)


def _answer(request):
    if "nobody" in request.names:
        raise AuditError("no process matches name 'nobody'")
    time.sleep(request.duration)
    name = next((name for name in request.names if name in _ANSWERS), "profile")
    return _ANSWERS[name]


def trace(request):
    return _answer(request)


def snapshot(request):
    return dict(_ANSWERS["profile"], document="snapshot")
