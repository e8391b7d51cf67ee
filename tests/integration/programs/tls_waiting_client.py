# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that says when its hello is sent, and what was negotiated; then reads and writes: ``tls_waiting_client.py PORT HOST_NAME``."""

import sys
import threading

from tls_ends import client_context, connect, say

sock = connect(sys.argv[1])
sock.settimeout(60)
tls = client_context().wrap_socket(sock, server_hostname=sys.argv[2], do_handshake_on_connect=False)
handshake = threading.Thread(target=tls.do_handshake)
handshake.start()
print("asking", flush=True)
handshake.join()
say(tls)
left = 200000
while left:
    left -= len(tls.recv(left))
tls.sendall(b"thanks")
input()
