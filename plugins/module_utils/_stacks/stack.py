# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of one TLS or crypto stack that a file carries.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

# Where the word of a stack comes from, the surest first: Stack.how.
BUILD_INFO, RELEASE_FILE, AUDIT_DATA, MARKER = "build info", "release file", "audit data", "marker"

# More of them than this is no program's own list.
MOST_MODULES = 64
LONGEST_TEXT = 4096


class Stack(NamedTuple):
    """One stack in one file. version: of the stack itself, or None; how: a word above; details: as details() makes it."""

    name: str
    version: Optional[str]
    how: str
    details: Dict[str, Any]


def details(program=None, vendor=None, fips=None, settings=(), modules=(), providers=(), disabled_algorithms=None):
    """What is known of a stack beyond its name.

    :arg program: None, or ``(name, version)`` of the program that was built with it, version str or None.
    :arg vendor: str or None, who built it. :arg fips: str or None, the FIPS 140 mode it was built or set up for, in its own words.
    :arg settings: pairs of str, ``(name, value)``, that change what it does. :arg modules: pairs of ``(name, version)``, version str or
        None, of its parts. :arg providers: str, in their order. :arg disabled_algorithms: str or None, the stack's own list.
    :returns: dict of these keys, ready for JSON, within bounds.
    """
    def entries(key, pairs):
        chosen = sorted(set(pairs), key=_order)[:MOST_MODULES]
        return [{"name": name[:LONGEST_TEXT], key: None if value is None else value[:LONGEST_TEXT]} for name, value in chosen]
    return {"program": {"name": program[0][:LONGEST_TEXT], "version": program[1]} if program else None, "vendor": vendor, "fips": fips,
            "settings": entries("value", settings), "modules": entries("version", modules),
            "providers": [provider[:LONGEST_TEXT] for provider in providers][:MOST_MODULES],
            "disabled_algorithms": None if disabled_algorithms is None else disabled_algorithms[:LONGEST_TEXT]}


def _order(pair):
    return pair[0], pair[1] or ""
