# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of one TLS or crypto stack in a file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

# Stack.how: what a stack was detected by, the most reliable first.
BUILD_INFO, RELEASE_FILE, AUDIT_DATA, MARKER = "build info", "release file", "audit data", "marker"

# Limits on what a file can put into the profile. No real program's list is longer.
MAX_MODULES = 64
MAX_TEXT = 4096  # characters


class Stack(NamedTuple):
    """One stack in one file."""

    name: str
    version: Optional[str]  # of the stack itself
    how: str  # BUILD_INFO, RELEASE_FILE, AUDIT_DATA or MARKER
    details: Dict[str, Any]  # as details() returns it


def details(program=None, vendor=None, fips=None, settings=(), modules=(), providers=(), disabled_algorithms=None):
    """What is known of a stack beyond its name.

    :arg program: ``(name, version)`` of the program it was built with, version str or None; or None.
    :arg vendor: str, who built it; or None.
    :arg fips: str, the FIPS 140 mode it was built or set up for, as the stack spells it; or None.
    :arg settings: iterable of ``(name, value)``, str, build and run-time settings that change what it does.
    :arg modules: iterable of ``(name, version)``, version str or None, its parts.
    :arg providers: list of str, its providers in order of preference.
    :arg disabled_algorithms: str, the stack's own list; or None.
    :returns: dict of these keys, ready for JSON, within the limits above.
    """
    def entries(key, pairs):
        chosen = sorted(set(pairs), key=_order)[:MAX_MODULES]
        return [{"name": limited(name), key: limited(value)} for name, value in chosen]
    return {"program": {"name": limited(program[0]), "version": limited(program[1])} if program else None,
            "vendor": limited(vendor), "fips": limited(fips), "settings": entries("value", settings), "modules": entries("version", modules),
            "providers": [limited(provider) for provider in providers[:MAX_MODULES]], "disabled_algorithms": limited(disabled_algorithms)}


def limited(text):
    """A text (str or None) cut to MAX_TEXT characters."""
    return None if text is None else text[:MAX_TEXT]


def _order(pair):
    return pair[0], pair[1] or ""
