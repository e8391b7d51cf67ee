# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto: what a host has configured and holds, apart from what its processes do. No probe is needed, and no privilege for most of it.

Each part is read by a file of its own and ends with ``unreadable``: a list of {source, reason} of what is there and could not be read.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import os
import time

from .crypto_policies import read_crypto_policies, read_gnutls
from .fips import read_fips
from .ipsec import read_ipsec
from .kernel import read_kernel, read_ktls, read_wireguard
from .modules import read_modules
from .openssl import read_openssl
from .reader import Reader
from .ssh import read_ssh, read_sshd
from .storage import read_storage
from .trust_store import read_trust_store

# octets of JSON; hosts as they are installed have 20,000 to 40,000, and a whole result without dest has 190,000 (_window/result.py)
LIMIT_BYTES = 100000


def read_host_crypto(show_path=bytes, root=""):
    """All parts.

    :arg show_path: callable bytes -> bytes that takes users' names out of a path.
    :arg root: str, a folder that holds a host's files; empty for this host. The kernel asked over netlink is this one in any case.
    :returns: dict of part -> dict, JSON-ready, as docs/profile.md describes it.
    """
    def reader():
        return Reader(root, show_path)
    openssl = read_openssl(reader())
    return bounded({
        "fips": read_fips(reader(), openssl), "crypto_policies": read_crypto_policies(reader()), "openssl": openssl, "gnutls": read_gnutls(reader()),
        "kernel": read_kernel(reader()), "ipsec": read_ipsec(reader()), "wireguard": read_wireguard(reader()), "ktls": read_ktls(reader()),
        "storage": read_storage(reader()), "modules": read_modules(reader(), os.uname().release), "sshd": read_sshd(reader()),
        "ssh": read_ssh(reader()), "trust_store": read_trust_store(reader(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
    })


def bounded(parts, limit=LIMIT_BYTES):
    """The parts, changed in place: the longest lists halved until all of it has at most limit octets of JSON; what is left out is noted."""
    sizes = {name: len(json.dumps(part)) for name, part in parts.items()}
    left_out = {}
    while sum(sizes.values()) > limit:
        name = max(sizes, key=sizes.get)
        lists = [(field, held) for field, held in _lists(name, parts[name]) if len(held) > 1]
        if not lists:
            break
        field, held = max(lists, key=lambda pair: len(json.dumps(pair[1])))
        kept = len(held) // 2
        left_out[name, field] = left_out.get((name, field), 0) + len(held) - kept
        del held[kept:]
        sizes[name] = len(json.dumps(parts[name]))
    for (name, field), number in left_out.items():
        parts[name]["unreadable"].append({"source": field, "reason": "%d entries are left out: too long for the document" % number})
    return parts


def _lists(name, value):
    """``(name, list)`` of the lists in a part, those inside of others too."""
    for inner, held in value.items() if isinstance(value, dict) else [("", item) for item in value]:
        if isinstance(held, list):
            yield "%s.%s" % (name, inner), held
        if isinstance(held, (dict, list)):
            yield from _lists("%s.%s" % (name, inner) if inner else name, held)
