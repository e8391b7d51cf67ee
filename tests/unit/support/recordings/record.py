# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records ssh.txt, dtls.txt and quic.txt beside it: real clients and servers on the loopback, with a proxy between them that notes what each side sends.

Needs openssh-server, openssh-client, dropbear-bin, curl and openssl of Debian 12, and paramiko, asyncssh, ansible-pylibssh and qh3 of PyPI. Run as root:
python record.py
"""

from __future__ import annotations

import base64
import pathlib
import selectors
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
HEAD = """# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by record.py. "= name", then lines "client" or "server" and what it sent, in base64.
"""
MOST = 8192  # octets of a side
NEWKEYS = bytes.fromhex("0000000c0a15")  # the beginning of its packet, with 10 octets of padding
PARAMIKO = """
import paramiko, sys
t = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
t.start_client(timeout=10)
t.close()
"""
ASYNCSSH = """
import asyncio, asyncssh, sys
async def main():
    try:
        await asyncssh.connect("127.0.0.1", int(sys.argv[1]), known_hosts=None, username="x", client_keys=None, password="x")
    except asyncssh.Error:
        pass
asyncio.run(main())
"""
ASYNCSSH_SERVER = """
import asyncio, asyncssh, sys
async def main():
    server = await asyncssh.listen("127.0.0.1", int(sys.argv[1]), server_host_keys=[asyncssh.generate_private_key("ecdsa-sha2-nistp384")])
    await asyncio.sleep(60)
asyncio.run(main())
"""
PYLIBSSH = """
import sys
from pylibsshext.session import Session
session = Session()
try:
    session.connect(host="127.0.0.1", port=int(sys.argv[1]), user="x", password="x", host_key_checking=False, look_for_keys=False)
except Exception as error:
    print(error)
"""
QH3_SERVER = """
import asyncio, sys
from qh3.asyncio.server import serve
from qh3.quic.configuration import QuicConfiguration
async def main():
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq"])
    configuration.load_cert_chain(sys.argv[2] + "/crt", sys.argv[2] + "/key")
    await serve("127.0.0.1", int(sys.argv[1]), configuration=configuration)
    await asyncio.sleep(60)
asyncio.run(main())
"""
QH3 = """
import asyncio, sys
from qh3.asyncio.client import connect
from qh3.quic.configuration import QuicConfiguration
async def main():
    configuration = QuicConfiguration(alpn_protocols=["hq"], verify_mode=0, server_name="quic.example", quantum_readiness_test=True)
    async with connect("127.0.0.1", int(sys.argv[1]), configuration=configuration):
        pass
asyncio.run(main())
"""


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for attempt in range(100):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("no server at %d" % port)


def receive(connection):
    """What has come; empty at the end, of whatever kind."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def send(connection, data):
    """Pass on what has come, or that no more will come, as far as there is someone left."""
    try:
        if data:
            connection.sendall(data)
        else:
            connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        print(error, file=sys.stderr)


def tcp(port, client):
    """Run a client against a server through a proxy. :returns: {"client": bytes, "server": bytes}."""
    sent = {"client": b"", "server": b""}
    with socket.create_server(("127.0.0.1", 0)) as listener, subprocess.Popen(client(listener.getsockname()[1]), stdin=subprocess.DEVNULL) as process:
        near, address = listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far, selectors.DefaultSelector() as waiter:
            waiter.register(near, selectors.EVENT_READ, ("client", far))
            waiter.register(far, selectors.EVENT_READ, ("server", near))
            while waiter.get_map():
                ready = waiter.select(5)
                if not ready:
                    break
                for key, mask in ready:
                    side, other = key.data
                    data = receive(key.fileobj)
                    sent[side] += data
                    send(other, data)
                    if not data:
                        waiter.unregister(key.fileobj)
        process.kill()
    return sent


def clear(data):
    """What a side sent up to a little behind its NEWKEYS."""
    end = data.find(NEWKEYS)
    return data[:MOST if end < 0 else end + 80]


