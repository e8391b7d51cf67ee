# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto of a fleet's profiles in the inventory and in the summary."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.host_crypto import read_host_crypto
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _report, _schema, _store
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._host_facts import host_facts
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
    assert facts["unreadable"] == sorted(name for name, part in fleet["rhel"]["host_crypto"].items() if part["unreadable"])


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
    for words in ("HOSTS (2)", "in FIPS mode: 1; not: 0; not told by the kernel: 1", "crypto-policies: none on 1, FIPS:OSPP on 1",
                  "roots with a weak key on 1, expired roots on 1", "LUKS on 1, IPsec on 1, WireGuard on 1", "Not all of it could be read on 2"):
        assert words in text


def test_no_section_where_nobody_told(tmp_path, profile):
    result = dict(_store.write_bytes(tmp_path / "hosts" / "a.json.gz", _store.encode(profile)), host="a", status="ok")
    assert not any(line.startswith("HOSTS") for line in _report.make(str(tmp_path), ["a"], [result])["summary"])


def test_many_policies_and_a_hostile_name(tmp_path, fleet):
    results = []
    for number in range(12):
        one = copy.deepcopy(fleet["rhel"])
        one["host_crypto"]["crypto_policies"]["effective"] = "OWN\x1b[2J%02d" % number
        results.append(dict(_store.write_bytes(tmp_path / "hosts" / ("%d.json.gz" % number), _store.encode(one)), host=str(number), status="ok"))
    text = "\n".join(_report.make(str(tmp_path), [], results)["summary"])
    assert "2 more in inventory.json" in text and "\x1b" not in text
