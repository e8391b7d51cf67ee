# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of Nettle, so often that its counts can be checked: ``nettle_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import sys

from calls import CTX, KEY, OUT, P, Z, calls, lib, ref


def keys():
    calls(1000, "nettle_aes256_set_encrypt_key", CTX, KEY)
    calls(6, "nettle_aes128_set_decrypt_key", CTX, KEY)
    calls(5, "nettle_gcm_aes128_set_key", CTX, KEY)


def digests():
    calls(1, "nettle_sha3_256_init", CTX)
    calls(1000, "nettle_sha3_256_digest", CTX, Z(32), OUT)
    calls(40, "nettle_hmac_sha256_set_key", CTX, Z(20), KEY)
    sha384 = P.in_dll(lib, "nettle_sha384")
    calls(8, "nettle_hmac_set_key", OUT, CTX, ref(CTX, 8192), ref(sha384), Z(20), KEY)


globals()[sys.argv[2]]()
