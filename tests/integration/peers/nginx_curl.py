# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx as server, which says everything in its log, and curl as client, which does not say the group."""

from __future__ import annotations

import re

from ..support.programs import run, tool
from . import names
from .base import Said, allowed, free_port, serving

_CONFIGURATION = """
pid {folder}/nginx.pid;
error_log /dev/null;
worker_processes 1;
daemon off;
user root;
events {{ worker_connections 64; }}
http {{
    log_format said 'said $pid|$ssl_protocol|$ssl_cipher|$ssl_curve|$ssl_server_name|$ssl_alpn_protocol|$ssl_session_reused';
    access_log /dev/stdout said;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen {address}:{port} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_session_cache shared:tls:1m;
        keepalive_timeout 0;
        return 200 "bye";
    }}
}}
"""


def _served(_server, text):
    pid, version, suite, group, sni, alpn, reused = re.search("^said (.*)", text, re.MULTILINE).group(1).split("|")
    if version == "-":
        return None  # no TLS
    return Said("nginx", "server", int(pid), names.version(version), names.cipher_suite(suite), names.group(group if group != "-" else None),
                sni if sni != "-" else None, alpn if alpn != "-" else "", reused == "r")


class NginxCurl:
    name = "nginx, curl"
    versions = ("TLS 1.2", "TLS 1.3")
    client_group = {"TLS 1.2": "secp521r1", "TLS 1.3": "secp384r1"}

    def serve(self, site, address="127.0.0.1"):
        port = free_port(address)
        configuration = site.folder / ("nginx-%d.conf" % port)
        configuration.write_text(_CONFIGURATION.format(folder=site.folder, address="[%s]" % address if ":" in address else address, port=port,
                                                       certificate=site.certificate, key=site.key))
        return serving([tool("nginx", "nginx-light"), "-p", site.folder, "-c", configuration], "^said ", _served, port=port)

    def connect(self, server, wanted):
        number = wanted.version.removeprefix("TLS ")
        options = ["--tls-max", number, "--tlsv" + number]
        if wanted.group:
            options += ["--curves", names.OPENSSL_GROUPS[wanted.group]]
        options += ["--http1.1"] if wanted.alpn else ["--no-alpn"]
        place = "[%s]" % wanted.address if ":" in wanted.address else wanted.address
        url = "https://%s:%d/" % (wanted.sni, server.port)
        done = run(tool("curl", "curl"), "--verbose", "--silent", "--insecure", "--connect-to", "%s:%d:%s:%d" % (wanted.sni, server.port, place, server.port),
                   *options, *[url] * (1 + wanted.resume), check=False)  # other servers than nginx answer no HTTP
        said = []
        for piece in re.findall(r"Connected to .*?SSL certificate verify", done.stderr, re.DOTALL):
            version, suite = re.search(r"SSL connection using (\S+) / (\S+)", piece).groups()
            alpn = re.search(r"ALPN: server accepted (\S+)", piece)
            said.append(Said("curl", "client", done.pid, names.version(version), names.cipher_suite(suite), None, wanted.sni, alpn.group(1) if alpn else "",
                             "SSL re-using session" in piece))
        assert len(said) == 1 + wanted.resume, done.stderr
        return [allowed(one, wanted.group) for one in said]
