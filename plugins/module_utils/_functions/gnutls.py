# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probed functions of GnuTLS. The notation is that of _functions/family.py.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .family import Family, functions, tail_calls

_FUNCTIONS = """
# gnutls/crypto.h
cipher {gnutls_cipher arg1}: gnutls_cipher_init gnutls_aead_cipher_init
digest {gnutls_mac arg1}: gnutls_hash_init
digest {gnutls_mac arg0}: gnutls_hash_fast
mac HMAC-{gnutls_mac arg1}: gnutls_hmac_init
mac HMAC-{gnutls_mac arg0}: gnutls_hmac_fast
derive HKDF-{gnutls_mac arg0}: gnutls_hkdf_extract gnutls_hkdf_expand
derive PBKDF2-HMAC-{gnutls_mac arg0}: gnutls_pbkdf2
# gnutls/abstract.h; a private key (lib/abstract_int.h, struct gnutls_privkey_st) has the number of its algorithm at 4
sign {gnutls_pk arg0[4]}[-{gnutls_mac arg1}]: gnutls_privkey_sign_data gnutls_privkey_sign_hash
sign {gnutls_sign arg1}: gnutls_privkey_sign_data2 gnutls_privkey_sign_hash2
verify {gnutls_sign arg1}: gnutls_pubkey_verify_data2 gnutls_pubkey_verify_hash2
encrypt RSA: gnutls_pubkey_encrypt_data
decrypt {gnutls_pk arg0[4]}: gnutls_privkey_decrypt_data gnutls_privkey_decrypt_data2
key_agreement {gnutls_pk arg0[4]}: gnutls_privkey_derive_secret
key_generation {gnutls_pk arg1} bits=arg2: gnutls_privkey_generate gnutls_privkey_generate2
sign {gnutls_pk arg2[4]}[-{gnutls_mac arg3}]: gnutls_x509_crt_privkey_sign gnutls_x509_crl_privkey_sign
sign {gnutls_pk arg1[4]}[-{gnutls_mac arg2}]: gnutls_x509_crq_privkey_sign
# gnutls/x509.h, gnutls/pkcs7.h
key_generation {gnutls_pk arg1} bits=arg2: gnutls_x509_privkey_generate gnutls_x509_privkey_generate2
sign {gnutls_pk arg2[4]}: gnutls_pkcs7_sign
# gnutls/gnutls.h
tls_context {gnutls_init arg1}: gnutls_init
"""

_TAIL_CALLS = """
gnutls_privkey_generate2 <- gnutls_privkey_generate
gnutls_x509_privkey_generate2 <- gnutls_x509_privkey_generate
"""

# gnutls/gnutls.h of 3.8: enum gnutls_cipher_algorithm, gnutls_mac_algorithm_t (gnutls_digest_algorithm_t has the same numbers),
# gnutls_pk_algorithm_t, gnutls_sign_algorithm_t; flags of gnutls_init()
_ALGORITHMS = {
    "gnutls_cipher": """1 NULL 2 RC4 3 DES-EDE3-CBC 4 AES-128-CBC 5 AES-256-CBC 6 RC4-40 7 CAMELLIA-128-CBC 8 CAMELLIA-256-CBC 9 AES-192-CBC
        10 AES-128-GCM 11 AES-256-GCM 12 CAMELLIA-192-CBC 13 SALSA20 14 ESTREAM-SALSA20 15 CAMELLIA-128-GCM 16 CAMELLIA-256-GCM 17 RC2-40-CBC
        18 DES-CBC 19 AES-128-CCM 20 AES-256-CCM 21 AES-128-CCM-8 22 AES-256-CCM-8 23 CHACHA20-POLY1305 24 GOST28147-TC26Z-CFB
        25 GOST28147-CPA-CFB 26 GOST28147-CPB-CFB 27 GOST28147-CPC-CFB 28 GOST28147-CPD-CFB 29 AES-128-CFB8 30 AES-192-CFB8 31 AES-256-CFB8
        32 AES-128-XTS 33 AES-256-XTS 34 GOST28147-TC26Z-CNT 35 CHACHA20-64 36 CHACHA20-32 37 AES-128-SIV 38 AES-256-SIV 39 AES-192-GCM
        40 MAGMA-CTR-ACPKM 41 KUZNYECHIK-CTR-ACPKM""",
    "gnutls_mac": """1 NULL 2 MD5 3 SHA1 4 RIPEMD-160 5 MD2 6 SHA256 7 SHA384 8 SHA512 9 SHA224 10 SHA3-224 11 SHA3-256 12 SHA3-384 13 SHA3-512
        14 MD5-SHA1 15 GOSTR341194 16 STREEBOG-256 17 STREEBOG-512 201 UMAC-96 202 UMAC-128 203 AES-CMAC-128 204 AES-CMAC-256 205 AES-GMAC-128
        206 AES-GMAC-192 207 AES-GMAC-256 208 GOST28147-TC26Z-IMIT 209 SHAKE128 210 SHAKE256 211 MAGMA-OMAC 212 KUZNYECHIK-OMAC""",
    "gnutls_pk": """1 RSA 2 DSA 3 DH 4 EC 5 X25519 6 RSA-PSS 7 ED25519 8 GOST2001 9 GOST2012-256 10 GOST2012-512 11 X448 12 ED448""",
    "gnutls_sign": """1 RSA-SHA1 2 DSA-SHA1 3 RSA-MD5 4 RSA-MD2 5 RSA-RIPEMD-160 6 RSA-SHA256 7 RSA-SHA384 8 RSA-SHA512 9 RSA-SHA224
        10 DSA-SHA224 11 DSA-SHA256 12 EC-SHA1 13 EC-SHA224 14 EC-SHA256 15 EC-SHA384 16 EC-SHA512 17 DSA-SHA384 18 DSA-SHA512
        20 EC-SHA3-224 21 EC-SHA3-256 22 EC-SHA3-384 23 EC-SHA3-512 24 DSA-SHA3-224 25 DSA-SHA3-256 26 DSA-SHA3-384 27 DSA-SHA3-512
        28 RSA-SHA3-224 29 RSA-SHA3-256 30 RSA-SHA3-384 31 RSA-SHA3-512 32 RSA-PSS-SHA256 33 RSA-PSS-SHA384 34 RSA-PSS-SHA512 35 ED25519
        36 RSA 37 EC-SHA256 38 EC-SHA384 39 EC-SHA512 40 RSA-PSS-SHA256 41 RSA-PSS-SHA384 42 RSA-PSS-SHA512 43 GOST2001 44 GOST2012-256
        45 GOST2012-512 46 ED448""",
    "gnutls_init": lambda flags: "DTLS" if flags & 4 else "TLS",  # GNUTLS_DATAGRAM
}

FAMILIES = (Family("GnuTLS", ("libgnutls",), functions(_FUNCTIONS), tail_calls(_TAIL_CALLS), _ALGORITHMS),)
