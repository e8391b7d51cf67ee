# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public functions of libraries other than OpenSSL that are probed, and where each names its algorithm. Data.

Text, which takes a host less time to compile than as many calls. A line: the operation, words that say where the algorithm is, a colon, the
functions; it goes on in lines that begin with a space. Each group's comment names the headers whose declarations it follows.

``=NAME``: always this algorithm; with ``%s`` in it, a pattern for what the next word finds
``TABLE@2``: the number in argument 2 (counted from 0), whose meaning is in that table of _functions/library_numbers.py
``TABLE@2,3``: the numbers in arguments 2 and 3 together
``TABLE@2+4``, ``TABLE@*2+4``: the number in the structure argument 2 points to, 4 bytes from its beginning; or in the one that its first member
points to. ``TABLE@LAYOUT:2``: likewise, but where depends on the version (_functions/places.py)
``text@2+4``: characters at that place; ``name@2``: the structure begins with a pointer to them
``+TABLE@3``: the second algorithm of a signature, a number in an argument
``bits@2``, ``bytes@2``: the argument that is the key size
``encrypts@4``, ``decrypts@4``: the argument that is 1 (else 0) for this direction

Only functions that begin an operation or do one message at once; never those that feed one, nor those of random numbers and of hashes for
hash tables.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

GNUTLS = """
# gnutls/crypto.h
cipher gnutls_cipher@1: gnutls_cipher_init gnutls_aead_cipher_init
digest gnutls_mac@1: gnutls_hash_init
digest gnutls_mac@0: gnutls_hash_fast
mac =HMAC-%s gnutls_mac@1: gnutls_hmac_init
mac =HMAC-%s gnutls_mac@0: gnutls_hmac_fast
derive =HKDF-%s gnutls_mac@0: gnutls_hkdf_extract gnutls_hkdf_expand
derive =PBKDF2-HMAC-%s gnutls_mac@0: gnutls_pbkdf2
# gnutls/abstract.h; a private key (lib/abstract_int.h, struct gnutls_privkey_st) has the number of its algorithm at 4
sign gnutls_pk@0+4 +gnutls_mac@1: gnutls_privkey_sign_data gnutls_privkey_sign_hash
sign gnutls_sign@1: gnutls_privkey_sign_data2 gnutls_privkey_sign_hash2
verify gnutls_sign@1: gnutls_pubkey_verify_data2 gnutls_pubkey_verify_hash2
encrypt =RSA: gnutls_pubkey_encrypt_data
decrypt gnutls_pk@0+4: gnutls_privkey_decrypt_data gnutls_privkey_decrypt_data2
key_agreement gnutls_pk@0+4: gnutls_privkey_derive_secret
key_generation gnutls_pk@1 bits@2: gnutls_privkey_generate gnutls_privkey_generate2
sign gnutls_pk@2+4 +gnutls_mac@3: gnutls_x509_crt_privkey_sign gnutls_x509_crl_privkey_sign
sign gnutls_pk@1+4 +gnutls_mac@2: gnutls_x509_crq_privkey_sign
# gnutls/x509.h, gnutls/pkcs7.h
key_generation gnutls_pk@1 bits@2: gnutls_x509_privkey_generate gnutls_x509_privkey_generate2
sign gnutls_pk@2+4: gnutls_pkcs7_sign
# gnutls/gnutls.h
tls_context gnutls_init@1: gnutls_init
"""

GCRYPT = """
# gcrypt.h. A key is an S-expression, (private-key(rsa ...: the algorithm's name is 19 bytes from the beginning, in (public-key( 18, in (genkey( 14
cipher gcry_cipher_open@1,2: gcry_cipher_open
digest gcry_md_open@1,2: gcry_md_open
digest gcry_md@1: gcry_md_enable
digest gcry_md@0: gcry_md_hash_buffer
digest gcry_md_open@0,1: gcry_md_hash_buffers
mac gcry_mac@1: gcry_mac_open
derive gcry_kdf@2,3: gcry_kdf_derive
derive gcry_kdf@1,2: gcry_kdf_open
encrypt text@2+18: gcry_pk_encrypt
decrypt text@2+19: gcry_pk_decrypt
sign text@2+19: gcry_pk_sign gcry_pk_hash_sign
verify text@2+18: gcry_pk_verify gcry_pk_hash_verify
key_generation text@1+14: gcry_pk_genkey
key_agreement gcry_curve@0: gcry_ecc_mul_point
"""

