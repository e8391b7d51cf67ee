# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of crypto libraries other than OpenSSL in known numbers, and what a profile has to say of each."""

from __future__ import annotations

from .profile import functions, process
from .programs import python

# library, program of programs/, {its scenario: {(function, algorithm, operation, key bits): count}}
_GNUTLS = ("libgnutls.so.30", "gnutls_calls.py", {
    "digests": {("gnutls_hash_fast", "SHA256", "digest", None): 1000, ("gnutls_hash_init", "SHA512", "digest", None): 500},
    "macs": {("gnutls_hmac_fast", "HMAC-SHA1", "mac", None): 1000, ("gnutls_hmac_init", "HMAC-SHA384", "mac", None): 10},
    "ciphers": {
        ("gnutls_aead_cipher_init", "AES-256-GCM", "cipher", 256): 1000,
        ("gnutls_cipher_init", "AES-128-CBC", "cipher", 128): 7,
        ("gnutls_aead_cipher_init", "CHACHA20-POLY1305", "cipher", 256): 2},
    "derivation": {("gnutls_pbkdf2", "PBKDF2-HMAC-SHA256", "derive", None): 100, ("gnutls_hkdf_extract", "HKDF-SHA256", "derive", None): 3},
    "signatures": {
        ("gnutls_privkey_generate", "EC", "key_generation", 256): 1,
        ("gnutls_privkey_sign_data", "EC-SHA256", "sign", None): 100,
        ("gnutls_privkey_sign_data2", "EC-SHA384", "sign", None): 50,
        ("gnutls_pubkey_verify_data2", "EC-SHA384", "verify", None): 20,
        ("gnutls_privkey_generate", "ED25519", "key_generation", 256): 2,
        ("gnutls_privkey_generate", "RSA", "key_generation", 2048): 1,
        ("gnutls_privkey_sign_data2", "ED25519", "sign", None): 5},
    "sessions": {("gnutls_init", "TLS", "tls_context", None): 30, ("gnutls_init", "DTLS", "tls_context", None): 10},
})
_GCRYPT = ("libgcrypt.so.20", "gcrypt_calls.py", {
    "digests": {
        ("gcry_md_hash_buffer", "SHA256", "digest", None): 1000,
        ("gcry_md_open", "SHA512", "digest", None): 300,
        ("gcry_md_open", "HMAC-SHA1", "mac", None): 200,
        ("gcry_md_open", "SHA256", "digest", None): 1,
        ("gcry_md_enable", "MD5", "digest", None): 4},
    "ciphers": {
        ("gcry_cipher_open", "AES-256-GCM", "cipher", 256): 1000,
        ("gcry_cipher_open", "DES-EDE3-CBC", "cipher", 192): 10,
        ("gcry_mac_open", "AES-CMAC", "mac", None): 5},
    "derivation": {("gcry_kdf_derive", "PBKDF2-HMAC-SHA256", "derive", None): 100},
    "rsa": {
        ("gcry_pk_genkey", "RSA", "key_generation", None): 1,
        ("gcry_pk_sign", "RSA", "sign", None): 20,
        ("gcry_pk_verify", "RSA", "verify", None): 30,
        ("gcry_pk_encrypt", "RSA", "encrypt", None): 7,
        ("gcry_pk_decrypt", "RSA", "decrypt", None): 3},
    "ec": {
        ("gcry_pk_genkey", "EC", "key_generation", None): 1,
        ("gcry_pk_sign", "EC", "sign", None): 10,
        ("gcry_pk_verify", "EC", "verify", None): 11},
})
_SODIUM = ("libsodium.so.23", "sodium_calls.py", {
    "boxes": {
        ("crypto_secretbox_easy", "XSALSA20-POLY1305", "encrypt", None): 1000,
        ("crypto_secretbox_open_easy", "XSALSA20-POLY1305", "decrypt", None): 10,
        ("crypto_box_keypair", "X25519", "key_generation", None): 5,
        ("crypto_box_seal", "X25519-XSALSA20-POLY1305", "encrypt", None): 4},
    "aead": {
        ("crypto_aead_xchacha20poly1305_ietf_encrypt", "XCHACHA20-POLY1305", "encrypt", None): 1000,
        ("crypto_secretstream_xchacha20poly1305_init_push", "XCHACHA20-POLY1305", "encrypt", None): 9},
    "digests": {
        ("crypto_generichash", "BLAKE2B", "digest", None): 1000,
        ("crypto_hash", "SHA512", "digest", None): 800,
        ("crypto_hash_sha256", "SHA256", "digest", None): 70,
        ("crypto_auth", "HMAC-SHA512-256", "mac", None): 60},
    "signatures": {
        ("crypto_sign_keypair", "ED25519", "key_generation", None): 3,
        ("crypto_sign_detached", "ED25519", "sign", None): 100,
        ("crypto_sign_verify_detached", "ED25519", "verify", None): 50},
    "passwords": {("crypto_pwhash_argon2id", "ARGON2ID", "derive", None): 2},
})
_NETTLE = ("libnettle.so.8", "nettle_calls.py", {
    "keys": {
        ("nettle_aes256_set_encrypt_key", "AES-256", "encrypt", 256): 1000,
        ("nettle_aes128_set_decrypt_key", "AES-128", "decrypt", 128): 6,
        ("nettle_gcm_aes128_set_key", "AES-128-GCM", "cipher", 128): 5},
    "digests": {
        ("nettle_sha3_256_digest", "SHA3-256", "digest", None): 1000,
        ("nettle_hmac_sha256_set_key", "HMAC-SHA256", "mac", None): 40,
        ("nettle_hmac_set_key", "HMAC-SHA384", "mac", None): 8},
})
_NSS = ("libnss3.so", "nss_calls.py", {
    "digests": {
        ("HASH_Create", "SHA256", "digest", None): 1000,
        ("PK11_HashBuf", "SHA256", "digest", None): 900,
        ("PK11_CreateDigestContext", "SHA512", "digest", None): 3},
    "contexts": {
        ("PK11_KeyGen", "AES", "key_generation", 256): 1,
        ("PK11_KeyGen", "GENERIC-SECRET", "key_generation", 160): 1,
        ("PK11_CreateContextBySymKey", "AES-CBC", "encrypt", None): 100,
        ("PK11_CreateContextBySymKey", "AES-CBC", "decrypt", None): 90,
        ("PK11_CreateContextBySymKey", "HMAC-SHA256", "mac", None): 80},
    "signatures": {
        ("PK11_GenerateKeyPair", "RSA", "key_generation", None): 1,
        ("SEC_SignData", "RSA-SHA256", "sign", None): 10,
        ("VFY_VerifyDataDirect", "RSA-SHA256", "verify", None): 5},
})
_WOLFSSL = ("libwolfssl.so.35", "wolfssl_calls.py", {
    "ciphers": {
        ("wc_AesSetKey", "AES", "encrypt", 256): 1000,
        ("wc_AesSetKey", "AES", "decrypt", 128): 500,
        ("wc_AesGcmSetKey", "AES-GCM", "cipher", 192): 20},
    "digests": {
        ("wc_InitSha256", "SHA256", "digest", None): 1000,
        ("wc_Hash", "SHA512", "digest", None): 300,
        ("wc_HmacSetKey", "HMAC-SHA256", "mac", None): 200,
        ("wc_PBKDF2", "PBKDF2", "derive", None): 30,
        ("wc_Sha384Hash", "SHA384", "digest", None): 4},
    "keys": {("wc_ecc_make_key", "EC", "key_generation", 256): 3, ("wc_ecc_sign_hash", "ECDSA", "sign", None): 50},
})
_MBEDTLS = ("libmbedcrypto.so.7", "mbedtls_calls.py", {
    "ciphers": {
        ("mbedtls_cipher_setkey", "AES-256-CBC", "encrypt", 256): 1000,
        ("mbedtls_cipher_setkey", "AES-128-GCM", "decrypt", 128): 400,
        ("mbedtls_aes_setkey_enc", "AES", "encrypt", 192): 30,
        ("mbedtls_gcm_setkey", "AES-GCM", "cipher", 256): 7},
    "digests": {
        ("mbedtls_md", "SHA256", "digest", None): 1000,
        ("mbedtls_md_starts", "SHA512", "digest", None): 500,
        ("mbedtls_md_hmac_starts", "HMAC-SHA1", "mac", None): 300,
        ("mbedtls_md_hmac", "HMAC-SHA256", "mac", None): 200,
        ("mbedtls_sha256_ret", "SHA224", "digest", None): 90},
    "psa": {("psa_hash_compute", "SHA256", "digest", None): 1000},
})
SCENARIOS = {"%s %s" % (library.split(".")[0], scenario): (library, program, scenario, expected)
             for library, program, scenarios in (_GNUTLS, _GCRYPT, _SODIUM, _NETTLE, _NSS, _WOLFSSL, _MBEDTLS)
             for scenario, expected in scenarios.items()}


def perform(name):
    """Run one of SCENARIOS in a process of its own. Returns its pid."""
    library, program, scenario, _expected = SCENARIOS[name]
    return python(program, library, scenario).pid


def assert_counts(profile, pid, library, expected):
    """What a scenario asked of that library, all of it and no more."""
    entry = process(profile, pid)
    stem = "/" + library.split(".so")[0] + ".so"
    asked = dict(entry, operations=[item for item in entry["operations"] if stem in item["library"]])
    assert dict(functions(asked)) == expected
    for item in asked["operations"]:
        assert profile["window"]["started_at"] < item["first_seen"] <= item["last_seen"] < profile["window"]["ended_at"]
        assert item["evidence"] == {"source": "library", "grade": "observed"}
    assert entry["coverage"] == "observed", entry.get("coverage_reason")
