# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a user gets it: the checkout, and the tarball installed in some other folder. The tracer is the real one."""

from __future__ import annotations

import gzip
import json
import pathlib
import tarfile

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["crypto_profile", "cryptofleet.audit.crypto_profile"])
def test_ad_hoc_from_the_checkout(checkout, tmp_path, name):
    done, result = checkout.module(name, "duration=5 dest=%s/" % tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # both can only come from the action plugin
    assert "localhost: observing for 5 s" in done.stderr
    assert result["dest"] == str(tmp_path / "localhost.json.gz")
    profile = json.loads(gzip.decompress((tmp_path / "localhost.json.gz").read_bytes()))
    assert profile["window"]["requested_seconds"] == 5
    assert len(json.dumps(result)) < 20000


@pytest.mark.parametrize("name", ["crypto_snapshot", "crypto_preflight"])
def test_the_other_short_names(checkout, name):
    done, result = checkout.module(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["changed"] is False


@pytest.fixture(scope="module")
def tarball(tmp_path_factory, places):
    folder = tmp_path_factory.mktemp("tarball")
    done = places(CHECKOUT, CHECKOUT / ".ansible" / "collections").run("ansible-galaxy", "collection", "build", "--output-path", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("cryptofleet-audit-*.tar.gz"))


def test_the_tarball_holds_what_a_user_needs_and_nothing_else(tarball):
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"CHANGELOG.rst", "CONTRIBUTING.md", "COPYING", "FILES.json", "LICENSES", "MANIFEST.json", "README.md", "bpf", "changelogs", "docs",
                    "meta", "playbooks", "plugins", "roles", "scripts"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or "/." in name or name.startswith("bpf/build")]
    for name in ("plugins/modules/crypto_profile.py", "plugins/action/crypto_profile.py", "plugins/module_utils/_kernel/objects_x86_64.py",
                 "plugins/plugin_utils/schemas/profile.schema.json", "roles/crypto_inventory/README.md", "playbooks/crypto_audit.yml"):
        assert name in names
    assert tarball.stat().st_size < 2000000


def test_the_installed_collection_works_from_any_folder(tarball, tmp_path, places):
    collections = tmp_path / "collections"
    place = places(tmp_path, collections)
    done = place.run("ansible-galaxy", "collection", "install", tarball, "--collections-path", collections)
    assert done.returncode == 0, done.stdout + done.stderr
    done, result = place.module("cryptofleet.audit.crypto_profile", "duration=1 return_document=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["profile"]["document"] == "profile"
    done = place.run("ansible-playbook", "-i", "localhost,", "-c", "local", "cryptofleet.audit.crypto_audit",
                     "-e", "crypto_inventory_duration=1", "-e", "ansible_python_interpreter=/usr/bin/python3")
    assert done.returncode == 0, done.stdout + done.stderr
    audit = next((tmp_path / "audits").iterdir())
    assert json.loads((audit / "manifest.json").read_text())["counts"]["ok"] == 1
    assert json.loads((audit / "inventory.json").read_text())["statistics"]["libraries"] > 0
    done = place.run("ansible-doc", "--type", "module", "cryptofleet.audit.crypto_profile")
    assert done.returncode == 0 and "follow_children" in done.stdout
