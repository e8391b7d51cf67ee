# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers of algorithms mean in libraries other than OpenSSL. Data, read when the first operation is named.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import re

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
        36 RSA 37 EC-SHA256 38 EC-SHA384 39 EC-SHA512 40 RSA-PSS-SHA256 41 RSA-PSS-SHA384 42 RSA-PSS-SHA512 43 GOST2001 44 GOST2012-256
        45 GOST2012-512 46 ED448""",
}

# gcrypt.h of 1.11: enum gcry_cipher_algos, gcry_cipher_modes, gcry_md_algos, gcry_mac_algos, gcry_kdf_algos, gcry_ecc_curves
_GCRYPT = {
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
}

# nss/pkcs11t.h, pkcs11n.h (CKM_), secoidt.h (SECOidTag), hasht.h (HASH_HashType), keythi.h (KeyType) of 3.87
_NSS = {
    "ckm": """0x0 RSA 0x1 RSA 0x3 RSA 0x4 RSA-MD2 0x5 RSA-MD5 0x6 RSA-SHA1 0x9 RSA-OAEP 0xd RSA-PSS 0xe RSA-PSS-SHA1 0x10 DSA 0x11 DSA 0x12 DSA-SHA1
        0x13 DSA-SHA224 0x14 DSA-SHA256 0x15 DSA-SHA384 0x16 DSA-SHA512 0x20 DH 0x21 DH 0x40 RSA-SHA256 0x41 RSA-SHA384 0x42 RSA-SHA512
        0x43 RSA-PSS-SHA256 0x44 RSA-PSS-SHA384 0x45 RSA-PSS-SHA512 0x46 RSA-SHA224 0x47 RSA-PSS-SHA224 0x100 RC2 0x101 RC2-ECB 0x102 RC2-CBC
        0x105 RC2-CBC 0x110 RC4 0x111 RC4 0x120 DES 0x121 DES-ECB 0x122 DES-CBC 0x125 DES-CBC 0x130 DES-EDE 0x131 DES-EDE3 0x132 DES-EDE3-ECB
        0x133 DES-EDE3-CBC 0x136 DES-EDE3-CBC 0x200 MD2 0x201 HMAC-MD2 0x210 MD5 0x211 HMAC-MD5 0x212 HMAC-MD5 0x220 SHA1 0x221 HMAC-SHA1
        0x222 HMAC-SHA1 0x250 SHA256 0x251 HMAC-SHA256 0x252 HMAC-SHA256 0x255 SHA224 0x256 HMAC-SHA224 0x257 HMAC-SHA224 0x260 SHA384
        0x261 HMAC-SHA384 0x262 HMAC-SHA384 0x270 SHA512 0x271 HMAC-SHA512 0x272 HMAC-SHA512 0x2b0 SHA3-256 0x2b1 HMAC-SHA3-256 0x2b5 SHA3-224
        0x2b6 HMAC-SHA3-224 0x2c0 SHA3-384 0x2c1 HMAC-SHA3-384 0x2d0 SHA3-512 0x2d1 HMAC-SHA3-512 0x341 IDEA-ECB 0x342 IDEA-CBC 0x345 IDEA-CBC
        0x350 GENERIC-SECRET 0x374 TLS-MASTER-SECRET 0x375 TLS-MASTER-SECRET 0x376 TLS-KEYS 0x377 TLS-MASTER-SECRET 0x378 TLS-PRF 0x3ac SP800-108-COUNTER
        0x3ad SP800-108-FEEDBACK 0x3ae SP800-108-DOUBLE-PIPELINE 0x3b0 PBKDF2 0x3d8 TLS12-MAC 0x3e0 TLS12-MASTER-SECRET 0x3e1 TLS12-KEYS
        0x3e2 TLS12-MASTER-SECRET 0x3e4 TLS12-MAC 0x550 CAMELLIA 0x551 CAMELLIA-ECB 0x552 CAMELLIA-CBC 0x555 CAMELLIA-CBC 0x650 SEED 0x651 SEED-ECB
        0x652 SEED-CBC 0x655 SEED-CBC 0x1040 EC 0x1041 ECDSA 0x1042 ECDSA-SHA1 0x1043 ECDSA-SHA224 0x1044 ECDSA-SHA256 0x1045 ECDSA-SHA384
        0x1046 ECDSA-SHA512 0x1050 ECDH 0x1051 ECDH 0x1055 ED25519 0x1056 X25519 0x1057 EDDSA 0x1080 AES 0x1081 AES-ECB 0x1082 AES-CBC 0x1083 AES-CBC-MAC
        0x1085 AES-CBC 0x1086 AES-CTR 0x1087 AES-GCM 0x1088 AES-CCM 0x1089 AES-CTS 0x108a AES-CMAC 0x108b AES-CMAC 0x108c AES-XCBC-MAC
        0x108d AES-XCBC-MAC 0x1225 CHACHA20 0x1226 CHACHA20 0x1228 POLY1305 0x2000 DSA-PARAMETERS 0x2001 DH-PARAMETERS 0x2109 AES-WRAP 0x210a AES-WRAP-PAD
        0x210b AES-WRAP-PAD 0x4021 CHACHA20-POLY1305 0x402a HKDF 0x402b HKDF 0x402c HKDF 0xce534351 AES-WRAP 0xce534352 AES-WRAP-PAD
        0xce534353 HKDF-SHA1 0xce534354 HKDF-SHA256 0xce534355 HKDF-SHA384 0xce534356 HKDF-SHA512
        0xce534365 TLS12-PRF 0xce534366 TLS12-MASTER-SECRET 0xce534367 TLS12-KEYS 0xce534368 TLS12-MASTER-SECRET 0xce534369 TLS-MASTER-SECRET
        0xce53436a TLS-MASTER-SECRET 0xce53436b CHACHA20 0xce53436c CHACHA20-POLY1305 0x80000373 TLS-PRF""",
    "sec_oid": """1 MD2 2 MD4 3 MD5 4 SHA1 5 RC2-CBC 6 RC4 7 DES-EDE3-CBC 9 DES-ECB 10 DES-CBC 11 DES-OFB 12 DES-CFB 13 DES-MAC 14 DES-EDE 15 RSA-SHA1
        16 RSA 17 RSA-MD2 18 RSA-MD4 19 RSA-MD5 20 RSA-SHA1 97 RSA 124 DSA 125 DSA-SHA1 126 DSA-SHA1 183 AES-128-ECB 184 AES-128-CBC 185 AES-192-ECB
        186 AES-192-CBC 187 AES-256-ECB 188 AES-256-CBC 189 DSA-SHA1 191 SHA256 192 SHA384 193 SHA512 194 RSA-SHA256 195 RSA-SHA384 196 RSA-SHA512
        200 EC 201 ECDSA-SHA1 277 ECDSA-SHA224 278 ECDSA-SHA256 279 ECDSA-SHA384 280 ECDSA-SHA512 294 HMAC-SHA1 295 HMAC-SHA224
        296 HMAC-SHA256 297 HMAC-SHA384 298 HMAC-SHA512 301 RSA-SHA1 304 RSA-OAEP 307 RSA-PSS 308 RSA-SHA224 309 SHA224 314 DSA-SHA224 315 DSA-SHA256
        318 AES-128-GCM 319 AES-192-GCM 320 AES-256-GCM 327 HMAC-MD5 346 CHACHA20-POLY1305 355 X25519""",
    "nss_hash": """1 MD2 2 MD5 3 SHA1 4 SHA256 5 SHA384 6 SHA512 7 SHA224""",
    "nss_key": """1 RSA 2 DSA 4 DH 6 EC 7 RSA-PSS 8 RSA-OAEP 9 ED25519 10 X25519""",
    # CK_ATTRIBUTE_TYPE that is an operation: nss/pkcs11t.h CKA_ENCRYPT and following, secmodt.h CKA_DIGEST; low half
    "cka": """0x104 encrypt 0x105 decrypt 0x106 encrypt 0x107 decrypt 0x108 mac 0x10a mac""",
}

# wolfssl/wolfcrypt/types.h: enum wc_HashType without FIPS of version 2 or less
_WOLFSSL = {
    "wc_hash": """1 MD2 2 MD4 3 MD5 4 SHA1 5 SHA224 6 SHA256 7 SHA384 8 SHA512 9 MD5-SHA1 10 SHA3-224 11 SHA3-256 12 SHA3-384 13 SHA3-512 14 BLAKE2B
        15 BLAKE2S 16 SHA512-224 17 SHA512-256 18 SHAKE128 19 SHAKE256""",
    "wc_signature_type": """1 ECDSA 2 RSA 3 RSA""",
}

# mbedtls/cipher.h of 2.28: mbedtls_cipher_type_t, mbedtls_cipher_id_t; md.h of 2.28 and of 3.6: mbedtls_md_type_t; pk.h: mbedtls_pk_type_t; ecp.h:
# mbedtls_ecp_group_id
_MBEDTLS = {
    "mbedtls_cipher": """1 NULL 2 AES-128-ECB 3 AES-192-ECB 4 AES-256-ECB 5 AES-128-CBC 6 AES-192-CBC 7 AES-256-CBC 8 AES-128-CFB 9 AES-192-CFB
        10 AES-256-CFB 11 AES-128-CTR 12 AES-192-CTR 13 AES-256-CTR 14 AES-128-GCM 15 AES-192-GCM 16 AES-256-GCM 17 CAMELLIA-128-ECB
        18 CAMELLIA-192-ECB 19 CAMELLIA-256-ECB 20 CAMELLIA-128-CBC 21 CAMELLIA-192-CBC 22 CAMELLIA-256-CBC 23 CAMELLIA-128-CFB 24 CAMELLIA-192-CFB
        25 CAMELLIA-256-CFB 26 CAMELLIA-128-CTR 27 CAMELLIA-192-CTR 28 CAMELLIA-256-CTR 29 CAMELLIA-128-GCM 30 CAMELLIA-192-GCM 31 CAMELLIA-256-GCM
        32 DES-ECB 33 DES-CBC 34 DES-EDE-ECB 35 DES-EDE-CBC 36 DES-EDE3-ECB 37 DES-EDE3-CBC 38 BF-ECB 39 BF-CBC 40 BF-CFB 41 BF-CTR 42 RC4
        43 AES-128-CCM 44 AES-192-CCM 45 AES-256-CCM 46 CAMELLIA-128-CCM 47 CAMELLIA-192-CCM 48 CAMELLIA-256-CCM 49 ARIA-128-ECB 50 ARIA-192-ECB
        51 ARIA-256-ECB 52 ARIA-128-CBC 53 ARIA-192-CBC 54 ARIA-256-CBC 55 ARIA-128-CFB 56 ARIA-192-CFB 57 ARIA-256-CFB 58 ARIA-128-CTR
        59 ARIA-192-CTR 60 ARIA-256-CTR 61 ARIA-128-GCM 62 ARIA-192-GCM 63 ARIA-256-GCM 64 ARIA-128-CCM 65 ARIA-192-CCM 66 ARIA-256-CCM
        67 AES-128-OFB 68 AES-192-OFB 69 AES-256-OFB 70 AES-128-XTS 71 AES-256-XTS 72 CHACHA20 73 CHACHA20-POLY1305 74 AES-128-WRAP 75 AES-192-WRAP
        76 AES-256-WRAP 77 AES-128-WRAP-PAD 78 AES-192-WRAP-PAD 79 AES-256-WRAP-PAD""",
    "mbedtls_cipher_id": """2 AES 3 DES 4 DES-EDE3 5 CAMELLIA 6 BF 7 RC4 8 ARIA 9 CHACHA20""",
    "mbedtls_md": """1 MD2 2 MD4 3 MD5 4 SHA1 5 SHA224 6 SHA256 7 SHA384 8 SHA512 9 RIPEMD-160""",
    "mbedtls3_md": """3 MD5 4 RIPEMD-160 5 SHA1 8 SHA224 9 SHA256 10 SHA384 11 SHA512 16 SHA3-224 17 SHA3-256 18 SHA3-384 19 SHA3-512""",
    "mbedtls_pk": """1 RSA 2 EC 3 EC 4 ECDSA 5 RSA 6 RSA-PSS 7 OPAQUE""",
    "mbedtls_curve": """1 EC 2 EC 3 EC 4 EC 5 EC 6 EC 7 EC 8 EC 9 X25519 10 EC 11 EC 12 EC 13 X448""",
}

# psa/crypto_values.h: the low byte of PSA_ALG_* of hashes; algorithms without their hash and tag length; key types without what tells pairs from public keys
_PSA = {
    "psa_hash": """1 MD2 2 MD4 3 MD5 4 RIPEMD-160 5 SHA1 8 SHA224 9 SHA256 10 SHA384 11 SHA512 12 SHA512-224 13 SHA512-256 16 SHA3-224 17 SHA3-256
        18 SHA3-384 19 SHA3-512 21 SHAKE256""",
    "psa_base": """0x03800000 HMAC 0x03c00100 CBC-MAC 0x03c00200 CMAC 0x04800100 STREAM 0x04c01000 CTR 0x04c01100 CFB 0x04c01200 OFB 0x0440ff00 XTS
        0x04404400 ECB 0x04404000 CBC 0x04404100 CBC 0x05400100 CCM 0x05400200 GCM 0x05000500 CHACHA20-POLY1305 0x06000200 RSA 0x06000300 RSA-PSS
        0x06001300 RSA-PSS 0x06000600 ECDSA 0x06000700 ECDSA 0x06000800 EDDSA 0x06000900 EDDSA 0x07000200 RSA 0x07000300 RSA-OAEP 0x08000100 HKDF
        0x08000200 TLS12-PRF 0x08000300 TLS12-PSK-TO-MS 0x09010000 DH 0x09020000 ECDH""",
    "psa_type": """0x1001 RAW 0x1100 HMAC 0x1200 DERIVE 0x2400 AES 0x2406 ARIA 0x2301 DES 0x2403 CAMELLIA 0x2002 RC4 0x2004 CHACHA20 0x7001 RSA""",
}

_TABLES = {**_GNUTLS, **_GCRYPT, **_NSS, **_WOLFSSL, **_MBEDTLS, **_PSA}

# Names of keys in Libgcrypt's S-expressions (cipher/rsa.c, dsa.c, elgamal.c, ecc.c of Libgcrypt: the names each algorithm is known by)
_KEY_WORDS = {b"rsa": "RSA", b"openpgp-rsa": "RSA", b"dsa": "DSA", b"openpgp-dsa": "DSA", b"elg": "ELGAMAL", b"openpgp-elg": "ELGAMAL", b"ecc": "EC",
              b"ecdsa": "EC", b"ecdh": "EC", b"eddsa": "EC", b"gost": "GOST"}
_WORD = re.compile(rb"[a-z-]+")


@functools.lru_cache(maxsize=None)
def _names(table):
    words = _TABLES[table].split()
    return {int(number, 0): name for number, name in zip(words[::2], words[1::2])}


def _psa(algorithm):
    """PSA_ALG_*: some are a base with a hash in the low byte."""
    if algorithm >> 24 == 2:
        return _known("psa_hash", algorithm & 0xFF)
    if algorithm >> 24 == 9:
        return _known("psa_base", algorithm & 0xFFFF0000)  # agreement alone, or with a derivation in the low half
    base = algorithm & (0xFFC0FFFF if algorithm >> 24 in (3, 5) else 0xFFFFFFFF)  # without the length of the tag
    if algorithm >> 24 == 5:
        base &= 0xFFC07FFF
    if base in _names("psa_base"):
        return _names("psa_base")[base]
    name = _names("psa_base").get(base & 0xFFFFFF00)
    return "%s-%s" % (name, _known("psa_hash", base & 0xFF)) if name else "psa %#010x" % algorithm


def _psa_key(number):
    kind = number & 0xFFFF  # psa_key_attributes_t: type and size, 16 bits each
    return {0x71: "EC", 0x72: "DH"}.get(kind >> 8) or _known("psa_type", kind)


_RULES = {
    "gnutls_init": lambda flags: "DTLS" if flags & 4 else "TLS",  # GNUTLS_DATAGRAM
    "mbedtls_sha256": lambda is224: "SHA224" if is224 else "SHA256",
    "mbedtls_sha512": lambda is384: "SHA384" if is384 else "SHA512",
    "psa": _psa,
    "psa_key": _psa_key,
}


def _known(table, number):
    """The name of a number; one that is not in the table, where it is of a later release, is told as it is."""
    return _names(table).get(number) or ("%s %d" % (table, number) if number else None)


def _joined(*parts):
    return "-".join(part for part in parts if part) or None


def _gcry_kdf(algorithm, second):
    digest = _known("gcry_md", second) if algorithm in (16, 17, 19, 33, 34) else None
    if algorithm == 34:
        return _joined("PBKDF2-HMAC", digest)
    return {64: {0: "ARGON2D", 1: "ARGON2I", 2: "ARGON2ID"}.get(second)}.get(algorithm) or _joined(_known("gcry_kdf", algorithm), digest)


# Two numbers -> (name, operation or None where it is the function's own)
_PAIRS = {
    "gcry_cipher_open": lambda cipher, mode: (_joined(_known("gcry_cipher", cipher), _names("gcry_mode").get(mode)), None),
    "gcry_md_open": lambda digest, flags: ("HMAC-%s" % _known("gcry_md", digest), "mac") if flags & 2 else (_known("gcry_md", digest), None),
    "gcry_kdf": lambda algorithm, second: (_gcry_kdf(algorithm, second), None),
    "ckm_context": lambda mechanism, operation: (meaning("ckm", mechanism), _names("cka").get(operation & 0xFFFF)),
    "sec_oids": lambda key, digest: (_joined(_known("sec_oid", key), _known("sec_oid", digest)), None),
    "wc_signature": lambda digest, key: (_joined(_known("wc_signature_type", key), _known("wc_hash", digest)), None),
}


def meaning(table, number):
    """The name (str) of a number (int) in a table (str), or None where it names nothing."""
    if table in _RULES:
        return _RULES[table](number)
    if table not in _TABLES:
        return None
    return _names(table).get(0) if not number else _known(table, number)


def pair_meaning(table, first, second):
    """``(name, operation)`` of two numbers; the operation is None where it is that of the function."""
    return _PAIRS[table](first, second)


def key_word(raw):
    """The name (str) at the beginning of a piece of an S-expression (bytes), or None."""
    word = _WORD.match(raw)
    return _KEY_WORDS.get(word.group()) if word else None
