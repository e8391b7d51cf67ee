# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory keeps of a profile's host_crypto, and the summary's lines about it.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

_SHOWN = 10


def host_facts(host_crypto):
    """A few facts of a host.

    :arg host_crypto: of a profile; None where the user left it out, or an older version made the profile.
    :returns: dict, or None.
    """
    if host_crypto is None:
        return None
    bundles = host_crypto["trust_store"]["bundles"]
    configs = host_crypto["openssl"]["configs"]
    tls = configs[0]["tls"] if configs else {}
    return {
        "fips": host_crypto["fips"]["kernel"],
        "policy": host_crypto["crypto_policies"]["effective"],
        "openssl_min_protocol": tls.get("min_protocol"),
        "openssl_security_level": tls.get("security_level"),
        "roots": sum(bundle["roots"] for bundle in bundles),
        "weak_roots": sum(bundle["weak"] for bundle in bundles),
        "weak_root_keys": sum(bundle["weak_keys"] for bundle in bundles),
        "expired_roots": sum(bundle["expired"] for bundle in bundles),
        "luks": len(host_crypto["storage"]["luks"]),
        "ipsec": sum(entry["count"] for entry in host_crypto["ipsec"]["associations"]),
        "wireguard": len(host_crypto["wireguard"]["interfaces"]),
        "unreadable": sorted(name for name, part in host_crypto.items() if part["unreadable"]),
    }


class HostTotals:
    """Counts hosts by their facts; memory grows with the number of different policies, which is small."""

    def __init__(self):
        self._hosts = 0
        self._unreadable = 0
        self._counts = {"fips": {}, "policy": {}}
        self._having = dict.fromkeys(("weak_root_keys", "expired_roots", "luks", "ipsec", "wireguard"), 0)

    def add(self, facts):
        """One host's facts, or None."""
        if facts is None:
            return
        self._hosts += 1
        self._unreadable += bool(facts["unreadable"])
        for name, counts in self._counts.items():
            counts[facts[name]] = counts.get(facts[name], 0) + 1
        for name in self._having:
            self._having[name] += facts[name] > 0

    def lines(self, plain):
        """The section of the summary; empty where no profile tells. :arg plain: callable that makes a host's text fit for a terminal."""
        if not self._hosts:
            return []
        fips = self._counts["fips"]
        policies = sorted(self._counts["policy"].items(), key=lambda item: (-item[1], item[0] or ""))
        words = ["%s on %d" % (plain(name) if name else "none", number) for name, number in policies[:_SHOWN]]
        if len(policies) > _SHOWN:
            words.append("%d more in inventory.json" % (len(policies) - _SHOWN))
        have = self._having
        lines = ["HOSTS (%d)" % self._hosts,
                 "  kernel in FIPS mode: %d; not: %d; not told by the kernel: %d" % (fips.get(True, 0), fips.get(False, 0), fips.get(None, 0)),
                 "  crypto-policies: " + ", ".join(words),
                 "  roots with a weak key on %s, expired roots on %s" % (have["weak_root_keys"], have["expired_roots"]),
                 "  LUKS on %s, IPsec on %s, WireGuard on %s" % (have["luks"], have["ipsec"], have["wireguard"])]
        if self._unreadable:
            lines.append("  Not all of it could be read on %d: host_crypto of their profiles says what and why." % self._unreadable)
        return lines + [""]
