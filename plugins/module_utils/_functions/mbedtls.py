# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of Mbed TLS. The notation is that of _functions/family.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._libraries import catalogue
from .family import Family, Release, functions, tail_calls
from .function import FIELD, FIRST_FIELD, FIRST_FIELD_TEXT, NONE
from .numbers import known

_FUNCTIONS = """
# mbedtls/cipher.h, aes.h, gcm.h, ccm.h, camellia.h, aria.h, des.h, arc4.h, chacha20.h, chachapoly.h, cmac.h
cipher {mbedtls_cipher mbedtls_cipher_context_t(arg0)} bits=arg2 encrypt_if=arg3: mbedtls_cipher_setkey
encrypt AES bits=arg2: mbedtls_aes_setkey_enc
decrypt AES bits=arg2: mbedtls_aes_setkey_dec
encrypt AES-XTS bits=arg2: mbedtls_aes_xts_setkey_enc
decrypt AES-XTS bits=arg2: mbedtls_aes_xts_setkey_dec
cipher {mbedtls_cipher_id arg1}-GCM bits=arg3: mbedtls_gcm_setkey
cipher {mbedtls_cipher_id arg1}-CCM bits=arg3: mbedtls_ccm_setkey
encrypt CAMELLIA bits=arg2: mbedtls_camellia_setkey_enc
decrypt CAMELLIA bits=arg2: mbedtls_camellia_setkey_dec
encrypt ARIA bits=arg2: mbedtls_aria_setkey_enc
decrypt ARIA bits=arg2: mbedtls_aria_setkey_dec
encrypt DES: mbedtls_des_setkey_enc
decrypt DES: mbedtls_des_setkey_dec
encrypt DES-EDE: mbedtls_des3_set2key_enc
decrypt DES-EDE: mbedtls_des3_set2key_dec
encrypt DES-EDE3: mbedtls_des3_set3key_enc
decrypt DES-EDE3: mbedtls_des3_set3key_dec
cipher BF bits=arg2: mbedtls_blowfish_setkey
cipher RC4 bytes=arg2: mbedtls_arc4_setup
cipher CHACHA20: mbedtls_chacha20_setkey
cipher CHACHA20-POLY1305: mbedtls_chachapoly_setkey
mac {mbedtls_cipher mbedtls_cipher_context_t(arg0)}-CMAC bits=arg2: mbedtls_cipher_cmac_starts
# mbedtls/md.h, md5.h, sha1.h, sha256.h, sha512.h, ripemd160.h
digest {mbedtls_md mbedtls_md_context_t(arg0)}: mbedtls_md_starts
digest {mbedtls_md mbedtls_md_info_t(arg0)}: mbedtls_md mbedtls_md_file
mac HMAC-{mbedtls_md mbedtls_md_context_t(arg0)}: mbedtls_md_hmac_starts
mac HMAC-{mbedtls_md mbedtls_md_info_t(arg0)}: mbedtls_md_hmac
digest MD4: mbedtls_md4 mbedtls_md4_ret mbedtls_md4_starts mbedtls_md4_starts_ret
digest MD5: mbedtls_md5 mbedtls_md5_ret mbedtls_md5_starts mbedtls_md5_starts_ret
digest RIPEMD-160: mbedtls_ripemd160 mbedtls_ripemd160_ret mbedtls_ripemd160_starts mbedtls_ripemd160_starts_ret
digest SHA1: mbedtls_sha1 mbedtls_sha1_ret mbedtls_sha1_starts mbedtls_sha1_starts_ret
digest {mbedtls_sha256 arg3}: mbedtls_sha256 mbedtls_sha256_ret
digest {mbedtls_sha256 arg1}: mbedtls_sha256_starts mbedtls_sha256_starts_ret
digest {mbedtls_sha512 arg3}: mbedtls_sha512 mbedtls_sha512_ret
digest {mbedtls_sha512 arg1}: mbedtls_sha512_starts mbedtls_sha512_starts_ret
# mbedtls/pkcs5.h, hkdf.h
derive PBKDF2-HMAC-{mbedtls_md mbedtls_md_context_t(arg0)}: mbedtls_pkcs5_pbkdf2_hmac
derive PBKDF2-HMAC-{mbedtls_md arg0}: mbedtls_pkcs5_pbkdf2_hmac_ext
derive HKDF-{mbedtls_md mbedtls_md_info_t(arg0)}: mbedtls_hkdf mbedtls_hkdf_extract mbedtls_hkdf_expand
# mbedtls/pk.h (a context's first member points to a structure that begins with the type), rsa.h, ecp.h, ecdsa.h, ecdh.h, dhm.h
sign {mbedtls_pk arg0[0][0]}[-{mbedtls_md arg1}]: mbedtls_pk_sign mbedtls_pk_sign_restartable
verify {mbedtls_pk arg0[0][0]}[-{mbedtls_md arg1}]: mbedtls_pk_verify mbedtls_pk_verify_restartable
encrypt {mbedtls_pk arg0[0][0]}: mbedtls_pk_encrypt
decrypt {mbedtls_pk arg0[0][0]}: mbedtls_pk_decrypt
key_generation RSA bits=arg3: mbedtls_rsa_gen_key
key_generation {mbedtls_curve arg0}: mbedtls_ecp_gen_key
key_generation {mbedtls_curve arg0[0]}: mbedtls_ecp_gen_keypair mbedtls_ecdh_gen_public
key_generation {mbedtls_curve arg1}: mbedtls_ecdsa_genkey
sign ECDSA: mbedtls_ecdsa_sign mbedtls_ecdsa_sign_det_ext mbedtls_ecdsa_write_signature
verify ECDSA: mbedtls_ecdsa_verify mbedtls_ecdsa_read_signature
key_agreement ECDH: mbedtls_ecdh_compute_shared
key_agreement DH: mbedtls_dhm_calc_secret
# psa/crypto.h
digest {psa arg0}: psa_hash_compute psa_hash_compare
digest {psa arg1}: psa_hash_setup
mac {psa arg1}: psa_mac_compute psa_mac_verify
mac {psa arg2}: psa_mac_sign_setup psa_mac_verify_setup
encrypt {psa arg1}: psa_cipher_encrypt psa_aead_encrypt psa_asymmetric_encrypt
decrypt {psa arg1}: psa_cipher_decrypt psa_aead_decrypt psa_asymmetric_decrypt
encrypt {psa arg2}: psa_cipher_encrypt_setup psa_aead_encrypt_setup
decrypt {psa arg2}: psa_cipher_decrypt_setup psa_aead_decrypt_setup
sign {psa arg1}: psa_sign_message psa_sign_hash
verify {psa arg1}: psa_verify_message psa_verify_hash
key_agreement {psa arg0}: psa_raw_key_agreement
derive {psa arg1}: psa_key_derivation_setup
key_generation {psa_key arg0[0]}: psa_generate_key
"""