SODIUM = """
# sodium/crypto_secretbox.h, crypto_secretbox_xchacha20poly1305.h
encrypt =XSALSA20-POLY1305: crypto_secretbox crypto_secretbox_easy crypto_secretbox_detached crypto_secretbox_xsalsa20poly1305
decrypt =XSALSA20-POLY1305: crypto_secretbox_open crypto_secretbox_open_easy crypto_secretbox_open_detached crypto_secretbox_xsalsa20poly1305_open
encrypt =XCHACHA20-POLY1305: crypto_secretbox_xchacha20poly1305_easy crypto_secretbox_xchacha20poly1305_detached
decrypt =XCHACHA20-POLY1305: crypto_secretbox_xchacha20poly1305_open_easy crypto_secretbox_xchacha20poly1305_open_detached
# sodium/crypto_box.h, crypto_box_curve25519xchacha20poly1305.h
encrypt =X25519-XSALSA20-POLY1305: crypto_box crypto_box_easy crypto_box_detached crypto_box_seal crypto_box_easy_afternm crypto_box_detached_afternm
    crypto_box_curve25519xsalsa20poly1305
decrypt =X25519-XSALSA20-POLY1305: crypto_box_open crypto_box_open_easy crypto_box_open_detached crypto_box_seal_open crypto_box_open_easy_afternm
    crypto_box_open_detached_afternm crypto_box_curve25519xsalsa20poly1305_open
encrypt =X25519-XCHACHA20-POLY1305: crypto_box_curve25519xchacha20poly1305_easy crypto_box_curve25519xchacha20poly1305_detached
    crypto_box_curve25519xchacha20poly1305_seal
decrypt =X25519-XCHACHA20-POLY1305: crypto_box_curve25519xchacha20poly1305_open_easy crypto_box_curve25519xchacha20poly1305_open_detached
    crypto_box_curve25519xchacha20poly1305_seal_open
key_generation =X25519: crypto_box_keypair crypto_box_seed_keypair crypto_box_curve25519xsalsa20poly1305_keypair
    crypto_box_curve25519xsalsa20poly1305_seed_keypair crypto_box_curve25519xchacha20poly1305_keypair crypto_box_curve25519xchacha20poly1305_seed_keypair
# sodium/crypto_aead_*.h, crypto_secretstream_xchacha20poly1305.h
encrypt =AES-256-GCM: crypto_aead_aes256gcm_encrypt crypto_aead_aes256gcm_encrypt_detached crypto_aead_aes256gcm_encrypt_afternm
    crypto_aead_aes256gcm_encrypt_detached_afternm
decrypt =AES-256-GCM: crypto_aead_aes256gcm_decrypt crypto_aead_aes256gcm_decrypt_detached crypto_aead_aes256gcm_decrypt_afternm
    crypto_aead_aes256gcm_decrypt_detached_afternm
encrypt =CHACHA20-POLY1305: crypto_aead_chacha20poly1305_encrypt crypto_aead_chacha20poly1305_encrypt_detached crypto_aead_chacha20poly1305_ietf_encrypt
    crypto_aead_chacha20poly1305_ietf_encrypt_detached
decrypt =CHACHA20-POLY1305: crypto_aead_chacha20poly1305_decrypt crypto_aead_chacha20poly1305_decrypt_detached crypto_aead_chacha20poly1305_ietf_decrypt
    crypto_aead_chacha20poly1305_ietf_decrypt_detached
encrypt =XCHACHA20-POLY1305: crypto_aead_xchacha20poly1305_ietf_encrypt crypto_aead_xchacha20poly1305_ietf_encrypt_detached
    crypto_secretstream_xchacha20poly1305_init_push
decrypt =XCHACHA20-POLY1305: crypto_aead_xchacha20poly1305_ietf_decrypt crypto_aead_xchacha20poly1305_ietf_decrypt_detached
    crypto_secretstream_xchacha20poly1305_init_pull
# sodium/crypto_auth*.h, crypto_generichash*.h, crypto_hash*.h
mac =HMAC-SHA512-256: crypto_auth crypto_auth_verify crypto_auth_hmacsha512256 crypto_auth_hmacsha512256_init crypto_auth_hmacsha512256_verify
mac =HMAC-SHA256: crypto_auth_hmacsha256 crypto_auth_hmacsha256_init crypto_auth_hmacsha256_verify
mac =HMAC-SHA512: crypto_auth_hmacsha512 crypto_auth_hmacsha512_init crypto_auth_hmacsha512_verify
digest =BLAKE2B: crypto_generichash crypto_generichash_init crypto_generichash_blake2b crypto_generichash_blake2b_init
    crypto_generichash_blake2b_salt_personal crypto_generichash_blake2b_init_salt_personal
digest =SHA512: crypto_hash crypto_hash_sha512 crypto_hash_sha512_init
digest =SHA256: crypto_hash_sha256 crypto_hash_sha256_init
# sodium/crypto_pwhash*.h, crypto_kdf*.h, crypto_kx.h, crypto_scalarmult*.h; the number of crypto_pwhash is the last of nine arguments
derive =ARGON2: crypto_pwhash crypto_pwhash_str crypto_pwhash_str_alg crypto_pwhash_str_verify
derive =ARGON2I: crypto_pwhash_argon2i crypto_pwhash_argon2i_str crypto_pwhash_argon2i_str_verify
derive =ARGON2ID: crypto_pwhash_argon2id crypto_pwhash_argon2id_str crypto_pwhash_argon2id_str_verify
derive =SCRYPT: crypto_pwhash_scryptsalsa208sha256 crypto_pwhash_scryptsalsa208sha256_ll crypto_pwhash_scryptsalsa208sha256_str
    crypto_pwhash_scryptsalsa208sha256_str_verify
derive =BLAKE2B: crypto_kdf_derive_from_key crypto_kdf_blake2b_derive_from_key
derive =HKDF-SHA256: crypto_kdf_hkdf_sha256_extract crypto_kdf_hkdf_sha256_expand
derive =HKDF-SHA512: crypto_kdf_hkdf_sha512_extract crypto_kdf_hkdf_sha512_expand
key_generation =X25519: crypto_kx_keypair crypto_kx_seed_keypair crypto_scalarmult_base crypto_scalarmult_curve25519_base
key_agreement =X25519: crypto_box_beforenm crypto_kx_client_session_keys crypto_kx_server_session_keys crypto_scalarmult crypto_scalarmult_curve25519
# sodium/crypto_sign*.h
sign =ED25519: crypto_sign crypto_sign_detached crypto_sign_ed25519 crypto_sign_ed25519_detached
verify =ED25519: crypto_sign_open crypto_sign_verify_detached crypto_sign_ed25519_open crypto_sign_ed25519_verify_detached
sign =ED25519PH: crypto_sign_final_create crypto_sign_ed25519ph_final_create
verify =ED25519PH: crypto_sign_final_verify crypto_sign_ed25519ph_final_verify
key_generation =ED25519: crypto_sign_keypair crypto_sign_seed_keypair crypto_sign_ed25519_keypair crypto_sign_ed25519_seed_keypair
"""

