# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public functions of OpenSSL that are probed, and how each names its algorithm. Data.

Chosen so that every way into an operation is seen once: the calls that start one, never those that feed it (``*_Update``,
``SSL_read``, ``SSL_write``), which run once for every block. Sources: the manual page named for each group, in OpenSSL's doc/man3;
argument numbers are those of its SYNOPSIS, from 0.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .function import CIPHER, DIGEST, FIELD, FIRST_FIELD_TEXT, NID, NONE, PKEY_CTX, TEXT, Family, Function


def _each(names, operation, shape, argument=0, **more):
    return tuple(Function(name, operation, shape, argument, **more) for name in names.split())


# EVP_EncryptInit(3), EVP_SealInit(3), EVP_OpenInit(3)
_CIPHERS = (
    _each("EVP_EncryptInit EVP_EncryptInit_ex EVP_EncryptInit_ex2 EVP_SealInit", "encrypt", CIPHER, 1)
    + _each("EVP_DecryptInit EVP_DecryptInit_ex EVP_DecryptInit_ex2 EVP_OpenInit", "decrypt", CIPHER, 1)
    + _each("EVP_CipherInit EVP_CipherInit_ex2", "cipher", CIPHER, 1, direction_argument=4)
    + _each("EVP_CipherInit_ex EVP_CipherInit_SKEY", "cipher", CIPHER, 1, direction_argument=5)
    # AES_encrypt(3) of 1.1: direct use without EVP
    + _each("AES_set_encrypt_key AES_set_decrypt_key", "cipher", NONE, bits_argument=1, algorithm="AES")
)

# EVP_DigestInit(3), SHA256_Init(3), MD5(3)
_DIGESTS = (
    _each("EVP_DigestInit EVP_DigestInit_ex EVP_DigestInit_ex2", "digest", DIGEST, 1)
    + _each("EVP_Digest", "digest", DIGEST, 4)
    + _each("EVP_Q_digest", "digest", TEXT, 1)
    + _each("MD5", "digest", NONE, algorithm="MD5")
    + _each("MD5_Init", "digest", NONE, algorithm="MD5", before_3=True)
    + _each("SHA1", "digest", NONE, algorithm="SHA1")
    + _each("SHA1_Init", "digest", NONE, algorithm="SHA1", before_3=True)
    + _each("SHA224", "digest", NONE, algorithm="SHA224")
    + _each("SHA224_Init", "digest", NONE, algorithm="SHA224", before_3=True)
    + _each("SHA256", "digest", NONE, algorithm="SHA256")
    + _each("SHA256_Init", "digest", NONE, algorithm="SHA256", before_3=True)
    + _each("SHA384", "digest", NONE, algorithm="SHA384")
    + _each("SHA384_Init", "digest", NONE, algorithm="SHA384", before_3=True)
    + _each("SHA512", "digest", NONE, algorithm="SHA512")
    + _each("SHA512_Init", "digest", NONE, algorithm="SHA512", before_3=True)
)

# HMAC(3), EVP_MAC(3), EVP_KDF(3), PKCS5_PBKDF2_HMAC(3), EVP_PBE_scrypt (EVP_PKEY_CTX_set_scrypt_N(3)), EVP_BytesToKey(3)
_KEYED = (
    _each("HMAC_Init HMAC_Init_ex", "mac", DIGEST, 3, algorithm="HMAC-%s")
    + _each("HMAC", "mac", DIGEST, 0, algorithm="HMAC-%s")
    + _each("EVP_MAC_init", "mac", FIRST_FIELD_TEXT, 0, offset=16)
    + _each("EVP_Q_mac", "mac", TEXT, 1)
    + _each("EVP_KDF_derive", "derive", FIRST_FIELD_TEXT, 0, offset=16)
    + _each("PKCS5_PBKDF2_HMAC", "derive", DIGEST, 5, algorithm="PBKDF2-HMAC-%s")
    + _each("PKCS5_PBKDF2_HMAC_SHA1", "derive", NONE, algorithm="PBKDF2-HMAC-SHA1")
    + _each("EVP_PBE_scrypt", "derive", NONE, algorithm="SCRYPT")
    + _each("EVP_BytesToKey", "derive", DIGEST, 1, algorithm="EVP_BytesToKey-%s")
)

