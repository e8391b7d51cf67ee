# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation of OpenSSL is called in a profile.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._openssl_nids import algorithm_of

_OPERATION_OF_DIRECTION = {1: "encrypt", 2: "decrypt"}
_CUT = b"\xff"  # bpf/events.h: NAME_CUT
_NO_KEY_TYPE = 0xFFFFFFFF  # EVP_PKEY_KEYMGMT, -1: the key type has a name only

_NAME_SIZE = 24  # of struct operation_key

# Names as OpenSSL 3 gives them (legacy names of its key managers), in capitals: callers may write them as they like
# -> the names used elsewhere in a profile
_NAMES = {"RSAENCRYPTION": "RSA", "RSASSAPSS": "RSA-PSS", "ID-ECPUBLICKEY": "EC", "DSAENCRYPTION": "DSA", "DHKEYAGREEMENT": "DH",
          "X9.42 DH": "DHX", "SHA-1": "SHA1", "SHA2-224": "SHA224", "SHA2-256": "SHA256", "SHA2-384": "SHA384", "SHA2-512": "SHA512",
          "SHA-224": "SHA224", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}


def operation(function, key):
    """The word for what was done: the direction where the call gives it, else that of the Function."""
    return _OPERATION_OF_DIRECTION.get(key.direction, function.operation)


def is_cut(key):
    """Whether the algorithm has a longer name than the kernel side keeps (bool)."""
    return len(key.name) == _NAME_SIZE and key.name.endswith(_CUT)


def algorithm(function, key):
    """The name of an operation's algorithm (str), its beginning where that is cut; or None where the object did not tell."""
    digest = algorithm_of(key.digest_nid)
    raw = key.name[:-1] if is_cut(key) else key.name
    name = raw.upper().decode("utf-8", "backslashreplace") if raw else None
    name = _NAMES.get(name, name)
    if function.digest_shape:
        base = function.algorithm or algorithm_of(key.nid if key.nid != _NO_KEY_TYPE else 0)
        digest = digest or name
        return "-".join(part for part in (base, digest) if part) or None
    found = name or algorithm_of(key.nid if key.nid != _NO_KEY_TYPE else 0)
    if function.algorithm is None:
        return found
    return function.algorithm % (found or "unknown") if "%s" in function.algorithm else function.algorithm
