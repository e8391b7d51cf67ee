# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several folders share: the link to the collection, peers with their keys, and the table of what peers said."""

from __future__ import annotations

import importlib
import pathlib

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]

pytest.register_assert_rewrite("ansible_collections.cryptofleet.audit.tests.integration.support")


def _link_collection():
    """ansible-core and the tracer find the checkout by its collection name through this link, as the Makefile makes it."""
    link = CHECKOUT / ".ansible" / "collections" / "ansible_collections" / "cryptofleet" / "audit"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../../..")
        importlib.invalidate_caches()  # pytest put the folder on sys.path before it was there


_link_collection()

from ansible_collections.cryptofleet.audit.tests.integration.peers.base import make_peer_site
from ansible_collections.cryptofleet.audit.tests.integration.peers.openssh import Openssh
from ansible_collections.cryptofleet.audit.tests.integration.support.agreement import Table


@pytest.fixture(scope="session")
def peer_site(tmp_path_factory):
    """The key and certificate of every server of peers/."""
    return make_peer_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def ssh_peers(tmp_path_factory):
    """sshd and ssh with keys of their own."""
    return Openssh(tmp_path_factory.mktemp("ssh"))


def pytest_addoption(parser):
    parser.addoption("--agreement-table", metavar="FILE", help="write what the peers of each handshake said, and what was reported, to a file")


@pytest.fixture(scope="session")
def agreement_table(request):
    """The Table that the tests of agreement fill."""
    table = Table()
    yield table
    path = request.config.getoption("--agreement-table")
    if path:
        pathlib.Path(path).write_text(table.text())
