# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory as a page of plain text: coverage first, then what was seen. Facts alone; judging them is a policy's work.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import heapq
import textwrap

from ._host_facts import HostTotals

_SOON_DAYS = 30
_SHOWN = 15
_WIDTH = 110

_WORDS = {"ok": "audited", "unreachable": "unreachable", "failed": "failed", "invalid": "invalid (the document breaks its schema)", "not_run": "not run"}


def render(inventory, entries, counts, quarantined):
    """The summary's lines.

    :arg inventory: an ``Inventory`` with all profiles in it.
    :arg entries: the manifest's hosts by name; counts: their numbers by status.
    """
    as_of = inventory.as_of()
    statistics = inventory.statistics()
    lines = ["CRYPTO INVENTORY", "as of %s" % (as_of or "never: no host gave a profile"), ""]
    lines += _coverage(inventory, entries, counts, quarantined)
    lines += _hosts(inventory)
    lines += _protocols(inventory, statistics)
    lines += _libraries(inventory, statistics)
    lines += _stacks(inventory, statistics)
    lines += _algorithms(inventory, statistics)
    lines += _certificates(inventory, statistics, as_of)
    lines += _keys(inventory, statistics)
    return [line.rstrip() for line in lines]


def _coverage(inventory, entries, counts, quarantined):
    lines = ["COVERAGE", "  hosts: %d of %d audited" % (counts["ok"], counts["total"])]
    for status in ("unreachable", "failed", "invalid", "not_run"):
        if counts[status]:
            lines.append("    %d %s:" % (counts[status], _WORDS[status]))
            named = [entry for host, entry in sorted(entries.items()) if entry["status"] == status]
            lines += ["      %s: %s" % (_plain(entry["host"]), _cut(entry["reason"] or "no reason given")) for entry in named[:_SHOWN]]
            lines += _more(len(named), "in manifest.json")
    for record in quarantined:
        lines.append("    not usable: %s: %s" % (_plain(record["file"]), _cut(record["reason"])))
    profiles, incomplete, processes, lost, seconds = 0, [], 0, 0, 0.0
    grades = {}
    for host, facts in inventory.coverage():
        profiles += 1
        processes += facts["processes"] - facts["processes_of_the_audit"]
        lost += facts["lost"]
        seconds += facts["seconds"]
        grade = "%s (%s)" % (facts["engine"], facts["grade"]) if facts["document"] == "profile" else "snapshot"
        grades[grade] = grades.get(grade, 0) + 1
        if not facts["complete"] and len(incomplete) <= _SHOWN:
            incomplete.append((host, facts["reasons"]))
        elif not facts["complete"]:
            incomplete.append(None)
    if profiles:
        lines.append("  looked at: %d processes in windows of %.0f s on average; %d observations lost" % (processes, seconds / profiles, lost))
        lines.append("  engines: " + ", ".join("%s on %d" % (grade, number) for grade, number in sorted(grades.items())))
        lines.append("  complete: %d of %d profiles" % (profiles - len(incomplete), profiles))
    for host, reasons in incomplete[:_SHOWN]:
        lines.append("    %s is incomplete:" % _plain(host))
        for reason in reasons[:_SHOWN] or ["no reason given"]:
            lines += textwrap.wrap(_plain(reason), _WIDTH, initial_indent="      - ", subsequent_indent="        ")
        lines += _more(len(reasons), "in its profile")
    lines += _more(len(incomplete), "in inventory.json")
    lines.append("  What was not seen in an incomplete profile, or on a host without one, may well be there.")
    return lines + [""]


def _protocols(inventory, statistics):
    lines = ["PROTOCOLS (%d)" % statistics["protocols"]]
    top = heapq.nlargest(_SHOWN, inventory.assets("protocols"), key=lambda row: (row[1]["hosts"], row[1]["count"]))
    for _identity, facts in top:
        named = ("version", "cipher_suite", "group") if facts["protocol"] == "TLS" else ("key_exchange", "host_key", "cipher_server_to_client")
        words = [facts[key] for key in named if facts[key]] + ([] if facts["outcome"] == "negotiated" else [facts["outcome"], facts.get("alert") or ""])
        lines.append("  %-60s %s, %s as %s" % (_plain(" ".join([facts["protocol"] + ":"] + words)), _number(facts["hosts"], "host"),
                                               _number(facts["count"], "handshake"), facts["role"] or "either side"))
    return lines + _more(statistics["protocols"], "in inventory.json") + [""]


def _hosts(inventory):
    totals = HostTotals()
    for _host, facts in inventory.coverage():
        totals.add(facts["host_crypto"])
    return totals.lines(_plain)