# As GCC compiles it, and by the pointers of library/cipher_wrap.c and pk_wrap.c
_TAIL_CALLS = """
mbedtls_aes_setkey_dec <- mbedtls_aes_xts_setkey_dec mbedtls_cipher_setkey
mbedtls_aes_setkey_enc <- mbedtls_aes_xts_setkey_enc mbedtls_cipher_setkey
mbedtls_chacha20_setkey <- mbedtls_chachapoly_setkey mbedtls_cipher_setkey
mbedtls_cipher_setkey <- mbedtls_ccm_setkey
mbedtls_ecp_gen_keypair <- mbedtls_ecdsa_genkey mbedtls_ecp_gen_key
mbedtls_md4_ret <- mbedtls_md mbedtls_md4
mbedtls_md4_starts_ret <- mbedtls_md4_starts mbedtls_md_starts
mbedtls_md5_ret <- mbedtls_md mbedtls_md5
mbedtls_md5_starts_ret <- mbedtls_md5_starts mbedtls_md_starts
mbedtls_ripemd160_ret <- mbedtls_md mbedtls_ripemd160
mbedtls_ripemd160_starts_ret <- mbedtls_md_starts mbedtls_ripemd160_starts
mbedtls_sha1_ret <- mbedtls_md mbedtls_sha1
mbedtls_sha1_starts_ret <- mbedtls_md_starts mbedtls_sha1_starts
mbedtls_sha256_ret <- mbedtls_md mbedtls_sha256
mbedtls_sha256_starts_ret <- mbedtls_md_starts mbedtls_sha256_starts
mbedtls_sha512_ret <- mbedtls_md mbedtls_sha512
mbedtls_sha512_starts_ret <- mbedtls_md_starts mbedtls_sha512_starts
mbedtls_aes_xts_setkey_enc <- mbedtls_cipher_setkey
mbedtls_aes_xts_setkey_dec <- mbedtls_cipher_setkey
mbedtls_gcm_setkey <- mbedtls_cipher_setkey
mbedtls_ccm_setkey <- mbedtls_cipher_setkey
mbedtls_camellia_setkey_enc <- mbedtls_cipher_setkey
mbedtls_camellia_setkey_dec <- mbedtls_cipher_setkey
mbedtls_aria_setkey_enc <- mbedtls_cipher_setkey
mbedtls_aria_setkey_dec <- mbedtls_cipher_setkey
mbedtls_des_setkey_enc <- mbedtls_cipher_setkey
mbedtls_des_setkey_dec <- mbedtls_cipher_setkey
mbedtls_des3_set2key_enc <- mbedtls_cipher_setkey
mbedtls_des3_set2key_dec <- mbedtls_cipher_setkey
mbedtls_des3_set3key_enc <- mbedtls_cipher_setkey
mbedtls_des3_set3key_dec <- mbedtls_cipher_setkey
mbedtls_blowfish_setkey <- mbedtls_cipher_setkey
mbedtls_arc4_setup <- mbedtls_cipher_setkey
mbedtls_chachapoly_setkey <- mbedtls_cipher_setkey
mbedtls_pk_sign_restartable <- mbedtls_pk_sign
mbedtls_pk_verify_restartable <- mbedtls_pk_verify
mbedtls_ecdsa_write_signature <- mbedtls_pk_sign mbedtls_pk_sign_restartable
mbedtls_ecdsa_read_signature <- mbedtls_pk_verify mbedtls_pk_verify_restartable
"""


