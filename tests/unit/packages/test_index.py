# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PackageIndex: owners from this machine's dpkg, from a database that rpm wrote, and from small databases of dpkg and apk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages import index as index_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.index import PackageIndex
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_header import RpmError
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_sqlite import RpmSqliteDatabase
from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.sqlite import SqliteError, SqliteFile
from ansible_collections.cryptofleet.audit.tests.unit.support import rpm_made
from ansible_collections.cryptofleet.audit.tests.unit.support.damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def root_of(tmp_path):
    return os.fsencode(str(tmp_path))


def write(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def owned(manager, name, version):
    return {"manager": manager, "name": name, "version": version}


def test_dpkg_here_like_dpkg_itself():
    if shutil.which("dpkg-query") is None:
        pytest.skip("no dpkg")
    paths = [os.path.realpath(path) for path in map(shutil.which, ("ls", "dpkg", "tar", "sh", "perl")) if path]
    paths += [os.path.realpath("/lib/ld-linux.so.2"), "/no/such/file", "/usr/bin"]
    index = PackageIndex()
    together = PackageIndex().owners([os.fsencode(path) for path in paths])
    for path in paths:
        found = index.owner(os.fsencode(path))
        assert found == together[os.fsencode(path)]
        answers = []
        for spelling in (path, path[4:]):
            answer = subprocess.run(["dpkg-query", "-S", spelling], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
            answers += [line.rpartition(": ")[0] for line in answer.stdout.splitlines() if not line.startswith("diversion")]
        if found is None:
            assert not answers
            continue
        names = {name.split(":")[0] for answer in answers for name in answer.split(", ")}
        assert found["name"] in names
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ", found["name"]], stdout=subprocess.PIPE, check=True, universal_newlines=True)
        assert found["version"] in version.stdout.split()
    assert index.problem is None


STATUS = (b"Package: libx\nStatus: install ok installed\nArchitecture: i386\nVersion: 1.0\n\n"
          b"Package: libx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.0\nDescription: x\n Version: 9\n\n"
          b"Package: tool\nArchitecture: all\nVersion: 3:4-5\n\nPackage: other\nVersion: 6\nArchitecture: all\n")


@pytest.fixture
def debian(tmp_path):
    write(tmp_path, "var/lib/dpkg/status", STATUS)
    write(tmp_path, "var/lib/dpkg/info/libx:i386.list", b"/.\n/lib\n/lib/i386/libx.so.1\n")
    write(tmp_path, "var/lib/dpkg/info/libx:amd64.list", b"/.\n/lib\n/lib/amd64/libx.so.1\n")
    write(tmp_path, "var/lib/dpkg/info/tool.list", b"/.\n/usr/bin/tool\n/usr/bin/both\n")
    write(tmp_path, "var/lib/dpkg/info/other.list", b"/.\n/usr/bin/both\n/usr/bin/local\n")
    write(tmp_path, "var/lib/dpkg/diversions", b"/usr/bin/both\n/usr/bin/both.distrib\ntool\n/usr/bin/local\n/usr/bin/local.real\n:\n")
    return tmp_path


@pytest.mark.parametrize("more", [[], [b"/x/%d" % number for number in range(20)]])
def test_dpkg_fixture(debian, more):
    (debian / "lib").mkdir()
    index = PackageIndex(root_of(debian))
    asked = [b"/lib/amd64/libx.so.1", b"/lib/i386/libx.so.1", b"/usr/lib/amd64/libx.so.1", b"/usr/bin/tool", b"/usr/bin/both", b"/usr/bin/both.distrib",
             b"/usr/bin/local", b"/usr/bin/local.real", b"/usr/bin/too", b"tool", b"/a\n/usr/bin/tool"]
    found = index.owners(asked + more)
    assert [found[path] and found[path]["name"] for path in asked] == ["libx", "libx", None, "tool", "tool", "other", None, "other", None, None, None]
    assert found[b"/lib/amd64/libx.so.1"] == owned("dpkg", "libx", "2.0")
    assert found[b"/lib/i386/libx.so.1"] == owned("dpkg", "libx", "1.0")
    assert found[b"/usr/bin/tool"] == owned("dpkg", "tool", "3:4-5")


def test_merged_usr(debian):
    (debian / "usr/lib").mkdir(parents=True)
    (debian / "lib").symlink_to("usr/lib")
    (debian / "bin").symlink_to("usr/bin")
    index = PackageIndex(root_of(debian))
    assert index.owner(b"/usr/lib/amd64/libx.so.1") == owned("dpkg", "libx", "2.0")
    assert index.owner(b"/lib/amd64/libx.so.1") == owned("dpkg", "libx", "2.0")
    assert index.owner(b"/bin/tool") == owned("dpkg", "tool", "3:4-5")


def test_distroless(tmp_path):
    write(tmp_path, "var/lib/dpkg/status.d/libssl3", b"Package: libssl3\nVersion: 3.0.17-1\nArchitecture: amd64\n")
    write(tmp_path, "var/lib/dpkg/status.d/libssl3.md5sums", b"0123456789abcdef0123456789abcdef  usr/lib/x/libssl.so.3\n")
    assert PackageIndex(root_of(tmp_path)).owner(b"/usr/lib/x/libssl.so.3") == owned("dpkg", "libssl3", "3.0.17-1")


def test_links_and_fifos_below_a_container_are_not_opened(debian, tmp_path):
    other = tmp_path / "container"
    (other / "var/lib").mkdir(parents=True)
    (other / "var/lib/dpkg").symlink_to(debian / "var/lib/dpkg")
    assert PackageIndex(root_of(other)).owner(b"/usr/bin/tool") is None
    (other / "var/lib/dpkg").unlink()
    (other / "var/lib/dpkg/info").mkdir(parents=True)
    os.mkfifo(str(other / "var/lib/dpkg/info/a.list"))
    (other / "var/lib/dpkg/info/b.list").symlink_to(debian / "var/lib/dpkg/info/tool.list")
    index = PackageIndex(root_of(other))
    assert index.owner(b"/usr/bin/tool") is None
    assert index.problem == "a.list is not a regular file and was not read"


@given(st.lists(st.sampled_from([b"/a", b"/bb", b"/ccc", b"/dddddd", b""]), max_size=20), st.integers(1, 9), st.booleans())
def test_lists_are_split_between_lines(lines, chunk, ended):
    content = b"\n".join(lines) + (b"\n" if ended else b"")
    sought = dict.fromkeys([b"/a", b"/bb", b"/ccc", b"/c", b"/d", b"b", b"/e", b"/f", b"/g"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_CHUNK", chunk)
        assert set(index_module._lines_among(content, sought)) == set(lines) & set(sought)


def test_nothing_installed(tmp_path):
    with PackageIndex(root_of(tmp_path)) as index:
        assert index.owner(b"/bin/sh") is None
        assert index.problem is None
    assert PackageIndex(root_of(tmp_path) + b"/missing").owner(b"/bin/sh") is None


APK = (b"C:Q1abc=\nP:libcrypto3\nV:3.3.2-r0\nA:x86_64\nS:1\nI:2\nT:Crypto library from openssl\nF:etc\nF:etc/ssl\nR:openssl.cnf\na:0:0:644\nZ:Q1x=\n"
       b"F:usr/lib\nR:libcrypto.so.3\na:0:0:755\nZ:Q1y=\nF:usr/lib/engines-3\nR:afalg.so\n\n"
       b"C:Q1def=\nP:libssl3\nV:3.3.2-r0\nF:usr/lib\nR:libssl.so.3\nZ:Q1z=\n\n"
       b"C:Q1ghi=\nP:busybox\nV:1.36.1-r29\nF:\nR:top\nF:bin\nR:busybox\n\n")


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk(tmp_path, place):
    write(tmp_path, place, APK)
    index = PackageIndex(root_of(tmp_path))
    assert index.owner(b"/usr/lib/libcrypto.so.3") == owned("apk", "libcrypto3", "3.3.2-r0")
    assert index.owner(b"/usr/lib/libssl.so.3") == owned("apk", "libssl3", "3.3.2-r0")
    assert index.owner(b"/bin/busybox") == owned("apk", "busybox", "1.36.1-r29")
    assert index.owner(b"/top") == owned("apk", "busybox", "1.36.1-r29")
    for path in (b"/usr/lib/afalg.so", b"/etc/libcrypto.so.3", b"/usr/lib/engines-3/libcrypto.so.3", b"/usr/lib", b"/"):
        assert index.owner(path) is None


def test_crafted_databases_cost_linear_time():
    """A container's databases are untrusted: fields repeated in one stanza must not be searched to its end each time."""
    began = time.process_time()
    assert index_module._apk_owner(b"\n\n" + b"F:a\n" * 200000 + b"\n\n", b"/a/b") is None
    assert index_module._dpkg_package(b"\nPackage: x" * 200000, b"x:amd64")["version"] is None
    assert time.process_time() - began < 2


@pytest.fixture(scope="module")
def rpm_root(tmp_path_factory):
    """A root with a database that rpm has written: one package of few files, one whose header needs overflow pages."""
    root = tmp_path_factory.mktemp("rpm")
    rpm_made.install(root, [("demo", "Epoch: 2", 3), ("plain", "", 3000)])
    return root


def test_rpm(rpm_root):
    with PackageIndex(root_of(rpm_root)) as index:
        assert index.owner(b"/usr/lib64/libdemo.so.1") == owned("rpm", "demo", "2:1.2.3-4.el9")
        assert index.owner(b"/usr/lib64/libplain.so.1") == owned("rpm", "plain", "1.2.3-4.el9")
        assert index.owner(b"/opt/demo/libshared.so.1") == owned("rpm", "demo", "2:1.2.3-4.el9")
        assert index.owner(b"/opt/plain/libshared.so.1") == owned("rpm", "plain", "1.2.3-4.el9")
        for number in (1, 2, 3, 1500, 3000):
            path = b"/opt/plain/many/a_rather_long_file_name_number_%d" % number
            assert index.owner(path) == owned("rpm", "plain", "1.2.3-4.el9"), path
        for path in (b"/usr/lib/libdemo.so.1", b"/libshared.so.1", b"/opt/plain/many/none", b"/zzz", b"/", b"/0"):
            assert index.owner(path) is None
        assert index.problem is None


def test_rpm_below_a_root_in_proc(rpm_root):
    """Through a folder descriptor of /proc, as a container's root is reached."""
    fd = os.open(str(rpm_root), os.O_RDONLY)
    try:
        with PackageIndex(b"/proc/self/fd/%d" % fd) as index:
            assert index.owner(b"/usr/lib64/libdemo.so.1") == owned("rpm", "demo", "2:1.2.3-4.el9")
    finally:
        os.close(fd)


@pytest.mark.parametrize("name, problem", [
    ("rpmdb.sqlite", "rpmdb.sqlite: not an SQLite database"), ("Packages.db", "Packages.db: file header is missing"), ("Packages", "Packages: file header is missing")])
def test_unreadable_rpm_databases_are_reported(tmp_path, name, problem):
    write(tmp_path, "var/lib/rpm/" + name, b"x")
    index = PackageIndex(root_of(tmp_path))
    assert index.problem is None
    assert index.owner(b"/bin/sh") is None
    assert problem in index.problem


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_rpm_database(rpm_root, tmp_path, data):
    path = tmp_path / "db"
    path.write_bytes(data.draw(damaged((rpm_root / "usr/lib/sysimage/rpm/rpmdb.sqlite").read_bytes(), 200)))
    fd = os.open(str(path), os.O_RDONLY)
    try:
        RpmSqliteDatabase(fd).owner(b"/opt/plain/libshared.so.1")
    except RpmError:
        pass
    finally:
        os.close(fd)


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_sqlite_like_sqlite(tmp_path, page_size):
    """Every row and index entry of a database with deep trees, overflow and all kinds of numbers."""
    path = str(tmp_path / "x.db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size=%d" % page_size)
    connection.execute("CREATE TABLE t (key TEXT, number INTEGER, data BLOB)")
    connection.execute("CREATE INDEX i ON t (key)")
    numbers = [0, 1, -1, 127, 128, -32769, 1 << 23, 1 << 31, -(1 << 40), (1 << 63) - 1, None]
    rows = [("key%d" % (number % 700) + "x" * (number % 13 * 60), numbers[number % len(numbers)], os.urandom(number * 7 % 3000)) for number in range(3000)]
    rows += [(None, 1, b""), (5, 2, b"")]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    fd = os.open(path, os.O_RDONLY)
    try:
        database = SqliteFile(fd)
        roots = database.roots()
        expected = {}
        for number, row in enumerate(rows[:3000], 1):
            assert database.row(roots[b"t"], number) == [row[0].encode(), row[1], row[2]]
            expected.setdefault(row[0].encode(), []).append(number)
        for key, places in expected.items():
            assert [row[-1] for row in database.find(roots[b"i"], key, 1000)] == places
        assert len(database.find(roots[b"i"], b"key1" + b"x" * 60, 2)) <= 2
        assert database.find(roots[b"i"], b"nothing", 9) == database.find(roots[b"i"], b"", 9) == []
        assert database.row(roots[b"t"], 99999) is None
        with pytest.raises(SqliteError):
            database.row(roots[b"i"], 1)
        with pytest.raises(SqliteError):
            database.find(roots[b"t"], b"x", 1)
    finally:
        os.close(fd)


def test_sqlite_cells_that_overlap_are_limited(tmp_path):
    """One page whose cell pointers all lead to one record of 30,000 columns."""
    record = b"\x81\xea\x30" + b"\1" + b"\x81\xea\x30" + bytes(29997)  # size and size of the header 30000, rowid 1
    page = bytearray(65536)
    page[:16] = b"SQLite format 3\0"
    struct.pack_into(">H", page, 16, 1)  # page size 65536
    struct.pack_into(">I", page, 56, 1)  # UTF-8
    struct.pack_into(">BHH", page, 100, 13, 0, 10000)
    struct.pack_into(">10000H", page, 108, *[32768] * 10000)
    page[32768:32768 + len(record)] = record
    (tmp_path / "db").write_bytes(page)
    fd, began = os.open(str(tmp_path / "db"), os.O_RDONLY), time.process_time()
    try:
        with pytest.raises(SqliteError, match="bytes of cells"):
            SqliteFile(fd).roots()
    finally:
        os.close(fd)
    assert time.process_time() - began < 10
