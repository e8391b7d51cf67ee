# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads as fast as data comes, until a line comes on standard input; prints how many bytes: ``tls_bulk_client.py PORT``."""

import sys
import threading

from tls_ends import client_context, connect

tls = client_context().wrap_socket(connect(sys.argv[1]), server_hostname="bulk.example")
total, over = 0, []
print("connected", flush=True)
threading.Thread(target=lambda: over.append(input()), daemon=True).start()
while not over:
    total += len(tls.recv(262144))
print(total, flush=True)
tls.close()
