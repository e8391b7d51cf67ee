# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory keeps of a host and its configuration, and the summary's lines about it.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._text import counted, flowing, labelled, plain

_SHOWN = 10
_UNREADABLE = 20  # sources of one host named in the inventory; all of them are in its profile

_FIPS = {True: "on in the kernel", False: "off in the kernel", None: "not supported by this kernel"}
_NOTHING_KNOWN = "not read: host_crypto was left out of the window, or the module could not read it"


def host_facts(host_crypto):
    """A few facts of a host's configuration.

    :arg host_crypto: dict of a profile; None where the user left it out.
    :returns: dict, or None.
    """
    if host_crypto is None:
        return None
    bundles = host_crypto["trust_store"]["bundles"]
    configs = host_crypto["openssl"]["configs"]
    tls = configs[0]["tls"] if configs else {}
    modules = host_crypto["modules"]
    return {
        "fips": host_crypto["fips"]["kernel"],
        "policy": host_crypto["crypto_policies"]["effective"],
        "openssl_config": configs[0]["path"] if configs else None,
        "openssl_min_protocol": tls.get("min_protocol"),
        "openssl_security_level": tls.get("security_level"),
        "lockdown": modules["lockdown"],
        "module_signatures_enforced": modules["signature_enforced"],
        "modules": modules["loaded"],
        "unsigned_modules": len(modules["unsigned"]),
        "host_keys": [{"key_type": key["key_type"], "key_bits": key["key_bits"]} for key in host_crypto["sshd"]["host_keys"]],
        "roots": sum(bundle["roots"] for bundle in bundles),
        "weak_roots": sum(bundle["weak"] for bundle in bundles),
        "weak_root_keys": sum(bundle["weak_keys"] for bundle in bundles),
        "expired_roots": sum(bundle["expired"] for bundle in bundles),
        "luks": len(host_crypto["storage"]["luks"]),
        "ipsec": sum(entry["count"] for entry in host_crypto["ipsec"]["associations"]),
        "wireguard": len(host_crypto["wireguard"]["interfaces"]),
        "unreadable": [{"part": name, "source": item["source"], "reason": item["reason"]}
                       for name in sorted(host_crypto) for item in host_crypto[name]["unreadable"]][:_UNREADABLE],
    }


def host_lines(facts):
    """The section about one host.

    :arg facts: dict, the host's entry of the inventory's coverage.
    :returns: list of str.
    """
    system = [facts["os"] or "operating system not known", facts["arch"]]
    if facts["virtualisation"]:
        system.append("in " + facts["virtualisation"])
    if facts["hostname"]:
        system.append("host name " + facts["hostname"])
    lines = ["HOST"] + labelled("system", [", ".join(system)])
    crypto = facts["host_crypto"]
    if crypto is None:
        return lines + labelled("kernel", [facts["kernel"]]) + labelled("configuration", [_NOTHING_KNOWN])
    lines += flowing("kernel", plain("; ".join([facts["kernel"]] + _kernel(crypto))), 2)
    lines += labelled("FIPS, policy", ["FIPS mode %s; system-wide crypto policy %s" % (_FIPS[crypto["fips"]], crypto["policy"] or "none")])
    lines += labelled("OpenSSL", [_openssl(crypto)])
    lines += flowing("sshd host keys", plain(", ".join(_key(key) for key in crypto["host_keys"])) or "none found", 2)
    lines += labelled("trust store", [_roots(crypto)])
    kept = [counted(crypto[name], *words) for name, words in _KEPT if crypto[name]]
    if kept:
        lines += labelled("encryption", [", ".join(kept)])
    if crypto["unreadable"]:
        named = ", ".join("%s (%s)" % (item["source"], item["reason"]) for item in crypto["unreadable"])
        lines += flowing("not readable", plain(named), 1)
    return lines


_KEPT = (("luks", ("LUKS device",)), ("ipsec", ("IPsec association",)), ("wireguard", ("WireGuard interface",)))


def _kernel(crypto):
    """What restricts the kernel, as phrases; nothing of what it can't say."""
    phrases = []
    if crypto["lockdown"]:
        phrases.append("lockdown %s" % crypto["lockdown"])
    if crypto["module_signatures_enforced"] is not None:
        phrases.append("module signatures %s" % ("enforced" if crypto["module_signatures_enforced"] else "not enforced"))
    if crypto["unsigned_modules"]:
        phrases.append("%s without a valid signature" % counted(crypto["unsigned_modules"], "loaded module"))
    return phrases


