# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers a TLS client's hello in plain text. Prints its port."""

import socket

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1])
sock, _peer = listener.accept()
sock.recv(4096)
sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
input()
