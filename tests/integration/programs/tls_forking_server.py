# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parent accepts, a new child makes the handshake: ``tls_forking_server.py CERTIFICATE KEY``."""

import os
import sys

from tls_ends import listen, serve, server_context

context = server_context(*sys.argv[1:3])
listener = listen()
while True:
    sock, _peer = listener.accept()
    child = os.fork()
    if not child:
        listener.close()
        serve(context, sock)
        os._exit(0)
    sock.close()
    os.waitpid(child, 0)
