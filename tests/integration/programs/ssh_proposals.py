# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of the clear beginning of SSH, by one process."""

import socket


def say(end, name):
    end.sendall(b"SSH-2.0-" + name + b"\r\n")
    lists = [b"curve25519-sha256", b"ssh-ed25519", b"aes256-ctr", b"aes256-ctr", b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b""]
    kexinit = bytes((20,)) + bytes(16) + b"".join(len(names).to_bytes(4, "big") + names for names in lists) + bytes(5)
    padding = 16 - (5 + len(kexinit)) % 8
    end.sendall((1 + len(kexinit) + padding).to_bytes(4, "big") + bytes((padding,)) + kexinit + bytes(padding))


with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
    server = listener.accept()[0]
    say(client, b"client")
    say(server, b"server")
    if client.recv(8) + server.recv(8) != b"SSH-2.0-SSH-2.0-":
        raise SystemExit("no banners")
