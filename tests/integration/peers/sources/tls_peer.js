// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// A TLS server or client of node; the argument is JSON, as base.py makes it.
"use strict";
const fs = require("fs");
const tls = require("tls");

const wanted = JSON.parse(process.argv[2]);
const curves = {secp256r1: "P-256", secp384r1: "P-384", x25519: "X25519"};
const options = wanted.group ? {ecdhCurve: curves[wanted.group] || wanted.group} : {};

function say(role, socket, sni) {
  const group = role === "client" ? socket.getEphemeralKeyInfo().name : undefined;
  console.log("said " + JSON.stringify({
    role, pid: process.pid, version: socket.getProtocol(), cipher_suite: socket.getCipher().standardName, group, sni, alpn: socket.alpnProtocol || "",
    resumed: socket.isSessionReused(),
  }));
}

function serve() {
  const server = tls.createServer({
    ...options, key: fs.readFileSync(wanted.key), cert: fs.readFileSync(wanted.certificate), ALPNProtocols: wanted.alpn,
  }, (socket) => {
    say("server", socket, socket.servername);
    socket.on("error", () => {});
    socket.on("data", () => socket.end("bye"));
  });
  server.on("tlsClientError", (error) => console.log("failed " + error.message));
  server.listen(0, wanted.address, () => console.log("port " + server.address().port));
}

function connect(times, session) {
  const version = wanted.version.replace(" ", "v");
  const socket = tls.connect({
    ...options, host: wanted.address, port: wanted.port, servername: wanted.sni, rejectUnauthorized: false, ALPNProtocols: wanted.alpn,
    minVersion: version, maxVersion: version, session,
  }, () => {
    say("client", socket, wanted.sni);
    socket.write("hello\n");
  });
  let latest;
  socket.on("session", (fresh) => { latest = fresh; });
  socket.on("data", () => {});
  socket.on("end", () => socket.end());
  socket.setTimeout(500, () => socket.end()); // openssl s_server answers nothing
  socket.on("close", () => { if (times > 1) connect(times - 1, latest); });
}

if (wanted.role === "server") serve(); else connect(wanted.resume ? 2 : 1);
