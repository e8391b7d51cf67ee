# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the library of each line, a path in hex, in that library's folder where the path is not too long for it."""

import ctypes
import os
import sys

for line in sys.stdin:
    path = bytes.fromhex(line)
    os.chdir(os.path.dirname(path) if len(path) < 4000 else "/")
    ctypes.CDLL(os.fsdecode(path))
    print(flush=True)
