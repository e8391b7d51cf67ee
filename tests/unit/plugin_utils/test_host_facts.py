# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto of a fleet's profiles in the inventory and in the summary."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.host_crypto import read_host_crypto
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _report, _schema, _store, _summary
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._host_facts import host_facts, host_lines
from ansible_collections.cryptofleet.audit.tests.unit.support.host_world import debian12, rhel9


@pytest.fixture
def fleet(tmp_path, profile):
    """Profiles of three hosts: RHEL 9 in FIPS mode, Debian 12, and one whose user left host_crypto out."""
    made = {}
    for name, make in (("rhel", rhel9), ("debian", debian12)):
        folder = tmp_path / name
        folder.mkdir()
        make(folder)
        made[name] = dict(copy.deepcopy(profile), host_crypto=read_host_crypto(bytes, str(folder)))
    made["left_out"] = dict(copy.deepcopy(profile), host_crypto=None)
    return made


def test_a_profile_from_before_has_none(profile):
    assert host_facts(profile.get("host_crypto")) is None


def test_facts(fleet):
    facts = host_facts(fleet["rhel"]["host_crypto"])
    assert (facts["fips"], facts["policy"], facts["openssl_min_protocol"], facts["openssl_security_level"]) == (True, "FIPS:OSPP", "TLSv1.2", 2)
    assert facts["unreadable"] == [dict(part=name, **item) for name, part in sorted(fleet["rhel"]["host_crypto"].items()) for item in part["unreadable"]]
    modules = fleet["rhel"]["host_crypto"]["modules"]
    assert (facts["lockdown"], facts["module_signatures_enforced"]) == (modules["lockdown"], modules["signature_enforced"])
    assert len(facts["host_keys"]) == len(fleet["rhel"]["host_crypto"]["sshd"]["host_keys"])


def test_inventory_and_summary(tmp_path, fleet):
    audit = tmp_path / "audit"
    host = fleet["debian"]["host_crypto"]
    host["storage"]["luks"] = [{}, {}]
    host["ipsec"]["associations"] = [{"count": 3}, {"count": 4}]
    host["wireguard"]["interfaces"] = [{"name": "wg0"}]
    host["trust_store"]["bundles"] = [{"roots": 140, "weak": 30, "weak_keys": 1, "expired": 2}]
    results = [dict(_store.write_bytes(audit / "hosts" / (name + ".json.gz"), _store.encode(one)), host=name, status="ok") for name, one in fleet.items()]
    made = _report.make(str(audit), sorted(fleet), results)
    inventory = json.loads((audit / "inventory.json").read_text())
    _schema.validate(inventory, "inventory")
    kept = {row["host"]: row["profile"]["host_crypto"] for row in inventory["coverage"]}
    assert kept["left_out"] is None and kept["rhel"]["fips"] is True
    assert [kept["debian"][name] for name in ("roots", "weak_roots", "weak_root_keys", "expired_roots", "luks", "ipsec", "wireguard")] == [140, 30, 1, 2, 2, 7, 1]
    text = "\n".join(made["summary"])
    for words in ("HOSTS (3 with a profile)", "FIPS mode       on: 1, off: 0, not supported by the kernel: 1", "crypto policy   FIPS:OSPP on 1, none on 1",
                  "roots with a weak key on 1 host, expired roots on 1 host", "LUKS on 1 host, IPsec on 1 host, WireGuard on 1 host",
                  "some sources on 2 hosts"):
        assert words in text


def test_one_host_with_all_there_is(fleet):
    host = fleet["debian"]
    facts = dict(host_facts(host["host_crypto"]), luks=2, ipsec=1, wireguard=0, lockdown="integrity", module_signatures_enforced=True, unsigned_modules=1,
                 roots=140, weak_roots=30, weak_root_keys=1, expired_roots=2, host_keys=[{"key_type": "ssh-rsa", "key_bits": 3072}], unreadable=[])
    text = "\n".join(host_lines(dict(host["host"], os="Debian 12", virtualisation="kvm", host_crypto=facts)))
    assert text.splitlines()[0] == "HOST"
    for words in ("Debian 12, x86_64, in kvm, host name web1", "lockdown integrity; module signatures enforced; 1 loaded module without",
                  "ssh-rsa 3072 bits", "140 root certificates, 30 weak (1 by the key, 29 by the signature alone), 2 expired",
                  "2 LUKS devices, 1 IPsec association"):
        assert words in text
    assert "WireGuard" not in text and "not readable" not in text


def test_a_host_whose_configuration_was_left_out(profile):
    text = "\n".join(host_lines(dict(profile["host"], os=None, host_crypto=None)))
    assert "operating system not known" in text and "configuration   not read: host_crypto was left out" in text


def test_many_policies_and_a_hostile_name(tmp_path, fleet):
    results = []
    for number in range(12):
        one = copy.deepcopy(fleet["rhel"])
        one["host"].update(kernel="kernel-of-host-%d" % number, arch="architecture-of-host-%d" % number)
        one["host_crypto"]["crypto_policies"]["effective"] = "OWN\x1b[2J%02d" % number
        results.append(dict(_store.write_bytes(tmp_path / "hosts" / ("%d.json.gz" % number), _store.encode(one)), host=str(number), status="ok"))
    assert len(_report.make(str(tmp_path), [], results)["summary"]) <= _summary.PAGE_LINES
    text = (tmp_path / "summary.txt").read_text()
    assert "2 more in inventory.json" in text and "\x1b" not in text
