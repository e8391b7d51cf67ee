# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP server with STARTTLS, only as much as a client needs to get there. Arguments: certificate, key."""

import json
import os
import socket
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_ecdh_curve("prime256v1")
context.sni_callback = lambda sock, name, _context: asked.append(name)
asked = []
listener = socket.create_server(("127.0.0.1", 0))
print("port %d" % listener.getsockname()[1], flush=True)
while True:
    sock, _peer = listener.accept()
    lines = sock.makefile("rb")
    sock.sendall(b"220 mail.example ESMTP\r\n")
    for line in lines:
        word = line.split()[0].upper()
        if word == b"EHLO":
            sock.sendall(b"250-mail.example\r\n250 STARTTLS\r\n")
        elif word == b"STARTTLS":
            sock.sendall(b"220 go ahead\r\n")
            lines.close()
            sock = context.wrap_socket(sock, server_side=True)
            print("said " + json.dumps({"role": "server", "pid": os.getpid(), "version": sock.version(), "cipher_suite": sock.cipher()[0],
                                        "sni": asked.pop(), "alpn": "", "resumed": sock.session_reused}), flush=True)
            break
    sock.close()
