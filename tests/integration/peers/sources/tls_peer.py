# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server or client of Python's ssl module; the argument is JSON, as base.py makes it."""

import contextlib
import json
import os
import socket
import ssl
import sys

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
CURVES = {"secp256r1": "prime256v1"}


def say(role, sock, sni):
    print("said " + json.dumps({"role": role, "pid": os.getpid(), "version": sock.version(), "cipher_suite": sock.cipher()[0], "sni": sni,
                                "alpn": sock.selected_alpn_protocol() or "", "resumed": sock.session_reused}), flush=True)


def serve(wanted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(wanted["certificate"], wanted["key"])
    context.set_alpn_protocols(wanted["alpn"])
    if wanted["group"]:
        context.set_ecdh_curve(CURVES.get(wanted["group"], wanted["group"]))
    asked = {}

    def remember(sock, name, _context):
        asked[0] = name

    context.sni_callback = remember
    listener = socket.create_server((wanted["address"], 0), family=socket.AF_INET6 if ":" in wanted["address"] else socket.AF_INET)
    print("port %d" % listener.getsockname()[1], flush=True)
    while True:
        plain, _peer = listener.accept()
        asked.clear()
        try:
            with context.wrap_socket(plain, server_side=True) as sock:
                say("server", sock, asked.get(0))
                sock.recv(100)
                sock.sendall(b"bye")
                sock.unwrap()
        except OSError as error:
            print("failed %s" % error, flush=True)


def connect(wanted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[wanted["version"]]
    context.set_alpn_protocols(wanted["alpn"])
    if wanted["group"]:
        context.set_ecdh_curve(CURVES.get(wanted["group"], wanted["group"]))
    session = None
    for _number in range(1 + wanted["resume"]):
        with context.wrap_socket(socket.create_connection((wanted["address"], wanted["port"])), server_hostname=wanted["sni"], session=session) as sock:
            sock.sendall(b"hello\n")
            sock.settimeout(0.5)  # openssl s_server answers nothing
            with contextlib.suppress(TimeoutError):
                sock.recv(100)
            session = sock.session
            say("client", sock, wanted["sni"])


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    serve(order) if order["role"] == "server" else connect(order)
