# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers of algorithms mean in libraries other than OpenSSL. Data, read when the first operation is named.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools

# gnutls/gnutls.h of 3.8: enum gnutls_cipher_algorithm, gnutls_mac_algorithm_t (gnutls_digest_algorithm_t has the same numbers),
# gnutls_pk_algorithm_t, gnutls_sign_algorithm_t; flags of gnutls_init()
_GNUTLS = {
    "gnutls_cipher": """1 NULL 2 RC4 3 DES-EDE3-CBC 4 AES-128-CBC 5 AES-256-CBC 6 RC4-40 7 CAMELLIA-128-CBC 8 CAMELLIA-256-CBC 9 AES-192-CBC
        10 AES-128-GCM 11 AES-256-GCM 12 CAMELLIA-192-CBC 13 SALSA20 14 ESTREAM-SALSA20 15 CAMELLIA-128-GCM 16 CAMELLIA-256-GCM 17 RC2-40-CBC
        18 DES-CBC 19 AES-128-CCM 20 AES-256-CCM 21 AES-128-CCM-8 22 AES-256-CCM-8 23 CHACHA20-POLY1305 24 GOST28147-TC26Z-CFB
        25 GOST28147-CPA-CFB 26 GOST28147-CPB-CFB 27 GOST28147-CPC-CFB 28 GOST28147-CPD-CFB 29 AES-128-CFB8 30 AES-192-CFB8 31 AES-256-CFB8
        32 AES-128-XTS 33 AES-256-XTS 34 GOST28147-TC26Z-CNT 35 CHACHA20-64 36 CHACHA20-32 37 AES-128-SIV 38 AES-256-SIV 39 AES-192-GCM
        40 MAGMA-CTR-ACPKM 41 KUZNYECHIK-CTR-ACPKM""",
    "gnutls_mac": """1 NULL 2 MD5 3 SHA1 4 RIPEMD-160 5 MD2 6 SHA256 7 SHA384 8 SHA512 9 SHA224 10 SHA3-224 11 SHA3-256 12 SHA3-384 13 SHA3-512
        14 MD5-SHA1 15 GOSTR341194 16 STREEBOG-256 17 STREEBOG-512 201 UMAC-96 202 UMAC-128 203 AES-CMAC-128 204 AES-CMAC-256 205 AES-GMAC-128
        206 AES-GMAC-192 207 AES-GMAC-256 208 GOST28147-TC26Z-IMIT 209 SHAKE128 210 SHAKE256 211 MAGMA-OMAC 212 KUZNYECHIK-OMAC""",
    "gnutls_pk": """1 RSA 2 DSA 3 DH 4 EC 5 X25519 6 RSA-PSS 7 ED25519 8 GOST2001 9 GOST2012-256 10 GOST2012-512 11 X448 12 ED448""",
    "gnutls_sign": """1 RSA-SHA1 2 DSA-SHA1 3 RSA-MD5 4 RSA-MD2 5 RSA-RIPEMD-160 6 RSA-SHA256 7 RSA-SHA384 8 RSA-SHA512 9 RSA-SHA224
        10 DSA-SHA224 11 DSA-SHA256 12 EC-SHA1 13 EC-SHA224 14 EC-SHA256 15 EC-SHA384 16 EC-SHA512 17 DSA-SHA384 18 DSA-SHA512
        20 EC-SHA3-224 21 EC-SHA3-256 22 EC-SHA3-384 23 EC-SHA3-512 24 DSA-SHA3-224 25 DSA-SHA3-256 26 DSA-SHA3-384 27 DSA-SHA3-512
        28 RSA-SHA3-224 29 RSA-SHA3-256 30 RSA-SHA3-384 31 RSA-SHA3-512 32 RSA-PSS-SHA256 33 RSA-PSS-SHA384 34 RSA-PSS-SHA512 35 ED25519
        36 RSA 37 EC-SHA256 38 EC-SHA384 39 EC-SHA512 40 RSA-PSS-SHA256 41 RSA-PSS-SHA384 42 RSA-PSS-SHA512 43 GOST94 44 GOST2012-256
        45 GOST2012-512 46 ED448""",
}

_TABLES = _GNUTLS


def _gnutls_init(flags):
    return "DTLS" if flags & 4 else "TLS"  # GNUTLS_DATAGRAM


_RULES = {"gnutls_init": _gnutls_init}


@functools.lru_cache(maxsize=None)
def _names(table):
    words = _TABLES[table].split()
    return dict(zip(map(int, words[::2]), words[1::2]))


def meaning(table, number):
    """The name (str) of a number (int) in a table (str); ``TABLE N`` where it is not known there; None for 0 where that means none."""
    if table in _RULES:
        return _RULES[table](number)
    found = _names(table).get(number)
    return found or ("%s %d" % (table, number) if number else None)
