# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a libcrypto in known numbers, and what a profile has to say of each."""

from __future__ import annotations

import os

from .profile import functions, operations, process
from .programs import python

# scenario of programs/openssl_calls.py -> {(function, algorithm, operation, key bits): count}
BOTH = {
    "encrypt_init": {("EVP_EncryptInit_ex", "AES-256-GCM", "encrypt", 256): 1000},
    "decrypt_init": {("EVP_DecryptInit_ex", "AES-128-CBC", "decrypt", 128): 1000},
    "cipher_init": {("EVP_CipherInit_ex", "CHACHA20-POLY1305", "encrypt", 256): 400, ("EVP_CipherInit_ex", "CHACHA20-POLY1305", "decrypt", 256): 600},
    "new_key": {("EVP_EncryptInit_ex", "CAMELLIA-192-CBC", "encrypt", 192): 100, ("EVP_CipherInit_ex", "CAMELLIA-192-CBC", "cipher", 192): 10},
    "digest_init": {("EVP_DigestInit_ex", "SHA3-256", "digest", None): 1000},
    "digest": {("EVP_Digest", "SHA256", "digest", None): 1000},
    "hmac": {("HMAC", "HMAC-SHA384", "mac", None): 1000},
    "hmac_init": {("HMAC_Init_ex", "HMAC-SHA1", "mac", None): 1000},
    "pbkdf2": {("PKCS5_PBKDF2_HMAC", "PBKDF2-HMAC-SHA512", "derive", None): 1000},
    "scrypt": {("EVP_PBE_scrypt", "SCRYPT", "derive", None): 100},
    "keygen_ec": {("EVP_PKEY_keygen", "EC", "key_generation", None): 100},
    "keygen_ed25519": {("EVP_PKEY_keygen", "ED25519", "key_generation", None): 100},
    "sign": {("EVP_DigestSignInit", "EC-SHA256", "sign", None): 1000, ("EVP_PKEY_keygen", "EC", "key_generation", None): 1},
    "verify": {("EVP_DigestVerifyInit", "ED25519", "verify", None): 1000, ("EVP_PKEY_keygen", "ED25519", "key_generation", None): 1},
    "key_sign": {("EVP_PKEY_sign_init", "EC", "sign", None): 300,
                ("EVP_PKEY_verify_init", "EC", "verify", None): 200,
                ("EVP_PKEY_keygen", "EC", "key_generation", None): 1},
    "derive": {("EVP_PKEY_derive_init", "X25519", "key_agreement", None): 1000, ("EVP_PKEY_keygen", "X25519", "key_generation", None): 1},
    "rsa": {("RSA_generate_key_ex", "RSA", "key_generation", 1024): 2, ("RSA_generate_key_ex", "RSA", "key_generation", 1536): 1},
    "four_threads": {("EVP_EncryptInit_ex", "AES-128-CTR", "encrypt", 128): 4000},
}
# Functions and algorithms that came with OpenSSL 3.
ONLY_3 = {
    "encrypt_init2": {("EVP_EncryptInit_ex2", "AES-192-CCM", "encrypt", 192): 1000},
    "fetched": {("EVP_EncryptInit_ex", "AES-256-GCM", "encrypt", 256): 1000},
    "cipher_without_nid": {("EVP_EncryptInit_ex", "AES-128-SIV", "encrypt", 256): 1000},
    "digest_without_nid": {("EVP_DigestInit_ex2", "KECCAK-KMAC-128", "digest", None): 1000},
    "q_digest": {("EVP_Q_digest", "SHA384", "digest", None): 1000},
    "mac": {("EVP_MAC_init", "POLY1305", "mac", None): 1000},
    "q_keygen": {("EVP_PKEY_Q_keygen", "RSA", "key_generation", None): 3},
    "generate": {("EVP_PKEY_generate", "X448", "key_generation", None): 50},
    "sign_by_name": {("EVP_DigestSignInit_ex", "EC-SHA256", "sign", None): 500, ("EVP_PKEY_keygen", "EC", "key_generation", None): 1},
}


def libcrypto():
    """The system's libcrypto, by its real path."""
    machine = os.uname().machine
    return os.path.realpath("/usr/lib/%s-linux-gnu/libcrypto.so.3" % machine)


def perform(scenario, library, *arguments, **options):
    """Run a scenario, which is the only one of its process to call libcrypto. Returns its Ran."""
    return python("openssl_calls.py", library, scenario, *arguments, **options)


def assert_counts(profile, pid, library, expected):
    """What a scenario asked for, all of it, no more, and of this library."""
    entry = process(profile, pid)
    assert dict(functions(entry)) == expected
    for item in entry["operations"]:
        assert item["library"] == str(library)
        assert profile["window"]["started_at"] < item["first_seen"] <= item["last_seen"] < profile["window"]["ended_at"]
        assert item["evidence"] == {"source": "library", "grade": "observed"}
    inside = {(item["algorithm"], item["operation"]) for item in entry["operations"] if item.get("internal")}
    assert not inside & set(operations(entry)), "what was asked for is reported once, not again as something the library did inside"
