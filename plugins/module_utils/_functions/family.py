# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One family of libraries whose functions are probed, and the notation of its functions.

Each library has a file here: its functions, their tail calls, what its numbers of algorithms mean, its structures by release.
Functions are rows of text, because a host compiles every file anew: OpenSSL's 95 take 0.3 ms to compile and parse, as calls they took 1.2 ms. A row::

    sign {gnutls_pk arg0[4]}[-{gnutls_mac arg1}]: gnutls_privkey_sign_data gnutls_privkey_sign_hash

is the operation, the name of the algorithm as the profile has it, maybe words for key size and direction, a colon, and the functions. A
row continues in lines that begin with a space; lines that begin with ``#`` name the headers or manual pages that the rows below follow.
Arguments count from 0, and must be among the six that registers pass.

The algorithm's name holds at most two of these, in braces:

``{TABLE arg2}``                 the number in argument 2; TABLE (Family.algorithms, or ``nid``: OpenSSL's numbers) says what it means
``{TABLE arg2[8]}``              the number 8 bytes into the structure that argument 2 points to
``{TABLE arg2[0][8]}``           the number 8 bytes into the structure that the first member of that one points to
``{TABLE STRUCTURE(arg2)}``      the number in a structure whose layout depends on the library's release (Family.release)
``{TABLE arg2 arg3}``            two numbers that a rule of Family.algorithms names together
``{text arg2}``                  the C string that argument 2 points to; also ``arg2[8]``, ``arg2[0][8]``: the structure has the pointer to it
``{sexp arg2+19}``               the word 19 bytes into a Libgcrypt S-expression

``[-{...}]`` at the end is left out where the call names no second algorithm. Words behind the name:

``bits=arg2``, ``bytes=arg2``            the argument that is the key size
``encrypt_if=arg4``, ``decrypt_if=arg4`` the argument that is 1 for this direction and 0 for the other

A tail call is written ``f <- g h``: g and h may end in a jump to f. Such a call is one operation, though it passes two probed entries.
Which functions do so is what GCC makes of each library; a test compares with installed ones.

Only functions that begin an operation or do one message at once are rows; never those that feed one (``*_Update``), which run for every
block, nor those of random numbers and of hashes for hash tables.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from .function import BY_RELEASE, DIGEST, FIELD, FIELD_TEXT, FIRST_FIELD, FIRST_FIELD_TEXT, NID, NONE, TEXT, Function

_FOUND = re.compile(r"\{(\w+) (?:(\w+)\()?arg(\d)(?:\+(\d+)|(\[0\])?\[(\d+)\])?\)?(?: arg(\d))?\}")
_STRINGS = ("text", "sexp")


class Release(NamedTuple):
    """What depends on the release of a library.

    structures: type of a structure -> ``(shape, offset)`` of the number or name in it.
    left_out: names of functions that are not probed in it.
    """

    structures: Dict[str, Tuple[int, int]]
    left_out: FrozenSet[str] = frozenset()


class Family(NamedTuple):
    """Libraries that are one project's.

    libraries: names of _libraries.catalogue.CATALOGUE.
    tail_calls: function -> those that may end in a jump to it.
    algorithms: table -> what its numbers mean: text of numbers and names in turn, or callable(number) that returns the name or None, or for two
        numbers callable(first, second) that returns ``(name, operation)``, where operation is None if it is the function's own.
    release: callable(ElfFile) that returns the Release in a file, or None where all are the same.
    variant: callable(ElfFile) that returns the Family of the release in a file, or None where there is only this one.
    """

    name: str
    libraries: Tuple[str, ...]
    functions: Tuple[Function, ...]
    tail_calls: Dict[str, List[str]]
    algorithms: Dict[str, Any]
    release: Optional[Callable] = None
    variant: Optional[Callable] = None

    def tail_callers(self):
        """Function (str) -> its number among those that may end in a jump to another one, from 1 on: dict."""
        callers = {caller for callers in self.tail_calls.values() for caller in callers}
        return {name: number for number, name in enumerate((each.name for each in self.functions if each.name in callers), 1)}


def functions(text):
    """The Functions (tuple) of rows (str)."""
    return tuple(_functions(text))


def tail_calls(text):
    """The tail calls (dict of str -> list of str) of their lines (str)."""
    return {name: callers.split() for name, callers in (line.split(" <- ") for line in _lines(text))}


def _lines(text):
    return [line for line in text.replace("\n ", "").splitlines() if line and line[0] != "#"]


def _functions(text):
    for line in _lines(text):
        what, _colon, names = line.partition(": ")
        operation, *words = what.split(" ")
        facts = _algorithm(" ".join(word for word in words if "=" not in word))
        for kind, argument in (word.split("=arg") for word in words if "=" in word):
            if kind in ("bits", "bytes"):
                facts.update(bits_argument=int(argument), in_bytes=kind == "bytes")
            else:
                facts.update(direction_argument=int(argument), encrypts_at_0={"encrypt_if": False, "decrypt_if": True}[kind])
        first = Function("", operation, **facts)
        for name in names.split():
            yield Function(name, *first[1:])


def _algorithm(name):
    """Fields of a Function (dict) by the name of its algorithm."""
    name, _bracket, second = name.partition("[-")
    facts = {"shape": NONE, "algorithm": name}
    found = _FOUND.search(name)
    if found:
        table, structure, argument, within, first, field, other = found.groups()
        algorithm = name[:found.start()] + "%s" + name[found.end():]
        if structure:
            shape = BY_RELEASE
        elif field is None:
            shape = TEXT if table in _STRINGS else NID
        elif first:
            shape = FIRST_FIELD_TEXT if table in _STRINGS else FIRST_FIELD
        else:
            shape = FIELD_TEXT if table in _STRINGS else FIELD
        facts.update(shape=shape, argument=int(argument), offset=int(field or within or 0), structure=structure,
                     table=None if table == "text" else table, algorithm=None if algorithm == "%s" else algorithm)
        if other:
            facts.update(digest_shape=NID, digest_argument=int(other), pair=True)
    if second:
        table, structure, argument = _FOUND.match(second).group(1, 2, 3)
        facts.update(digest_shape=DIGEST if structure else TEXT if table in _STRINGS else NID, digest_argument=int(argument),
                     digest_table=None if table == "text" else table)
    return facts
