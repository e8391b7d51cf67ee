# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for NUMBER digests that there are none of, each by another name, after a line came: ``digest_name_flood.py LIBCRYPTO NUMBER``."""

import ctypes
import sys

crypto = ctypes.CDLL(sys.argv[1])
print("ready")
input()
for number in range(int(sys.argv[2])):
    crypto.EVP_Q_digest(None, b"FLOOD-%d" % number, None, b"", ctypes.c_size_t(0), None, None)
    crypto.ERR_clear_error()
print("done")
input()
