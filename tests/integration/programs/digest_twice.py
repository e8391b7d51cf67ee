# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the libcrypto that LD_LIBRARY_PATH leads to, says so, and uses it once more after a line came."""

import hashlib

hashlib.sha256(b"before").digest()
print("loaded")
input()
hashlib.sha256(b"after").digest()
