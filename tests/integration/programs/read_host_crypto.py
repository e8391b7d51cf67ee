# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints host_crypto as JSON; then waits for the end of its input, so that its memory can be searched."""

import json
import sys

from ansible_collections.cryptofleet.audit.plugins.module_utils._host.host_crypto import read_host_crypto

print(json.dumps(read_host_crypto()), flush=True)
sys.stdin.read()
