# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary's sections about libraries and about what was in use.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import heapq

from ._text import counted, cut, flowing, minute, paired, plain, wrapped

KEPT = 50  # of each kind of asset, for the details
_SOON_DAYS = 30
_PROGRAMS = 3  # named for one asset

# In the order of what a reader looks for first.
_OPERATIONS = ("sign", "verify", "key_agreement", "encapsulate", "decapsulate", "key_generation", "encrypt", "decrypt", "cipher", "mac",
               "derive", "digest", "random", "tls_context", "tls_handshake")

# row -> (probes that see it, why it is empty)
_EMPTY = {
    "TLS": (("tls_handshake",), "no TLS, QUIC or DTLS connection began"),
    "SSH": (("ssh_kex",), "no SSH connection began"),
    "algorithms": (("openssl_api", "library_api"), "no process but the audit's own called a probed crypto library"),
    "certificates": (("file_open",), "no certificate was opened or sent in clear"),
    "keys": (("file_open",), "no program opened a key file"),
    "in programs": ((), "no process ran a Go, Java, Rust or similar crypto stack"),
}


class Assets:
    """The assets of an inventory that a summary shows, read in one pass a kind; memory is bounded by KEPT.

    :arg inventory: Inventory with all profiles in it.
    :arg single: bool, whether it is of one host: then programs are named, and hosts are not counted.
    """

    def __init__(self, inventory, single):
        self._inventory = inventory
        self._single = single
        self._totals = inventory.statistics()
        self._libraries = _top(inventory.assets("libraries"), lambda facts: (facts["hosts"], facts["processes"], facts["count"]))
        self._stacks = _top(inventory.assets("stacks"), lambda facts: (facts["hosts"], facts["locations"]))
        self._read_handshakes()
        self._read_algorithms()
        self._read_certificates()
        self._read_keys()

    def _read_handshakes(self):
        heaps = {"TLS": [], "SSH": []}
        self._totals.update(dict.fromkeys(heaps, 0))
        for number, (identity, facts) in enumerate(self._inventory.assets("protocols")):
            self._totals[facts["protocol"]] += 1
            _push(heaps[facts["protocol"]], (facts["hosts"], facts["count"], -number), (identity, facts))
        self._handshakes = {protocol: _sorted(heap) for protocol, heap in heaps.items()}

    def _read_algorithms(self):
        self._inside = 0
        self._operations = {}  # operation -> [number of algorithms, heap of the most frequent]
        for number, (_identity, facts) in enumerate(self._inventory.assets("algorithms")):
            if facts["internal"]:
                self._inside += 1
                continue
            entry = self._operations.setdefault(facts["operation"], [0, []])
            entry[0] += 1
            _push(entry[1], (facts["hosts"], facts["count"], -number), facts)

    def _read_certificates(self):
        self._expired, self._soon, self._unreadable, self._found = [], [], 0, [0, 0]
        as_of = self._inventory.as_of() or ""
        until = _later(as_of, _SOON_DAYS) if as_of else ""
        for number, (identity, facts) in enumerate(self._inventory.assets("certificates")):
            end = (facts["not_after"] or "")[:19]
            if not end:
                self._unreadable += 1
            elif end < until:
                expired = end < as_of[:19]
                self._found[0 if expired else 1] += 1
                _push(self._expired if expired else self._soon, (_reverse(end), -number), (identity, facts))

    def _read_keys(self):
        self._keys = {}
        for _identity, facts in self._inventory.assets("keys"):
            words = [facts["algorithm"] or "algorithm not known"] + (["%d bits" % facts["key_bits"]] if facts["key_bits"] else [])
            name = "%s %s" % (facts["kind"].replace("_", " "), " ".join(words))
            if name in self._keys or len(self._keys) < KEPT * 10:
                self._keys[name] = self._keys.get(name, 0) + 1

    def library_rows(self):
        """One line a library that processes mapped.

        :returns: list of str.
        """
        return paired([(self._library_name(facts), self._library_use(facts)) for _identity, facts in self._libraries])

    @staticmethod
    def _library_name(facts):
        name = "%s %s" % (facts["name"], facts["version"]) if facts["version"] else facts["name"]
        return "%s (%s)" % (name, facts["package"].strip()) if facts["package"] else name

    def _library_use(self, facts):
        words = [] if self._single else [counted(facts["hosts"], "host")]
        if not facts["processes"]:
            words.append("%s, ended" % counted(facts["count"], "process", "processes"))
        else:
            running = counted(facts["processes"], "process", "processes")
            words.append("%s since %s" % (running, minute(facts["mapped_since"])) if facts["mapped_since"] else running)
        if facts["deleted"]:
            words.append("REPLACED ON DISK (%d)" % facts["deleted"])
        return ", ".join(words)

    def use_rows(self, observed, seconds):
        """What was in use, row by row.

        :arg observed: callable of a tuple of probes' names, which says whether any profile had one of them attached.
        :arg seconds: str, how long was observed.
        :returns: tuple of the rows, each a tuple of its label and its content (list of str: lines; str: text that flows), and of whether
            neither or only one of TLS and algorithms was seen.
        """
        rows, idle = [], False
        for label, content in (("TLS", self._handshake_rows("TLS")), ("SSH", self._handshake_rows("SSH")), ("algorithms", self._algorithms()),
                               ("certificates", self._certificates()), ("keys", self._key_files()), ("in programs", self._stack_rows())):
            if not content:
                probes, why = _EMPTY[label]
                if probes and not observed(probes):
                    named = "probe %s was" % probes[0] if len(probes) == 1 else "probes %s were" % " and ".join(probes)
                    content = ["not observed: %s not attached (see the coverage)" % named]
                else:
                    content = ["none in this window: %s in %s" % (why, seconds)]
                    idle = idle or label in ("TLS", "algorithms")
            rows.append((label, content))
        return rows, idle

    def _handshake_rows(self, protocol):
        return paired([(_negotiated(facts), self._seen(identity, facts)) for identity, facts in self._handshakes[protocol]])

    def _seen(self, identity, facts):
        where = self._where("protocols", identity, facts)
        return "%d as %s %s %s" % (facts["count"], facts["role"] or "client or server", "by" if self._single else "on", where)

    def _where(self, kind, identity, facts):
        """The programs of one host, or the number of hosts."""
        if not self._single:
            return counted(facts["hosts"], "host")
        programs = sorted({(place["exe"] or "a process not known").rpartition("/")[2]
                           for place in self._inventory.occurrences(kind, identity, 200)})
        more = " and %d more" % (len(programs) - _PROGRAMS) if len(programs) > _PROGRAMS else ""
        return plain(", ".join(programs[:_PROGRAMS])) + more

    def _algorithms(self):
        return "; ".join("%s: %s" % (label, text) for label, text in self._by_operation(8))

    def _by_operation(self, most):
        """Each operation with its algorithms, as tuples of texts."""
        for operation in _OPERATIONS:
            if operation not in self._operations:
                continue
            number, heap = self._operations[operation]
            words = [self._algorithm(facts) for facts in _sorted(heap)[:most]]
            if number > most:
                words.append("%d more" % (number - most))
            yield operation.replace("_", " "), ", ".join(words)

    def _algorithm(self, facts):
        name = plain(facts["algorithm"] or "not given by the call")
        if facts["key_bits"] and str(facts["key_bits"]) not in name:
            name += " %d bits" % facts["key_bits"]
        return "%s (%s)" % (name, facts["count"] if self._single else counted(facts["hosts"], "host"))

    def _certificates(self):
        total = self._totals["certificates"]
        if not total:
            return []
        words = ["%d opened or sent in clear, %d of them expired, %d within %d days of the end" % (total, *self._found, _SOON_DAYS)]
        if self._unreadable:
            words.append("%d without a readable end of validity" % self._unreadable)
        return ["; ".join(words)] + ["%s %s  %s" % (word, facts["not_after"][:10], plain(facts["subject"] or facts["fingerprint_sha256"]))
                                     for word, heap in (("expired", self._expired), ("ends", self._soon)) for _identity, facts in _sorted(heap)]

    def _key_files(self):
        ranked = sorted(self._keys.items(), key=lambda item: (-item[1], item[0]))
        words = ["%s (%d)" % (plain(name), number) for name, number in ranked[:KEPT]]
        if len(ranked) > KEPT:
            words.append("%d more kinds" % (len(ranked) - KEPT))
        return "; ".join(words)

    def _stack_rows(self):
        pairs = []
        for identity, facts in self._stacks:
            inside = "" if facts["visibility"] == "probed" else "; its calls can't be observed"
            pairs.append(("%s %s" % (facts["name"], facts["version"] or "(version not known)"), self._where("stacks", identity, facts) + inside))
        return paired(pairs)

    def details(self):
        """The sections that follow the page: each list as far as it is kept.

        :returns: list of str.
        """
        lines = self._list("CRYPTO LIBRARIES MAPPED BY PROCESSES", self._totals["libraries"], self.library_rows())
        lines += self._list("TLS HANDSHAKES BY KIND", self._totals["TLS"], self._handshake_rows("TLS"))
        lines += self._list("SSH KEY EXCHANGES BY KIND", self._totals["SSH"], self._handshake_rows("SSH"))
        if self._operations:
            lines += ["", "ALGORITHMS BY OPERATION"]
            for label, text in self._by_operation(KEPT):
                lines += flowing(label, text)
        if self._inside:
            lines += wrapped("and %s that libraries used inside themselves only (random numbers, key files): in inventory.json" % counted(
                self._inside, "combination of algorithm and operation", "combinations of algorithm and operation"), 2)
        lines += self._list("STACKS INSIDE PROGRAMS", self._totals["stacks"], self._stack_rows())
        for title, number, heap in (("EXPIRED CERTIFICATES", self._found[0], self._expired),
                                    ("CERTIFICATES THAT EXPIRE WITHIN %d DAYS" % _SOON_DAYS, self._found[1], self._soon)):
            lines += self._list(title, number, [line for identity, facts in _sorted(heap) for line in self._certificate(identity, facts)], 2)
        return lines

    def _certificate(self, identity, facts):
        place = next(self._inventory.occurrences("certificates", identity, 1))
        who = "" if self._single else " on %s" % place["host"]
        return ["%s  %s" % (facts["not_after"][:10], facts["subject"] or facts["fingerprint_sha256"]),
                "            %s%s: %s" % (place["exe"] or "a process not known", who, place["path"])]

    @staticmethod
    def _list(title, total, rows, lines_each=1):
        if not rows:
            return []
        left = total - len(rows) // lines_each
        return (["", "%s (%d)" % (title, total)] + ["  " + cut(row, 108) for row in rows]
                + (["  and %d more, in inventory.json" % left] if left > 0 else []))


