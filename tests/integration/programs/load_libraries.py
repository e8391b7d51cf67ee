# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads each library that it is given the path of."""

import ctypes
import sys

for path in sys.argv[1:]:
    ctypes.CDLL(path)