def _openssl(crypto):
    """What OpenSSL's configuration file sets for all programs."""
    if crypto["openssl_config"] is None:
        return "no configuration file found"
    level, protocol = crypto["openssl_security_level"], crypto["openssl_min_protocol"]
    return "%s: minimum protocol %s, security level %s" % (
        crypto["openssl_config"], protocol or "not set", "not set" if level is None else level)


def _key(key):
    name, bits = key["key_type"] or "unknown type", key["key_bits"]
    return "%s %d bits" % (name, bits) if bits else name


def _roots(crypto):
    if not crypto["roots"]:
        return "no root certificates found"
    weak = "%d weak" % crypto["weak_roots"]
    if crypto["weak_roots"]:
        weak += " (%d by the key, %d by the signature alone)" % (crypto["weak_root_keys"], crypto["weak_roots"] - crypto["weak_root_keys"])
    return "%s, %s, %d expired" % (counted(crypto["roots"], "root certificate"), weak, crypto["expired_roots"])


class HostTotals:
    """Counts hosts by their facts; memory grows with the number of different systems and policies, which is small."""

    def __init__(self):
        self._hosts = 0  # hosts with a profile
        self._known = 0  # those of them whose configuration was read
        self._unreadable = 0
        self._counts = {"os": {}, "kernel": {}, "arch": {}, "fips": {}, "policy": {}, "lockdown": {}, "openssl": {}, "host_keys": {}}
        self._having = dict.fromkeys(("weak_root_keys", "expired_roots", "luks", "ipsec", "wireguard", "unsigned_modules"), 0)

    def add(self, facts):
        """Count one host.

        :arg facts: dict, the host's entry of the inventory's coverage.
        """
        self._hosts += 1
        for name in ("os", "kernel", "arch"):
            self._count(name, facts[name])
        crypto = facts["host_crypto"]
        if crypto is None:
            return
        self._known += 1
        self._unreadable += bool(crypto["unreadable"])
        for name in ("fips", "policy", "lockdown"):
            self._count(name, crypto[name])
        self._count("openssl", crypto["openssl_min_protocol"])
        for kind in {_key(key) for key in crypto["host_keys"]}:
            self._count("host_keys", kind)
        for name in self._having:
            self._having[name] += crypto[name] > 0

    def _count(self, name, value):
        counts = self._counts[name]
        # a fleet has few of each; hosts that make names up must not fill the memory
        if value in counts or len(counts) < 1000:
            counts[value] = counts.get(value, 0) + 1

    def lines(self, most):
        """The section about a fleet's hosts.

        :arg most: int or None, lines of one row at most.
        :returns: list of str; of hosts without a profile nothing is known.
        """
        if not self._hosts:
            return ["HOSTS", "  no host gave a profile: the coverage below says why"]
        lines = ["HOSTS (%d with a profile)" % self._hosts]
        for label, name in (("system", "os"), ("kernel", "kernel"), ("architecture", "arch")):
            lines += flowing(label, self._listed(name, "not known"), most)
        if not self._known:
            return lines + labelled("configuration", [_NOTHING_KNOWN])
        fips, having = self._counts["fips"], self._having
        lines += labelled("FIPS mode", ["on: %d, off: %d, not supported by the kernel: %d" % (fips.get(True, 0), fips.get(False, 0), fips.get(None, 0))])
        lines += flowing("crypto policy", self._listed("policy", "none"), most)
        lines += flowing("OpenSSL", "minimum protocol " + self._listed("openssl", "not set"), most)
        lines += flowing("lockdown", self._listed("lockdown", "none or not known"), most)
        lines += flowing("sshd host keys", self._listed("host_keys", "none") or "none found", most)
        lines += labelled("trust store", ["roots with a weak key on %s, expired roots on %s" % (
            counted(having["weak_root_keys"], "host"), counted(having["expired_roots"], "host"))])
        kept = ["%s on %s" % (words, counted(having[name], "host")) for name, words in
                (("luks", "LUKS"), ("ipsec", "IPsec"), ("wireguard", "WireGuard"), ("unsigned_modules", "unsigned kernel modules")) if having[name]]
        if kept:
            lines += labelled("also", [", ".join(kept)])
        if self._unreadable:
            lines += labelled("not readable", ["some sources on %s: see host_crypto in inventory.json" % counted(self._unreadable, "host")])
        return lines

    def _listed(self, name, without):
        """``A on 2, B on 1``, the most frequent first."""
        ranked = sorted(self._counts[name].items(), key=lambda item: (-item[1], str(item[0])))
        words = ["%s on %d" % (plain(str(value)) if value else without, number) for value, number in ranked[:_SHOWN]]
        if len(ranked) > _SHOWN:
            words.append("%d more in inventory.json" % (len(ranked) - _SHOWN))
        return ", ".join(words)
