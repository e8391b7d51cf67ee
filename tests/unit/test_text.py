# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes as text: always JSON, never two names as one, nothing changed or cut without a mark."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._text import put_text, to_text, utc
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("raw, text, escaped", [
    (b"/etc/ssl/site.key", "/etc/ssl/site.key", False),
    (b"", "", False),
    ("/srv/\u00fc\u20ac\U0001f511".encode(), "/srv/\u00fc\u20ac\U0001f511", False),
    (b"new\nline\ttab\x01\x7f\"quote'", "new\nline\ttab\x01\x7f\"quote'", False),
    (b"back\\slash", "back\\slash", False),
    (b"\xff", "\\xff", True),
    (b"a\\b\xe4", "a\\\\b\\xe4", True),
    (b"\xc0\xaf", "\\xc0\\xaf", True),  # overlong
    (b"\xed\xa0\x80", "\\xed\\xa0\\x80", True),  # a surrogate is not UTF-8
    (b"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", True),  # above U+10FFFF
    (b"\xe2\x82", "\\xe2\\x82", True),  # cut in the middle
    (b"x" * 15, "x" * 15, False),
])
def test_to_text(raw, text, escaped):
    assert to_text(raw) == (text, escaped)


def back(text, escaped):
    """The bytes a reader gets back."""
    if not escaped:
        return text.encode()
    return re.sub(rb"\\(\\|x[0-9a-f]{2})", lambda match: b"\\" if match.group(1) == b"\\" else bytes([int(match.group(1)[1:], 16)]), text.encode())


@given(st.binary(max_size=300))
def test_every_name_comes_back_from_json(raw):
    text, escaped = to_text(raw)
    assert json.loads(json.dumps(text)) == text
    assert back(text, escaped) == raw
    text.encode("utf-8")


def test_put_text():
    entry = {}
    put_text(entry, "name", None)
    put_text(entry, "path", b"\xff", truncated=True)
    put_text(entry, "exe", b"/bin/sh")
    assert entry == {"name": None, "path": "\\xff", "path_escaped": True, "path_truncated": True, "exe": "/bin/sh"}


@pytest.mark.parametrize("seconds, text", [
    (None, None), (0, "1970-01-01T00:00:00.000000Z"), (1769860800.123456, "2026-01-31T12:00:00.123456Z"), (4102444799.5, "2099-12-31T23:59:59.500000Z"),
])
def test_utc(seconds, text):
    assert utc(seconds) == text
