# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initialises a cipher and a digest of the system's libcrypto, each so often: ``repeated_inits.py CIPHERS DIGESTS``.

A call by ctypes takes about a microsecond, so these come faster than any server makes them.
"""

import ctypes
import sys

crypto = ctypes.CDLL("libcrypto.so.3")
P = ctypes.c_void_p
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_MD_CTX_new", "EVP_sha256"):
    getattr(crypto, name).restype = P
cipher, digest = P(crypto.EVP_CIPHER_CTX_new()), P(crypto.EVP_MD_CTX_new())
aes, sha = P(crypto.EVP_aes_256_gcm()), P(crypto.EVP_sha256())
for _each in range(int(sys.argv[1])):
    assert crypto.EVP_EncryptInit_ex(cipher, aes, None, None, None) == 1
for _each in range(int(sys.argv[2])):
    assert crypto.EVP_DigestInit_ex(digest, sha, None) == 1
