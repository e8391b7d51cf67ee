# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes down the path of the first line, part by part, as it may be longer than a path can be; then loads a library, or executes a program, there.

``in_deep_folder.py load|execute NAME``
"""

import ctypes
import os
import sys

what, name = sys.argv[1:]
for part in sys.stdin.readline().strip().split("/"):
    if part:
        os.chdir(part)
if what == "load":
    ctypes.CDLL("./" + name)
    print(flush=True)
    input()
else:
    os.chmod(name, 0o755)
    print(flush=True)
    os.execv(name, [name, "600"])
