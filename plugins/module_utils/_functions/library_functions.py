# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The families of libraries other than OpenSSL, made of the lines of _functions/library_rows.py, _functions/nettle_rows.py, _functions/library_jumps.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from . import library_jumps, library_rows, nettle_rows
from .function import CIPHER_CONTEXT, FIELD, FIELD_TEXT, FIRST_FIELD, MD_CONTEXT, MD_INFO, NID, NONE, TEXT, Family, Function

_LAYOUTS = {"md": MD_CONTEXT, "md_info": MD_INFO, "cipher": CIPHER_CONTEXT}
_WORD = re.compile(r"(\+?)(\w+)@(?:(\w+):)?(\*?)(\d)(?:\+(\d+)|,(\d))?")


def _facts(words):
    """Fields of a Function (dict), by the words of a line."""
    facts = {"shape": NONE}
    for word in words:
        if word[0] == "=":
            facts["algorithm"] = word[1:]
            continue
        second, table, layout, first, argument, offset, other = _WORD.fullmatch(word).groups()
        argument = int(argument)
        if table in ("bits", "bytes"):
            facts.update(bits_argument=argument, in_bytes=table == "bytes")
        elif table in ("encrypts", "decrypts"):
            facts.update(direction_argument=argument, encrypts_at_0=table == "decrypts")
        elif second:
            facts.update(digest_shape=NID, digest_argument=argument, digest_table=table)
        else:
            shape = _LAYOUTS[layout] if layout else {"text": TEXT, "name": FIELD_TEXT}.get(table) or (
                NID if offset is None else FIRST_FIELD if first else FIELD)
            facts.update(shape=shape, argument=argument, table=table, offset=int(offset or 0))
            if other:
                facts.update(digest_shape=NID, digest_argument=int(other), pair=True)
    return facts


def _functions(text):
    for line in re.sub(r"\n ", "", text).splitlines():
        if line and not line.startswith("#"):
            what, _colon, names = line.partition(": ")
            operation, *words = what.split()
            facts = _facts(words)
            yield from (Function(name, operation, **facts) for name in names.split())


def _family(name, libraries, text, jumps=""):
    lines = re.sub(r"\n ", "", jumps).splitlines()
    return Family(name, libraries, tuple(_functions(text)), dict(line.split(" < ") for line in lines if line))


# In 3.0 the numbers of digests and ciphers changed. A file of that or later is told by its version.
MBEDTLS_3 = _family("Mbed TLS 3", (), re.sub(r"\bmbedtls_md@", "mbedtls3_md@", library_rows.MBEDTLS), library_jumps.MBEDTLS)

OTHERS = (
    _family("GnuTLS", ("libgnutls",), library_rows.GNUTLS, library_jumps.GNUTLS),
    _family("Libgcrypt", ("libgcrypt",), library_rows.GCRYPT),
    _family("libsodium", ("libsodium",), library_rows.SODIUM, library_jumps.SODIUM),
    _family("Nettle", ("libnettle",), nettle_rows.NETTLE, library_jumps.NETTLE),
    _family("Hogweed", ("libhogweed",), nettle_rows.HOGWEED),
    _family("NSS", ("libnss3", "libssl3"), library_rows.NSS, library_jumps.NSS),
    _family("wolfSSL", ("libwolfssl",), library_rows.WOLFSSL, library_jumps.WOLFSSL),
    _family("Mbed TLS", ("libmbedcrypto",), library_rows.MBEDTLS, library_jumps.MBEDTLS),
    MBEDTLS_3,
)
