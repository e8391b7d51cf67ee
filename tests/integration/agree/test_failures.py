# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes that fail, and versions that should no longer be used: reported as what they are."""

from __future__ import annotations

import contextlib
import re
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted, free_port
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssl import Openssl
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, handshake, handshakes, listed, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import run, talking, tool

# What is asked of s_server, of s_client, and what the handshake ends with: outcome, alert, and its alert.
_FAILURES = {
    "no common version": (["-tls1_3"], ["-tls1_2"], "protocol_version"),
    "no common cipher": (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"], "handshake_failure"),
    "no common group": (["-tls1_3", "-groups", "P-256"], ["-tls1_3", "-groups", "X25519"], "handshake_failure"),
    "client does not trust": (["-tls1_2"], ["-tls1_2", "-verify_return_error"], "unknown_ca"),
    "client has no certificate": (["-tls1_2", "-Verify", "1"], ["-tls1_2"], "handshake_failure"),
    "wrong host name": (["-tls1_2", "-servername", "right.example", "-servername_fatal", "-cert2", "{certificate}", "-key2", "{key}"], ["-tls1_2"],
                        "unrecognized_name"),
}
_OLD = ("TLS 1.0", "TLS 1.1")


def _client(port, name, *options):
    done = run(tool("openssl", "openssl"), "s_client", "-connect", "127.0.0.1:%d" % port, "-servername", name, *options, stdin="", check=False)
    return SimpleNamespace(pid=done.pid, text=done.stdout + done.stderr)


@pytest.fixture(scope="module")
def seen(peer_site):
    failures, old = {}, {}
    openssl = Openssl()
    with contextlib.ExitStack() as running:
        servers = {}
        for name, (options, _client_options, _alert) in _FAILURES.items():
            options = [option.format(certificate=peer_site.certificate, key=peer_site.key) for option in options]
            servers[name] = running.enter_context(openssl.serve(peer_site, *options))
        aged = running.enter_context(openssl.serve(peer_site, "-cipher", "ALL:@SECLEVEL=0"))
        silent = running.enter_context(talking("silent_server.py"))
        plain = running.enter_context(talking("plain_text_server.py"))
        ports = SimpleNamespace(silent=int(silent.hear()), plain=int(plain.hear()), closed=free_port())
        with wire_traced() as window:
            for number, (name, (_server, options, _alert)) in enumerate(_FAILURES.items()):
                failures[name] = _client(servers[name].port, "fail-%d.example" % number, *options), servers[name]
            for version in _OLD:
                wanted = Wanted(version, version.replace(" ", "-").lower() + ".example")
                old[version] = [Row(said, wanted, aged.port) for said in openssl.connect(aged, wanted, "-cipher", "ALL:@SECLEVEL=0") + aged.take()]
            refused = _client(ports.closed, "refused.example")
            answered = _client(ports.plain, "plain.example")
            plain.tell()
            unanswered = running.enter_context(talking("tls_unanswered_client.py", ports.silent))
            assert unanswered.hear() == "connected"
            window.settle()
            silent.tell()
            unanswered.hear()
            window.settle()
    return SimpleNamespace(failures=failures, old=old, profile=window.profile, refused=refused, answered=answered, unanswered=unanswered,
                           silent=silent, plain=plain, ports=ports)


@pytest.mark.parametrize("name", _FAILURES)
def test_a_failed_handshake_is_reported_as_failed_at_both_ends(seen, name):
    client, server = seen.failures[name]
    expected = _FAILURES[name][2]
    # openssl's own words for the alert, where the client received it
    alert = re.search(r"SSL alert number (\d+)", client.text)
    assert alert or "verify failed" in client.text, client.text
    sni = "fail-%d.example" % list(_FAILURES).index(name)
    for pid, role in ((client.pid, "client"), (server.pid, "server")):
        entry = handshake(seen.profile, pid, role=role, sni=sni)
        assert (entry["outcome"], entry["alert"], entry["count"]) == ("failed", expected, 1)
        assert listed(entry, "versions")


@pytest.mark.parametrize("version", _OLD)
def test_old_versions(seen, agreement_table, version):
    for row in seen.old[version]:
        entry = assert_agrees(seen.profile, row)
        agreement_table.add("openssl -> openssl", row.said, entry)
        assert entry["certificate"]
        assert entry["version"]["code"] == {"TLS 1.0": "0x0301", "TLS 1.1": "0x0302"}[version]


def test_a_hello_without_an_answer_is_reported_as_unanswered(seen):
    for pid, name in ((seen.unanswered.pid, "silent.example"), (seen.answered.pid, "plain.example")):
        entry = handshake(seen.profile, pid, role="client", sni=name)
        assert entry["outcome"] == "unanswered"
        assert (entry["version"], entry["cipher_suite"], entry["group"], entry["alert"]) == (None, None, None, None)
        assert entry["offered"]["cipher_suites"]


def test_a_receiver_that_never_sent_is_attributed_rightly_or_not_at_all(seen):
    """It sent nothing from which its process could be known."""
    for name, server in (("silent.example", seen.silent), ("plain.example", seen.plain)):
        holders = {entry["pid"] for entry in seen.profile["processes"] for item in entry["tls"] if item["sni"] == name and item["role"] == "server"}
        unattributed = [item for item in seen.profile["unattributed"]["tls"] if item["sni"] == name and item["role"] == "server"]
        assert (holders == {server.pid} and not unattributed) or (not holders and sum(item["count"] for item in unattributed) == 1)


def test_a_refused_connection_is_no_handshake(seen):
    assert handshakes(seen.profile, seen.refused.pid) == []
