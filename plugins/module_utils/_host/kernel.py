# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own cryptography: its algorithms, kTLS counters and WireGuard interfaces. Parts of host_crypto.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

_ALGORITHMS = "/proc/crypto"  # crypto/proc.c, c_show()
_MAX_CRYPTO = 2 << 20
_MAX_ALGORITHMS = 300
_MAX_DRIVERS = 8  # of one algorithm

_TLS = "/proc/net/tls_stat"  # net/tls/tls_proc.c
_COUNTER = re.compile(r"(Tls[A-Za-z0-9]{1,40})\s+([0-9]{1,20})\Z")
_MAX_COUNTERS = 100

_INTERFACES = "/sys/class/net"
_MAX_INTERFACES = 20000
_MAX_WIREGUARD = 100
# drivers/net/wireguard/noise.c: handshake_name; the protocol has no other algorithms (WireGuard white paper, 5.4)
WIREGUARD = {"handshake": "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", "key_agreement": "X25519", "cipher": "ChaCha20-Poly1305", "hash": "BLAKE2s"}


def read_kernel(reader):
    """The part ``kernel``: algorithms of /proc/crypto, one entry a name and type; unreadable. :arg reader: `Reader`."""
    data = reader.read(_ALGORITHMS, _MAX_CRYPTO)
    if data is None:
        reader.problem(_ALGORITHMS, "not there: the kernel has no list of its algorithms, or /proc is restricted")
    merged = {}
    for block in (data or b"").split(b"\n\n"):
        _merge(merged, dict(_pairs(block)))
    told = {"algorithms": []}
    if len(merged) > _MAX_ALGORITHMS:
        reader.problem(_ALGORITHMS, "%d algorithms: those after the first %d are not listed" % (len(merged), _MAX_ALGORITHMS))
    for key in sorted(merged)[:_MAX_ALGORITHMS]:
        held = merged[key]
        entry = {"internal": held["internal"], "fips_allowed": held["fips_allowed"]}
        for name, value in (("name", key[0]), ("type", key[1]), ("selftest", held["selftest"])):
            reader.put(entry, name, value)
        entry["drivers"] = []
        for driver, module in sorted(held["drivers"])[:_MAX_DRIVERS]:
            one = {}
            reader.put(one, "driver", driver)
            reader.put(one, "module", module)
            entry["drivers"].append(one)
        told["algorithms"].append(entry)
    told["unreadable"] = reader.unreadable()
    return told


def _pairs(block):
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.strip(), value.strip()


def _merge(merged, values):
    name, kind = values.get(b"name"), values.get(b"type")
    if not name or not kind:
        return
    held = merged.setdefault((name, kind), {"internal": True, "fips_allowed": None, "selftest": None, "drivers": set()})
    # internal only where every implementation is
    held["internal"] = held["internal"] and values.get(b"internal") == b"yes"
    if b"fips" in values:  # since Linux 5.19, and in FIPS mode alone
        held["fips_allowed"] = held["fips_allowed"] is True or values[b"fips"] == b"yes"
    if held["selftest"] in (None, b"passed"):  # one that has not passed is worth telling
        held["selftest"] = values.get(b"selftest")
    if len(held["drivers"]) < 64:
        held["drivers"].add((values.get(b"driver", b""), values.get(b"module", b"")))


def read_counters(reader, path, pattern):
    """A file of lines ``name  number``: dict of name -> int, or None where it is not there. Other lines are not taken."""
    data = reader.read(path, 65536)
    if data is None:
        return None
    found = (pattern.match(line.strip()) for line in data.decode("latin-1").splitlines()[:_MAX_COUNTERS])
    return {match.group(1): int(match.group(2)) for match in found if match}


def read_ktls(reader):
    """The part ``ktls``: available, counters, unreadable. :arg reader: `Reader`."""
    counters = read_counters(reader, _TLS, _COUNTER)
    unreadable = reader.unreadable()
    available = None if unreadable and counters is None else counters is not None
    return {"available": available, "counters": counters or {}, "unreadable": unreadable}


def read_wireguard(reader):
    """The part ``wireguard``: interfaces by name, algorithms, unreadable.

    The device's own description (generic netlink) is not asked for, because it carries the private key to who may read it.

    :arg reader: `Reader`.
    """
    told = {"interfaces": [], "algorithms": dict(WIREGUARD)}
    if reader.exists(_INTERFACES) is False:
        reader.problem(_INTERFACES, "not there: interfaces can't be listed")
    for name in reader.names(_INTERFACES, _MAX_INTERFACES):
        data = reader.read("%s/%s/uevent" % (_INTERFACES, name), 4096)
        if data is None or b"DEVTYPE=wireguard" not in data.split(b"\n"):
            continue
        if len(told["interfaces"]) == _MAX_WIREGUARD:
            reader.problem(_INTERFACES, "more than %d WireGuard interfaces: the others are not listed" % _MAX_WIREGUARD)
            break
        entry = {}
        reader.put(entry, "name", name)
        told["interfaces"].append(entry)
    told["unreadable"] = reader.unreadable()
    return told
