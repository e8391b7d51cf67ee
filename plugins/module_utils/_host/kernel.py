# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own cryptography: the parts ``kernel`` (crypto API), ``ktls`` and ``wireguard`` of host_crypto.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

_ALGORITHMS = "/proc/crypto"  # crypto/proc.c, c_show()
_MAX_ALGORITHMS_FILE = 2 << 20  # bytes
_MAX_ALGORITHMS = 300
_MAX_DRIVERS = 8  # listed for one algorithm
_MAX_DRIVERS_KEPT = 64  # kept for one algorithm, before they are sorted

_TLS = "/proc/net/tls_stat"  # net/tls/tls_proc.c
_COUNTER = re.compile(r"(Tls[A-Za-z0-9]{1,40})\s+([0-9]{1,20})\Z")
_MAX_COUNTERS = 100

_INTERFACES = "/sys/class/net"
_MAX_INTERFACES = 20000
_MAX_WIREGUARD = 100
# drivers/net/wireguard/noise.c: handshake_name; the protocol has no other algorithms (WireGuard white paper, 5.4)
WIREGUARD = {"handshake": "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", "key_agreement": "X25519", "cipher": "ChaCha20-Poly1305", "hash": "BLAKE2s"}


def read_kernel(reader):
    """Read the part ``kernel``.

    :arg reader: `Reader`.
    :returns: dict: algorithms (one entry for each name and type in /proc/crypto), unreadable.
    """
    data = reader.read(_ALGORITHMS, _MAX_ALGORITHMS_FILE)
    if data is None:
        reader.add_unreadable(_ALGORITHMS, "missing: the kernel has no crypto API, or /proc is restricted")
    merged = {}
    for block in (data or b"").split(b"\n\n"):
        _merge_implementation(merged, dict(_pairs(block)))
    part = {"algorithms": []}
    if len(merged) > _MAX_ALGORITHMS:
        reader.add_unreadable(_ALGORITHMS, "%d algorithms; only the first %d are listed" % (len(merged), _MAX_ALGORITHMS))
    for key in sorted(merged)[:_MAX_ALGORITHMS]:
        algorithm = merged[key]
        entry = {"internal": algorithm["internal"], "fips_allowed": algorithm["fips_allowed"]}
        for name, value in (("name", key[0]), ("type", key[1]), ("selftest", algorithm["selftest"])):
            reader.put_text(entry, name, value)
        entry["drivers"] = []
        for driver, module in sorted(algorithm["drivers"])[:_MAX_DRIVERS]:
            implementation = {}
            reader.put_text(implementation, "driver", driver)
            reader.put_text(implementation, "module", module)
            entry["drivers"].append(implementation)
        part["algorithms"].append(entry)
    part["unreadable"] = reader.unreadable()
    return part


def _pairs(block):
    """Yield ``(name, value)``, bytes, for each line ``name : value`` of a block."""
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.strip(), value.strip()


def _merge_implementation(merged, values):
    """Add one implementation of an algorithm.

    :arg merged: dict of ``(name, type)`` -> dict of the algorithm; changed in place.
    :arg values: dict of bytes -> bytes, one block of /proc/crypto.
    """
    name, kind = values.get(b"name"), values.get(b"type")
    if not name or not kind:
        return
    algorithm = merged.setdefault((name, kind), {"internal": True, "fips_allowed": None, "selftest": None, "drivers": set()})
    # internal only where every implementation is
    algorithm["internal"] = algorithm["internal"] and values.get(b"internal") == b"yes"
    if b"fips" in values:  # since Linux 5.19, and in FIPS mode alone
        algorithm["fips_allowed"] = algorithm["fips_allowed"] is True or values[b"fips"] == b"yes"
    if algorithm["selftest"] in (None, b"passed"):  # a result other than "passed" is kept
        algorithm["selftest"] = values.get(b"selftest")
    if len(algorithm["drivers"]) < _MAX_DRIVERS_KEPT:
        algorithm["drivers"].add((values.get(b"driver", b""), values.get(b"module", b"")))


def read_counters(reader, path, pattern):
    """Read a file of counters, one ``name  number`` a line; other lines are ignored.

    :arg reader: `Reader`.
    :arg path: str.
    :arg pattern: compiled str pattern with two groups: name and number.
    :returns: dict of str -> int, or None where the file is absent or can't be read.
    """
    data = reader.read(path, 65536)
    if data is None:
        return None
    matches = (pattern.match(line.strip()) for line in data.decode("latin-1").splitlines()[:_MAX_COUNTERS])
    return {match.group(1): int(match.group(2)) for match in matches if match}


def read_ktls(reader):
    """Read the part ``ktls``.

    :arg reader: `Reader`.
    :returns: dict: available (None where the counters can't be read), counters (as the kernel names them), unreadable.
    """
    counters = read_counters(reader, _TLS, _COUNTER)
    unreadable = reader.unreadable()
    available = None if unreadable and counters is None else counters is not None
    return {"available": available, "counters": counters or {}, "unreadable": unreadable}


def read_wireguard(reader):
    """Read the part ``wireguard``.

    The device's own description (generic netlink) is not requested, because to a privileged reader it contains the private key.

    :arg reader: `Reader`.
    :returns: dict: interfaces (list of {name}), algorithms, unreadable.
    """
    part = {"interfaces": [], "algorithms": dict(WIREGUARD)}
    if reader.exists(_INTERFACES) is False:
        reader.add_unreadable(_INTERFACES, "missing: network interfaces can't be listed")
    for name in reader.list_directory(_INTERFACES, _MAX_INTERFACES):
        data = reader.read("%s/%s/uevent" % (_INTERFACES, name), 4096)
        if data is None or b"DEVTYPE=wireguard" not in data.split(b"\n"):
            continue
        if len(part["interfaces"]) == _MAX_WIREGUARD:
            reader.add_unreadable(_INTERFACES, "more than %d WireGuard interfaces; the rest are omitted" % _MAX_WIREGUARD)
            break
        entry = {}
        reader.put_text(entry, "name", name)
        part["interfaces"].append(entry)
    part["unreadable"] = reader.unreadable()
    return part
