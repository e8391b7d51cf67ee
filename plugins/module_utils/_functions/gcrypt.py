# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of Libgcrypt. The notation is that of _functions/family.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .family import Family, functions
from .numbers import joined, known

_FUNCTIONS = """
# gcrypt.h. A key is an S-expression, (private-key(rsa ...: the algorithm's name is 19 bytes from the beginning, in (public-key( 18, in (genkey( 14
cipher {gcry_cipher_open arg1 arg2}: gcry_cipher_open
digest {gcry_md_open arg1 arg2}: gcry_md_open
digest {gcry_md arg1}: gcry_md_enable
digest {gcry_md arg0}: gcry_md_hash_buffer
digest {gcry_md_open arg0 arg1}: gcry_md_hash_buffers
mac {gcry_mac arg1}: gcry_mac_open
derive {gcry_kdf_open arg2 arg3}: gcry_kdf_derive
derive {gcry_kdf_open arg1 arg2}: gcry_kdf_open
encrypt {sexp arg2+18}: gcry_pk_encrypt
decrypt {sexp arg2+19}: gcry_pk_decrypt
sign {sexp arg2+19}: gcry_pk_sign gcry_pk_hash_sign
verify {sexp arg2+18}: gcry_pk_verify gcry_pk_hash_verify
key_generation {sexp arg1+14}: gcry_pk_genkey
key_agreement {gcry_curve arg0}: gcry_ecc_mul_point
"""


def _cipher(cipher, mode):
    return joined(known(_ALGORITHMS, "gcry_cipher", cipher), known(_ALGORITHMS, "gcry_mode", mode, unknown=None)), None


def _digest(digest, flags):
    """gcry_md_open(): GCRY_MD_FLAG_HMAC is 2."""
    name = known(_ALGORITHMS, "gcry_md", digest)
    return ("HMAC-%s" % name, "mac") if flags & 2 else (name, None)


def _derivation(algorithm, second):
    """gcry_kdf_derive(): the second number is a digest's, or which variant of ARGON2."""
    digest = known(_ALGORITHMS, "gcry_md", second) if algorithm in (16, 17, 19, 33, 34) else None
    if algorithm == 34:
        return joined("PBKDF2-HMAC", digest), None
    if algorithm == 64 and second in (0, 1, 2):
        return ("ARGON2D", "ARGON2I", "ARGON2ID")[second], None
    return joined(known(_ALGORITHMS, "gcry_kdf", algorithm), digest), None


# gcrypt.h of 1.11: enum gcry_cipher_algos, gcry_cipher_modes, gcry_md_algos, gcry_mac_algos, gcry_kdf_algos, gcry_ecc_curves
_ALGORITHMS = {
    "gcry_cipher": """1 IDEA 2 DES-EDE3 3 CAST5 4 BF 5 SAFER-SK128 6 DES-SK 7 AES-128 8 AES-192 9 AES-256 10 TWOFISH-256 301 RC4 302 DES 303 TWOFISH-128
        304 SERPENT-128 305 SERPENT-192 306 SERPENT-256 307 RC2-40 308 RC2-128 309 SEED 310 CAMELLIA-128 311 CAMELLIA-192 312 CAMELLIA-256
        313 SALSA20 314 SALSA20-12 315 GOST28147 316 CHACHA20 317 GOST28147-MESH 318 SM4 319 ARIA-128 320 ARIA-192 321 ARIA-256""",
    "gcry_mode": """1 ECB 2 CFB 3 CBC 5 OFB 6 CTR 7 WRAP 8 CCM 9 GCM 10 POLY1305 11 OCB 12 CFB8 13 XTS 14 EAX 15 SIV 16 GCM-SIV""",
    "gcry_md": """1 MD5 2 SHA1 3 RIPEMD-160 5 MD2 6 TIGER 7 HAVAL 8 SHA256 9 SHA384 10 SHA512 11 SHA224 301 MD4 302 CRC32 303 CRC32-RFC1510
        304 CRC24-RFC2440 305 WHIRLPOOL 306 TIGER1 307 TIGER2 308 GOSTR341194 309 STREEBOG-256 310 STREEBOG-512 311 GOSTR341194-CP 312 SHA3-224
        313 SHA3-256 314 SHA3-384 315 SHA3-512 316 SHAKE128 317 SHAKE256 318 BLAKE2B-512 319 BLAKE2B-384 320 BLAKE2B-256 321 BLAKE2B-160
        322 BLAKE2S-256 323 BLAKE2S-224 324 BLAKE2S-160 325 BLAKE2S-128 326 SM3 327 SHA512-256 328 SHA512-224""",
    "gcry_mac": """1 GOST28147-IMIT 101 HMAC-SHA256 102 HMAC-SHA224 103 HMAC-SHA512 104 HMAC-SHA384 105 HMAC-SHA1 106 HMAC-MD5 107 HMAC-MD4
        108 HMAC-RIPEMD-160 109 HMAC-TIGER1 110 HMAC-WHIRLPOOL 111 HMAC-GOSTR341194 112 HMAC-STREEBOG-256 113 HMAC-STREEBOG-512 114 HMAC-MD2
        115 HMAC-SHA3-224 116 HMAC-SHA3-256 117 HMAC-SHA3-384 118 HMAC-SHA3-512 119 HMAC-GOSTR341194-CP 120 HMAC-BLAKE2B-512
        121 HMAC-BLAKE2B-384 122 HMAC-BLAKE2B-256 123 HMAC-BLAKE2B-160 124 HMAC-BLAKE2S-256 125 HMAC-BLAKE2S-224 126 HMAC-BLAKE2S-160
        127 HMAC-BLAKE2S-128 128 HMAC-SM3 129 HMAC-SHA512-256 130 HMAC-SHA512-224 201 AES-CMAC 202 DES-EDE3-CMAC 203 CAMELLIA-CMAC 204 CAST5-CMAC
        205 BF-CMAC 206 TWOFISH-CMAC 207 SERPENT-CMAC 208 SEED-CMAC 209 RC2-CMAC 210 IDEA-CMAC 211 GOST28147-CMAC 212 SM4-CMAC 401 AES-GMAC
        402 CAMELLIA-GMAC 403 TWOFISH-GMAC 404 SERPENT-GMAC 405 SEED-GMAC 501 POLY1305 502 POLY1305-AES 503 POLY1305-CAMELLIA 504 POLY1305-TWOFISH
        505 POLY1305-SERPENT 506 POLY1305-SEED""",
    "gcry_kdf": """16 S2K-SIMPLE 17 S2K-SALTED 19 S2K-ITERATED 33 PBKDF1 34 PBKDF2 48 SCRYPT 64 ARGON2 65 BALLOON""",
    "gcry_curve": """1 X25519 2 X448""",
    "gcry_cipher_open": _cipher,
    "gcry_md_open": _digest,
    "gcry_kdf_open": _derivation,
}

FAMILIES = (Family("Libgcrypt", ("libgcrypt",), functions(_FUNCTIONS), {}, _ALGORITHMS),)
