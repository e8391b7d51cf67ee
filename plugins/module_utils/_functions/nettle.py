# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of Nettle and Hogweed. The notation is that of _functions/family.py.

GnuTLS calls them for each message, so of its ciphers and codes only what sets a key is here; of its digests what ends one: that begins
the next by a jump to what begins one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .family import Family, functions, tail_calls

_NETTLE = """
# nettle/aes.h, arcfour.h, arctwo.h, blowfish.h, camellia.h, cast128.h, chacha.h, des.h, salsa20.h, serpent.h, twofish.h; the mode is the caller's own
encrypt AES-128: nettle_aes128_set_encrypt_key
decrypt AES-128: nettle_aes128_set_decrypt_key
encrypt AES-192: nettle_aes192_set_encrypt_key
decrypt AES-192: nettle_aes192_set_decrypt_key
encrypt AES-256: nettle_aes256_set_encrypt_key
decrypt AES-256: nettle_aes256_set_decrypt_key
encrypt AES bytes=arg1: nettle_aes_set_encrypt_key
decrypt AES bytes=arg1: nettle_aes_set_decrypt_key
encrypt CAMELLIA-128: nettle_camellia128_set_encrypt_key
encrypt CAMELLIA-192: nettle_camellia192_set_encrypt_key
encrypt CAMELLIA-256: nettle_camellia256_set_encrypt_key
decrypt CAMELLIA-192: nettle_camellia192_set_decrypt_key
decrypt CAMELLIA-256: nettle_camellia256_set_decrypt_key
cipher RC4: nettle_arcfour_set_key nettle_arcfour128_set_key
cipher RC2: nettle_arctwo_set_key nettle_arctwo40_set_key nettle_arctwo64_set_key nettle_arctwo128_set_key
cipher BF: nettle_blowfish_set_key nettle_blowfish128_set_key
cipher CAST5: nettle_cast5_set_key nettle_cast128_set_key
cipher CHACHA20: nettle_chacha_set_key
cipher DES: nettle_des_set_key
cipher DES-EDE3: nettle_des3_set_key
cipher SALSA20: nettle_salsa20_128_set_key nettle_salsa20_256_set_key
cipher SERPENT: nettle_serpent128_set_key nettle_serpent192_set_key nettle_serpent256_set_key
cipher TWOFISH: nettle_twofish128_set_key nettle_twofish192_set_key nettle_twofish256_set_key
# nettle/gcm.h, ccm.h, eax.h, siv-cmac.h, xts.h, chacha-poly1305.h
cipher AES-128-GCM: nettle_gcm_aes128_set_key
cipher AES-192-GCM: nettle_gcm_aes192_set_key
cipher AES-256-GCM: nettle_gcm_aes256_set_key
cipher CAMELLIA-128-GCM: nettle_gcm_camellia128_set_key
cipher CAMELLIA-256-GCM: nettle_gcm_camellia256_set_key
cipher AES-128-CCM: nettle_ccm_aes128_set_key
cipher AES-192-CCM: nettle_ccm_aes192_set_key
cipher AES-256-CCM: nettle_ccm_aes256_set_key
cipher AES-128-EAX: nettle_eax_aes128_set_key
cipher AES-128-SIV: nettle_siv_cmac_aes128_set_key
cipher AES-256-SIV: nettle_siv_cmac_aes256_set_key
encrypt AES-128-XTS: nettle_xts_aes128_set_encrypt_key
decrypt AES-128-XTS: nettle_xts_aes128_set_decrypt_key
encrypt AES-256-XTS: nettle_xts_aes256_set_encrypt_key
decrypt AES-256-XTS: nettle_xts_aes256_set_decrypt_key
cipher CHACHA20-POLY1305: nettle_chacha_poly1305_set_key
# nettle/cmac.h, hmac.h, poly1305.h, umac.h, pbkdf2.h, hkdf.h; a struct nettle_hash begins with its name
mac AES-CMAC-128: nettle_cmac_aes128_set_key
mac AES-CMAC-256: nettle_cmac_aes256_set_key
mac DES-EDE3-CMAC: nettle_cmac_des3_set_key
mac POLY1305-AES: nettle_poly1305_aes_set_key
mac UMAC: nettle_umac32_set_key nettle_umac64_set_key nettle_umac96_set_key nettle_umac128_set_key
mac HMAC-MD5: nettle_hmac_md5_set_key
mac HMAC-RIPEMD-160: nettle_hmac_ripemd160_set_key
mac HMAC-SHA1: nettle_hmac_sha1_set_key
mac HMAC-SHA224: nettle_hmac_sha224_set_key
mac HMAC-SHA256: nettle_hmac_sha256_set_key
mac HMAC-SHA384: nettle_hmac_sha384_set_key
mac HMAC-SHA512: nettle_hmac_sha512_set_key
mac HMAC-SM3: nettle_hmac_sm3_set_key
mac HMAC-STREEBOG-256: nettle_hmac_streebog256_set_key
mac HMAC-STREEBOG-512: nettle_hmac_streebog512_set_key
mac HMAC-{text arg3[0]}: nettle_hmac_set_key
derive PBKDF2-HMAC-SHA1: nettle_pbkdf2_hmac_sha1
derive PBKDF2-HMAC-SHA256: nettle_pbkdf2_hmac_sha256
derive PBKDF2-HMAC-SHA384: nettle_pbkdf2_hmac_sha384
derive PBKDF2-HMAC-SHA512: nettle_pbkdf2_hmac_sha512
derive PBKDF2: nettle_pbkdf2
derive HKDF: nettle_hkdf_extract nettle_hkdf_expand
# nettle/md2.h, md4.h, md5.h, ripemd160.h, sha1.h, sha2.h, sha3.h, sm3.h, streebog.h, gosthash94.h
digest MD2: nettle_md2_digest
digest MD4: nettle_md4_digest
digest MD5: nettle_md5_digest
digest RIPEMD-160: nettle_ripemd160_digest
digest SHA1: nettle_sha1_digest
digest SHA224: nettle_sha224_digest
digest SHA256: nettle_sha256_digest
digest SHA384: nettle_sha384_digest
digest SHA512: nettle_sha512_digest
digest SHA512-224: nettle_sha512_224_digest
digest SHA512-256: nettle_sha512_256_digest
digest SHA3-224: nettle_sha3_224_digest
digest SHA3-256: nettle_sha3_256_digest
digest SHA3-384: nettle_sha3_384_digest
digest SHA3-512: nettle_sha3_512_digest
digest SM3: nettle_sm3_digest
digest STREEBOG-256: nettle_streebog256_digest
digest STREEBOG-512: nettle_streebog512_digest
digest GOSTHASH94: nettle_gosthash94_digest
"""

