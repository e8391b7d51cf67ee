# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of GnuTLS, so often that its counts can be checked: ``gnutls_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import DATA, IV, KEY, OUT, P, Z, ok, ref, times


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


def datum(data):
    return ref(Datum(data, len(data)))


def key(algorithm, bits):
    made = P()
    ok("gnutls_privkey_init", ref(made))
    ok("gnutls_privkey_generate", made, algorithm, bits, 0)
    return made


def digests():
    times(1000, "gnutls_hash_fast", 6, DATA, Z(32), OUT)
    times(500, "gnutls_hash_init", ref(P()), 8)


def many_digests():
    times(600000, "gnutls_hash_fast", 6, b"abc", Z(3), OUT)


def macs():
    times(1000, "gnutls_hmac_fast", 3, KEY, Z(20), DATA, Z(32), OUT)
    times(10, "gnutls_hmac_init", ref(P()), 7, KEY, Z(20))


def ciphers():
    handle = P()
    times(1000, "gnutls_aead_cipher_init", ref(handle), 11, datum(KEY[:32]))
    times(7, "gnutls_cipher_init", ref(handle), 4, datum(KEY[:16]), datum(IV[:16]))
    times(2, "gnutls_aead_cipher_init", ref(handle), 23, datum(KEY[:32]))


def derivation():
    times(100, "gnutls_pbkdf2", 6, datum(KEY), datum(IV), 1, OUT, Z(32))
    times(3, "gnutls_hkdf_extract", 6, datum(KEY), datum(IV), OUT)


def signatures():
    private, signature, public = key(4, 256), Datum(), P()
    times(100, "gnutls_privkey_sign_data", private, 6, 0, datum(DATA), ref(signature))
    times(50, "gnutls_privkey_sign_data2", private, 15, 0, datum(DATA), ref(signature))
    ok("gnutls_pubkey_init", ref(public))
    ok("gnutls_pubkey_import_privkey", public, private, 0, 0)
    times(20, "gnutls_pubkey_verify_data2", public, 15, 0, datum(DATA), ref(signature))
    key(7, 256)
    key(1, 2048)
    times(5, "gnutls_privkey_sign_data2", key(7, 256), 35, 0, datum(DATA), ref(signature))


def sessions():
    times(30, "gnutls_init", ref(P()), 2)
    times(10, "gnutls_init", ref(P()), 2 | 4)


globals()[sys.argv[2]]()
