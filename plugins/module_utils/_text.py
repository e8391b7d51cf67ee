# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from the kernel as JSON-safe text, and times as UTC text.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime


def to_text(raw):
    """Decode a file name, an argument or a comm.

    :arg raw: bytes as the kernel holds them; any byte but NUL may occur in a file name.
    :returns: ``(text, escaped)``. Where raw is UTF-8, text is it unchanged and escaped is False. Otherwise each byte that is
        not UTF-8 is written ``\\xHH``, a literal backslash is doubled so that the text can be turned back, and escaped is True.
    """
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"), True


def put_text(entry, key, raw, truncated=False):
    """Set ``entry[key]`` to the text of raw (None stays None), and the marks ``key_escaped``, ``key_truncated`` where they hold."""
    if raw is None:
        entry[key] = None
        return
    entry[key], escaped = to_text(raw)
    if escaped:
        entry[key + "_escaped"] = True
    if truncated:
        entry[key + "_truncated"] = True


def utc(seconds):
    """Seconds since the epoch (float, or None) as ``2026-01-31T12:00:00.123456Z`` (or None)."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
