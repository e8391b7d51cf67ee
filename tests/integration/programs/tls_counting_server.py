# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of four threads that prints how many handshakes it made when a line comes: ``tls_counting_server.py CERTIFICATE KEY``.

A client that asks for bulk.example is sent data without end.
"""

import sys
import threading

from tls_ends import listen, server_context

context = server_context(*sys.argv[1:3])
context.num_tickets = 0
names, made, lock = {}, [0], threading.Lock()
context.sni_callback = lambda sock, name, _context: names.__setitem__(sock, name)
listener = listen(backlog=128)


def answer(sock):
    try:
        with context.wrap_socket(sock, server_side=True) as tls:
            with lock:
                made[0] += 1
            if names.pop(tls) == "bulk.example":
                while True:
                    tls.sendall(bytes(262144))
            tls.recv(10)
    except OSError:
        pass


def accept():
    while True:
        answer(listener.accept()[0])


for _number in range(4):
    threading.Thread(target=accept, daemon=True).start()
input()
print(made[0], flush=True)
