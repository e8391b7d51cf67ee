# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of libgcrypt, so often that its counts can be checked: ``gcrypt_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import DATA, IV, KEY, OUT, P, Z, f, ok, ref, times


def sexp(text):
    made = P()
    ok("gcry_sexp_new", ref(made), text, Z(len(text)), 1)
    return made


def keys(parameters):
    made = P()
    ok("gcry_pk_genkey", ref(made), sexp(parameters))
    return f("gcry_sexp_find_token", made, b"private-key", Z(0)), f("gcry_sexp_find_token", made, b"public-key", Z(0))


def digests():
    handle = P()
    times(1000, "gcry_md_hash_buffer", 8, OUT, DATA, Z(32))
    times(300, "gcry_md_open", ref(handle), 10, 0)
    times(200, "gcry_md_open", ref(handle), 2, 2)
    ok("gcry_md_open", ref(handle), 8, 0)
    times(4, "gcry_md_enable", handle, 1)


def ciphers():
    handle = P()
    times(1000, "gcry_cipher_open", ref(handle), 9, 9, 0)
    times(10, "gcry_cipher_open", ref(handle), 2, 3, 0)
    times(5, "gcry_mac_open", ref(handle), 201, 0, None)


def derivation():
    times(100, "gcry_kdf_derive", KEY, Z(8), 34, 8, IV, Z(8), ctypes.c_ulong(1), Z(32), OUT)


def rsa():
    private, public = keys(b"(genkey(rsa(nbits 4:2048)))")
    signature, data = P(), sexp(b"(data(flags pkcs1)(hash sha256 #%s#))" % (b"61" * 32))
    times(20, "gcry_pk_sign", ref(signature), data, private)
    times(30, "gcry_pk_verify", signature, data, public)
    enciphered, plain = P(), P()
    times(7, "gcry_pk_encrypt", ref(enciphered), sexp(b"(data(flags oaep)(value 3:abc))"), public)
    times(3, "gcry_pk_decrypt", ref(plain), enciphered, private)


def ec():
    private, public = keys(b'(genkey(ecc(curve "NIST P-256")))')
    signature, data = P(), sexp(b"(data(flags raw)(value #%s#))" % (b"61" * 32))
    times(10, "gcry_pk_sign", ref(signature), data, private)
    times(11, "gcry_pk_verify", signature, data, public)


f("gcry_check_version", None)
globals()[sys.argv[2]]()
