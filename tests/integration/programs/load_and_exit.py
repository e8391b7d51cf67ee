# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Map a copy of a library whose name says nothing, and exit: ``load_and_exit.py LIBRARY``, or ``LIBRARY memory`` from a file in memory."""

import ctypes
import os
import sys

path = sys.argv[1]
if sys.argv[2:] == ["memory"]:
    fd = os.memfd_create("copy")
    with open(path, "rb") as stream:
        os.write(fd, stream.read())
    path = "/proc/self/fd/%d" % fd
ctypes.CDLL(path)
