# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a tap on the wire until it is killed."""

import time

from ansible_collections.cryptofleet.audit.tests.integration.support.wire import tap

with tap():
    print("on", flush=True)
    time.sleep(60)
