# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens what each line says: FOLDER NAME TIMES FLAGS, the first two in hex. A folder is gone to part by part, so its path may be of any length."""

import os
import sys

for line in sys.stdin:
    folder, name, times, flags = line.split()
    os.chdir("/")
    for part in bytes.fromhex(folder).split(b"/"):
        if part:
            os.chdir(part)
    for _number in range(int(times)):
        try:
            os.close(os.open(bytes.fromhex(name), int(flags)))
        except OSError:
            pass
    print(flush=True)
