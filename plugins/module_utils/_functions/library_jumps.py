# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which probed functions of libraries other than OpenSSL may end in a jump to which: such a call is one operation, though both entries are passed.

A line: a function, ``<``, those that may turn into it; it goes on in lines that begin with a space. As GCC compiles these libraries (a test
compares with installed ones), and for Mbed TLS also by the pointers of library/cipher_wrap.c and pk_wrap.c.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

GNUTLS = """
gnutls_privkey_generate2 < gnutls_privkey_generate
gnutls_x509_privkey_generate2 < gnutls_x509_privkey_generate
"""

SODIUM = """
crypto_auth_hmacsha512256 < crypto_auth
crypto_auth_hmacsha512256_verify < crypto_auth_verify
crypto_auth_hmacsha512_init < crypto_auth_hmacsha512256_init
crypto_box_curve25519xsalsa20poly1305 < crypto_box
crypto_box_curve25519xsalsa20poly1305_keypair < crypto_box_keypair
crypto_box_curve25519xsalsa20poly1305_open < crypto_box_open
crypto_box_curve25519xsalsa20poly1305_seed_keypair < crypto_box_seed_keypair
crypto_box_detached_afternm < crypto_box_easy_afternm
crypto_box_open_detached_afternm < crypto_box_open_easy_afternm
crypto_generichash_blake2b < crypto_generichash
crypto_generichash_blake2b_init < crypto_generichash_init
crypto_hash_sha512 < crypto_hash
crypto_kdf_blake2b_derive_from_key < crypto_kdf_derive_from_key
crypto_pwhash_argon2i < crypto_pwhash
crypto_pwhash_argon2i_str < crypto_pwhash_str_alg
crypto_pwhash_argon2i_str_verify < crypto_pwhash_str_verify
crypto_pwhash_argon2id < crypto_pwhash
crypto_pwhash_argon2id_str < crypto_pwhash_str crypto_pwhash_str_alg
crypto_pwhash_argon2id_str_verify < crypto_pwhash_str_verify
crypto_scalarmult_base < crypto_kx_keypair crypto_kx_seed_keypair
crypto_scalarmult_curve25519 < crypto_scalarmult
crypto_scalarmult_curve25519_base < crypto_box_curve25519xchacha20poly1305_keypair crypto_box_curve25519xsalsa20poly1305_keypair crypto_scalarmult_base
crypto_secretbox_detached < crypto_box_detached_afternm crypto_secretbox_easy
crypto_secretbox_open_detached < crypto_box_open_detached_afternm crypto_secretbox_open_easy
crypto_secretbox_xchacha20poly1305_detached < crypto_secretbox_xchacha20poly1305_easy
crypto_secretbox_xchacha20poly1305_open_detached < crypto_secretbox_xchacha20poly1305_open_easy
crypto_secretbox_xsalsa20poly1305 < crypto_secretbox
crypto_secretbox_xsalsa20poly1305_open < crypto_secretbox_open
crypto_sign_ed25519 < crypto_sign
crypto_sign_ed25519_detached < crypto_sign_detached
crypto_sign_ed25519_keypair < crypto_sign_keypair
crypto_sign_ed25519_open < crypto_sign_open
crypto_sign_ed25519_seed_keypair < crypto_sign_seed_keypair
crypto_sign_ed25519_verify_detached < crypto_sign_verify_detached
crypto_sign_ed25519ph_final_create < crypto_sign_final_create
crypto_sign_ed25519ph_final_verify < crypto_sign_final_verify
"""

NSS = """
PK11_GenerateKeyPairWithFlags < PK11_GenerateKeyPair
PK11_PubDerive < PK11_PubDeriveWithKDF
PK11_SignWithMechanism < PK11_Sign
PK11_VerifyWithMechanism < PK11_Verify
"""

WOLFSSL = """
wc_AesGcmSetKey < wc_GmacSetKey
wc_AesSetKey < wc_AesCcmSetKey
wc_HKDF_Extract < wc_Tls13_HKDF_Extract
wc_HashInit_ex < wc_HashInit
wc_InitMd5_ex < wc_HashInit_ex wc_InitMd5
wc_InitSha224_ex < wc_HashInit_ex wc_InitSha224
wc_InitSha256_ex < wc_HashInit_ex wc_InitSha256
wc_InitSha384_ex < wc_HashInit_ex wc_InitSha384
wc_InitSha3_224 < wc_HashInit_ex
wc_InitSha3_256 < wc_HashInit_ex
wc_InitSha3_384 < wc_HashInit_ex
wc_InitSha3_512 < wc_HashInit_ex
wc_InitSha512_ex < wc_HashInit_ex wc_InitSha512
wc_InitSha_ex < wc_HashInit_ex wc_InitSha
wc_Md5Hash < wc_Hash
wc_Sha224Hash < wc_Hash
wc_Sha256Hash < wc_Hash
wc_Sha384Hash < wc_Hash
wc_Sha3_224Hash < wc_Hash
wc_Sha3_256Hash < wc_Hash
wc_Sha3_384Hash < wc_Hash
wc_Sha3_512Hash < wc_Hash
wc_Sha512Hash < wc_Hash
wc_ShaHash < wc_Hash
wc_curve25519_shared_secret_ex < wc_curve25519_shared_secret
wc_curve448_shared_secret_ex < wc_curve448_shared_secret
wc_ecc_make_key_ex < wc_ecc_make_key
wc_ecc_make_key_ex2 < wc_ecc_make_key_ex
wc_scrypt < wc_scrypt_ex
wolfSSL_CTX_new_ex < wolfSSL_CTX_new
"""