NSS = """
# nss/pk11pub.h
cipher ckm_context@0,1: PK11_CreateContextBySymKey
digest sec_oid@0: PK11_CreateDigestContext PK11_HashBuf
encrypt ckm@1: PK11_Encrypt PK11_PubEncrypt
decrypt ckm@1: PK11_Decrypt PK11_PrivDecrypt
encrypt =RSA: PK11_PubEncryptPKCS1
decrypt =RSA: PK11_PrivDecryptPKCS1
sign nss_key@0+8: PK11_Sign
sign ckm@1: PK11_SignWithMechanism
mac ckm@1: PK11_SignWithSymKey
verify nss_key@0+8: PK11_Verify
verify ckm@1: PK11_VerifyWithMechanism
key_generation ckm@1 bytes@3: PK11_KeyGen PK11_TokenKeyGen PK11_TokenKeyGenWithFlags
key_generation ckm@1: PK11_GenerateKeyPair PK11_GenerateKeyPairWithFlags PK11_GenerateKeyPairWithOpFlags
key_agreement ckm@5: PK11_PubDerive PK11_PubDeriveWithKDF
derive ckm@1: PK11_Derive PK11_DeriveWithFlags PK11_DeriveWithFlagsPerm
# nss/cryptohi.h, sechash.h; a key (keythi.h) has its type at 8
sign sec_oid@4: SEC_SignData
sign sec_oid@5: SEC_DerSignData
sign sec_oid@0: SGN_NewContext
sign nss_key@0+8 +sec_oid@1: SGN_Digest
verify sec_oid@2: VFY_CreateContext
verify sec_oids@2,3: VFY_CreateContextDirect
verify sec_oid@4: VFY_VerifyData
verify sec_oids@4,5: VFY_VerifyDataDirect
verify sec_oid@3: VFY_VerifyDigest
verify sec_oids@3,4: VFY_VerifyDigestDirect
sign nss_key@4+8: SEC_DerSignDataWithAlgorithmID
sign nss_key@3+8: SEC_SignDataWithAlgorithmID
sign nss_key@1+8: SGN_NewContextWithAlgorithmID
verify nss_key@0+8: VFY_CreateContextWithAlgorithmID
verify nss_key@1+8: VFY_VerifyDigestWithAlgorithmID
verify nss_key@2+8: VFY_VerifyDataWithAlgorithmID
digest nss_hash@0: HASH_Create HASH_HashBuf
# nss/ssl.h
tls_context =TLS: SSL_ImportFD
tls_context =DTLS: DTLS_ImportFD
"""

