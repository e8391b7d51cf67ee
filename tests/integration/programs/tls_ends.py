# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of TLS connections share. Each says of a connection: its pid, the version and the cipher suite, with | between them."""

import os
import socket
import ssl


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def listen(backlog=None):
    """A socket that listens on a port of the loopback interface, which is printed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    print(listener.getsockname()[1], flush=True)
    return listener


def connect(port):
    return socket.create_connection(("127.0.0.1", int(port)))


def say(sock):
    print(os.getpid(), sock.version(), sock.cipher()[0], sep="|", flush=True)


def serve(context, sock):
    sock.settimeout(30)
    with context.wrap_socket(sock, server_side=True) as tls:
        say(tls)
        tls.recv(10)