def _top(rows, rank):
    """The first KEPT assets by rank, the first of them first."""
    heap = []
    for number, (identity, facts) in enumerate(rows):
        _push(heap, (*rank(facts), -number), (identity, facts))
    return _sorted(heap)


def _push(heap, rank, value):
    # a rank ends with a number of its own, so that values are never compared
    (heapq.heappushpop if len(heap) == KEPT else heapq.heappush)(heap, (rank, value))


def _sorted(heap):
    return [value for _rank, value in sorted(heap, key=lambda item: item[0], reverse=True)]


def _negotiated(facts):
    if facts["protocol"] == "TLS":
        words = [facts[key] for key in ("version", "cipher_suite", "group") if facts[key]]
        if facts["transport"] != "tcp":
            words.append("over %s" % facts["transport"].upper())
    else:
        words = [facts[key] for key in ("key_exchange", "host_key", "cipher_server_to_client") if facts[key]]
    if facts["outcome"] != "negotiated":
        words.append(" ".join(word for word in (facts["outcome"], facts.get("alert")) if word))
    return " ".join(words)


def _reverse(moment):
    """A text that sorts the other way round: the earliest end ranks first."""
    return "".join(chr(0x7f - ord(char)) if ord(char) < 0x7f else char for char in moment)


def _later(moment, days):
    day = datetime.datetime.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S") + datetime.timedelta(days=days)
    return day.strftime("%Y-%m-%dT%H:%M:%S")