WOLFSSL = """
# wolfssl/wolfcrypt/aes.h, camellia.h, des3.h, chacha.h, chacha20_poly1305.h, arc4.h
cipher =AES bytes@2 decrypts@4: wc_AesSetKey wc_AesSetKeyDirect
cipher =AES-GCM bytes@2: wc_AesGcmSetKey
cipher =AES-CCM bytes@2: wc_AesCcmSetKey
cipher =AES-XTS bytes@2 decrypts@3: wc_AesXtsSetKey
mac =AES-GMAC bytes@2: wc_GmacSetKey
mac =AES-CMAC bytes@5: wc_AesCmacGenerate wc_AesCmacVerify
mac =AES-CMAC bytes@2: wc_InitCmac wc_InitCmac_ex
cipher =CAMELLIA bytes@2: wc_CamelliaSetKey
cipher =DES decrypts@3: wc_Des_SetKey
cipher =DES-EDE3 decrypts@3: wc_Des3_SetKey
cipher =CHACHA20 bytes@2: wc_Chacha_SetKey
cipher =XCHACHA20 bytes@2: wc_XChacha_SetKey
cipher =RC4 bytes@2: wc_Arc4SetKey
mac =POLY1305 bytes@2: wc_Poly1305SetKey
encrypt =CHACHA20-POLY1305: wc_ChaCha20Poly1305_Encrypt
decrypt =CHACHA20-POLY1305: wc_ChaCha20Poly1305_Decrypt
encrypt =XCHACHA20-POLY1305: wc_XChaCha20Poly1305_Encrypt
decrypt =XCHACHA20-POLY1305: wc_XChaCha20Poly1305_Decrypt
# wolfssl/wolfcrypt/md4.h, ripemd.h (their ends begin the next by a jump to its beginning), md5.h, sha.h, sha256.h, sha512.h, sha3.h, blake2.h, hash.h
digest =MD4: wc_Md4Final
digest =RIPEMD-160: wc_RipeMdFinal
digest =BLAKE2B: wc_InitBlake2b
digest =BLAKE2S: wc_InitBlake2s
digest wc_hash@1: wc_HashInit wc_HashInit_ex
digest wc_hash@0: wc_Hash
digest =MD5: wc_InitMd5 wc_InitMd5_ex wc_Md5Hash
digest =SHA1: wc_InitSha wc_InitSha_ex wc_ShaHash
digest =SHA224: wc_InitSha224 wc_InitSha224_ex wc_Sha224Hash
digest =SHA256: wc_InitSha256 wc_InitSha256_ex wc_Sha256Hash
digest =SHA384: wc_InitSha384 wc_InitSha384_ex wc_Sha384Hash
digest =SHA512: wc_InitSha512 wc_InitSha512_ex wc_Sha512Hash
digest =SHA3-224: wc_InitSha3_224 wc_Sha3_224Hash
digest =SHA3-256: wc_InitSha3_256 wc_Sha3_256Hash
digest =SHA3-384: wc_InitSha3_384 wc_Sha3_384Hash
digest =SHA3-512: wc_InitSha3_512 wc_Sha3_512Hash
# wolfssl/wolfcrypt/hmac.h, pwdbased.h, kdf.h
mac =HMAC-%s wc_hash@1: wc_HmacSetKey
derive =HKDF-%s wc_hash@0: wc_HKDF wc_HKDF_Extract wc_HKDF_Expand
derive =HKDF-%s wc_hash@5: wc_Tls13_HKDF_Extract
derive =PBKDF1: wc_PBKDF1
derive =PBKDF2: wc_PBKDF2 wc_PBKDF2_ex
derive =PKCS12-PBKDF: wc_PKCS12_PBKDF
derive =SCRYPT: wc_scrypt wc_scrypt_ex
# wolfssl/wolfcrypt/rsa.h, ecc.h, dh.h, dsa.h, ed25519.h, ed448.h, curve25519.h, curve448.h, signature.h
key_generation =RSA bits@1: wc_MakeRsaKey
encrypt =RSA: wc_RsaPublicEncrypt wc_RsaPublicEncrypt_ex
decrypt =RSA: wc_RsaPrivateDecrypt wc_RsaPrivateDecrypt_ex wc_RsaPrivateDecryptInline
sign =RSA: wc_RsaSSL_Sign
verify =RSA: wc_RsaSSL_Verify wc_RsaSSL_VerifyInline
sign =RSA-PSS: wc_RsaPSS_Sign wc_RsaPSS_Sign_ex
verify =RSA-PSS: wc_RsaPSS_Verify wc_RsaPSS_VerifyInline
key_generation =EC bytes@1: wc_ecc_make_key wc_ecc_make_key_ex wc_ecc_make_key_ex2
sign =ECDSA: wc_ecc_sign_hash
verify =ECDSA: wc_ecc_verify_hash
key_agreement =ECDH: wc_ecc_shared_secret
key_generation =DH: wc_DhGenerateKeyPair
key_agreement =DH: wc_DhAgree
key_generation =DSA: wc_MakeDsaKey
sign =DSA: wc_DsaSign
verify =DSA: wc_DsaVerify
key_generation =ED25519: wc_ed25519_make_key
sign =ED25519: wc_ed25519_sign_msg wc_ed25519_sign_msg_ex
verify =ED25519: wc_ed25519_verify_msg wc_ed25519_verify_msg_ex
key_generation =X25519: wc_curve25519_make_key
key_agreement =X25519: wc_curve25519_shared_secret wc_curve25519_shared_secret_ex
key_generation =ED448: wc_ed448_make_key
sign =ED448: wc_ed448_sign_msg wc_ed448_sign_msg_ex
verify =ED448: wc_ed448_verify_msg wc_ed448_verify_msg_ex
key_generation =X448: wc_curve448_make_key
key_agreement =X448: wc_curve448_shared_secret wc_curve448_shared_secret_ex
sign wc_signature@0,1: wc_SignatureGenerate wc_SignatureGenerate_ex
verify wc_signature@0,1: wc_SignatureVerify
# wolfssl/ssl.h
tls_context =TLS: wolfSSL_CTX_new wolfSSL_CTX_new_ex
"""

