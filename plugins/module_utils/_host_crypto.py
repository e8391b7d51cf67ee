# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto: what a host has configured and holds, apart from what its processes do. No probe is needed, and no privilege for most of it.

Each part is read by a file of its own and ends with ``unreadable``: a list of {source, reason} of what is there and could not be read.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time

from ._host_fips import read_fips
from ._host_ipsec import read_ipsec
from ._host_kernel import read_kernel, read_ktls, read_wireguard
from ._host_modules import read_modules
from ._host_openssl import read_openssl
from ._host_policies import read_crypto_policies, read_gnutls
from ._host_reads import Reader
from ._host_ssh import read_ssh, read_sshd
from ._host_storage import read_storage
from ._host_trust import read_trust_store

NAME = "host_crypto"


def read_host_crypto(show_path=bytes, root=""):
    """All parts.

    :arg show_path: callable bytes -> bytes that takes users' names out of a path.
    :arg root: str, a folder that holds a host's files; empty for this host. The kernel asked over netlink is this one in any case.
    :returns: dict of part -> dict, JSON-ready, as docs/profile.md describes it.
    """
    def reader():
        return Reader(root, show_path)
    openssl = read_openssl(reader())
    return {
        "fips": read_fips(reader(), openssl), "crypto_policies": read_crypto_policies(reader()), "openssl": openssl, "gnutls": read_gnutls(reader()),
        "kernel": read_kernel(reader()), "ipsec": read_ipsec(reader()), "wireguard": read_wireguard(reader()), "ktls": read_ktls(reader()),
        "storage": read_storage(reader()), "modules": read_modules(reader(), os.uname().release), "sshd": read_sshd(reader()),
        "ssh": read_ssh(reader()), "trust_store": read_trust_store(reader(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
    }
