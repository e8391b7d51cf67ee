# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is called in a profile.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .library_numbers import key_word, meaning, pair_meaning
from .openssl_nids import algorithm_of

_OPERATION_OF_DIRECTION = {1: "encrypt", 2: "decrypt"}
_OPPOSITE = {1: 2, 2: 1}
_CUT, _UNREAD = b"\xff", b"\xfe"  # bpf/shared/events.h: NAME_CUT, NAME_UNREAD
_NO_KEY_TYPE = 0xFFFFFFFF  # EVP_PKEY_KEYMGMT, -1: the key type has a name only

_NAME_SIZE = 24  # of struct operation_key

# A cipher's key size where its name tells. XTS and SIV take two keys.
_SIZED = re.compile(r"(?:AES|CAMELLIA|ARIA|SERPENT|TWOFISH|RC2)-?(40|64|128|192|256)(-XTS|-SIV)?\b")
_SIZES = {"CHACHA20-POLY1305": 256, "DES-EDE3-CBC": 192, "DES-CBC": 64}
_SMALLEST_KEY = 40  # what is said to be smaller is no size: GnuTLS takes the number of a curve there

# Names as OpenSSL 3 gives them (legacy names of its key managers), in capitals: callers may write them as they like
# -> the names used elsewhere in a profile
_NAMES = {"RSAENCRYPTION": "RSA", "RSASSAPSS": "RSA-PSS", "ID-ECPUBLICKEY": "EC", "DSAENCRYPTION": "DSA", "DHKEYAGREEMENT": "DH",
          "X9.42 DH": "DHX", "SHA-1": "SHA1", "SHA2-224": "SHA224", "SHA2-256": "SHA256", "SHA2-384": "SHA384", "SHA2-512": "SHA512",
          "SHA-224": "SHA224", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}


def operation(function, key):
    """The word for what was done: the direction where the call gives it, else that of the Function."""
    if function.pair:
        return pair_meaning(function.table, key.nid, key.digest_nid)[1] or function.operation
    direction = _OPPOSITE.get(key.direction) if function.encrypts_at_0 else key.direction
    return _OPERATION_OF_DIRECTION.get(direction, function.operation)


def key_bits(function, number, algorithm_name):
    """The key size in bits (int, 0 where it is not known). number: what the kernel side tells; algorithm_name: str or None."""
    bits = number * 8 if function.in_bytes else number
    if bits >= _SMALLEST_KEY or (function.table is None and function.shape):
        return bits
    sized = _SIZED.match(algorithm_name or "")
    if sized:
        return int(sized.group(1)) * (2 if sized.group(2) else 1)
    return _SIZES.get(algorithm_name, 0)


def is_cut(function, key):
    """Whether the algorithm has a longer name than the kernel side keeps (bool)."""
    return function.table != "text" and len(key.name) == _NAME_SIZE and key.name.endswith(_CUT)


def is_unread(key):
    """Whether the memory that tells the algorithm could not be read (bool)."""
    return key.name == _UNREAD


def _named(number, table):
    """The name of a library's number of an algorithm; None where it is none."""
    if table is not None:
        return meaning(table, number)
    return algorithm_of(number if number != _NO_KEY_TYPE else 0)


def algorithm(function, key):
    """The name of an operation's algorithm (str), its beginning where that is cut; or None where the object did not tell or could not be read."""
    if is_unread(key):
        return None
    if function.pair:
        return pair_meaning(function.table, key.nid, key.digest_nid)[0]
    if function.table == "text":
        return key_word(key.name)
    raw = key.name[:-1] if is_cut(function, key) else key.name
    name = raw.upper().decode("utf-8", "backslashreplace") if raw else None
    name = _NAMES.get(name, name)
    if function.digest_shape:
        base = function.algorithm or _named(key.nid, function.table)
        digest = _named(key.digest_nid, function.digest_table) or name
        return "-".join(part for part in (base, digest) if part) or None
    found = name or (_named(key.nid, function.table) if function.shape else None)
    if function.algorithm is None:
        return found
    return function.algorithm % (found or "unknown") if "%s" in function.algorithm else function.algorithm
