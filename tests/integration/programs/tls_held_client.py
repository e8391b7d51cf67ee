# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a connection until a line comes; prints its version: ``tls_held_client.py ADDRESS PORT``."""

import socket
import sys

from tls_ends import client_context

held = client_context().wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))))
print(held.version())
sys.stdin.readline()
