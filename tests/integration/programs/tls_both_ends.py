# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a connection in one process: ``tls_both_ends.py CERTIFICATE KEY HOST_NAME``."""

import sys
import threading

from tls_ends import client_context, connect, listen, serve, server_context

context = server_context(*sys.argv[1:3])
listener = listen()
threading.Thread(target=lambda: serve(context, listener.accept()[0])).start()
with client_context().wrap_socket(connect(listener.getsockname()[1]), server_hostname=sys.argv[3]) as tls:
    tls.sendall(b"hello")
