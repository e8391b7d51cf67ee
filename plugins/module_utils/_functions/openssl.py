# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of OpenSSL and its forks. The notation is that of _functions/family.py.

Chosen so that every way into an operation is seen once: the calls that start one, never those that feed it (``*_Update``,
``SSL_read``, ``SSL_write``), which run once for every block. Sources: the manual pages named, in OpenSSL's doc/man3.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._libraries import catalogue
from .family import Family, Release, functions, tail_calls
from .function import CIPHER, CIPHER_3, DIGEST, DIGEST_3, FIELD_TEXT, FIRST_FIELD

_FUNCTIONS = """
# EVP_EncryptInit(3), EVP_SealInit(3), EVP_OpenInit(3)
encrypt {nid EVP_CIPHER(arg1)}: EVP_EncryptInit EVP_EncryptInit_ex EVP_EncryptInit_ex2 EVP_SealInit
decrypt {nid EVP_CIPHER(arg1)}: EVP_DecryptInit EVP_DecryptInit_ex EVP_DecryptInit_ex2 EVP_OpenInit
cipher {nid EVP_CIPHER(arg1)} encrypt_if=arg4: EVP_CipherInit EVP_CipherInit_ex2
cipher {nid EVP_CIPHER(arg1)} encrypt_if=arg5: EVP_CipherInit_ex EVP_CipherInit_SKEY
# AES_encrypt(3) of 1.1: direct use without EVP
cipher AES bits=arg1: AES_set_encrypt_key AES_set_decrypt_key
# EVP_DigestInit(3), SHA256_Init(3), MD5(3)
digest {nid EVP_MD(arg1)}: EVP_DigestInit EVP_DigestInit_ex EVP_DigestInit_ex2
digest {nid EVP_MD(arg4)}: EVP_Digest
digest {text arg1}: EVP_Q_digest
digest MD5: MD5 MD5_Init
digest SHA1: SHA1 SHA1_Init
digest SHA224: SHA224 SHA224_Init
digest SHA256: SHA256 SHA256_Init
digest SHA384: SHA384 SHA384_Init
digest SHA512: SHA512 SHA512_Init
# HMAC(3), EVP_MAC(3), EVP_KDF(3), PKCS5_PBKDF2_HMAC(3), EVP_PBE_scrypt (EVP_PKEY_CTX_set_scrypt_N(3)), EVP_BytesToKey(3)
# EVP_MAC and EVP_KDF: type_name of the method is at 16
mac HMAC-{nid EVP_MD(arg3)}: HMAC_Init HMAC_Init_ex
mac HMAC-{nid EVP_MD(arg0)}: HMAC
mac {text arg0[0][16]}: EVP_MAC_init
mac {text arg1}: EVP_Q_mac
derive {text arg0[0][16]}: EVP_KDF_derive
derive PBKDF2-HMAC-{nid EVP_MD(arg5)}: PKCS5_PBKDF2_HMAC
derive PBKDF2-HMAC-SHA1: PKCS5_PBKDF2_HMAC_SHA1
derive SCRYPT: EVP_PBE_scrypt
derive EVP_BytesToKey-{nid EVP_MD(arg1)}: EVP_BytesToKey
# EVP_DigestSignInit(3), EVP_DigestVerifyInit(3), EVP_SignInit(3), EVP_VerifyInit(3), X509_sign(3), RSA_sign(3), ECDSA_sign(3), DSA_sign(3)
# an EVP_PKEY begins with its number
sign {nid arg4[0]}[-{nid EVP_MD(arg2)}]: EVP_DigestSignInit
verify {nid arg4[0]}[-{nid EVP_MD(arg2)}]: EVP_DigestVerifyInit
sign {nid arg5[0]}[-{text arg2}]: EVP_DigestSignInit_ex
verify {nid arg5[0]}[-{text arg2}]: EVP_DigestVerifyInit_ex
sign {nid arg3[0]}: EVP_SignFinal EVP_SignFinal_ex
verify {nid arg3[0]}: EVP_VerifyFinal EVP_VerifyFinal_ex
sign {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_sign_init EVP_PKEY_sign_init_ex EVP_PKEY_sign_message_init
verify {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_verify_init EVP_PKEY_verify_init_ex EVP_PKEY_verify_message_init
sign {nid arg1[0]}[-{nid EVP_MD(arg2)}]: X509_sign X509_REQ_sign X509_CRL_sign
verify {nid arg1[0]}: X509_verify X509_REQ_verify X509_CRL_verify
sign RSA[-{nid arg0}]: RSA_sign
verify RSA[-{nid arg0}]: RSA_verify
sign ECDSA: ECDSA_sign ECDSA_do_sign
verify ECDSA: ECDSA_verify ECDSA_do_verify
sign DSA: DSA_sign DSA_do_sign
verify DSA: DSA_verify DSA_do_verify
# EVP_PKEY_encrypt(3), EVP_PKEY_decrypt(3), EVP_PKEY_derive(3), EVP_PKEY_encapsulate(3), EVP_PKEY_keygen(3), RSA_generate_key(3), DH_generate_key(3)
encrypt {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_encrypt_init EVP_PKEY_encrypt_init_ex
decrypt {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_decrypt_init EVP_PKEY_decrypt_init_ex
encrypt RSA: RSA_public_encrypt RSA_private_encrypt
decrypt RSA: RSA_private_decrypt RSA_public_decrypt
key_agreement {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_derive_init EVP_PKEY_derive_init_ex
encapsulate {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_encapsulate_init
decapsulate {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_decapsulate_init
key_generation {nid EVP_PKEY_CTX(arg0)}: EVP_PKEY_keygen EVP_PKEY_generate
key_generation {text arg2}: EVP_PKEY_Q_keygen
key_generation RSA bits=arg1: RSA_generate_key_ex
key_generation EC: EC_KEY_generate_key
key_generation DSA: DSA_generate_key
key_generation DH: DH_generate_key
key_agreement DH: DH_compute_key DH_compute_key_padded
key_agreement ECDH: ECDH_compute_key
# SSL_CTX_new(3)
tls_context TLS: SSL_CTX_new SSL_CTX_new_ex
"""

