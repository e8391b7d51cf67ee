# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that blocks: ``tls_client.py PORT HOST_NAME``."""

import sys

from tls_ends import client_context, connect, say

with client_context().wrap_socket(connect(sys.argv[1]), server_hostname=sys.argv[2]) as tls:
    tls.sendall(b"hello")
    say(tls)
