# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of wolfSSL, so often that its counts can be checked: ``wolfssl_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import CTX, DATA, IV, KEY, OUT, ok, ref, times


def ciphers():
    times(1000, "wc_AesSetKey", CTX, KEY, 32, IV, 0)
    times(500, "wc_AesSetKey", CTX, KEY, 16, IV, 1)
    times(20, "wc_AesGcmSetKey", CTX, KEY, 24)


def digests():
    times(1000, "wc_InitSha256", CTX)
    times(300, "wc_Hash", 8, DATA, 32, OUT, 64)
    ok("wc_HmacInit", CTX, None, -2)
    times(200, "wc_HmacSetKey", CTX, 6, KEY, 32)
    times(30, "wc_PBKDF2", OUT, KEY, 8, IV, 8, 1, 32, 6)
    times(4, "wc_Sha384Hash", DATA, 32, OUT)


def keys():
    random, key = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(32768)
    ok("wc_InitRng", random)
    ok("wc_ecc_init", key)
    times(3, "wc_ecc_make_key", random, 32, key)
    size = ctypes.c_uint(256)
    for _count in range(50):
        size.value = 256
        ok("wc_ecc_sign_hash", DATA, 32, OUT, ref(size), random, key)


globals()[sys.argv[2]]()
