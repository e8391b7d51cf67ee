# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server or client of pyOpenSSL, with the OpenSSL that PyPI's cryptography brings; the argument is JSON, as base.py makes it."""

import contextlib
import json
import os
import socket
import struct
import sys

from OpenSSL import SSL

VERSIONS = {"TLS 1.2": SSL.TLS1_2_VERSION, "TLS 1.3": SSL.TLS1_3_VERSION}


def say(role, connection, sni, resumed):
    print("said " + json.dumps({"role": role, "pid": os.getpid(), "version": connection.get_protocol_version_name(),
                                "cipher_suite": connection.get_cipher_name(), "group": connection.get_group_name(), "sni": sni,
                                "alpn": connection.get_alpn_proto_negotiated().decode(), "resumed": resumed}), flush=True)


def choose(_connection, offered):
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def serve(wanted):
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_file(wanted["certificate"])
    context.use_privatekey_file(wanted["key"])
    context.set_alpn_select_callback(choose)
    listener = socket.create_server((wanted["address"], 0))
    print("port %d" % listener.getsockname()[1], flush=True)
    while True:
        plain, _peer = listener.accept()
        connection = SSL.Connection(context, plain)
        connection.set_accept_state()
        try:
            connection.do_handshake()
            name = connection.get_servername()
            say("server", connection, name and name.decode(), None)
            connection.recv(100)
            connection.sendall(b"bye")
            connection.shutdown()
        except SSL.Error as error:
            print("failed %s" % error, flush=True)
        plain.close()


def connect(wanted):
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(VERSIONS[wanted["version"]])
    context.set_max_proto_version(VERSIONS[wanted["version"]])
    if wanted["alpn"]:
        context.set_alpn_protos([each.encode() for each in wanted["alpn"]])
    plain = socket.create_connection((wanted["address"], wanted["port"]))
    connection = SSL.Connection(context, plain)
    connection.set_tlsext_host_name(wanted["sni"].encode())
    connection.set_connect_state()
    connection.do_handshake()
    connection.sendall(b"hello\n")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 500000))
    with contextlib.suppress(SSL.Error):  # openssl s_server answers nothing
        connection.recv(100)
    say("client", connection, wanted["sni"], None)
    plain.close()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    serve(order) if order["role"] == "server" else connect(order)
