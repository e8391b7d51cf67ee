# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One probed function of a library: what it does, and where its arguments name the algorithm.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

# enum shape of bpf/functions/algorithm.bpf.h: how the algorithm is found
NONE, NID, CIPHER, DIGEST, TEXT, FIRST_FIELD_TEXT, FIRST_FIELD, FIELD_TEXT, FIELD, CIPHER_3, DIGEST_3 = range(11)
# In a structure whose layout depends on the release: Release.structures of the file's family has the shape and the offset.
BY_RELEASE = -1

# These objects may be NULL: then the one of the context in argument 0 counts.
_KEPT_IN_THE_CONTEXT = ("EVP_CIPHER", "EVP_MD")


class Function(NamedTuple):
    """One row of a Family, as _functions/family.py reads it.

    operation: a word of the profile.
    shape, argument, offset: where the number or name of the algorithm is; shape is NONE where the function has only one algorithm.
    structure: str, the structure's type where shape is BY_RELEASE.
    digest_shape, digest_argument: likewise of a second one, most often the digest of a signature.
    direction_argument, bits_argument: arguments that tell encryption from decryption, and that are the size of a key. 0: there is none.
    algorithm: str, the algorithm's name, in which ``%s`` stands for what is found; None where it is nothing else.
    table: str, of Family.algorithms: what the number means, or ``sexp``. None where there is no number, only characters that are the name.
    digest_table: str or None, the same of the second number.
    in_bytes: the key size in an argument is in bytes, else in bits.
    encrypts_at_0: the direction in an argument is 0 for encrypt and 1 for decrypt, else the other way round.
    pair: both numbers together name the algorithm, by a rule of Family.algorithms.
    """

    name: str
    operation: str
    shape: int
    argument: int = 0
    offset: int = 0
    structure: Optional[str] = None
    digest_shape: int = NONE
    digest_argument: int = 0
    direction_argument: int = 0
    bits_argument: int = 0
    algorithm: Optional[str] = None
    table: Optional[str] = None
    digest_table: Optional[str] = None
    in_bytes: bool = False
    encrypts_at_0: bool = False
    pair: bool = False

    def wanted_arguments(self):
        """The arguments (set of int, 0 to 5) that the probe reads."""
        wanted = {self.argument} if self.shape != NONE else set()
        if self.structure in _KEPT_IN_THE_CONTEXT:
            wanted.add(0)
        if self.digest_shape != NONE:
            wanted.add(self.digest_argument)
        return wanted | {argument for argument in (self.direction_argument, self.bits_argument) if argument}
