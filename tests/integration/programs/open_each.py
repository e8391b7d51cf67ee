# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens each file of a folder so often, after a line came: ``open_each.py FOLDER TIMES``."""

import os
import sys

print("ready")
input()
for name in os.listdir(sys.argv[1]):
    for _count in range(int(sys.argv[2])):
        os.close(os.open(os.path.join(sys.argv[1], name), os.O_RDONLY))
print("done")
input()
