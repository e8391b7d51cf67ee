# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the files of a folder over and over, from another one on in each of several processes.

``open_storm.py FOLDER NUMBER PROCESSES SECONDS OPENS``: for so many seconds, and until so many opens are made. Prints how many were made
and the CPU time they took.
"""

import itertools
import os
import sys
import time

folder = sys.argv[1]
number, processes, seconds, least = map(int, sys.argv[2:])
names = [os.path.join(folder, name) for name in os.listdir(folder)]
if len(names) <= 500:
    names *= 100
start = number * len(names) // processes
names = names[start:] + names[:start]
print("ready")
input()
opened, end = 0, time.monotonic() + seconds
while time.monotonic() < end or opened < least:
    first = opened % len(names)
    batch = names[first:first + 500]
    for fd in map(os.open, batch, itertools.repeat(os.O_RDONLY)):
        os.close(fd)
    opened += len(batch)
print(opened, sum(os.times()[:2]))
