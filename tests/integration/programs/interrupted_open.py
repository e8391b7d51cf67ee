# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a pipe that has no writer, after a line came; a signal ends it a second later."""

import os
import signal
import sys

signal.signal(signal.SIGALRM, lambda *_unused: os._exit(0))
sys.stdin.readline()
signal.alarm(1)
os.open(sys.argv[1], os.O_RDONLY)
