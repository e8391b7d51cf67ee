# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that makes a handshake, sends and reads only after a line came for each: ``tls_waiting_server.py CERTIFICATE KEY``."""

import sys

from tls_ends import listen, say, server_context

context = server_context(*sys.argv[1:3])
sock, _peer = listen().accept()
input()
with context.wrap_socket(sock, server_side=True) as tls:
    say(tls)
    input()
    tls.sendall(b"x" * 200000)
    print(len(tls.recv(10)), flush=True)
    input()
