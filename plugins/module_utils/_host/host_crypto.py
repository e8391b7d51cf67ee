# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto: the cryptography that a host has configured and stored, independent of its processes.

It needs no probe, and no privilege for most of it. A file of its own reads each part. Each part ends with ``unreadable``: a list of
{source, reason} of sources that exist but could not be read.

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

# bytes of JSON; hosts as they are installed have 20,000 to 40,000, and a whole result without dest has 190,000 (_window/result.py)
MAX_BYTES = 100000


def read_host_crypto(show_path=bytes, root=""):
    """Read all parts of host_crypto.

    :arg show_path: callable bytes -> bytes, removes user names from a path.
    :arg root: str, directory that holds a host's files; empty for this host. The kernel asked over netlink is always this host's.
    :returns: dict of part name -> dict, JSON-ready, as docs/profile.md describes it.
    """
    def reader():
        return Reader(root, show_path)
    openssl = read_openssl(reader())
    return shorten({
        "fips": read_fips(reader(), openssl), "crypto_policies": read_crypto_policies(reader()), "openssl": openssl, "gnutls": read_gnutls(reader()),
        "kernel": read_kernel(reader()), "ipsec": read_ipsec(reader()), "wireguard": read_wireguard(reader()), "ktls": read_ktls(reader()),
        "storage": read_storage(reader()), "modules": read_modules(reader(), os.uname().release), "sshd": read_sshd(reader()),
        "ssh": read_ssh(reader()), "trust_store": read_trust_store(reader(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
    })


def shorten(parts, limit=MAX_BYTES):
    """Halve the longest lists until all parts together fit a limit. What is omitted is counted in the part's ``unreadable``.

    :arg parts: dict of part name -> dict; changed in place.
    :arg limit: int, bytes of JSON.
    :returns: parts.
    """
    sizes = {name: len(json.dumps(part)) for name, part in parts.items()}
    omitted = {}
    while sum(sizes.values()) > limit:
        name = max(sizes, key=sizes.get)
        lists = [(field, values) for field, values in _lists(name, parts[name]) if len(values) > 1]
        if not lists:
            break
        field, longest = max(lists, key=lambda pair: len(json.dumps(pair[1])))
        kept = len(longest) // 2
        omitted[name, field] = omitted.get((name, field), 0) + len(longest) - kept
        del longest[kept:]
        sizes[name] = len(json.dumps(parts[name]))
    for (name, field), number in omitted.items():
        parts[name]["unreadable"].append({"source": field, "reason": "%d entries omitted: host_crypto exceeds its limit of %d bytes" % (number, limit)})
    return parts


def _lists(name, value):
    """Yield ``(dotted name, list)`` for every list in a part, nested ones included.

    :arg name: str, dotted name of value.
    :arg value: dict or list.
    """
    for key, inner in value.items() if isinstance(value, dict) else [("", item) for item in value]:
        if isinstance(inner, list):
            yield "%s.%s" % (name, key), inner
        if isinstance(inner, (dict, list)):
            yield from _lists("%s.%s" % (name, key) if key else name, inner)
