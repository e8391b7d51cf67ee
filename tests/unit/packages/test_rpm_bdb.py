# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""BdbDatabase: files that Berkeley DB wrote, compared with what rpm itself reads from them, and damaged ones."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages import rpm_bdb as rpm_bdb_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages import rpm_header
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.index import PackageIndex
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_bdb import BdbDatabase
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_header import Header, RpmError
from ansible_collections.cryptofleet.audit.tests.unit.support import rpm_bdb, rpm_bdb_by_rpm, rpm_made
from ansible_collections.cryptofleet.audit.tests.unit.support.damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DEMO = {"manager": "rpm", "name": "demo", "version": "2:1.2.3-4.el9"}
PLAIN = {"manager": "rpm", "name": "plain", "version": "1.2.3-4.el9"}
STATES = (0, 1, 2, 3, 4, 255)  # rpm's rpmfileState, one file for each
OF_DEMO, OF_PLAIN = b"/usr/lib64/libdemo.so.1", b"/opt/plain/many/a_rather_long_file_name_number_999"
# offsets of fields in the meta page and in a page, and page types
VERSION, PAGE_SIZE, ENCRYPTION, KIND, FLAGS, LAST_BUCKET, NEXT, ENTRIES = 16, 20, 24, 25, 26, 72, 16, 20
OVERFLOW, HASH = 7, 13


def with_states(header):
    """The header with the STATES set for its files ..._1 to ..._6."""
    content = bytearray(header)
    places = {tag: 8 + 16 * struct.unpack_from(">I", header)[0] + offset
              for tag, _kind, offset, _count in struct.iter_unpack(">IIII", header[8:8 + 16 * struct.unpack_from(">I", header)[0]])}
    names = Header(header).texts(rpm_header._BASENAMES)
    for number, state in enumerate(STATES, 1):
        content[places[rpm_header._FILESTATES] + names.index(b"a_rather_long_file_name_number_%d" % number)] = state
    return bytes(content)


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    """Headers that rpm made: dict name -> bytes."""
    root = tmp_path_factory.mktemp("made")
    rpm_made.install(root, [("demo", "Epoch: 2", 3), ("plain", "", 1000), ("gone", "", 200), ("states", "", len(STATES))])
    made = {Header(header).text(rpm_header._NAME, 0).decode(): header
            for header in rpm_bdb.headers_of(root / "usr/lib/sysimage/rpm/rpmdb.sqlite")}
    made["states"] = with_states(made["states"])
    return made


@pytest.fixture(scope="module")
def content(headers, tmp_path_factory):
    """A Packages with demo, plain and states, in this order."""
    folder = tmp_path_factory.mktemp("content") / "rpm"
    rpm_bdb.write_database(folder, [headers["demo"], headers["plain"], headers["states"]])
    return (folder / "Packages").read_bytes()


@pytest.fixture
def asked(tmp_path):
    """Ask for owners with some bytes as the database: ``(owners, problem)``."""
    def ask(stored, paths=(OF_DEMO, OF_PLAIN)):
        folder = tmp_path / "var/lib/rpm"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Packages").write_bytes(stored)
        with PackageIndex(os.fsencode(str(tmp_path))) as index:
            return index.owners(paths), index.problem
    return ask


def changed(content, at, layout, *values):
    stored = bytearray(content)
    struct.pack_into("<" + layout, stored, at, *values)
    return bytes(stored)


def pages_of(content, kind, order="<"):
    """Where the pages of a kind begin."""
    size = struct.unpack_from(order + "I", content, PAGE_SIZE)[0]
    return [at for at in range(size, len(content), size) if content[at + KIND] == kind]


