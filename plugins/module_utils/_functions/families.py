# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All families of libraries whose functions are probed, and the numbers of their functions.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .library_functions import OTHERS
from .openssl import OPENSSL

FAMILIES = (OPENSSL, *OTHERS)

# A function's number, as struct operation_key has it, is its place here.
FUNCTIONS = tuple(function for family in FAMILIES for function in family.functions)

_OF_LIBRARY = {library: family for family in FAMILIES for library in family.libraries}


def family_of(library):
    """The Family of a library of _libraries.catalogue.CATALOGUE, by its name (str), or None where its functions are not probed."""
    return _OF_LIBRARY.get(library)


def first_number(family):
    """The number of the first function of a Family."""
    return sum(len(before.functions) for before in FAMILIES[:FAMILIES.index(family)])