def _psa(algorithm):
    """PSA_ALG_*: some are a base with a hash in the low byte."""
    if algorithm >> 24 == 2:
        return known(_ALGORITHMS, "psa_hash", algorithm & 0xFF)
    if algorithm >> 24 == 9:
        return known(_ALGORITHMS, "psa_base", algorithm & 0xFFFF0000)  # agreement alone, or with a derivation in the low half
    base = algorithm & (0xFFC0FFFF if algorithm >> 24 in (3, 5) else 0xFFFFFFFF)  # without the length of the tag
    if algorithm >> 24 == 5:
        base &= 0xFFC07FFF
    name = known(_ALGORITHMS, "psa_base", base, unknown=None)
    if name is not None:
        return name
    name = known(_ALGORITHMS, "psa_base", base & 0xFFFFFF00, unknown=None)
    return "%s-%s" % (name, known(_ALGORITHMS, "psa_hash", base & 0xFF)) if name else "psa %#010x" % algorithm


def _psa_key(number):
    """psa_key_attributes_t: type and size, 16 bits each."""
    kind = number & 0xFFFF
    return {0x71: "EC", 0x72: "DH"}.get(kind >> 8) or known(_ALGORITHMS, "psa_type", kind)


# mbedtls/cipher.h of 2.28: mbedtls_cipher_type_t, mbedtls_cipher_id_t; md.h of 2.28 and of 3.6: mbedtls_md_type_t; pk.h: mbedtls_pk_type_t;
# ecp.h: mbedtls_ecp_group_id.
# psa/crypto_values.h: the low byte of PSA_ALG_* of hashes; algorithms without their hash and tag length; key types without the bits that
# distinguish key pairs from public keys.
_ALGORITHMS = {
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
    "mbedtls_sha256": lambda is224: "SHA224" if is224 else "SHA256",
    "mbedtls_sha512": lambda is384: "SHA384" if is384 else "SHA512",
    "psa_hash": """1 MD2 2 MD4 3 MD5 4 RIPEMD-160 5 SHA1 8 SHA224 9 SHA256 10 SHA384 11 SHA512 12 SHA512-224 13 SHA512-256 16 SHA3-224 17 SHA3-256
        18 SHA3-384 19 SHA3-512 21 SHAKE256""",
    "psa_base": """0x03800000 HMAC 0x03c00100 CBC-MAC 0x03c00200 CMAC 0x04800100 STREAM 0x04c01000 CTR 0x04c01100 CFB 0x04c01200 OFB 0x0440ff00 XTS
        0x04404400 ECB 0x04404000 CBC 0x04404100 CBC 0x05400100 CCM 0x05400200 GCM 0x05000500 CHACHA20-POLY1305 0x06000200 RSA 0x06000300 RSA-PSS
        0x06001300 RSA-PSS 0x06000600 ECDSA 0x06000700 ECDSA 0x06000800 EDDSA 0x06000900 EDDSA 0x07000200 RSA 0x07000300 RSA-OAEP 0x08000100 HKDF
        0x08000200 TLS12-PRF 0x08000300 TLS12-PSK-TO-MS 0x09010000 DH 0x09020000 ECDH""",
    "psa_type": """0x1001 RAW 0x1100 HMAC 0x1200 DERIVE 0x2400 AES 0x2406 ARIA 0x2301 DES 0x2403 CAMELLIA 0x2002 RC4 0x2004 CHACHA20 0x7001 RSA""",
    "psa": _psa,
    "psa_key": _psa_key,
}