def assert_owners_like_rpm(folder, root):
    """Compare the owner of every packaged file, and of some that are in no package, with rpm's answer: ``(files, owned)``."""
    listing = subprocess.run(["rpm", "--dbpath", str(folder), "--define", "_db_backend bdb_ro", "-qa", "--qf", "[%{=NAME} %{FILENAMES}\\n]"],
                             check=True, stdout=subprocess.PIPE).stdout.split(b"\n")[:-1]
    files = dict(reversed(line.split(b" ", 1)) for line in listing)
    others = [b"/opt/gone/libshared.so.1", b"/usr/lib/libdemo.so.1", b"/libdemo.so.1", b"/opt/plain/many"[:-1], b"/"]
    with PackageIndex(os.fsencode(str(root))) as index:
        owners = index.owners(list(files) + others)
        assert index.problem is None
    some = [path for path in files if b"/many/" not in path or b"/states/" in path or path.endswith(b"99")]
    by_rpm = rpm_bdb.owners_by_rpm(folder, some + others)
    for path in some + others:
        assert by_rpm[path] == (["%(name)s %(version)s" % owners[path]] if owners[path] else []), path
    for path in set(files) - set(some):
        assert owners[path]["name"].encode() == files[path]
    return len(files), sum(owner is not None for owner in owners.values())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_every_path_has_the_owner_that_rpm_reports(headers, tmp_path, page_size, order):
    """One of the packages has been removed. In large pages, small headers are stored beside their keys."""
    folder = tmp_path / "var/lib/rpm"
    rpm_bdb.write_database(folder, [headers["demo"], headers["plain"], headers["states"]], page_size, order, [headers["gone"]])
    files, owned = assert_owners_like_rpm(folder, tmp_path)
    assert (files, owned) == (3 * 4 + 3 + 1000 + len(STATES), files - 4)


def test_a_database_that_has_grown_and_shrunk(headers, tmp_path):
    """Many buckets, some with several pages, and headers in reused pages."""
    folder = tmp_path / "var/lib/rpm"
    rpm_bdb.write_database(folder, [headers["demo"], headers["plain"], headers["states"]], 512, removed=700 * [headers["gone"]])
    content = (folder / "Packages").read_bytes()
    assert struct.unpack_from("<I", content, LAST_BUCKET)[0] > 20
    assert_owners_like_rpm(folder, tmp_path)


def test_several_pages_in_a_bucket(headers, tmp_path):
    folder = tmp_path / "var/lib/rpm"
    rpm_bdb.write_database(folder, [headers["demo"]] + 170 * [headers["gone"]] + [headers["plain"]], 512)
    content = (folder / "Packages").read_bytes()
    assert any(content[at + NEXT:at + NEXT + 4] != bytes(4) for at in pages_of(content, HASH))
    with PackageIndex(os.fsencode(str(tmp_path))) as index:
        assert index.owners([OF_DEMO, OF_PLAIN]) == {OF_DEMO: DEMO, OF_PLAIN: PLAIN}
        assert index.problem is None


def test_pages_of_older_berkeley_db(headers, tmp_path):
    """Before 4.6 the keys of a page were not sorted, and the page type differs."""
    folder = tmp_path / "var/lib/rpm"
    rpm_bdb.write_database(folder, [headers["demo"], headers["plain"], headers["states"]])
    for name in ("Packages", "Basenames"):
        stored = changed((folder / name).read_bytes(), VERSION, "I", 8)
        for at in pages_of(stored, HASH):
            stored = changed(stored, at + KIND, "B", 2)
        (folder / name).write_bytes(stored)
    assert_owners_like_rpm(folder, tmp_path)


def test_a_database_of_rpm_itself(asked):
    """With a package that was removed."""
    plain, gone = b"/opt/plain/many/a_rather_long_file_name_number_300", b"/opt/gone/libshared.so.1"
    assert asked(rpm_bdb_by_rpm.PACKAGES, [OF_DEMO, plain, gone]) == ({OF_DEMO: DEMO, plain: PLAIN, gone: None}, None)


def test_a_database_that_grows_between_questions(headers, tmp_path):
    packages, key = tmp_path / "var/lib/rpm/Packages", struct.Struct("<I").pack
    packages.parent.mkdir(parents=True)
    rpm_bdb.write_hash(packages, [(key(1), headers["demo"])])
    with PackageIndex(os.fsencode(str(tmp_path))) as index:
        assert index.owner(OF_DEMO) == DEMO
        rpm_bdb.write_hash(packages, [(key(2), headers["plain"])])
        assert index.owner(OF_PLAIN) == PLAIN
        assert index.problem is None


