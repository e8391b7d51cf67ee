# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Full handshakes one after the other; prints how many it made: ``tls_many_handshakes.py PORT NUMBER SECONDS_BETWEEN HOST_NAME``."""

import sys
import time

from tls_ends import client_context, connect

context = client_context()
made, begin = 0, time.monotonic()
for number in range(int(sys.argv[2])):
    time.sleep(max(0, begin + number * float(sys.argv[3]) - time.monotonic()))
    with context.wrap_socket(connect(sys.argv[1]), server_hostname=sys.argv[4]) as tls:
        made += 1
print(made)
