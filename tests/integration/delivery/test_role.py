# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role over a small fleet, with a made-up tracer: whatever becomes of a host, it is in the manifest."""

from __future__ import annotations

import json
import sys

import pytest

INVENTORY = """
all:
  vars: {ansible_connection: local, ansible_python_interpreter: %s, ansible_become: false}
  hosts:
    good: {}
    other/one: {}
    bad: {crypto_inventory_names: [broken]}
    empty: {crypto_inventory_names: [nobody]}
    gone: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9, ansible_ssh_timeout: 3}
""" % sys.executable


@pytest.fixture
def fleet(made_up, profile):
    profile["coverage"]["guess"] = 1
    place = made_up(broken=json.loads(json.dumps(profile)), profile=dict(profile, coverage={
        key: value for key, value in profile["coverage"].items() if key != "guess"}))
    (place.folder / "hosts.yml").write_text(INVENTORY)
    return place


def audit(place, *options):
    return place.run("ansible-playbook", "-i", "hosts.yml", "cryptofleet.audit.crypto_audit", "-e", "crypto_inventory_duration=1",
                     "-e", "crypto_inventory_dest=%s" % (place.folder / "audit"), *options)


def test_every_host_is_in_the_manifest_and_none_stops_another(fleet):
    done = audit(fleet)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = fleet.folder / "audit"
    manifest = json.loads((folder / "manifest.json").read_text())
    status = {host["host"]: host["status"] for host in manifest["hosts"]}
    assert status == {"good": "ok", "other/one": "ok", "bad": "invalid", "empty": "failed", "gone": "unreachable"}
    reasons = {host["host"]: host["reason"] for host in manifest["hosts"]}
    assert reasons["empty"] == "no process matches name 'nobody'"
    assert "$.coverage" in reasons["bad"]
    assert reasons["gone"]
    inventory = json.loads((folder / "inventory.json").read_text())
    assert [row["host"] for row in inventory["coverage"]] == ["bad", "empty", "gone", "good", "other/one"]
    assert inventory["assets"]["libraries"][0]["hosts"] == 2
    summary = (folder / "summary.txt").read_text()
    assert "hosts: 2 of 5 audited" in summary
    assert [line for line in summary.splitlines() if line[:1].isupper()][1:6] == [
        "HOSTS (2 with a profile)", "CRYPTO LIBRARIES ON THESE HOSTS", "IN USE", "COVERAGE", "DETAILS"]
    assert "1 unreachable, 1 failed, 1 invalid document" in summary
    assert "no process matches name 'nobody'" in summary
    assert sorted(path.name for path in (folder / "hosts").iterdir()) == ["good.json.gz", "other%2Fone.json.gz"]


def test_the_report_can_be_made_anew_without_a_window(fleet):
    assert audit(fleet).returncode == 0
    folder = fleet.folder / "audit"
    before = (folder / "inventory.json").read_bytes()
    (folder / "inventory.json").unlink()
    done = audit(fleet, "--tags", "crypto_inventory_report")
    assert done.returncode == 0, done.stdout
    assert "Open the windows" not in done.stdout
    assert (folder / "inventory.json").read_bytes() == before


def test_a_play_without_one_profile_fails_and_says_so(fleet):
    done = audit(fleet, "--limit", "bad,empty,gone")
    assert done.returncode == 2
    assert "None of 3 hosts gave a profile" in " ".join((done.stdout + done.stderr).split())
    assert "hosts: 0 of 3 audited" in (fleet.folder / "audit" / "summary.txt").read_text()


def test_check_mode_writes_nothing(fleet):
    done = audit(fleet, "--check", "--limit", "good,empty")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (fleet.folder / "audit").exists()
