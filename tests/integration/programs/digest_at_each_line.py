# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One digest now, and one more for each line that comes; a line is printed after each."""

import hashlib

while True:
    hashlib.new("sha256", b"x")
    print(flush=True)
    input()
