# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifest, inventory and summary of an audit's folder."""

from __future__ import annotations

import copy
import json
import tracemalloc

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _report, _schema, _store


@pytest.fixture
def audit(tmp_path):
    return tmp_path / "audit"


def put(audit, host, profile):
    return dict(_store.write_bytes(audit / "hosts" / (_store.safe_name(host) + ".json.gz"), _store.encode(profile)), host=host, status="ok")


def read(audit, name):
    return json.loads((audit / name).read_text())


def whole(audit):
    return (audit / "summary.txt").read_text()


def test_what_was_negotiated_and_what_programs_carry_are_assets(audit, profile):
    _report.make(str(audit), [], [put(audit, name, profile) for name in "ab"])
    assets = read(audit, "inventory.json")["assets"]
    tls, = [asset for asset in assets["protocols"] if asset["protocol"] == "TLS"]
    ssh, = [asset for asset in assets["protocols"] if asset["protocol"] == "SSH"]
    assert (tls["version"], tls["cipher_suite"], tls["group"], tls["hosts"], tls["count"]) == (
        "TLS 1.3", "TLS_AES_256_GCM_SHA384", "X25519MLKEM768", 2, 14)
    assert [place["path"] for place in tls["occurrences"]] == ["site.example:443"] * 2
    assert (ssh["key_exchange"], ssh["occurrences"][0]["path"]) == ("curve25519-sha256", "192.0.2.1:22")
    stack, = assets["stacks"]
    carried = profile["processes"][0]["stacks"][0]
    assert (stack["name"], stack["version"], stack["locations"]) == (carried["name"], carried["version"], 2)


def test_every_host_is_in_every_denominator(audit, profile):
    results = [put(audit, "a", profile), put(audit, "b/c", profile),
               {"host": "d", "status": "unreachable", "reason": "no route"}, {"host": "e", "status": "failed", "reason": "not root"},
               {"host": "f", "status": "invalid", "reason": "$.x"}]
    made = _report.make(str(audit), ["a", "b/c", "d", "e", "f", "g"], results)
    assert made["counts"]["hosts"] == {"total": 6, "ok": 2, "unreachable": 1, "failed": 1, "invalid": 1, "not_run": 1}
    manifest = read(audit, "manifest.json")
    _schema.validate(manifest, "manifest")
    assert [host["status"] for host in manifest["hosts"]] == ["ok", "ok", "unreachable", "failed", "invalid", "not_run"]
    assert manifest["hosts"][1]["file"] == "hosts/b%2Fc.json.gz"
    inventory = read(audit, "inventory.json")
    _schema.validate(inventory, "inventory")
    assert [row["status"] for row in inventory["coverage"]] == ["ok", "ok", "unreachable", "failed", "invalid", "not_run"]
    assert inventory["hosts"]["total"] == 6
    page = "\n".join(made["summary"])
    assert "hosts: 2 of 6 audited" in page and "; 1 unreachable, 1 failed, 1 invalid document, 1 not run" in page
    for words in ("d: no route", "e: not root", "f: $.x", "1 host, not run:"):
        assert words in whole(audit)


def test_assets_are_merged_with_their_places(audit, profile):
    other = copy.deepcopy(profile)
    other["processes"][0]["unit"] = None
    other["processes"][0]["operations"][0]["count"] = 5
    other["processes"].append(dict(copy.deepcopy(other["processes"][0]), pid=1, audit_connection=True))
    _report.make(str(audit), [], [put(audit, "a", profile), put(audit, "b", other)])
    assets = read(audit, "inventory.json")["assets"]
    library = assets["libraries"]
    assert [(entry["name"], entry["hosts"], entry["locations"]) for entry in library] == [("libcrypto", 2, 2)]
    algorithm = assets["algorithms"][0]
    assert (algorithm["algorithm"], algorithm["operation"], algorithm["key_bits"], algorithm["count"]) == ("AES-256-GCM", "encrypt", 256, 1005)
    assert [(place["host"], place["exe"], place["unit"], place["count"]) for place in algorithm["occurrences"]] == [
        ("a", "/usr/sbin/nginx", "nginx.service", 1000), ("b", "/usr/sbin/nginx", None, 5)]
    assert assets["certificates"][0]["fingerprint_sha256"] == "c" * 64
    assert [(entry["path"], entry["key_bits"]) for entry in assets["keys"]] == [("/etc/ssl/private/site.key", 2048)]


def test_an_expired_certificate_is_in_the_summary(audit, profile):
    _report.make(str(audit), [], [put(audit, "a", profile)])
    text = whole(audit)
    assert "1 of them expired, 0 within 30 days" in text and "expired 2026-01-01  CN=site.example" in text
    assert "EXPIRED CERTIFICATES (1)\n  2026-01-01  CN=site.example\n" in text
    profile["processes"][0]["files"][0]["facts"]["not_after"] = "2026-02-20T00:00:00Z"
    _report.make(str(audit), [], [put(audit, "a", profile)])
    text = whole(audit)
    assert "0 of them expired, 1 within 30 days" in text and "CERTIFICATES THAT EXPIRE WITHIN 30 DAYS (1)" in text


