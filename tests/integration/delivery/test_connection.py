# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows over a real SSH connection, which is cut while they are open. The tracer is made up; sshd and ssh are real."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import signal
import threading
import time

from ansible_collections.cryptofleet.audit.tests.integration.support.sshd import sshd

__all__ = ["sshd"]  # a fixture


def children(pid):
    return [int(child) for child in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def test_a_long_window_outlives_its_connection_and_leaves_nothing(made_up, profile, sshd, tmp_path):
    cut = []

    def cut_connections():
        time.sleep(8)
        for child in children(sshd.process.pid):
            os.kill(child, signal.SIGKILL)
            cut.append(child)

    cutter = threading.Thread(target=cut_connections)
    cutter.start()
    done, result = made_up().module("cryptofleet.audit.crypto_profile", "duration=16 dest=%s/" % tmp_path, "far", "-i", sshd.inventory,
                                    ANSIBLE_PIPELINING="True")
    cutter.join()
    assert cut
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(gzip.decompress((tmp_path / "far.json.gz").read_bytes())) == profile
    assert result["changed"] is False and "ansible_job_id" not in result
    assert list(sshd.remote.iterdir()) == []


def test_a_short_window_is_one_call_over_the_connection(made_up, sshd):
    done, result = made_up().module("cryptofleet.audit.crypto_profile", "duration=1 return_document=true", "far", "-i", sshd.inventory,
                                    ANSIBLE_PIPELINING="True")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["profile"]["document"] == "profile"
    assert not sshd.remote.exists() or list(sshd.remote.iterdir()) == []


def test_delegation_names_the_host_of_the_task(made_up, sshd, tmp_path):
    done = made_up().play("""
- hosts: here
  gather_facts: false
  tasks:
    - cryptofleet.audit.crypto_profile: {duration: 1, dest: "%s/"}
      delegate_to: far
""" % tmp_path, "-i", sshd.inventory, "-i", "here,")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "here.json.gz").exists()


def test_the_windows_of_a_fleet_open_together_whatever_forks_is(made_up, tmp_path):
    place = made_up()
    hosts = {"h%d" % number: {} for number in range(6)}
    (place.folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": {
        "ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}}))
    start = time.monotonic()
    done = place.run("ansible-playbook", "-i", "hosts.yml", "--forks", "1", "cryptofleet.audit.crypto_audit", "-e", "crypto_inventory_duration=20",
                     "-e", "crypto_inventory_become=false", "-e", "crypto_inventory_dest=%s" % (tmp_path / "audit"))
    took = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "audit" / "manifest.json").read_text())["counts"]["ok"] == 6
    # one after the other they would take six windows
    assert took < 3 * 20
