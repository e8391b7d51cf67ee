# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of a server that does not answer: ``tls_unanswered_client.py PORT``. Prints when it is connected, and the error."""

import ssl
import sys

from tls_ends import connect

context = ssl.create_default_context()
sock = connect(sys.argv[1])
print("connected")
try:
    context.wrap_socket(sock, server_hostname="silent.example")
except OSError as error:
    print(error)
input()
