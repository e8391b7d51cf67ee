# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of wolfSSL. The notation is that of _functions/family.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .family import Family, functions, tail_calls
from .numbers import joined, known

_FUNCTIONS = """
# wolfssl/wolfcrypt/aes.h, camellia.h, des3.h, chacha.h, chacha20_poly1305.h, arc4.h
cipher AES bytes=arg2 decrypt_if=arg4: wc_AesSetKey wc_AesSetKeyDirect
cipher AES-GCM bytes=arg2: wc_AesGcmSetKey
cipher AES-CCM bytes=arg2: wc_AesCcmSetKey
cipher AES-XTS bytes=arg2 decrypt_if=arg3: wc_AesXtsSetKey
mac AES-GMAC bytes=arg2: wc_GmacSetKey
mac AES-CMAC bytes=arg5: wc_AesCmacGenerate wc_AesCmacVerify
mac AES-CMAC bytes=arg2: wc_InitCmac wc_InitCmac_ex
cipher CAMELLIA bytes=arg2: wc_CamelliaSetKey
cipher DES decrypt_if=arg3: wc_Des_SetKey
cipher DES-EDE3 decrypt_if=arg3: wc_Des3_SetKey
cipher CHACHA20 bytes=arg2: wc_Chacha_SetKey
cipher XCHACHA20 bytes=arg2: wc_XChacha_SetKey
cipher RC4 bytes=arg2: wc_Arc4SetKey
mac POLY1305 bytes=arg2: wc_Poly1305SetKey
encrypt CHACHA20-POLY1305: wc_ChaCha20Poly1305_Encrypt
decrypt CHACHA20-POLY1305: wc_ChaCha20Poly1305_Decrypt
encrypt XCHACHA20-POLY1305: wc_XChaCha20Poly1305_Encrypt
decrypt XCHACHA20-POLY1305: wc_XChaCha20Poly1305_Decrypt
# wolfssl/wolfcrypt/md4.h, ripemd.h (their ends begin the next by a jump to its beginning), md5.h, sha.h, sha256.h, sha512.h, sha3.h, blake2.h, hash.h
digest MD4: wc_Md4Final
digest RIPEMD-160: wc_RipeMdFinal
digest BLAKE2B: wc_InitBlake2b
digest BLAKE2S: wc_InitBlake2s
digest {wc_hash arg1}: wc_HashInit wc_HashInit_ex
digest {wc_hash arg0}: wc_Hash
digest MD5: wc_InitMd5 wc_InitMd5_ex wc_Md5Hash
digest SHA1: wc_InitSha wc_InitSha_ex wc_ShaHash
digest SHA224: wc_InitSha224 wc_InitSha224_ex wc_Sha224Hash
digest SHA256: wc_InitSha256 wc_InitSha256_ex wc_Sha256Hash
digest SHA384: wc_InitSha384 wc_InitSha384_ex wc_Sha384Hash
digest SHA512: wc_InitSha512 wc_InitSha512_ex wc_Sha512Hash
digest SHA3-224: wc_InitSha3_224 wc_Sha3_224Hash
digest SHA3-256: wc_InitSha3_256 wc_Sha3_256Hash
digest SHA3-384: wc_InitSha3_384 wc_Sha3_384Hash
digest SHA3-512: wc_InitSha3_512 wc_Sha3_512Hash
# wolfssl/wolfcrypt/hmac.h, pwdbased.h, kdf.h
mac HMAC-{wc_hash arg1}: wc_HmacSetKey
derive HKDF-{wc_hash arg0}: wc_HKDF wc_HKDF_Extract wc_HKDF_Expand
derive HKDF-{wc_hash arg5}: wc_Tls13_HKDF_Extract
derive PBKDF1: wc_PBKDF1
derive PBKDF2: wc_PBKDF2 wc_PBKDF2_ex
derive PKCS12-PBKDF: wc_PKCS12_PBKDF
derive SCRYPT: wc_scrypt wc_scrypt_ex
# wolfssl/wolfcrypt/rsa.h, ecc.h, dh.h, dsa.h, ed25519.h, ed448.h, curve25519.h, curve448.h, signature.h
key_generation RSA bits=arg1: wc_MakeRsaKey
encrypt RSA: wc_RsaPublicEncrypt wc_RsaPublicEncrypt_ex
decrypt RSA: wc_RsaPrivateDecrypt wc_RsaPrivateDecrypt_ex wc_RsaPrivateDecryptInline
sign RSA: wc_RsaSSL_Sign
verify RSA: wc_RsaSSL_Verify wc_RsaSSL_VerifyInline
sign RSA-PSS: wc_RsaPSS_Sign wc_RsaPSS_Sign_ex
verify RSA-PSS: wc_RsaPSS_Verify wc_RsaPSS_VerifyInline
key_generation EC bytes=arg1: wc_ecc_make_key wc_ecc_make_key_ex wc_ecc_make_key_ex2
sign ECDSA: wc_ecc_sign_hash
verify ECDSA: wc_ecc_verify_hash
key_agreement ECDH: wc_ecc_shared_secret
key_generation DH: wc_DhGenerateKeyPair
key_agreement DH: wc_DhAgree
key_generation DSA: wc_MakeDsaKey
sign DSA: wc_DsaSign
verify DSA: wc_DsaVerify
key_generation ED25519: wc_ed25519_make_key
sign ED25519: wc_ed25519_sign_msg wc_ed25519_sign_msg_ex
verify ED25519: wc_ed25519_verify_msg wc_ed25519_verify_msg_ex
key_generation X25519: wc_curve25519_make_key
key_agreement X25519: wc_curve25519_shared_secret wc_curve25519_shared_secret_ex
key_generation ED448: wc_ed448_make_key
sign ED448: wc_ed448_sign_msg wc_ed448_sign_msg_ex
verify ED448: wc_ed448_verify_msg wc_ed448_verify_msg_ex
key_generation X448: wc_curve448_make_key
key_agreement X448: wc_curve448_shared_secret wc_curve448_shared_secret_ex
sign {wc_signature arg0 arg1}: wc_SignatureGenerate wc_SignatureGenerate_ex
verify {wc_signature arg0 arg1}: wc_SignatureVerify
# wolfssl/ssl.h
tls_context TLS: wolfSSL_CTX_new wolfSSL_CTX_new_ex
"""

