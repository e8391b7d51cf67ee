# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a path so often and then ends: ``open_times.py PATH TIMES [kill | PROGRAM ARGUMENT...]``.

It ends with exit code 3 where the file is missing, else with 0, by SIGKILL, or as the program that it executes.
"""

import os
import signal
import sys

path, times, *then = sys.argv[1:]
for _each in range(int(times)):
    try:
        open(path, "rb").close()
    except FileNotFoundError:
        sys.exit(3)
if then == ["kill"]:
    os.kill(os.getpid(), signal.SIGKILL)
elif then:
    os.execv(then[0], [os.path.basename(then[0]), *then[1:]])