MBEDTLS = """
# mbedtls/cipher.h, aes.h, gcm.h, ccm.h, camellia.h, aria.h, des.h, arc4.h, chacha20.h, chachapoly.h, cmac.h
cipher mbedtls_cipher@cipher:0 bits@2 encrypts@3: mbedtls_cipher_setkey
encrypt =AES bits@2: mbedtls_aes_setkey_enc
decrypt =AES bits@2: mbedtls_aes_setkey_dec
encrypt =AES-XTS bits@2: mbedtls_aes_xts_setkey_enc
decrypt =AES-XTS bits@2: mbedtls_aes_xts_setkey_dec
cipher =%s-GCM mbedtls_cipher_id@1 bits@3: mbedtls_gcm_setkey
cipher =%s-CCM mbedtls_cipher_id@1 bits@3: mbedtls_ccm_setkey
encrypt =CAMELLIA bits@2: mbedtls_camellia_setkey_enc
decrypt =CAMELLIA bits@2: mbedtls_camellia_setkey_dec
encrypt =ARIA bits@2: mbedtls_aria_setkey_enc
decrypt =ARIA bits@2: mbedtls_aria_setkey_dec
encrypt =DES: mbedtls_des_setkey_enc
decrypt =DES: mbedtls_des_setkey_dec
encrypt =DES-EDE: mbedtls_des3_set2key_enc
decrypt =DES-EDE: mbedtls_des3_set2key_dec
encrypt =DES-EDE3: mbedtls_des3_set3key_enc
decrypt =DES-EDE3: mbedtls_des3_set3key_dec
cipher =BF bits@2: mbedtls_blowfish_setkey
cipher =RC4 bytes@2: mbedtls_arc4_setup
cipher =CHACHA20: mbedtls_chacha20_setkey
cipher =CHACHA20-POLY1305: mbedtls_chachapoly_setkey
mac =%s-CMAC mbedtls_cipher@cipher:0 bits@2: mbedtls_cipher_cmac_starts
# mbedtls/md.h, md5.h, sha1.h, sha256.h, sha512.h, ripemd160.h
digest mbedtls_md@md:0: mbedtls_md_starts
digest mbedtls_md@md_info:0: mbedtls_md mbedtls_md_file
mac =HMAC-%s mbedtls_md@md:0: mbedtls_md_hmac_starts
mac =HMAC-%s mbedtls_md@md_info:0: mbedtls_md_hmac
digest =MD4: mbedtls_md4 mbedtls_md4_ret mbedtls_md4_starts mbedtls_md4_starts_ret
digest =MD5: mbedtls_md5 mbedtls_md5_ret mbedtls_md5_starts mbedtls_md5_starts_ret
digest =RIPEMD-160: mbedtls_ripemd160 mbedtls_ripemd160_ret mbedtls_ripemd160_starts mbedtls_ripemd160_starts_ret
digest =SHA1: mbedtls_sha1 mbedtls_sha1_ret mbedtls_sha1_starts mbedtls_sha1_starts_ret
digest mbedtls_sha256@3: mbedtls_sha256 mbedtls_sha256_ret
digest mbedtls_sha256@1: mbedtls_sha256_starts mbedtls_sha256_starts_ret
digest mbedtls_sha512@3: mbedtls_sha512 mbedtls_sha512_ret
digest mbedtls_sha512@1: mbedtls_sha512_starts mbedtls_sha512_starts_ret
# mbedtls/pkcs5.h, hkdf.h
derive =PBKDF2-HMAC-%s mbedtls_md@md:0: mbedtls_pkcs5_pbkdf2_hmac
derive =PBKDF2-HMAC-%s mbedtls_md@0: mbedtls_pkcs5_pbkdf2_hmac_ext
derive =HKDF-%s mbedtls_md@md_info:0: mbedtls_hkdf mbedtls_hkdf_extract mbedtls_hkdf_expand
# mbedtls/pk.h (a context's first member points to a structure that begins with the type), rsa.h, ecp.h, ecdsa.h, ecdh.h, dhm.h
sign mbedtls_pk@*0+0 +mbedtls_md@1: mbedtls_pk_sign mbedtls_pk_sign_restartable
verify mbedtls_pk@*0+0 +mbedtls_md@1: mbedtls_pk_verify mbedtls_pk_verify_restartable
encrypt mbedtls_pk@*0+0: mbedtls_pk_encrypt
decrypt mbedtls_pk@*0+0: mbedtls_pk_decrypt
key_generation =RSA bits@3: mbedtls_rsa_gen_key
key_generation mbedtls_curve@0: mbedtls_ecp_gen_key
key_generation mbedtls_curve@0+0: mbedtls_ecp_gen_keypair mbedtls_ecdh_gen_public
key_generation mbedtls_curve@1: mbedtls_ecdsa_genkey
sign =ECDSA: mbedtls_ecdsa_sign mbedtls_ecdsa_sign_det_ext mbedtls_ecdsa_write_signature
verify =ECDSA: mbedtls_ecdsa_verify mbedtls_ecdsa_read_signature
key_agreement =ECDH: mbedtls_ecdh_compute_shared
key_agreement =DH: mbedtls_dhm_calc_secret
# psa/crypto.h
digest psa@0: psa_hash_compute psa_hash_compare
digest psa@1: psa_hash_setup
mac psa@1: psa_mac_compute psa_mac_verify
mac psa@2: psa_mac_sign_setup psa_mac_verify_setup
encrypt psa@1: psa_cipher_encrypt psa_aead_encrypt psa_asymmetric_encrypt
decrypt psa@1: psa_cipher_decrypt psa_aead_decrypt psa_asymmetric_decrypt
encrypt psa@2: psa_cipher_encrypt_setup psa_aead_encrypt_setup
decrypt psa@2: psa_cipher_decrypt_setup psa_aead_decrypt_setup
sign psa@1: psa_sign_message psa_sign_hash
verify psa@1: psa_verify_message psa_verify_hash
key_agreement psa@0: psa_raw_key_agreement
derive psa@1: psa_key_derivation_setup
key_generation psa_key@0+0: psa_generate_key
"""
