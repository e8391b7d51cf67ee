# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of libraries' numbers of algorithms, from the tables in Family.algorithms.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools

_AS_IT_IS = "%s %d"


@functools.lru_cache(maxsize=None)
def names_in(text):
    """The names (dict of int -> str) of a table: text of numbers and names in turn."""
    words = text.split()
    return {int(number, 0): name for number, name in zip(words[::2], words[1::2])}


def known(algorithms, table, number, unknown=_AS_IT_IS):
    """The name of a number.

    :arg algorithms: dict, Family.algorithms.
    :arg table: str, a table of them.
    :arg number: int.
    :arg unknown: pattern for a number that is not in the table, as one of a later release; None for no name.
    :returns: str, or None where there is no name, as of 0.
    """
    name = names_in(algorithms[table]).get(number)
    if name is None and number and unknown is not None:
        return unknown % (table, number)
    return name


def joined(*parts):
    """Names joined by dashes (str), without those that are None; None where all are."""
    return "-".join(part for part in parts if part) or None
