# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As inetd does it: the parent accepts, a child executes another program, and that makes the handshake.

``tls_executing_server.py CERTIFICATE KEY``; the program that a child executes is this one with the socket's descriptor behind them.
"""

import os
import socket
import sys

from tls_ends import listen, serve, server_context

if len(sys.argv) > 3:
    serve(server_context(*sys.argv[1:3]), socket.socket(fileno=int(sys.argv[3])))
    sys.exit()
listener = listen()
while True:
    sock, _peer = listener.accept()
    child = os.fork()
    if not child:
        sock.set_inheritable(True)
        os.execv(sys.executable, [sys.executable, "-B", "-E", "-s", *sys.argv[:3], str(sock.fileno())])
    sock.close()
    os.waitpid(child, 0)
