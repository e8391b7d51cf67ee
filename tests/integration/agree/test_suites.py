# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key exchanges, signatures and certificates of TLS as openssl itself prints them, and what else a connection may hold: early data, a client's certificate."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers import names
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Site, Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl, parse_client
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, handshake, handshakes, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import certificate_facts, make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import Ran, environment, tool

# Cipher suite in OpenSSL's words: (version, key of the server)
_SUITES = {
    "ECDHE-RSA-AES128-GCM-SHA256": ("TLS 1.2", "rsa"), "ECDHE-RSA-AES256-SHA": ("TLS 1.2", "rsa"), "DHE-RSA-AES256-GCM-SHA384": ("TLS 1.2", "rsa"),
    "AES128-SHA": ("TLS 1.2", "rsa"), "AES256-GCM-SHA384": ("TLS 1.2", "rsa"), "CAMELLIA128-SHA": ("TLS 1.2", "rsa"), "ARIA128-GCM-SHA256": ("TLS 1.2", "rsa"),
    "ECDHE-ECDSA-AES256-CCM8": ("TLS 1.2", "ec"), "ECDHE-ECDSA-CHACHA20-POLY1305": ("TLS 1.2", "ec"),
    "TLS_AES_128_GCM_SHA256": ("TLS 1.3", "ec"), "TLS_CHACHA20_POLY1305_SHA256": ("TLS 1.3", "rsa"), "TLS_AES_128_CCM_8_SHA256": ("TLS 1.3", "ec"),
}
# What s_client says of a signature, as IANA names it.
_SIGNATURES = {("RSA-PSS", "SHA256"): "rsa_pss_rsae_sha256", ("RSA", "SHA256"): "rsa_pkcs1_sha256", ("ECDSA", "SHA256"): "ecdsa_secp256r1_sha256",
               ("ECDSA", "SHA384"): "ecdsa_secp384r1_sha384", ("RSA-PSS", "SHA384"): "rsa_pss_rsae_sha384"}


def _talk(port, name, *options, said=(("hello\n", 0.0),)):
    """s_client that says one thing after another, each after a pause."""
    command = [tool("openssl", "openssl"), "s_client", "-connect", "127.0.0.1:%d" % port, "-servername", name, *options]
    with subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment()) as client:
        for text, pause in said:
            time.sleep(pause)
            client.stdin.write(text)
            client.stdin.flush()
        time.sleep(said[-1][1])
        stdout, _stderr = client.communicate(timeout=60)
    return Ran(client.pid, client.returncode, stdout, "", 0, 0)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    sites = {}
    for kind, newkey in (("rsa", "rsa:2048"), ("ec", "ec:P-384"), ("client", "ec:P-256")):
        (folder / kind).mkdir()
        key, certificate = make_site(folder / kind, newkey=newkey)
        sites[kind] = Site(folder / kind, key, certificate, None)
    options = ("-cipher", "ALL:@SECLEVEL=0", "-ciphersuites", ":".join(name for name in _SUITES if name.startswith("TLS_")))
    suites = {}
    with contextlib.ExitStack() as running:
        servers = {kind: running.enter_context(Openssl().serve(sites[kind], *options)) for kind in ("rsa", "ec")}
        asking = running.enter_context(Openssl().serve(sites["rsa"], "-Verify", "1", "-CAfile", sites["client"].certificate, "-tls1_2"))
        again = running.enter_context(Openssl().serve(sites["rsa"], "-tls1_2", "-client_renegotiation"))
        early = running.enter_context(Openssl().serve(sites["rsa"], "-tls1_3", "-early_data"))
        with wire_traced() as window:
            for number, (suite, (version, kind)) in enumerate(_SUITES.items()):
                wanted = Wanted(version, "suite-%d.example" % number)
                limit = ["-cipher", suite + ":@SECLEVEL=0", "-tls1_2"] if version == "TLS 1.2" else ["-ciphersuites", suite, "-tls1_3"]
                done = _talk(servers[kind].port, wanted.sni, *limit)
                rows = [Row(said, wanted, servers[kind].port) for said in (parse_client(done, wanted), *servers[kind].take())]
                suites[suite] = rows, done.stdout, sites[kind]
            mutual = _talk(asking.port, "mutual.example", "-tls1_2", "-cert", sites["client"].certificate, "-key", sites["client"].key)
            asked = asking.take()[0].pid
            renewed = _talk(again.port, "renewed.example", "-tls1_2", said=(("R\n", 0.5), ("hello\n", 0.5)))
            first = _talk(early.port, "early.example", "-sess_out", folder / "session", said=(("hello\n", 0.5),))
            (folder / "early").write_text("early")
            second = _talk(early.port, "early.example", "-sess_in", folder / "session", "-early_data", folder / "early")
            window.settle()
    return SimpleNamespace(profile=window.profile, suites=suites, sites=sites, mutual=mutual, asked=asked, renewed=renewed, again=again.pid, first=first,
                           second=second, early=early.pid)


