# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds both ends of a connection to itself, without TLS: ``held_connection.py ADDRESS PORT``."""

import socket
import sys

address = sys.argv[1], int(sys.argv[2])
with socket.create_server(address) as listener, socket.create_connection(address), listener.accept()[0]:
    print("connected")
    sys.stdin.readline()