def test_a_database_written_meanwhile_is_read_again(content, tmp_path, monkeypatch):
    path = tmp_path / "Packages"
    path.write_bytes(content[:-4096])
    os.utime(str(path), (0, 0))

    problems = []

    def finish(stored, paths, found):
        """Complete the file, as rpm would while it is read."""
        try:
            rpm_header.owners_in(stored, paths, found)
        except RpmError as error:
            problems.append(str(error))
            path.write_bytes(content)
            raise
    monkeypatch.setattr(rpm_bdb_module, "owners_in", finish)
    fd, found = os.open(str(path), os.O_RDONLY), {}
    try:
        BdbDatabase(fd).owners({OF_DEMO, OF_PLAIN}, found)
    finally:
        os.close(fd)
    assert found == {OF_DEMO: DEMO, OF_PLAIN: PLAIN}
    assert problems == ["the file is cut short"]


@pytest.mark.parametrize("entries", [[], [(bytes(4), bytes(4))]])
def test_no_package(tmp_path, asked, entries):
    rpm_bdb.write_hash(tmp_path / "empty", entries)
    assert asked((tmp_path / "empty").read_bytes()) == ({OF_DEMO: None, OF_PLAIN: None}, None)


@pytest.mark.parametrize("at, layout, value, problem", [
    (12, "I", 0x053162, "not a Berkeley DB hash"), (VERSION, "I", 7, "version 7"), (PAGE_SIZE, "I", 256, "page size 256"),
    (PAGE_SIZE, "I", 1 << 17, "page size 131072"), (PAGE_SIZE, "I", 4097, "page size 4097"), (KIND, "B", 9, "type 9"),
    (ENCRYPTION, "B", 1, "encryption 1"), (FLAGS, "B", 1, "flags 1"), (LAST_BUCKET, "I", 0xFFFFFFFF, "4294967296 buckets")])
def test_unsupported_meta_pages_are_reported(content, asked, at, layout, value, problem):
    owners, problem_found = asked(changed(content, at, layout, value))
    assert problem in problem_found and problem_found.startswith("rpm: var/lib/rpm/Packages: ")
    assert owners == {OF_DEMO: None, OF_PLAIN: None}


def test_a_truncated_meta_page(content, asked):
    assert asked(content[:511])[1] == "rpm: var/lib/rpm/Packages: file header is missing"


def page_of_plain(content):
    """Where a page with names of plain's files begins."""
    return re.search(rb"a_rather_long_file_name_number_5\d\d\0", content).start() // 4096 * 4096


@pytest.mark.parametrize("stored", [
    bytes(4096), b"\xff" * 4096, bytes(NEXT) + struct.pack("<IHHBB", 0, 0, 0, 0, OVERFLOW)])
def test_a_damaged_package_does_not_hide_the_others(content, asked, stored):
    at = page_of_plain(content)
    owners, problem = asked(content[:at] + stored + content[at + len(stored):])
    assert owners == {OF_DEMO: DEMO, OF_PLAIN: None}
    assert "rpm: the database is damaged or was being written: page " in problem


def test_a_header_that_is_damaged_does_not_hide_the_others(headers, tmp_path, asked):
    key = struct.Struct("<I").pack
    broken = struct.pack(">II", 1 << 20, 1) + headers["plain"][8:]
    rpm_bdb.write_hash(tmp_path / "x", [(key(1), broken), (key(2), headers["demo"]), (key(3), b"")])
    owners, problem = asked((tmp_path / "x").read_bytes())
    assert owners == {OF_DEMO: DEMO, OF_PLAIN: None}
    assert "header is cut short" in problem or "header of 0 bytes" in problem


