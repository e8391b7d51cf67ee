# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the place of _window/preflight.py."""

from __future__ import annotations

from .tracer import _ANSWERS


def preflight(request):
    return _ANSWERS["preflight"]
