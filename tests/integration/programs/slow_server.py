# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection: reads SIZE bytes, says so, and answers when a line comes: ``slow_server.py ADDRESS PORT SIZE ANSWER_IN_HEX``."""

import socket
import sys

with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    print("ready", flush=True)
    connection = listener.accept()[0]
    size = int(sys.argv[3])
    while size:
        size -= len(connection.recv(size))
    print("asked", flush=True)
    sys.stdin.readline()
    connection.sendall(bytes.fromhex(sys.argv[4]))
    sys.stdin.readline()