_TAIL_CALLS = """
wc_AesGcmSetKey <- wc_GmacSetKey
wc_AesSetKey <- wc_AesCcmSetKey
wc_HKDF_Extract <- wc_Tls13_HKDF_Extract
wc_HashInit_ex <- wc_HashInit
wc_InitMd5_ex <- wc_HashInit_ex wc_InitMd5
wc_InitSha224_ex <- wc_HashInit_ex wc_InitSha224
wc_InitSha256_ex <- wc_HashInit_ex wc_InitSha256
wc_InitSha384_ex <- wc_HashInit_ex wc_InitSha384
wc_InitSha3_224 <- wc_HashInit_ex
wc_InitSha3_256 <- wc_HashInit_ex
wc_InitSha3_384 <- wc_HashInit_ex
wc_InitSha3_512 <- wc_HashInit_ex
wc_InitSha512_ex <- wc_HashInit_ex wc_InitSha512
wc_InitSha_ex <- wc_HashInit_ex wc_InitSha
wc_Md5Hash <- wc_Hash
wc_Sha224Hash <- wc_Hash
wc_Sha256Hash <- wc_Hash
wc_Sha384Hash <- wc_Hash
wc_Sha3_224Hash <- wc_Hash
wc_Sha3_256Hash <- wc_Hash
wc_Sha3_384Hash <- wc_Hash
wc_Sha3_512Hash <- wc_Hash
wc_Sha512Hash <- wc_Hash
wc_ShaHash <- wc_Hash
wc_curve25519_shared_secret_ex <- wc_curve25519_shared_secret
wc_curve448_shared_secret_ex <- wc_curve448_shared_secret
wc_ecc_make_key_ex <- wc_ecc_make_key
wc_ecc_make_key_ex2 <- wc_ecc_make_key_ex
wc_scrypt <- wc_scrypt_ex
wolfSSL_CTX_new_ex <- wolfSSL_CTX_new
"""


def _signature(digest, key):
    return joined(known(_ALGORITHMS, "wc_signature_type", key), known(_ALGORITHMS, "wc_hash", digest)), None


# wolfssl/wolfcrypt/types.h: enum wc_HashType without FIPS of version 2 or less
_ALGORITHMS = {
    "wc_hash": """1 MD2 2 MD4 3 MD5 4 SHA1 5 SHA224 6 SHA256 7 SHA384 8 SHA512 9 MD5-SHA1 10 SHA3-224 11 SHA3-256 12 SHA3-384 13 SHA3-512 14 BLAKE2B
        15 BLAKE2S 16 SHA512-224 17 SHA512-256 18 SHAKE128 19 SHAKE256""",
    "wc_signature_type": """1 ECDSA 2 RSA 3 RSA""",
    "wc_signature": _signature,
}

FAMILIES = (Family("wolfSSL", ("libwolfssl",), functions(_FUNCTIONS), tail_calls(_TAIL_CALLS), _ALGORITHMS),)
