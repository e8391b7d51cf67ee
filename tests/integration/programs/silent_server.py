# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a client's hello and closes the connection when a line comes, without an answer. Prints its port."""

import socket

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1])
sock, _peer = listener.accept()
sock.recv(4096)
input()
sock.close()
input()
