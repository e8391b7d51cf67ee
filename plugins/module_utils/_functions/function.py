# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a public function that is probed, and of a family of libraries.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

# enum shape of bpf/algorithm.bpf.h
NONE, NID, CIPHER, DIGEST, TEXT, FIRST_FIELD_TEXT, FIRST_FIELD, FIELD_TEXT, FIELD, CIPHER_3, DIGEST_3 = range(11)
# Stand for a shape and an offset that depend on the library's version: _functions/places.py
PKEY_CTX, MD_CONTEXT, MD_INFO, CIPHER_CONTEXT = range(-4, 0)


class Function(NamedTuple):
    """One row. operation is a word of the profile; algorithm is fixed where shape is NONE, else a pattern for what is found."""

    name: str
    operation: str
    shape: int
    argument: int = 0
    digest_shape: int = NONE
    digest_argument: int = 0
    direction_argument: int = 0
    bits_argument: int = 0
    algorithm: Optional[str] = None
    before_3: bool = False  # only in libraries before 3.0: later ones call it themselves for every digest, and deprecate it
    offset: int = 0  # of what is read in the object, by its shape
    table: Optional[str] = None  # of _functions/library_numbers.py: what the number means; OpenSSL's own where it is None
    digest_table: Optional[str] = None
    in_bytes: bool = False  # the key size in an argument is in bytes
    encrypts_at_0: bool = False  # the direction in an argument is 0 for encrypt, 1 for decrypt
    pair: bool = False  # both numbers together name the algorithm: table is a rule for two

    def wanted_arguments(self):
        """The arguments (set of int, 0 to 5) that the probe reads."""
        wanted = {self.argument} if self.shape != NONE else set()
        if self.shape in (CIPHER, DIGEST):
            wanted.add(0)  # the context tells where the object is NULL
        if self.digest_shape != NONE:
            wanted.add(self.digest_argument)
        return wanted | {argument for argument in (self.direction_argument, self.bits_argument) if argument}


class Family(NamedTuple):
    """Libraries that are one project's.

    libraries: names of _libraries.catalogue.CATALOGUE. wrappers: function -> the functions (separated by spaces) that may end in a jump to it: such
    a call is one operation, though both entries are passed.
    """

    name: str
    libraries: Tuple[str, ...]
    functions: Tuple[Function, ...]
    wrappers: Dict[str, str]

    def wrapper_bits(self, name):
        """The rows that may turn into the function of that name, as two words of 64 bits: bit n of word w is row 64 * w + n."""
        wrappers = self.wrappers.get(name, "").split()
        bits = sum(1 << row for row, function in enumerate(self.functions) if function.name in wrappers) if wrappers else 0
        return bits & 0xFFFFFFFFFFFFFFFF, bits >> 64
