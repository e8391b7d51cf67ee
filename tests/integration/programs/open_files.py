# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens each path with each of some flags: ``open_files.py O_RDONLY,O_RDWR|O_SYNC PATH...``."""

import os
import sys

for path in sys.argv[2:]:
    for names in sys.argv[1].split(","):
        flags = 0
        for name in names.split("|"):
            flags |= getattr(os, name)
        os.close(os.open(path, flags))
