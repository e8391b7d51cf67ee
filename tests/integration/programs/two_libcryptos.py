# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of two copies of libcrypto in one process, in different numbers: ``two_libcryptos.py FIRST SECOND``."""

import ctypes
import sys


def digest(path, name, number):
    crypto = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
    for symbol in ("EVP_MD_CTX_new", name):
        getattr(crypto, symbol).restype = ctypes.c_void_p
    context = ctypes.c_void_p(crypto.EVP_MD_CTX_new())
    for _count in range(number):
        assert crypto.EVP_DigestInit_ex(context, ctypes.c_void_p(getattr(crypto, name)()), None) == 1


digest(sys.argv[1], "EVP_sha256", 31)
digest(sys.argv[2], "EVP_sha512", 17)
