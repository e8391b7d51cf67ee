# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and psql: TLS begins after a request in plain text. pg_stat_ssl speaks for the server, \\conninfo for the client; neither names the group."""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import tempfile

import pytest

from ..support.programs import environment, run, tool
from . import names
from .base import Said, allowed, free_port, serving

_GROUP = "secp384r1"
_PACKAGE = "postgresql"


def _server_program(name):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/" + name))
    if not found:
        pytest.fail("%s is missing: apt-get install %s" % (name, _PACKAGE), pytrace=False)
    return found[-1]


class Postgresql:
    name = "PostgreSQL"
    versions = ("TLS 1.2", "TLS 1.3")
    client_group = {}

    @contextlib.contextmanager
    def serve(self, site):
        folder = tempfile.mkdtemp(prefix="postgresql-peer-")
        port = free_port()
        try:
            for path in (site.key, site.certificate):
                shutil.copy(path, folder)
            run("chown", "-R", "nobody", folder)
            run("chmod", "600", folder + "/" + site.key.name)
            as_nobody = [tool("setpriv", "util-linux"), "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
            run(*as_nobody, _server_program("initdb"), "--no-sync", "--no-instructions", "--auth", "trust", "--username", "tester", folder + "/data", cwd=folder,
                env=environment(LC_ALL="C.UTF-8"))
            settings = {"ssl": "on", "ssl_key_file": folder + "/" + site.key.name, "ssl_cert_file": folder + "/" + site.certificate.name, "fsync": "off",
                        "ssl_ecdh_curve": _GROUP, "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
            options = [part for setting in settings.items() for part in ("-c", "%s=%s" % setting)]
            with serving([*as_nobody, _server_program("postgres"), "-D", folder + "/data", *options], "(?!)", None, ready=r"listening on .*port (\d+)") as server:
                yield server
        finally:
            shutil.rmtree(folder)

    def connect(self, server, wanted):
        version = wanted.version.replace(" ", "v")
        place = "host=%s hostaddr=%s port=%d dbname=postgres user=tester sslmode=require ssl_min_protocol_version=%s ssl_max_protocol_version=%s" % (
            wanted.sni, wanted.address, server.port, version, version)
        done = run(tool("psql", _PACKAGE), "--no-psqlrc", "--tuples-only", "--no-align", place,
                   stdin="select 'said', pid, version, cipher from pg_stat_ssl where pid = pg_backend_pid();\n\\conninfo\n")
        pid, version, suite = re.search(r"^said\|(\d+)\|(\S+)\|(\S+)$", done.stdout, re.MULTILINE).groups()
        # in TLS 1.3 libpq sends a share for x25519, which this server does not take
        retry = wanted.version == "TLS 1.3"
        server.tell(allowed(Said("PostgreSQL", "server", int(pid), names.version(version), names.cipher_suite(suite), hello_retry=retry), _GROUP))
        version, suite = re.search(r"SSL connection \(protocol: (\S+), cipher: (\S+),", done.stdout).groups()
        return [Said("psql", "client", done.pid, names.version(version), names.cipher_suite(suite), None, wanted.sni, hello_retry=retry)]
