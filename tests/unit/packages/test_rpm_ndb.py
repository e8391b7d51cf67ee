# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners of paths from a database of rpm's ndb backend, as rpm wrote it, and damaged."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.index import PackageIndex
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_header import RpmError
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_ndb import NdbDatabase
from ansible_collections.cryptofleet.audit.tests.unit.support.damage import damaged
from ansible_collections.cryptofleet.audit.tests.unit.support.rpm_ndb import PACKAGES_DB
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DEMO = {"manager": "rpm", "name": "demo", "version": "2:1.2.3-4.el9"}
PLAIN = {"manager": "rpm", "name": "plain", "version": "1.2.3-4.el9"}
OWNERS = {
    b"/usr/lib64/libdemo.so.1": DEMO, b"/usr/lib64/libplain.so.1": PLAIN, b"/opt/demo/libshared.so.1": DEMO, b"/opt/plain/libshared.so.1": PLAIN,
    b"/opt/plain/many/a_rather_long_file_name_number_300": PLAIN, b"/opt/demo/many/a_rather_long_file_name_number_3": DEMO,
    b"/opt/gone/libshared.so.1": None, b"/usr/lib64/libgone.so.1": None, b"/opt/demo/many/a_rather_long_file_name_number_4": None,
    b"/usr/lib/libdemo.so.1": None, b"/libshared.so.1": None, b"/": None, b"": None}


@pytest.fixture
def root(tmp_path):
    def make(content=PACKAGES_DB):
        folder = tmp_path / "usr" / "lib" / "sysimage" / "rpm"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Packages.db").write_bytes(content)
        return os.fsencode(str(tmp_path))
    return make


def test_owners(root):
    with PackageIndex(root()) as index:
        assert index.owners(OWNERS) == OWNERS
        assert index.problem is None
    with PackageIndex(root()) as index:
        for path, owner in OWNERS.items():
            assert index.owner(path) == owner


def with_size(content, size):
    """The database with another length in the first blob."""
    at = content.index(b"BlbS") + 12
    return content[:at] + struct.pack("<I", size) + content[at + 4:]


@pytest.mark.parametrize("content, problem", [
    (PACKAGES_DB[:20], "file header is missing"), (b"rpmP" + PACKAGES_DB[4:], "not a package database"), (PACKAGES_DB[:4] + b"\1" + PACKAGES_DB[5:], "not a package database"),
    (PACKAGES_DB[:12] + b"\0\1\1\0" + PACKAGES_DB[16:], "65792 pages of slots"), (PACKAGES_DB[:4000], "slots are cut short"),
    (PACKAGES_DB.replace(b"Slot", b"slot", 1), "not a slot"), (PACKAGES_DB.replace(b"BlbS", b"BlbE", 1), "is not where its slot says"),
    (with_size(PACKAGES_DB, 0xFFFFFFF0), "is not where its slot says"), (PACKAGES_DB[:-4096], "the file is cut short")])
def test_damage_is_reported(root, content, problem):
    with PackageIndex(root(content)) as index:
        index.owners(OWNERS)
        assert problem in index.problem


def test_owners_found_before_the_damage_are_kept(root):
    """The last header is cut."""
    with PackageIndex(root(PACKAGES_DB[:-64])) as index:
        found = index.owners(OWNERS)
        assert "cut short" in index.problem
    assert {path for path, owner in OWNERS.items() if owner} - {path for path, owner in found.items() if owner} in (
        {path for path, owner in OWNERS.items() if owner == DEMO}, {path for path, owner in OWNERS.items() if owner == PLAIN})


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_anywhere(tmp_path, data):
    path = tmp_path / "db"
    path.write_bytes(data.draw(damaged(PACKAGES_DB, 80)))
    fd = os.open(str(path), os.O_RDONLY)
    try:
        NdbDatabase(fd).owners(set(OWNERS), {})
    except RpmError:
        pass
    finally:
        os.close(fd)
