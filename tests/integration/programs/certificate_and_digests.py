# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the certificate that it is given, and makes seven digests."""

import hashlib
import ssl
import sys

context = ssl.create_default_context()
context.load_verify_locations(sys.argv[1])
for number in range(7):
    hashlib.sha384(b"x" * number)
