# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real clients and servers sent; recordings/record.py made it."""

from __future__ import annotations

import base64
import pathlib

FOLDER = pathlib.Path(__file__).parent / "recordings"


def recordings(name):
    """:returns: dict: title -> list of (side, bytes), by order."""
    found = {}
    for line in (FOLDER / name).read_text(encoding="ascii").splitlines():
        if line.startswith("= "):
            messages = found[line[2:]] = []
        elif not line.startswith("#"):
            side, text = line.split()
            messages.append((side, base64.b64decode(text)))
    return found
