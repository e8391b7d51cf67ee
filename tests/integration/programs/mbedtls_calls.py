# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of Mbed TLS, so often that its counts can be checked: ``mbedtls_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import CTX, DATA, KEY, OUT, SIZE, P, Z, f, ok, ref, times


def cipher(number):
    context = ctypes.create_string_buffer(4096)
    f("mbedtls_cipher_init", context)
    ok("mbedtls_cipher_setup", context, P(f("mbedtls_cipher_info_from_type", number)))
    return context


def md(number):
    return P(f("mbedtls_md_info_from_type", number))


def md_context(number):
    context = ctypes.create_string_buffer(4096)
    f("mbedtls_md_init", context)
    ok("mbedtls_md_setup", context, md(number), 1)
    return context


def ciphers():
    times(1000, "mbedtls_cipher_setkey", cipher(7), KEY, 256, 1)
    times(400, "mbedtls_cipher_setkey", cipher(14), KEY, 128, 0)
    times(30, "mbedtls_aes_setkey_enc", CTX, KEY, 192)
    f("mbedtls_gcm_init", CTX)
    times(7, "mbedtls_gcm_setkey", CTX, 2, KEY, 256)


def digests():
    times(1000, "mbedtls_md", md(6), DATA, Z(32), OUT)
    times(500, "mbedtls_md_starts", md_context(8))
    times(300, "mbedtls_md_hmac_starts", md_context(4), KEY, Z(20))
    times(200, "mbedtls_md_hmac", md(6), KEY, Z(20), DATA, Z(32), OUT)
    times(90, "mbedtls_sha256_ret", DATA, Z(32), OUT, 1)


def psa():
    ok("psa_crypto_init")
    times(1000, "psa_hash_compute", 0x02000009, DATA, Z(32), OUT, Z(64), ref(SIZE))


globals()[sys.argv[2]]()
