# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts bytes from the kernel to text that JSON can hold, and times to UTC text.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime


def to_text(raw):
    """Decode a file name, an argument or a comm.

    :arg raw: bytes as the kernel holds them; any byte but NUL may occur in a file name.
    :returns: ``(text, escaped)``, str and bool. Valid UTF-8 is returned unchanged, with escaped False. Otherwise each byte that is not
        UTF-8 becomes ``\\xHH``, a literal backslash is doubled so that the text can be decoded again, and escaped is True.
    """
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"), True


def put_text(entry, key, raw, truncated=False):
    """Store bytes as text in a JSON object, with ``KEY_escaped`` and ``KEY_truncated`` where they are true.

    :arg entry: dict, which is changed.
    :arg key: str.
    :arg raw: bytes as the kernel holds them, or None, which is stored as None.
    :arg truncated: bool, raw is not complete.
    """
    if raw is None:
        entry[key] = None
        return
    entry[key], escaped = to_text(raw)
    if escaped:
        entry[key + "_escaped"] = True
    if truncated:
        entry[key + "_truncated"] = True


def utc(seconds):
    """Format a time as ``2026-01-31T12:00:00.123456Z``.

    :arg seconds: float, since the epoch; or None.
    :returns: str; None for None.
    """
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
