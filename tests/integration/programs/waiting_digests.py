# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has libgcrypt and libgnutls mapped; makes NUMBER digests of libgcrypt after a line came: ``waiting_digests.py NUMBER``."""

import ctypes
import sys

gcrypt, gnutls = ctypes.CDLL("libgcrypt.so.20"), ctypes.CDLL("libgnutls.so.30")
gcrypt.gcry_check_version(None)
print("there", flush=True)
input()
digest = ctypes.create_string_buffer(32)
for _each in range(int(sys.argv[1])):
    gcrypt.gcry_md_hash_buffer(8, digest, b"abc", ctypes.c_size_t(3))