# EVP_DigestSignInit(3), EVP_DigestVerifyInit(3), EVP_SignInit(3), EVP_VerifyInit(3), X509_sign(3), RSA_sign(3), ECDSA_sign(3), DSA_sign(3)
_SIGNATURES = (
    _each("EVP_DigestSignInit", "sign", FIELD, 4, digest_shape=DIGEST, digest_argument=2)
    + _each("EVP_DigestVerifyInit", "verify", FIELD, 4, digest_shape=DIGEST, digest_argument=2)
    + _each("EVP_DigestSignInit_ex", "sign", FIELD, 5, digest_shape=TEXT, digest_argument=2)
    + _each("EVP_DigestVerifyInit_ex", "verify", FIELD, 5, digest_shape=TEXT, digest_argument=2)
    + _each("EVP_SignFinal EVP_SignFinal_ex", "sign", FIELD, 3)
    + _each("EVP_VerifyFinal EVP_VerifyFinal_ex", "verify", FIELD, 3)
    + _each("EVP_PKEY_sign_init EVP_PKEY_sign_init_ex EVP_PKEY_sign_message_init", "sign", PKEY_CTX)
    + _each("EVP_PKEY_verify_init EVP_PKEY_verify_init_ex EVP_PKEY_verify_message_init", "verify", PKEY_CTX)
    + _each("X509_sign X509_REQ_sign X509_CRL_sign", "sign", FIELD, 1, digest_shape=DIGEST, digest_argument=2)
    + _each("X509_verify X509_REQ_verify X509_CRL_verify", "verify", FIELD, 1)
    + _each("RSA_sign", "sign", NONE, digest_shape=NID, digest_argument=0, algorithm="RSA")
    + _each("RSA_verify", "verify", NONE, digest_shape=NID, digest_argument=0, algorithm="RSA")
    + _each("ECDSA_sign ECDSA_do_sign", "sign", NONE, algorithm="ECDSA")
    + _each("ECDSA_verify ECDSA_do_verify", "verify", NONE, algorithm="ECDSA")
    + _each("DSA_sign DSA_do_sign", "sign", NONE, algorithm="DSA")
    + _each("DSA_verify DSA_do_verify", "verify", NONE, algorithm="DSA")
)

# EVP_PKEY_encrypt(3), EVP_PKEY_decrypt(3), EVP_PKEY_derive(3), EVP_PKEY_encapsulate(3), EVP_PKEY_keygen(3), RSA_generate_key(3), DH_generate_key(3)
_KEYS = (
    _each("EVP_PKEY_encrypt_init EVP_PKEY_encrypt_init_ex", "encrypt", PKEY_CTX)
    + _each("EVP_PKEY_decrypt_init EVP_PKEY_decrypt_init_ex", "decrypt", PKEY_CTX)
    + _each("RSA_public_encrypt RSA_private_encrypt", "encrypt", NONE, algorithm="RSA")
    + _each("RSA_private_decrypt RSA_public_decrypt", "decrypt", NONE, algorithm="RSA")
    + _each("EVP_PKEY_derive_init EVP_PKEY_derive_init_ex", "key_agreement", PKEY_CTX)
    + _each("EVP_PKEY_encapsulate_init", "encapsulate", PKEY_CTX)
    + _each("EVP_PKEY_decapsulate_init", "decapsulate", PKEY_CTX)
    + _each("EVP_PKEY_keygen EVP_PKEY_generate", "key_generation", PKEY_CTX)
    + _each("EVP_PKEY_Q_keygen", "key_generation", TEXT, 2)
    + _each("RSA_generate_key_ex", "key_generation", NONE, bits_argument=1, algorithm="RSA")
    + _each("EC_KEY_generate_key", "key_generation", NONE, algorithm="EC")
    + _each("DSA_generate_key", "key_generation", NONE, algorithm="DSA")
    + _each("DH_generate_key", "key_generation", NONE, algorithm="DH")
    + _each("DH_compute_key DH_compute_key_padded", "key_agreement", NONE, algorithm="DH")
    + _each("ECDH_compute_key", "key_agreement", NONE, algorithm="ECDH")
)

# SSL_CTX_new(3)
_TLS = _each("SSL_CTX_new SSL_CTX_new_ex", "tls_context", NONE, algorithm="TLS")

_FUNCTIONS = _CIPHERS + _DIGESTS + _KEYED + _SIGNATURES + _KEYS + _TLS

# As the sources have them: crypto/evp, crypto/hmac, ssl/ssl_lib.c of 1.1.1 and 3.x. EVP_MAC and EVP_KDF: type_name of the method is at 16.
_WRAPPERS = {
    "EVP_CipherInit": "EVP_EncryptInit EVP_DecryptInit",
    "EVP_CipherInit_ex": "EVP_CipherInit EVP_EncryptInit EVP_EncryptInit_ex EVP_DecryptInit EVP_DecryptInit_ex",
    "EVP_CipherInit_ex2": "EVP_EncryptInit_ex2 EVP_DecryptInit_ex2 EVP_CipherInit_ex",
    "EVP_DigestInit_ex": "EVP_DigestInit",
    "EVP_DigestInit_ex2": "EVP_DigestInit EVP_DigestInit_ex",
    "HMAC_Init_ex": "HMAC_Init",
    "PKCS5_PBKDF2_HMAC": "PKCS5_PBKDF2_HMAC_SHA1",
    "EVP_DigestSignInit_ex": "EVP_DigestSignInit",
    "EVP_DigestVerifyInit_ex": "EVP_DigestVerifyInit",
    "EVP_SignFinal_ex": "EVP_SignFinal",
    "EVP_VerifyFinal_ex": "EVP_VerifyFinal",
    "EVP_PKEY_sign_init_ex": "EVP_PKEY_sign_init",
    "EVP_PKEY_verify_init_ex": "EVP_PKEY_verify_init",
    "EVP_PKEY_encrypt_init_ex": "EVP_PKEY_encrypt_init",
    "EVP_PKEY_decrypt_init_ex": "EVP_PKEY_decrypt_init",
    "EVP_PKEY_derive_init_ex": "EVP_PKEY_derive_init",
    "EVP_PKEY_generate": "EVP_PKEY_keygen",
    "SSL_CTX_new_ex": "SSL_CTX_new",
}

OPENSSL = Family("OpenSSL", ("libcrypto", "libssl"), _FUNCTIONS, _WRAPPERS)
