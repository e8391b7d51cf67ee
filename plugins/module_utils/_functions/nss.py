# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of NSS. The notation is that of _functions/family.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .family import Family, functions, tail_calls
from .numbers import joined, known

_FUNCTIONS = """
# nss/pk11pub.h
cipher {ckm_context arg0 arg1}: PK11_CreateContextBySymKey
digest {sec_oid arg0}: PK11_CreateDigestContext PK11_HashBuf
encrypt {ckm arg1}: PK11_Encrypt PK11_PubEncrypt
decrypt {ckm arg1}: PK11_Decrypt PK11_PrivDecrypt
encrypt RSA: PK11_PubEncryptPKCS1
decrypt RSA: PK11_PrivDecryptPKCS1
sign {nss_key arg0[8]}: PK11_Sign
sign {ckm arg1}: PK11_SignWithMechanism
mac {ckm arg1}: PK11_SignWithSymKey
verify {nss_key arg0[8]}: PK11_Verify
verify {ckm arg1}: PK11_VerifyWithMechanism
key_generation {ckm arg1} bytes=arg3: PK11_KeyGen PK11_TokenKeyGen PK11_TokenKeyGenWithFlags
key_generation {ckm arg1}: PK11_GenerateKeyPair PK11_GenerateKeyPairWithFlags PK11_GenerateKeyPairWithOpFlags
key_agreement {ckm arg5}: PK11_PubDerive PK11_PubDeriveWithKDF
derive {ckm arg1}: PK11_Derive PK11_DeriveWithFlags PK11_DeriveWithFlagsPerm
# nss/cryptohi.h, sechash.h; a key (keythi.h) has its type at 8
sign {sec_oid arg4}: SEC_SignData
sign {sec_oid arg5}: SEC_DerSignData
sign {sec_oid arg0}: SGN_NewContext
sign {nss_key arg0[8]}[-{sec_oid arg1}]: SGN_Digest
verify {sec_oid arg2}: VFY_CreateContext
verify {sec_oids arg2 arg3}: VFY_CreateContextDirect
verify {sec_oid arg4}: VFY_VerifyData
verify {sec_oids arg4 arg5}: VFY_VerifyDataDirect
verify {sec_oid arg3}: VFY_VerifyDigest
verify {sec_oids arg3 arg4}: VFY_VerifyDigestDirect
sign {nss_key arg4[8]}: SEC_DerSignDataWithAlgorithmID
sign {nss_key arg3[8]}: SEC_SignDataWithAlgorithmID
sign {nss_key arg1[8]}: SGN_NewContextWithAlgorithmID
verify {nss_key arg0[8]}: VFY_CreateContextWithAlgorithmID
verify {nss_key arg1[8]}: VFY_VerifyDigestWithAlgorithmID
verify {nss_key arg2[8]}: VFY_VerifyDataWithAlgorithmID
digest {nss_hash arg0}: HASH_Create HASH_HashBuf
# nss/ssl.h
tls_context TLS: SSL_ImportFD
tls_context DTLS: DTLS_ImportFD
"""

_TAIL_CALLS = """
PK11_GenerateKeyPairWithFlags <- PK11_GenerateKeyPair
PK11_PubDerive <- PK11_PubDeriveWithKDF
PK11_SignWithMechanism <- PK11_Sign
PK11_VerifyWithMechanism <- PK11_Verify
"""


def _context(mechanism, operation):
    """PK11_CreateContextBySymKey(): the operation is an attribute's number."""
    return known(_ALGORITHMS, "ckm", mechanism), known(_ALGORITHMS, "cka", operation & 0xFFFF, unknown=None)


def _signature(key, digest):
    return joined(known(_ALGORITHMS, "sec_oid", key), known(_ALGORITHMS, "sec_oid", digest)), None


# nss/pkcs11t.h, pkcs11n.h (CKM_), secoidt.h (SECOidTag), hasht.h (HASH_HashType), keythi.h (KeyType) of 3.87
_ALGORITHMS = {
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
    "ckm_context": _context,
    "sec_oids": _signature,
}

FAMILIES = (Family("NSS", ("libnss3", "libssl3"), functions(_FUNCTIONS), tail_calls(_TAIL_CALLS), _ALGORITHMS),)