MBEDTLS = """
mbedtls_aes_setkey_dec < mbedtls_aes_xts_setkey_dec mbedtls_cipher_setkey
mbedtls_aes_setkey_enc < mbedtls_aes_xts_setkey_enc mbedtls_cipher_setkey
mbedtls_chacha20_setkey < mbedtls_chachapoly_setkey mbedtls_cipher_setkey
mbedtls_cipher_setkey < mbedtls_ccm_setkey
mbedtls_ecp_gen_keypair < mbedtls_ecdsa_genkey mbedtls_ecp_gen_key
mbedtls_md4_ret < mbedtls_md mbedtls_md4
mbedtls_md4_starts_ret < mbedtls_md4_starts mbedtls_md_starts
mbedtls_md5_ret < mbedtls_md mbedtls_md5
mbedtls_md5_starts_ret < mbedtls_md5_starts mbedtls_md_starts
mbedtls_ripemd160_ret < mbedtls_md mbedtls_ripemd160
mbedtls_ripemd160_starts_ret < mbedtls_md_starts mbedtls_ripemd160_starts
mbedtls_sha1_ret < mbedtls_md mbedtls_sha1
mbedtls_sha1_starts_ret < mbedtls_md_starts mbedtls_sha1_starts
mbedtls_sha256_ret < mbedtls_md mbedtls_sha256
mbedtls_sha256_starts_ret < mbedtls_md_starts mbedtls_sha256_starts
mbedtls_sha512_ret < mbedtls_md mbedtls_sha512
mbedtls_sha512_starts_ret < mbedtls_md_starts mbedtls_sha512_starts
mbedtls_aes_xts_setkey_enc < mbedtls_cipher_setkey
mbedtls_aes_xts_setkey_dec < mbedtls_cipher_setkey
mbedtls_gcm_setkey < mbedtls_cipher_setkey
mbedtls_ccm_setkey < mbedtls_cipher_setkey
mbedtls_camellia_setkey_enc < mbedtls_cipher_setkey
mbedtls_camellia_setkey_dec < mbedtls_cipher_setkey
mbedtls_aria_setkey_enc < mbedtls_cipher_setkey
mbedtls_aria_setkey_dec < mbedtls_cipher_setkey
mbedtls_des_setkey_enc < mbedtls_cipher_setkey
mbedtls_des_setkey_dec < mbedtls_cipher_setkey
mbedtls_des3_set2key_enc < mbedtls_cipher_setkey
mbedtls_des3_set2key_dec < mbedtls_cipher_setkey
mbedtls_des3_set3key_enc < mbedtls_cipher_setkey
mbedtls_des3_set3key_dec < mbedtls_cipher_setkey
mbedtls_blowfish_setkey < mbedtls_cipher_setkey
mbedtls_arc4_setup < mbedtls_cipher_setkey
mbedtls_chachapoly_setkey < mbedtls_cipher_setkey
mbedtls_pk_sign_restartable < mbedtls_pk_sign
mbedtls_pk_verify_restartable < mbedtls_pk_verify
mbedtls_ecdsa_write_signature < mbedtls_pk_sign mbedtls_pk_sign_restartable
mbedtls_ecdsa_read_signature < mbedtls_pk_verify mbedtls_pk_verify_restartable
"""

NETTLE = """
nettle_aes128_set_encrypt_key < nettle_ccm_aes128_set_key nettle_xts_aes128_set_decrypt_key nettle_xts_aes128_set_encrypt_key
nettle_aes192_set_encrypt_key < nettle_ccm_aes192_set_key
nettle_aes256_set_encrypt_key < nettle_ccm_aes256_set_key nettle_xts_aes256_set_decrypt_key nettle_xts_aes256_set_encrypt_key
nettle_arcfour_set_key < nettle_arcfour128_set_key
nettle_blowfish_set_key < nettle_blowfish128_set_key
nettle_cast5_set_key < nettle_cast128_set_key
nettle_chacha_set_key < nettle_chacha_poly1305_set_key
nettle_hmac_set_key < nettle_hmac_md5_set_key nettle_hmac_ripemd160_set_key nettle_hmac_sha1_set_key nettle_hmac_sha224_set_key nettle_hmac_sha256_set_key
    nettle_hmac_sha384_set_key nettle_hmac_sha512_set_key nettle_hmac_sm3_set_key nettle_hmac_streebog256_set_key nettle_hmac_streebog512_set_key
"""
