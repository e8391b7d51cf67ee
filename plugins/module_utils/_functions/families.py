# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All families of libraries whose functions are probed, and the numbers of their functions.

A new library is a file in this folder (see family.py) and its name in the two lines below; _libraries.catalogue has to know its file name.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._libraries.catalogue import CATALOGUE, NAME_TAIL
from . import gcrypt, gnutls, mbedtls, nettle, nss, openssl, sodium, wolfssl

FAMILIES = tuple(family for library in (openssl, gnutls, gcrypt, sodium, nettle, nss, wolfssl, mbedtls) for family in library.FAMILIES)

# A function's number, as struct operation_key has it, is its place here.
FUNCTIONS = tuple(function for family in FAMILIES for function in family.functions)

_OF_LIBRARY = {library: family for family in FAMILIES for library in family.libraries}


def family_of(library):
    """The Family of a library of _libraries.catalogue.CATALOGUE, by its name (str), or None where its functions are not probed."""
    return _OF_LIBRARY.get(library)


def first_number(family):
    """The number of the first function of a Family."""
    return sum(len(before.functions) for before in FAMILIES[:FAMILIES.index(family)])


def file_names(families):
    """A pattern (bytes) for the beginning of the file names of some Families' libraries, and of others: recognise() has the last word."""
    libraries = {library for family in families for library in family.libraries}
    stems = [library.file_name.pattern.replace(NAME_TAIL, b"") for library in CATALOGUE if library.name in libraries]
    return b"(?:" + b"|".join(stems) + b")"
