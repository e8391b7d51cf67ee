# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads ssl, and the default certificates after a line came; then ends: ``end_after_use.py exit|kill|abort``."""

import os
import signal
import ssl
import sys

input()
ssl.create_default_context()
if sys.argv[1] == "exit":
    os._exit(7)
elif sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
os.abort()
