# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of operations, algorithms and key sizes in a profile, from what the kernel side reads of a call.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .families import FAMILIES
from .function import NONE
from .numbers import joined, known

_OPERATION_OF_DIRECTION = {1: "encrypt", 2: "decrypt"}
_OPPOSITE = {1: 2, 2: 1}
_CUT, _UNREAD = b"\xff", b"\xfe"  # bpf/shared/events.h: NAME_CUT, NAME_UNREAD

_NAME_SIZE = 24  # of struct operation_key

_ALGORITHMS = {table: names for family in FAMILIES for table, names in family.algorithms.items()}

# A cipher's key size by its name. XTS and SIV take two keys.
_SIZED = re.compile(r"(?:AES|CAMELLIA|ARIA|SERPENT|TWOFISH|RC2)-?(40|64|128|192|256)(-XTS|-SIV)?\b")
_SIZES = {"CHACHA20-POLY1305": 256, "DES-EDE3-CBC": 192, "DES-CBC": 64}
_SMALLEST_KEY = 40  # a smaller number is no size: GnuTLS takes the number of a curve there

# Names as OpenSSL 3 gives them (legacy names of its key managers), in capitals: callers may write them as they like
# -> the names used elsewhere in a profile
_NAMES = {"RSAENCRYPTION": "RSA", "RSASSAPSS": "RSA-PSS", "ID-ECPUBLICKEY": "EC", "DSAENCRYPTION": "DSA", "DHKEYAGREEMENT": "DH",
          "X9.42 DH": "DHX", "SHA-1": "SHA1", "SHA2-224": "SHA224", "SHA2-256": "SHA256", "SHA2-384": "SHA384", "SHA2-512": "SHA512",
          "SHA-224": "SHA224", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}

# Names of keys in Libgcrypt's S-expressions (cipher/rsa.c, dsa.c, elgamal.c, ecc.c of Libgcrypt: the names each algorithm is known by)
_KEY_WORDS = {b"rsa": "RSA", b"openpgp-rsa": "RSA", b"dsa": "DSA", b"openpgp-dsa": "DSA", b"elg": "ELGAMAL", b"openpgp-elg": "ELGAMAL", b"ecc": "EC",
              b"ecdsa": "EC", b"ecdh": "EC", b"eddsa": "EC", b"gost": "GOST"}
_WORD = re.compile(rb"[a-z-]+")


def operation(function, key):
    """What was done.

    :arg function: Function.
    :arg key: OperationKey.
    :returns: str, a word of the profile: the direction where the call has one, else that of the function.
    """
    if function.pair:
        return _ALGORITHMS[function.table](key.nid, key.digest_nid)[1] or function.operation
    direction = _OPPOSITE.get(key.direction) if function.encrypts_at_0 else key.direction
    return _OPERATION_OF_DIRECTION.get(direction, function.operation)


def algorithm(function, key):
    """The name of an operation's algorithm.

    :arg function: Function.
    :arg key: OperationKey.
    :returns: str, the beginning of the name where is_cut(); None where the call names none, or where is_unread().
    """
    if is_unread(key):
        return None
    if function.pair:
        return _ALGORITHMS[function.table](key.nid, key.digest_nid)[0]
    if function.table == "sexp":
        return key_word(key.name)
    raw = key.name[:-1] if is_cut(function, key) else key.name
    name = raw.upper().decode("utf-8", "backslashreplace") if raw else None
    name = _NAMES.get(name, name)
    if function.digest_shape != NONE:
        return joined(function.algorithm or meaning(function.table, key.nid), meaning(function.digest_table, key.digest_nid) or name)
    found = name or (meaning(function.table, key.nid) if function.shape != NONE else None)
    if function.algorithm is None:
        return found
    return function.algorithm % (found or "unknown") if "%s" in function.algorithm else function.algorithm


def key_bits(function, number, algorithm_name):
    """The size of an operation's key.

    :arg function: Function.
    :arg number: int, what the kernel side reads.
    :arg algorithm_name: str or None, from algorithm().
    :returns: int, bits; 0 where it is not known.
    """
    bits = number * 8 if function.in_bytes else number
    if bits >= _SMALLEST_KEY or (function.table in ("nid", None) and function.shape != NONE):
        return bits  # objects of OpenSSL have the size of their key
    sized = _SIZED.match(algorithm_name or "")
    if sized:
        return int(sized.group(1)) * (2 if sized.group(2) else 1)
    return _SIZES.get(algorithm_name, 0)


def is_cut(function, key):
    """Whether the algorithm has a longer name than the kernel side keeps (bool)."""
    return function.table != "sexp" and len(key.name) == _NAME_SIZE and key.name.endswith(_CUT)


def is_unread(key):
    """Whether the kernel side could not read the memory that names the algorithm (bool)."""
    return key.name == _UNREAD


def meaning(table, number):
    """The name of a library's number of an algorithm.

    :arg table: str, of Family.algorithms; None where there is no number.
    :arg number: int.
    :returns: str, or None where it names nothing.
    """
    names = _ALGORITHMS.get(table)
    if names is None:
        return None
    return names(number) if callable(names) else known(_ALGORITHMS, table, number)


def key_word(raw):
    """The algorithm (str) that a piece of an S-expression (bytes) begins with, or None."""
    word = _WORD.match(raw)
    return _KEY_WORDS.get(word.group()) if word else None
