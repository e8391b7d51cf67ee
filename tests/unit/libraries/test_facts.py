# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LibraryFacts: the release of a libssl, which has none in its own file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._libraries.facts import LibraryFacts, MappedLibrary

FOLDER = "/usr/lib/" + sysconfig.get_config_var("MULTIARCH")


@pytest.fixture
def describe():
    facts = LibraryFacts(SimpleNamespace(root=lambda namespace, pid: b""))
    yield lambda path: facts.describe(MappedLibrary(os.fsencode(path), mount_namespace=1, pid=1))
    facts.close()


def test_libssl_has_the_release_of_the_libcrypto_beside_it(describe):
    said = subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout  # OpenSSL 3.0.1 ... (Library: ...
    found = describe(FOLDER + "/libssl.so.3")
    assert found.version == said.rpartition("OpenSSL ")[2].split()[0]
    assert found.version == describe(FOLDER + "/libcrypto.so.3").version


@pytest.mark.parametrize("beside", [None, b"", b"\x7fELF", "/bin/ls"])
def test_a_libssl_alone_has_the_number_of_its_interface(describe, tmp_path, beside):
    shutil.copy(FOLDER + "/libssl.so.3", tmp_path)
    if isinstance(beside, bytes):
        (tmp_path / "libcrypto.so.3").write_bytes(beside)
    elif beside:
        shutil.copy(beside, tmp_path / "libcrypto.so.3")
    assert describe(str(tmp_path / "libssl.so.3")).version == "interface 3"


def test_a_pipe_beside_it_blocks_nothing(describe, tmp_path):
    shutil.copy(FOLDER + "/libssl.so.3", tmp_path)
    os.mkfifo(str(tmp_path / "libcrypto.so.3"))
    assert describe(str(tmp_path / "libssl.so.3")).version == "interface 3"
