# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several digests and opens of a file, each so often: ``digests_and_opens.py PATH OPENS ROUNDS ALGORITHM...``."""

import hashlib
import os
import sys

path, opens, rounds, *algorithms = sys.argv[1:]
for _round in range(int(rounds)):
    for name in algorithms:
        hashlib.new(name, b"x")
for _round in range(int(opens)):
    os.close(os.open(path, os.O_RDONLY))
