# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call each function of large_library.c one to five times, when a line comes: ``large_library_calls.py LIBRARY``."""

import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])
print("there", flush=True)
input()
for number in range(300):
    for _each in range(number % 5 + 1):
        getattr(library, "f%03d" % number)(1)
for _each in range(7):
    library.jumping(1)
print("done", flush=True)
input()