def test_loops_of_pages(content, asked):
    """An overflow page that links to itself does not follow itself; a bucket page that does is stopped by the page limit."""
    at = page_of_plain(content)
    owners, problem = asked(changed(content, at + NEXT, "I", at // 4096))
    assert owners == {OF_DEMO: DEMO, OF_PLAIN: None}
    assert "does not follow" in problem
    for at in pages_of(content, HASH):
        content = changed(content, at + NEXT, "I", at // 4096)
    assert "a loop of pages" in asked(content)[1]


def test_a_bucket_that_is_lost(content, asked):
    """A page of zeros is valid only for a bucket that never had a key."""
    lost = 0
    for at in pages_of(content, HASH):
        owners, problem = asked(content[:at] + bytes(4096) + content[at + 4096:])
        assert "keys are missing" in problem
        lost += list(owners.values()).count(None)
    assert lost == 2


@pytest.mark.parametrize("entries", [1, 3, 2036, 65535])
def test_impossible_counts_of_items(content, asked, entries):
    for at in pages_of(content, HASH):
        content = changed(content, at + ENTRIES, "H", entries)
    owners, problem = asked(content)
    assert owners == {OF_DEMO: None, OF_PLAIN: None}
    assert "items on a page" in problem or "out of place" in problem


def test_a_truncated_file(content, asked):
    """As while it is being written: the missing part is reported, and no wrong owner."""
    for pages in range(1, len(content) // 4096, 3):
        owners, problem = asked(content[:pages * 4096 - 1])
        assert "cut short" in problem
        assert owners[OF_DEMO] in (DEMO, None) and owners[OF_PLAIN] in (PLAIN, None)


@pytest.mark.parametrize("module, bound, value, problem", [
    (rpm_bdb_module, "_MAX_PAGES", 50, "more than 50 pages"), (rpm_bdb_module, "_MAX_BYTES", 50 * 4096, "more than 50 pages"),
    (rpm_bdb_module, "MAX_HEADER", 100000, "header of"), (rpm_header, "_MAX_ALL_HEADERS", 100000, "more than 100000 bytes of headers"),
    (rpm_header, "_MAX_ALL_FILES", 2000, "or 2000 files"), (rpm_header, "_MAX_ENTRIES", 10, "entries in a header"),
    (rpm_header, "_MAX_TEXTS", 900, "texts in a header")])
def test_exceeded_limits_are_reported(headers, tmp_path, asked, monkeypatch, module, bound, value, problem):
    key = struct.Struct("<I").pack
    rpm_bdb.write_hash(tmp_path / "x", [(key(number), headers["plain"]) for number in range(1, 4)])
    monkeypatch.setattr(module, bound, value)
    assert problem in asked((tmp_path / "x").read_bytes())[1]


def test_links_and_fifos_below_a_container_are_not_opened(content, tmp_path):
    folder = tmp_path / "container/var/lib/rpm"
    folder.mkdir(parents=True)
    (tmp_path / "Packages").write_bytes(content)
    (folder / "Packages").symlink_to(tmp_path / "Packages")
    with PackageIndex(os.fsencode(str(tmp_path / "container"))) as index:
        assert index.owner(OF_DEMO) is None
    (folder / "Packages").unlink()
    os.mkfifo(str(folder / "Packages"))
    with PackageIndex(os.fsencode(str(tmp_path / "container"))) as index:
        assert index.owner(OF_DEMO) is None
        assert index.problem == "Packages is not a regular file and was not read"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_anywhere(content, tmp_path, data):
    """Only RpmError escapes, within 2 s, and no path gets an owner that was not asked for."""
    hash_page = pages_of(content, HASH)[0]
    begin = data.draw(st.sampled_from([0, hash_page, hash_page + 4096 - 100]))
    stored = content[:begin] + data.draw(damaged(content[begin:], 250))
    path = tmp_path / "db"
    path.write_bytes(stored)
    fd, found, began = os.open(str(path), os.O_RDONLY), {}, time.monotonic()
    try:
        BdbDatabase(fd).owners({OF_DEMO, OF_PLAIN, b"/opt/plain/libshared.so.1"}, found)
    except RpmError:
        pass
    finally:
        os.close(fd)
    assert time.monotonic() - began < 2
    assert set(found) <= {OF_DEMO, OF_PLAIN, b"/opt/plain/libshared.so.1"}