_HOGWEED = """
# nettle/rsa.h, dsa.h, ecdsa.h, eddsa.h, curve25519.h, curve448.h, ecc.h
key_generation RSA: nettle_rsa_generate_keypair
encrypt RSA: nettle_rsa_encrypt
decrypt RSA: nettle_rsa_decrypt nettle_rsa_decrypt_tr nettle_rsa_sec_decrypt
sign RSA: nettle_rsa_pkcs1_sign nettle_rsa_pkcs1_sign_tr
verify RSA: nettle_rsa_pkcs1_verify
sign RSA-MD5: nettle_rsa_md5_sign nettle_rsa_md5_sign_tr
verify RSA-MD5: nettle_rsa_md5_verify
sign RSA-SHA1: nettle_rsa_sha1_sign nettle_rsa_sha1_sign_tr
verify RSA-SHA1: nettle_rsa_sha1_verify
sign RSA-SHA256: nettle_rsa_sha256_sign nettle_rsa_sha256_sign_tr
verify RSA-SHA256: nettle_rsa_sha256_verify
sign RSA-SHA512: nettle_rsa_sha512_sign nettle_rsa_sha512_sign_tr
verify RSA-SHA512: nettle_rsa_sha512_verify
sign RSA-PSS-SHA256: nettle_rsa_pss_sha256_sign_digest_tr
verify RSA-PSS-SHA256: nettle_rsa_pss_sha256_verify_digest
sign RSA-PSS-SHA384: nettle_rsa_pss_sha384_sign_digest_tr
verify RSA-PSS-SHA384: nettle_rsa_pss_sha384_verify_digest
sign RSA-PSS-SHA512: nettle_rsa_pss_sha512_sign_digest_tr
verify RSA-PSS-SHA512: nettle_rsa_pss_sha512_verify_digest
sign DSA: nettle_dsa_sign
verify DSA: nettle_dsa_verify
key_generation DSA: nettle_dsa_generate_keypair
sign ECDSA: nettle_ecdsa_sign
verify ECDSA: nettle_ecdsa_verify
key_generation EC: nettle_ecdsa_generate_keypair
sign ED25519: nettle_ed25519_sha512_sign
verify ED25519: nettle_ed25519_sha512_verify
sign ED448: nettle_ed448_shake256_sign
verify ED448: nettle_ed448_shake256_verify
key_agreement X25519: nettle_curve25519_mul
key_agreement X448: nettle_curve448_mul
key_agreement ECDH: nettle_ecc_point_mul
"""

_TAIL_CALLS = """
nettle_aes128_set_encrypt_key <- nettle_ccm_aes128_set_key nettle_xts_aes128_set_decrypt_key nettle_xts_aes128_set_encrypt_key
nettle_aes192_set_encrypt_key <- nettle_ccm_aes192_set_key
nettle_aes256_set_encrypt_key <- nettle_ccm_aes256_set_key nettle_xts_aes256_set_decrypt_key nettle_xts_aes256_set_encrypt_key
nettle_arcfour_set_key <- nettle_arcfour128_set_key
nettle_blowfish_set_key <- nettle_blowfish128_set_key
nettle_cast5_set_key <- nettle_cast128_set_key
nettle_chacha_set_key <- nettle_chacha_poly1305_set_key
nettle_hmac_set_key <- nettle_hmac_md5_set_key nettle_hmac_ripemd160_set_key nettle_hmac_sha1_set_key nettle_hmac_sha224_set_key nettle_hmac_sha256_set_key
    nettle_hmac_sha384_set_key nettle_hmac_sha512_set_key nettle_hmac_sm3_set_key nettle_hmac_streebog256_set_key nettle_hmac_streebog512_set_key
"""

FAMILIES = (
    Family("Nettle", ("libnettle",), functions(_NETTLE), tail_calls(_TAIL_CALLS), {}),
    Family("Hogweed", ("libhogweed",), functions(_HOGWEED), {}, {}),
)
