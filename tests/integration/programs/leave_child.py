# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends after a line came and leaves a child behind, which ends at the next line, or at the end of the input, with exit code 3."""

import os
import sys

input()
if os.fork() == 0:
    os.setsid()
    sys.stdin.readline()
    os._exit(3)
os._exit(0)