@pytest.mark.parametrize("suite", _SUITES)
def test_a_cipher_suite(seen, agreement_table, suite):
    rows, text, site = seen.suites[suite]
    for row in rows:
        assert row.said.cipher_suite == names.cipher_suite(suite)
        prime = re.search(r"^Server Temp Key: DH, (\d+) bits", text, re.MULTILINE)
        said = row.said._replace(group=None) if prime else row.said
        entry = assert_agrees(seen.profile, row._replace(said=said))
        agreement_table.add("openssl -> openssl, " + suite, said, entry)
        assert entry.get("dh_bits") == (int(prime.group(1)) if prime else None)
        exchange = "Server Temp Key" in text
        assert bool(entry["group"]) == (exchange and not prime)
        if row.said.version == "TLS 1.2":
            expected = certificate_facts(site.certificate)
            assert {key: entry["certificate"][key] for key in expected} == expected
            signed = re.search(r"^Peer signing digest: (\S+)\nPeer signature type: (\S+)", text, re.MULTILINE)
            assert (entry["signature_algorithm"] or {}).get("name") == (_SIGNATURES[signed.group(2), signed.group(1)] if exchange else None)


def test_the_certificate_is_the_servers_where_the_client_sends_one_too(seen):
    assert "Verify return code" in seen.mutual.stdout and "alert" not in seen.mutual.stdout
    servers, clients = (certificate_facts(seen.sites[kind].certificate)["fingerprint_sha256"] for kind in ("rsa", "client"))
    for pid, role in ((seen.mutual.pid, "client"), (seen.asked, "server")):
        entry = handshake(seen.profile, pid, role=role, sni="mutual.example")
        assert (entry["outcome"], entry["certificate"]["fingerprint_sha256"]) == ("negotiated", servers) != ("negotiated", clients)


def test_a_renegotiation_is_encrypted_and_no_second_handshake(seen):
    assert "RENEGOTIATING" in seen.renewed.stdout
    for pid, role in ((seen.renewed.pid, "client"), (seen.again, "server")):
        entry = handshake(seen.profile, pid, role=role, sni="renewed.example")
        assert (entry["outcome"], entry["count"]) == ("negotiated", 1)


def test_early_data_is_reported(seen):
    assert "Early data was accepted" in seen.second.stdout, seen.second.stdout
    entry = handshake(seen.profile, seen.second.pid, role="client", sni="early.example")
    assert (entry["resumed"], entry["offered"]["early_data"]) == (True, True)
    assert handshake(seen.profile, seen.first.pid, role="client", sni="early.example")["offered"]["early_data"] is False
    found = handshakes(seen.profile, seen.early, role="server", sni="early.example")
    assert sorted((entry["resumed"], entry["offered"]["early_data"], entry["count"]) for entry in found) == [(False, False, 1), (True, True, 1)]