def udp(port, client):
    """As `tcp`, for datagrams. :returns: list of (side, bytes)."""
    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        near.bind(("127.0.0.1", 0))
        far.connect(("127.0.0.1", port))
        with subprocess.Popen(client(near.getsockname()[1]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process, selectors.DefaultSelector() as waiter:
            waiter.register(near, selectors.EVENT_READ)
            waiter.register(far, selectors.EVENT_READ)
            address = None
            while True:
                ready = waiter.select(2)
                if not ready:
                    break
                for key, mask in ready:
                    data, source = key.fileobj.recvfrom(65536)
                    sent.append(("client" if key.fileobj is near else "server", data))
                    if key.fileobj is near:
                        address = source
                        far.send(data)
                    else:
                        near.sendto(data, address)
            process.kill()
    return sent


def write(name, recordings):
    with open(HERE / name, "w", encoding="ascii") as out:
        out.write(HEAD)
        for title, messages in recordings:
            out.write("= %s\n" % title)
            for side, data in messages:
                out.write("%s %s\n" % (side, base64.b64encode(data).decode()))


def ssh(folder):
    for kind, bits in (("ed25519", 256), ("rsa", 3072), ("ecdsa", 256)):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-f", folder + "/" + kind], check=True)
    subprocess.run(["ssh-keygen", "-q", "-s", folder + "/ed25519", "-h", "-I", "x", folder + "/rsa.pub"], check=True)
    subprocess.run(["dropbearkey", "-t", "ecdsa", "-s", "521", "-f", folder + "/dropbear"], check=True, stdout=subprocess.DEVNULL)
    config = pathlib.Path(folder) / "config"
    keys = "".join("HostKey %s/%s\n" % (folder, kind) for kind in ("ed25519", "rsa", "ecdsa"))
    config.write_text("ListenAddress 127.0.0.1\nPidFile none\n" + keys + "HostCertificate %s/rsa-cert.pub\n" % folder, encoding="ascii")
    ports = [free_port(socket.SOCK_STREAM) for server in range(3)]
    servers = [
        ["/usr/sbin/sshd", "-D", "-f", str(config), "-p", str(ports[0])],
        ["/usr/sbin/dropbear", "-F", "-E", "-r", folder + "/dropbear", "-p", "127.0.0.1:%d" % ports[1], "-P", folder + "/pid"],
        [sys.executable, "-c", ASYNCSSH_SERVER, str(ports[2])],
    ]

    def openssh(*options):
        common = ["-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes"]
        return lambda port: ["ssh", *common, *[word for option in options for word in ("-o", option)], "-p", str(port), "x@127.0.0.1"]

    def python(code):
        return lambda port: [sys.executable, "-c", code, str(port)]
    cases = [
        ("OpenSSH 9.2 with OpenSSH 9.2", 0, openssh("HostKeyAlgorithms=ssh-ed25519")),
        ("OpenSSH 9.2 with OpenSSH 9.2, group exchange", 0, openssh(
            "KexAlgorithms=diffie-hellman-group-exchange-sha256", "HostKeyAlgorithms=rsa-sha2-512", "Ciphers=aes256-ctr", "MACs=hmac-sha2-256-etm@openssh.com")),
        ("OpenSSH 9.2 with OpenSSH 9.2, certificate", 0, openssh("KexAlgorithms=ecdh-sha2-nistp256", "HostKeyAlgorithms=rsa-sha2-256-cert-v01@openssh.com")),
        ("OpenSSH 9.2 with OpenSSH 9.2, nothing in common", 0, openssh("KexAlgorithms=diffie-hellman-group1-sha1")),
        ("dropbear 2022.83 with OpenSSH 9.2", 0, lambda port: ["dbclient", "-y", "-p", str(port), "x@127.0.0.1", "true"]),
        ("OpenSSH 9.2 with dropbear 2022.83", 1, openssh()),
        ("libssh2 1.10 (curl) with OpenSSH 9.2", 0, lambda port: ["curl", "-s", "-k", "sftp://x:x@127.0.0.1:%d/" % port]),
        ("libssh (ansible-pylibssh) with OpenSSH 9.2", 0, python(PYLIBSSH)),
        ("paramiko with dropbear 2022.83", 1, python(PARAMIKO)),
        ("asyncssh with asyncssh", 2, python(ASYNCSSH)),
    ]
    running = [subprocess.Popen(server) for server in servers]
    try:
        for port in ports:
            wait_for(port)
        for title, server, client in cases:
            sent = tcp(ports[server], client)
            yield title, [(side, clear(data)) for side, data in sent.items()]
    finally:
        for process in running:
            process.kill()


def make_certificate(folder, kind):
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=x", "-keyout", folder + "/key", "-out", folder + "/crt"], check=True,
                   stderr=subprocess.DEVNULL)


def dtls(folder):
    make_certificate(folder, ["rsa:2048"])
    cases = [
        ("DTLS 1.2, cookie", ["-dtls1_2", "-listen"], ["-dtls1_2", "-servername", "dtls.example"]),
        ("DTLS 1.2, small fragments", ["-dtls1_2", "-mtu", "256"], ["-dtls1_2", "-mtu", "256", "-servername", "dtls.example", "-cipher", "DHE-RSA-AES128-SHA256"]),
        ("DTLS 1.0", ["-dtls1", "-cipher", "ALL:@SECLEVEL=0"], ["-dtls1", "-cipher", "ALL:@SECLEVEL=0"]),
        ("DTLS 1.2, refused", ["-dtls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], ["-dtls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"]),
    ]
    for title, server, client in cases:
        port = free_port(socket.SOCK_DGRAM)
        command = ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", folder + "/crt", "-key", folder + "/key", "-quiet"]
        with subprocess.Popen([*command, *server], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            time.sleep(1)
            yield title, udp(port, lambda near, client=client: ["openssl", "s_client", "-connect", "127.0.0.1:%d" % near, *client])
            process.kill()


def quic(folder):
    make_certificate(folder, ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    port = free_port(socket.SOCK_DGRAM)
    with subprocess.Popen([sys.executable, "-c", QH3_SERVER, str(port), folder]) as process:
        time.sleep(2)
        sent = udp(port, lambda near: [sys.executable, "-c", QH3, str(near)])
        process.kill()
    yield "qh3, X25519MLKEM768", [(side, datagram) for side, datagram in sent if datagram[0] & 0x80]  # with a long header


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        write("ssh.txt", list(ssh(temporary)))
        write("dtls.txt", list(dtls(temporary)))
        write("quic.txt", list(quic(temporary)))
