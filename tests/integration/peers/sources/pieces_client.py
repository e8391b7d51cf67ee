# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS client of pyOpenSSL whose ClientHello leaves in pieces: port, host name, size of a piece, seconds between two, version, address.

TLS 1.3 offers a hybrid group first, with a share of more than 1 kB; "TLS 1.2" has a small hello.
"""

import json
import os
import socket
import sys
import time

from OpenSSL import SSL

port, name, size, pause, version, address = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5], sys.argv[6]
context = SSL.Context(SSL.TLS_CLIENT_METHOD)
limit = {"TLS 1.2": SSL.TLS1_2_VERSION, "TLS 1.3": SSL.TLS1_3_VERSION}[version]
context.set_min_proto_version(limit)
context.set_max_proto_version(limit)
connection = SSL.Connection(context, None)
connection.set_tlsext_host_name(name.encode())
connection.set_connect_state()
sock = socket.create_connection((address, port))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
first = True
while True:
    try:
        connection.do_handshake()
        done = True
    except SSL.WantReadError:
        done = False
    try:
        data = connection.bio_read(65536)
    except SSL.WantReadError:
        data = b""
    step = size if first else len(data) or 1
    for start in range(0, len(data), step):
        sock.sendall(data[start:start + step])
        if first:
            time.sleep(pause)
    if first:
        print("hello of %d bytes" % len(data), flush=True)
    first = False
    if done:
        break
    connection.bio_write(sock.recv(65536))
print("said " + json.dumps({"role": "client", "pid": os.getpid(), "version": connection.get_protocol_version_name(),
                            "cipher_suite": connection.get_cipher_name(), "group": connection.get_group_name(), "sni": name, "alpn": "",
                            "resumed": False}), flush=True)
sock.close()