def test_who_maps_a_library_and_since_when(audit, profile, process):
    before, replaced, ended = (copy.deepcopy(process) for _ in range(3))
    before.update(pid=1, started_at="2026-01-30T10:00:00.000000Z", exec_number=1)
    before["libraries"] = [dict(before["libraries"][0], how="present", first_seen=None, deleted=True)]
    # the same process before it called execve, and one that ended: neither maps anything any more
    replaced.update(pid=1, started_at=before["started_at"], exec_number=0)
    ended.update(pid=2, exited_at="2026-01-31T12:00:10.000000Z")
    profile["processes"] += [before, replaced, ended]
    _report.make(str(audit), [], [put(audit, name, profile) for name in "ab"])
    inventory = read(audit, "inventory.json")
    _schema.validate(inventory, "inventory")
    library, = inventory["assets"]["libraries"]
    assert (library["processes"], library["deleted"], library["count"], library["mapped_since"]) == (4, 2, 8, "2026-01-30T10:00:00.000000Z")
    place = library["occurrences"][0]
    assert (place["processes"], place["deleted"], place["mapped_since"]) == (2, 1, "2026-01-30T10:00:00.000000Z")
    assert "2 hosts, 4 processes since 2026-01-30 10:00, REPLACED ON DISK (2)" in whole(audit)
    assert "processes" not in inventory["assets"]["algorithms"][0]["occurrences"][0]


def test_handshakes_of_an_unknown_process_are_in_the_inventory(audit, profile, process):
    profile["processes"] = []
    profile["unattributed"]["tls"] = process["tls"]
    _report.make(str(audit), [], [put(audit, "a", profile)])
    tls, = read(audit, "inventory.json")["assets"]["protocols"]
    assert tls["occurrences"][0]["exe"] is None and "7 as server by a process not known" in whole(audit)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"not gzip", None])
def test_a_broken_file_is_quarantined_and_named(audit, profile, content):
    results = [put(audit, "a", profile), put(audit, "b", profile)]
    path = audit / "hosts" / "b.json.gz"
    if content is None:
        content = _store.write_bytes(path, _store.encode(dict(profile, processes="none"))) and path.read_bytes()
    path.write_bytes(content)
    made = _report.make(str(audit), ["a", "b"], results)
    assert made["counts"]["hosts"]["ok"] == 1 and made["counts"]["hosts"]["invalid"] == 1
    assert made["quarantined"][0]["file"] == "hosts/b.json.gz"
    assert (audit / "quarantine" / "b.json.gz").read_bytes() == content
    assert not path.exists()
    assert "file not usable: hosts/b.json.gz: " in whole(audit)


def test_a_second_run_into_the_folder_keeps_what_the_first_knows(audit, profile):
    _report.make(str(audit), ["a", "b"], [put(audit, "a", profile), {"host": "b", "status": "unreachable", "reason": "x"}])
    made = _report.make(str(audit), ["c"], [put(audit, "c", profile)])
    assert made["counts"]["hosts"] == {"total": 3, "ok": 2, "unreachable": 1, "failed": 0, "invalid": 0, "not_run": 0}


def test_a_host_that_fails_now_is_not_shown_with_an_old_profile(audit, profile):
    _report.make(str(audit), ["a"], [put(audit, "a", profile)])
    made = _report.make(str(audit), ["a"], [{"host": "a", "status": "unreachable", "reason": "x"}])
    assert made["counts"]["hosts"]["ok"] == 0
    assert made["counts"]["assets"]["libraries"] == 0


def test_the_reports_are_the_same_for_the_same_profiles(audit, profile):
    results = [put(audit, host, profile) for host in "cab"]
    _report.make(str(audit), [], results)
    first = {name: (audit / name).read_bytes() for name in ("manifest.json", "inventory.json", "summary.txt")}
    _report.make(str(audit), [], list(reversed(results)))
    assert first == {name: (audit / name).read_bytes() for name in first}


def test_an_audit_without_a_profile_has_its_reports_too(audit):
    made = _report.make(str(audit), ["a"], [])
    assert made["counts"]["hosts"]["not_run"] == 1
    assert read(audit, "inventory.json")["as_of"] is None
    assert made["summary"][0] == "CRYPTO INVENTORY of a, no host gave a profile"
    assert "a: it left the play before its window opened" in whole(audit)


def test_a_dry_run_writes_nothing(audit, profile):
    results = [put(audit, "a", profile)]
    before = sorted(audit.rglob("*"))
    assert _report.make(str(audit), ["a"], results, dry_run=True)["counts"]["hosts"]["ok"] == 1
    assert sorted(audit.rglob("*")) == before


def test_nothing_temporary_stays(audit, profile):
    _report.make(str(audit), ["a"], [put(audit, "a", profile)])
    assert sorted(path.name for path in audit.iterdir()) == [".lock", "hosts", "inventory.json", "manifest.json", "summary.txt"]


def test_memory_stays_flat_with_the_number_of_hosts(audit, profile):
    def peak(hosts):
        folder = audit / str(hosts)
        results = []
        for number in range(hosts):
            own = copy.deepcopy(profile)
            own["processes"] = [dict(own["processes"][0], exe="/opt/%d/%d" % (number, process)) for process in range(20)]
            results.append(put(folder, "h%04d" % number, own))
        tracemalloc.start()
        _report.make(str(folder), [], results)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size
    assert peak(120) < 3 * peak(20)