# As the sources have them: crypto/evp, crypto/hmac, ssl/ssl_lib.c of 1.1.1 and 3.x
_TAIL_CALLS = """
EVP_CipherInit <- EVP_EncryptInit EVP_DecryptInit
EVP_CipherInit_ex <- EVP_CipherInit EVP_EncryptInit EVP_EncryptInit_ex EVP_DecryptInit EVP_DecryptInit_ex
EVP_CipherInit_ex2 <- EVP_EncryptInit_ex2 EVP_DecryptInit_ex2 EVP_CipherInit_ex
EVP_DigestInit_ex <- EVP_DigestInit
EVP_DigestInit_ex2 <- EVP_DigestInit EVP_DigestInit_ex
HMAC_Init_ex <- HMAC_Init
PKCS5_PBKDF2_HMAC <- PKCS5_PBKDF2_HMAC_SHA1
EVP_DigestSignInit_ex <- EVP_DigestSignInit
EVP_DigestVerifyInit_ex <- EVP_DigestVerifyInit
EVP_SignFinal_ex <- EVP_SignFinal
EVP_VerifyFinal_ex <- EVP_VerifyFinal
EVP_PKEY_sign_init_ex <- EVP_PKEY_sign_init
EVP_PKEY_verify_init_ex <- EVP_PKEY_verify_init
EVP_PKEY_encrypt_init_ex <- EVP_PKEY_encrypt_init
EVP_PKEY_decrypt_init_ex <- EVP_PKEY_decrypt_init
EVP_PKEY_derive_init_ex <- EVP_PKEY_derive_init
EVP_PKEY_generate <- EVP_PKEY_keygen
SSL_CTX_new_ex <- SSL_CTX_new
"""

_NO_KEY_TYPE = 0xFFFFFFFF  # EVP_PKEY_KEYMGMT, -1: the key type has a name only

# Later releases call these themselves for every digest, and deprecate them.
_BEFORE_3 = frozenset(("MD5_Init", "SHA1_Init", "SHA224_Init", "SHA256_Init", "SHA384_Init", "SHA512_Init"))


def _nid(number):
    if number == _NO_KEY_TYPE:
        return None
    from .openssl_nids import algorithm_of  # not before it is needed: it takes a millisecond to compile
    return algorithm_of(number)


def _release(elf):
    """What is inside an ElfFile: OpenSSL of which release, or a fork of it, which is of before 3.0."""
    project, version = catalogue.embedded_openssl(elf) or ("OpenSSL", None)
    old = project in ("LibreSSL", "BoringSSL", "AWS-LC") or (version or "3").startswith(("0.", "1."))
    structures = {
        "EVP_CIPHER": (CIPHER, 0), "EVP_MD": (DIGEST, 0),
        "EVP_PKEY_CTX": (FIRST_FIELD, 0) if old else (FIELD_TEXT, 24),  # pmeth->pkey_id; keytype
    }
    if (version or "").startswith("3."):
        structures.update({"EVP_CIPHER": (CIPHER_3, 0), "EVP_MD": (DIGEST_3, 0)})
    return Release(structures, frozenset() if old else _BEFORE_3)


OPENSSL = Family("OpenSSL", ("libcrypto", "libssl"), functions(_FUNCTIONS), tail_calls(_TAIL_CALLS), {"nid": _nid}, _release)

FAMILIES = (OPENSSL,)
