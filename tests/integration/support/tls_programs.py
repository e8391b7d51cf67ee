# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs whose TLS connections have unusual owners, beginnings or ends. Each takes what its first line says and speaks in lines."""

from __future__ import annotations

import contextlib
import os
import signal

from .programs import Talker

_COMMON = """
import asyncio, os, socket, ssl, sys, threading
def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
def say(sock):
    print(os.getpid(), sock.version(), sock.cipher()[0], sep="|", flush=True)
def serve(context, sock):
    sock.settimeout(30)
    with context.wrap_socket(sock, server_side=True) as tls:
        say(tls)
        tls.recv(10)
"""
# certificate, key: the parent accepts, a new child makes the handshake
FORKING = _COMMON + """
context = server_context(*sys.argv[1:3])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    sock, _peer = listener.accept()
    child = os.fork()
    if not child:
        listener.close()
        serve(context, sock)
        os._exit(0)
    sock.close()
    os.waitpid(child, 0)
"""
# certificate, key: one process accepts and hands each connection to another, which was there before
PASSING = _COMMON + """
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if not os.fork():
    ours.close()
    context = server_context(*sys.argv[1:3])
    while True:
        _text, fds, _flags, _address = socket.recv_fds(theirs, 10, 1)
        if not fds:
            os._exit(0)
        serve(context, socket.socket(fileno=fds[0]))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    sock, _peer = listener.accept()
    sock.recv(1, socket.MSG_PEEK)
    socket.send_fds(ours, [b"x"], [sock.fileno()])
    sock.close()
"""
# certificate, key: as inetd does it: the parent accepts, a child becomes another program, and that makes the handshake
EXECUTING = _COMMON + """
code = CODE
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    sock, _peer = listener.accept()
    child = os.fork()
    if not child:
        sock.set_inheritable(True)
        os.execv(sys.executable, [sys.executable, "-I", "-c", code, str(sock.fileno()), *sys.argv[1:3]])
    sock.close()
    os.waitpid(child, 0)
""".replace("CODE", repr(_COMMON + "serve(server_context(*sys.argv[2:4]), socket.socket(fileno=int(sys.argv[1])))\n"))
# certificate, key, host name: both ends in one process
ITSELF = _COMMON + """
context = server_context(*sys.argv[1:3])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=lambda: serve(context, listener.accept()[0])).start()
with client_context().wrap_socket(socket.create_connection(listener.getsockname()), server_hostname=sys.argv[3]) as tls:
    tls.sendall(b"hello")
"""
# certificate, key: everything non-blocking, many connections at once
ASYNCIO = _COMMON + """
async def answer(reader, writer):
    say(writer.get_extra_info("ssl_object"))
    await reader.read(10)
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(*sys.argv[1:3]))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
# certificate, key: makes a handshake when it is told to, and answers what it reads when it is told again
PATIENT = _COMMON + """
context = server_context(*sys.argv[1:3])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sock, _peer = listener.accept()
input()
with context.wrap_socket(sock, server_side=True) as tls:
    say(tls)
    input()
    tls.sendall(b"x" * 200000)
    print(len(tls.recv(10)), flush=True)
    input()
"""
# port, host name: says when its hello is out, and what was negotiated; then reads and writes
ASKING = _COMMON + """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(60)
tls = client_context().wrap_socket(sock, server_hostname=sys.argv[2], do_handshake_on_connect=False)
sock_out = threading.Thread(target=tls.do_handshake)
sock_out.start()
print("asking", flush=True)
sock_out.join()
say(tls)
left = 200000
while left:
    left -= len(tls.recv(left))
tls.sendall(b"thanks")
input()
"""
# port, number of connections at once, host name: asyncio as client
ASYNCIO_CLIENT = _COMMON + """
async def one():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=client_context(), server_hostname=sys.argv[3])
    seen = writer.get_extra_info("ssl_object")
    writer.write(b"hello")
    await reader.read()
    writer.close()
    return "|".join((str(os.getpid()), seen.version(), seen.cipher()[0]))
async def main():
    for text in await asyncio.gather(*[one() for _number in range(int(sys.argv[2]))]):
        print(text)
asyncio.run(main())
"""
# port, host name: a client that blocks
PLAIN_CLIENT = _COMMON + """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with client_context().wrap_socket(sock, server_hostname=sys.argv[2]) as tls:
    tls.sendall(b"hello")
    say(tls)
"""
# certificate, key: a server of threads; it prints how many handshakes it made when a line comes. A hello of "bulk.example" is answered without end.
COUNTING = _COMMON + """
context = server_context(*sys.argv[1:3])
context.num_tickets = 0
names, made, lock = {}, [0], threading.Lock()
context.sni_callback = lambda sock, name, _context: names.__setitem__(sock, name)
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listener.getsockname()[1], flush=True)
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
"""
# port, number, seconds between two, host name: as many full handshakes; prints how many it made
MANY = _COMMON + """
import time
context = client_context()
made, begin = 0, time.monotonic()
for number in range(int(sys.argv[2])):
    time.sleep(max(0, begin + number * float(sys.argv[3]) - time.monotonic()))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname=sys.argv[4]) as tls:
        made += 1
print(made)
"""
# port: reads what comes as fast as it comes, until a line comes; prints how many octets
BULK = _COMMON + """
tls = client_context().wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="bulk.example")
total, over = 0, []
print("connected", flush=True)
threading.Thread(target=lambda: over.append(input()), daemon=True).start()
while not over:
    total += len(tls.recv(262144))
print(total, flush=True)
tls.close()
"""


@contextlib.contextmanager
def speaking(code, *arguments):
    """A Talker that is killed after the block: these wait for what may never come."""
    talker = Talker(code, *arguments)
    try:
        yield talker
    finally:
        os.kill(talker.pid, signal.SIGKILL)
        talker.close()
