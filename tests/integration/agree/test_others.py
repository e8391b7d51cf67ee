# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH, QUIC and DTLS: what both peers say of their own connections is what the profile says."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.peers.base import Wanted
from ansible_collections.cryptofleet.audit.tests.integration.peers.dtls_openssl import Dtls
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssh import HOST_KEYS, SSH_CHOICES
from ansible_collections.cryptofleet.audit.tests.integration.peers.quic_aioquic import Quic
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Row, assert_agrees, brief, handshakes, listed, wire_traced
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import process

_QUIC = {"quic-1.example": ("x25519", "1"), "quic-2.example": ("secp256r1", "2"), "quic-3.example": ("secp384r1", "1")}


@pytest.fixture(scope="module")
def seen(peer_site, ssh_peers):
    """SSH by its options, QUIC and DTLS by their host names, and the profile."""
    ssh, others = {}, {}
    with contextlib.ExitStack() as running:
        sshd, quic, dtls = (running.enter_context(server) for server in (ssh_peers.serve(), Quic().serve(peer_site), Dtls().serve(peer_site)))
        with wire_traced() as window:
            for options in SSH_CHOICES:
                ssh[options] = ssh_peers.connect(sshd, *options), sshd.take()[0]
            for name, (group, version) in _QUIC.items():
                wanted = Wanted("TLS 1.3", name, group, ("hq-interop",))
                others[name] = [Row(one, wanted, quic.port) for one in (Quic().connect(quic, name, group, version), *quic.take())]
            wanted = Wanted("DTLS 1.2", "dtls.example")
            others["dtls.example"] = [Row(one, wanted, dtls.port) for one in (Dtls().connect(dtls, wanted), *dtls.take())]
            window.settle()
    return ssh, others, window.profile, sshd


def _ssh_entries(profile, said, server):
    """The entries of one side of one connection: those of its processes that report this key exchange."""
    found = []
    for pid in said.pids:
        for entry in profile["processes"]:
            if entry["pid"] == pid:
                found += [item for item in entry["ssh"] if item["role"] == said.role and (item["local"] if said.role == "server" else item["peer"])["port"] == server.port]
    return found


@pytest.mark.parametrize("options", SSH_CHOICES, ids=" ".join)
def test_both_ends_of_ssh(seen, agreement_table, options):
    ssh, _others, profile, sshd = seen
    for said in ssh[options]:
        found = _ssh_entries(profile, said, sshd)
        what = ("key_exchange", "host_key", "cipher_client_to_server", "cipher_server_to_client", "mac_client_to_server", "mac_server_to_client", "strict_kex")
        agreement_table.add_text(("SSH", "OpenSSH", "ssh -> sshd", said.role, options, False), [str(getattr(said, key)) for key in what],
                                 [str(found[0][key]) for key in what] if len(found) == 1 else None)
        assert len(found) == 1, "%s %s: %s; unattributed: %s" % (said.role, sorted(said.pids), found, profile["unattributed"]["ssh"])
        (entry,) = found
        assert {key: entry[key] for key in what} == {key: getattr(said, key) for key in what}
        assert (entry["outcome"], entry["count"]) == ("negotiated", 1)
        assert (entry["software"], entry["peer_software"]) == ("SSH-2.0-" + said.software, "SSH-2.0-" + said.peer_software)
        kind = "ed25519" if "ed25519" in said.host_key else "ecdsa" if "ecdsa" in said.host_key else "rsa"
        assert entry["host_key_bits"] == HOST_KEYS[kind][1]
        assert said.key_exchange in entry["offered"]["key_exchange"]
        assert said.cipher_client_to_server in entry["offered"]["ciphers"]
        if said.role == "client":
            assert entry["peer"] == {"address": "127.0.0.1", "port": sshd.port}
            assert entry["offered"]["host_keys"] == [said.host_key]


def test_the_listener_of_sshd_exchanged_no_keys(seen):
    """It accepts, a child of its own speaks."""
    _ssh, _others, profile, sshd = seen
    assert process(profile, sshd.pid)["ssh"] == []


@pytest.mark.parametrize("name", [*_QUIC, "dtls.example"])
def test_both_ends_of_quic_and_dtls(seen, agreement_table, name):
    _ssh, others, profile, _sshd = seen
    transport = "dtls" if name.startswith("dtls") else "quic"
    for row in others[name]:
        found = handshakes(profile, row.said.pid, role=row.said.role, sni=name)
        agreement_table.add("%s %s" % (row.said.stack, name), row.said, found[0] if len(found) == 1 else None, transport)
    for row in others[name]:
        found = handshakes(profile, row.said.pid, role=row.said.role, sni=name)
        assert len(found) == 1, [brief(item) for item in process(profile, row.said.pid)["tls"] + profile["unattributed"]["tls"]]
        (entry,) = found
        if transport == "dtls":
            assert_agrees(profile, row, transport="dtls")
            continue
        assert (entry["outcome"], entry["transport"], entry["version"]["name"], entry["count"]) == ("negotiated", "quic", "TLS 1.3", 1)
        assert entry["cipher_suite"]["name"] == row.said.cipher_suite
        assert entry["group"]["name"] == row.wanted.group
        assert listed(entry, "alpn") == ["hq-interop"]
        assert (entry["peer"] if row.said.role == "client" else entry["local"])["port"] == row.port
