# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process accepts and passes each connection to another, which was there before: ``tls_passing_server.py CERTIFICATE KEY``."""

import os
import socket
import sys

from tls_ends import listen, serve, server_context

ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if not os.fork():
    ours.close()
    context = server_context(*sys.argv[1:3])
    while True:
        _text, fds, _flags, _address = socket.recv_fds(theirs, 10, 1)
        if not fds:
            os._exit(0)
        serve(context, socket.socket(fileno=fds[0]))
listener = listen()
while True:
    sock, _peer = listener.accept()
    sock.recv(1, socket.MSG_PEEK)
    socket.send_fds(ours, [b"x"], [sock.fileno()])
    sock.close()
