# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens each file of its folders once, spread over some seconds: ``open_spread.py SECONDS FOLDER...``."""

import os
import sys
import time

names = [os.path.join(folder, name) for folder in sys.argv[2:] for name in sorted(os.listdir(folder))]
for name in names:
    os.close(os.open(name, os.O_RDONLY))
    time.sleep(float(sys.argv[1]) / len(names))