_TABLES_OF_3 = {"mbedtls_md": "mbedtls3_md"}

_MD_CONTEXT, _MD_INFO, _CIPHER_CONTEXT = "mbedtls_md_context_t", "mbedtls_md_info_t", "mbedtls_cipher_context_t"
# Releases from (major, minor) to (major, minor) -> their structures: md_wrap.h, cipher.h
_STRUCTURES = {
    ((2, 7), (2, 16)): {_MD_CONTEXT: (FIRST_FIELD, 0), _MD_INFO: (FIELD, 0), _CIPHER_CONTEXT: (FIRST_FIELD, 0)},
    # mbedtls_md_info_t: name, type
    ((2, 28), (2, 28)): {_MD_CONTEXT: (FIRST_FIELD, 8), _MD_INFO: (FIELD, 8), _CIPHER_CONTEXT: (FIRST_FIELD, 0)},
    # mbedtls_cipher_info_t: name
    ((3, 6), (3, 6)): {_MD_CONTEXT: (FIRST_FIELD, 0), _MD_INFO: (FIELD, 0), _CIPHER_CONTEXT: (FIRST_FIELD_TEXT, 0)},
}
# Of other releases no algorithm is better than a wrong one.
_UNKNOWN = dict.fromkeys((_MD_CONTEXT, _MD_INFO, _CIPHER_CONTEXT), (NONE, 0))


def _version(elf):
    """``(major, minor)`` of the release in an ElfFile, or None."""
    version = catalogue.version_of(elf, catalogue.recognise(b"/libmbedcrypto.so"))
    return tuple(map(int, version.split(".")[:2])) if version else None


def _release(elf):
    version = _version(elf)
    return Release(next((structures for (first, last), structures in _STRUCTURES.items() if version and first <= version <= last), _UNKNOWN))


def _variant(elf):
    return MBEDTLS_3 if (_version(elf) or (3, 0)) >= (3, 0) else MBEDTLS_2


MBEDTLS_2 = Family("Mbed TLS", ("libmbedcrypto",), functions(_FUNCTIONS), tail_calls(_TAIL_CALLS), _ALGORITHMS, _release, _variant)
# In 3.0 the numbers of digests changed.
MBEDTLS_3 = MBEDTLS_2._replace(name="Mbed TLS 3", libraries=(), functions=tuple(
    function._replace(table=_TABLES_OF_3.get(function.table, function.table), digest_table=_TABLES_OF_3.get(function.digest_table, function.digest_table))
    for function in MBEDTLS_2.functions))

FAMILIES = (MBEDTLS_2, MBEDTLS_3)