def _libraries(inventory, statistics):
    lines = ["LIBRARIES (%d)" % statistics["libraries"]]
    top = heapq.nlargest(_SHOWN, inventory.assets("libraries"), key=lambda row: (row[1]["hosts"], row[1]["locations"]))
    for _identity, facts in top:
        lines.append("  %-46s %s, %s" % (_plain("%s %s" % (facts["name"], facts["version"] or "(version not known)")),
                                         _number(facts["hosts"], "host"), _number(facts["locations"], "place")))
    return lines + _more(statistics["libraries"], "in inventory.json") + [""]


def _stacks(inventory, statistics):
    lines = ["STACKS IN PROGRAMS (%d)" % statistics["stacks"]]
    top = heapq.nlargest(_SHOWN, inventory.assets("stacks"), key=lambda row: (row[1]["hosts"], row[1]["locations"]))
    for _identity, facts in top:
        name = "%s %s%s" % (facts["name"], facts["version"] or "(version not known)", "" if facts["visibility"] == "probed" else ", not seen into")
        lines.append("  %-60s %s, %s" % (_plain(name), _number(facts["hosts"], "host"), _number(facts["locations"], "place")))
    return lines + _more(statistics["stacks"], "in inventory.json") + [""]


def _algorithms(inventory, statistics):
    # One pass for both: a fleet's algorithms are many times the lines shown.
    asked = inside = 0
    top = []
    for identity, facts in inventory.assets("algorithms"):
        if facts["internal"]:
            inside += 1
            continue
        asked += 1
        rank = (facts["hosts"], facts["count"], asked)
        (heapq.heappushpop if len(top) == _SHOWN else heapq.heappush)(top, (rank, identity, facts))
    lines = ["ALGORITHMS (%d)" % asked]
    for _rank, _identity, facts in sorted(top, key=lambda row: row[0][:2] + (-row[0][2],), reverse=True):
        name = facts["algorithm"] or "(not told by the call)"
        bits = " %d bits" % facts["key_bits"] if facts["key_bits"] else ""
        lines.append("  %-46s %s, %s" % (_plain("%s %s%s" % (name, facts["operation"], bits)),
                                         _number(facts["hosts"], "host"), _number(facts["count"], "operation")))
    lines += _more(asked, "in inventory.json")
    if inside:
        lines.append("  Used by the libraries inside themselves only (random numbers, key files): %d, in inventory.json" % inside)
    return lines + [""]


def _certificates(inventory, statistics, as_of):
    lines = ["CERTIFICATES (%d)" % statistics["certificates"]]
    expired, soon, unknown = [], [], 0
    for identity, facts in inventory.assets("certificates"):
        if not facts["not_after"]:
            unknown += 1
        elif facts["not_after"][:19] < as_of[:19]:
            expired.append((identity, facts))
        elif facts["not_after"][:19] < _later(as_of, _SOON_DAYS):
            soon.append((identity, facts))
    for title, found in (("expired", expired), ("expire within %d days" % _SOON_DAYS, soon)):
        lines.append("  %s: %d" % (title, len(found)))
        for identity, facts in sorted(found, key=lambda row: (row[1]["not_after"], row[0]))[:_SHOWN]:
            place = next(inventory.occurrences(identity))
            lines.append("    %s  %s" % (facts["not_after"][:10], _cut(facts["subject"] or facts["fingerprint_sha256"])))
            lines.append("      opened by %s on %s: %s" % (_plain(place["exe"] or "?"), _plain(place["host"]), _cut(place["path"])))
        lines += _more(len(found), "in inventory.json")
    if unknown:
        lines.append("  without a readable end of validity: %d" % unknown)
    return lines + [""]


def _keys(inventory, statistics):
    lines = ["KEY FILES (%d)" % statistics["keys"]]
    groups = {}
    for _identity, facts in inventory.assets("keys"):
        name = "%s %s%s" % (facts["kind"].replace("_", " "), facts["algorithm"] or "(algorithm not known)",
                            " %d bits" % facts["key_bits"] if facts["key_bits"] else "")
        files, places = groups.get(name, (0, 0))
        groups[name] = (files + 1, places + facts["locations"])
    for name, (files, places) in sorted(groups.items(), key=lambda row: (-row[1][0], row[0]))[:_SHOWN]:
        lines.append("  %-46s %s, %s" % (_plain(name), _number(files, "file"), _number(places, "place")))
    return lines + _more(len(groups), "in inventory.json") + [""]


def _number(count, thing):
    return "%d %s%s" % (count, thing, "" if count == 1 else "s")


def _more(total, where):
    return ["    and %d more, %s" % (total - _SHOWN, where)] if total > _SHOWN else []


def _later(moment, days):
    day = datetime.datetime.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S") + datetime.timedelta(days=days)
    return day.strftime("%Y-%m-%dT%H:%M:%S")


def _plain(text):
    """Text from a host with nothing in it that moves a terminal's cursor or breaks a line."""
    return "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in text)


def _cut(text):
    text = _plain(text)
    return text if len(text) <= _WIDTH else text[:_WIDTH - 3] + "..."
