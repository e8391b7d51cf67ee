# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory as plain text: one page that fits a screen, then the details. Facts alone; judging them is a policy's work.

The page goes from what the host is and has, over what was seen in use, to how far the audit's observation went. This plugin util is
PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._host_facts import HostTotals, host_lines
from ._summary_assets import Assets
from ._text import counted, cut, flowing, labelled, minute, plain, wrapped

# `make audit` adds five lines to a page; all of it fits a terminal of 40 with its prompt
PAGE_LINES = 34
_SHOWN = 15  # hosts, reasons and files named in the details
_NAMED = 3  # on the page
_STATUS = {"unreachable": "unreachable", "failed": "failed", "invalid": "invalid document", "not_run": "not run"}


def render(inventory, entries, counts, quarantined):
    """The summary of an audit.

    :arg inventory: Inventory with all profiles in it.
    :arg entries: dict of str, host, to dict, its entry of the manifest.
    :arg counts: dict of str, status, to int, hosts.
    :arg quarantined: list of dict, files that could not be used.
    :returns: tuple of the page and the details, each a list of str.
    """
    coverage = _Coverage(inventory, entries, counts, quarantined)
    assets = Assets(inventory, coverage.single)
    page = _page(inventory, coverage, assets)
    return [line.rstrip() for line in page], [line.rstrip() for line in coverage.details() + assets.details()]


def _page(inventory, coverage, assets):
    as_of = inventory.as_of()
    title = "CRYPTO INVENTORY of %s, %s" % (coverage.whose(), "as of %s UTC" % minute(as_of) if as_of else "no host gave a profile")
    libraries = [("mapped", assets.library_rows() or ["none by a running process but the audit's own; those of services would be listed here"])]
    unmapped = coverage.unmapped()
    if unmapped:
        libraries.append(("installed", "probed, but mapped by no running process: " + ", ".join(unmapped)))
    use, idle = assets.use_rows(coverage.observed, coverage.seconds())
    if idle:
        use.append(("to see more", ["observe for longer, %d s for instance, or while the services are in use" % coverage.longer()]))
    hosts = host_lines(coverage.single) if coverage.single else coverage.hosts.lines(2)
    foot = [""] + coverage.lines()
    titles = ["", "CRYPTO LIBRARIES ON %s" % ("THIS HOST" if coverage.single else "THESE HOSTS")], ["", "IN USE"]
    room = PAGE_LINES - 2 - len(foot) - sum(map(len, titles))
    if len(hosts) + len(libraries) + len(use) > room and not coverage.single:
        hosts = coverage.hosts.lines(1)
    head = [title, ""] + hosts
    limits = _limits(libraries + use, room - len(hosts))
    for lines, rows in zip(titles, (libraries, use)):
        head += lines
        for label, content in rows:
            head += _row(label, content, limits[label])
    return head + foot


def _row(label, content, most):
    return flowing(label, content, most) if isinstance(content, str) else labelled(label, content, most)


def _limits(rows, room):
    """Share the page's lines among its rows: one for each, then one more in turn while there is room.

    :arg rows: list of tuples of label and content.
    :arg room: int, lines.
    :returns: dict of str, label, to int, lines.
    """
    limits = {label: 1 for label, _content in rows}
    room -= len(rows)
    growing = True
    while growing:
        growing = False
        for label, content in rows:
            if room > 0 and len(_row(label, content, limits[label] + 1)) > limits[label]:
                limits[label] += 1
                room -= 1
                growing = True
    return limits


class _Coverage:
    """How far the audit's observation went, in one pass over the profiles; memory does not grow with their number."""

    def __init__(self, inventory, entries, counts, quarantined):
        self._entries = entries
        self._counts = counts
        self._quarantined = quarantined
        self._profiles = self._seen = self._complete = 0
        self._seconds = 0.0
        self._window = [None, 0.0]  # shortest and longest, seconds
        self._lost, self._engines, self._unmapped = {}, {}, {}
        self._attached = set()
        self._excluded = [0, []]  # processes of complete profiles, the first of them by name
        self._selected = 0
        self._incomplete = []  # the first hosts
        self._noted = []
        self.hosts = HostTotals()
        self.single = None  # the only host's facts
        for host, facts in inventory.coverage():
            self._add(host, facts)

    def _add(self, host, facts):
        self._profiles += 1
        self._complete += facts["complete"]
        self._seen += facts["processes_seen"]
        self._seconds += facts["seconds"]
        self._window = [min(facts["seconds"], facts["seconds"] if self._window[0] is None else self._window[0]), max(facts["seconds"], self._window[1])]
        for cause, number in facts["lost"].items():
            self._lost[cause] = self._lost.get(cause, 0) + number
        engine = "%s, grade %s" % (facts["engine"], facts["grade"]) if facts["document"] == "profile" else "snapshot"
        self._engines[engine] = self._engines.get(engine, 0) + 1
        self._attached.update(name for name, status in facts["probes"].items() if status in ("attached", "partial", "detached_over_budget"))
        self._selected += facts["scope"]["processes"] == "selected"
        self._add_excluded(facts["scope"])
        if not facts["complete"] and len(self._incomplete) < _SHOWN:
            self._incomplete.append((host, facts))
        elif facts["complete"] and facts["reasons"] and len(self._noted) < _SHOWN:
            self._noted.append((host, facts))
        for file in facts["probed_unmapped"]:
            name = file["path"].rpartition("/")[2]
            # few libraries are in the catalogue, but hosts give the names
            if name in self._unmapped or len(self._unmapped) < 200:
                hosts, version = self._unmapped.get(name, (0, None))
                self._unmapped[name] = hosts + 1, version or file["version"]
        self.hosts.add(facts)
        self.single = facts if self._counts["total"] == 1 else None

    def _add_excluded(self, scope):
        self._excluded[0] += len(scope["excluded"])
        for process in scope["excluded"][:_NAMED - len(self._excluded[1])]:
            self._excluded[1].append("%s (pid %d)" % (process["name"] or "a process", process["pid"]))

    def whose(self):
        """The host's name, or how many hosts there are."""
        return plain(next(iter(self._entries))) if len(self._entries) == 1 else counted(self._counts["total"], "host")

    def seconds(self):
        """The windows' length in words."""
        if not self._profiles or not self._window[1]:
            return "no window"
        return "%.0f s" % (self._seconds / self._profiles)

    def longer(self):
        """Seconds that promise more than this window showed."""
        return int(min(3600, max(300, 10 * (self._seconds / self._profiles if self._profiles else 0))))

    def observed(self, probes):
        """Whether any profile had one of these probes attached."""
        return any(probe in self._attached for probe in probes)

    def unmapped(self):
        """Libraries that probes were attached to and no running process maps.

        :returns: list of str.
        """
        words = []
        for name, (hosts, version) in sorted(self._unmapped.items()):
            known = [version] if version else []
            if not self.single:
                known.append(counted(hosts, "host"))
            words.append(plain(name) + (" (%s)" % plain(", ".join(known)) if known else ""))
        return words

    def lines(self):
        """The section in three lines."""
        lines = ["COVERAGE", "  hosts: %d of %d audited%s%s" % (self._counts["ok"], self._counts["total"], self._missing(), self._windows())]
        lines.append("  " + self._verdict())
        lost = sum(self._lost.values())
        causes = ", ".join("%d %s" % (number, cause.replace("_", " ")) for cause, number in sorted(self._lost.items()))
        lines.append("  lost: %s" % ("%s (%s)" % (counted(lost, "observation"), causes) if lost else "nothing" if self._profiles else "nothing was observed"))
        return [cut(line) for line in lines]

    def _windows(self):
        if not self._profiles:
            return ""
        shortest, longest = self._window
        length = "%.0f s" % longest if longest - shortest < 1 else "%.0f to %.0f s" % (shortest, longest)
        engines = "; ".join(name if self.single else "%s on %d" % (name, number) for name, number in sorted(self._engines.items()))
        return "; %s of %s (%s), %s seen" % ("window" if self.single else "windows", length, engines, counted(self._seen, "program run"))

    def _missing(self):
        words = []
        for status, word in _STATUS.items():
            if self._counts[status]:
                words.append("%d %s" % (self._counts[status], word))
        return "; " + ", ".join(words) if words else ""

    def _verdict(self):
        if not self._profiles:
            return "complete: no; no host was observed"
        scope = "the selected processes" if self._selected else "all processes"
        if self._complete == self._profiles:
            if not self._excluded[0]:
                return "complete: yes, for %s; what is not listed above did not happen in the window" % scope
            return "complete: yes, for %s except %s" % (scope, self._except())
        if not self.single:
            return "complete: %d of %d profiles; on the other hosts cryptography that is not listed may be in use" % (self._complete, self._profiles)
        reasons = [reason for reason in self.single["reasons"] if reason["effect"] == "incomplete"]
        more = " (and %s)" % counted(len(reasons) - 1, "more reason") if len(reasons) > 1 else ""
        return cut("complete: no, " + (reasons[0]["message"] if reasons else "no reason given"), 106 - len(more)) + more

    def _except(self):
        number, names = self._excluded
        if number <= len(names):
            return ", ".join(names)
        return "%s: %s, ..." % (counted(number, "process", "processes"), ", ".join(names))

    def details(self):
        """What the page has no room for: hosts without a profile, reasons and remedies.

        :returns: list of str.
        """
        lines = ["COVERAGE"]
        for status, word in _STATUS.items():
            if self._counts[status]:
                lines.append("  %s, %s:" % (counted(self._counts[status], "host"), word))
                named = [entry for _host, entry in sorted(self._entries.items()) if entry["status"] == status]
                for entry in named[:_SHOWN]:
                    lines += wrapped("%s: %s" % (plain(entry["host"]), plain(entry["reason"] or "no reason given")), 4)
                lines += _more(len(named), "manifest.json")
        for record in self._quarantined[:_SHOWN]:
            lines += wrapped("file not usable: %s: %s" % (plain(record["file"]), plain(record["reason"])), 2)
        lines += _more(len(self._quarantined), "manifest.json")
        for title, hosts in (("incomplete", self._incomplete), ("complete", self._noted)):
            for host, facts in hosts:
                lines.append("  %s, %s:" % (plain(host), title))
                lines += self._reasons(facts)
        lines += _more(self._profiles - self._complete, "inventory.json")
        if self.single and self.single["host_crypto"] and self.single["host_crypto"]["unreadable"]:
            lines.append("  configuration that could not be read:")
            for item in self.single["host_crypto"]["unreadable"]:
                lines += wrapped("%s: %s: %s" % (item["part"], plain(item["source"]), plain(item["reason"])), 4)
        if len(lines) == 1:
            lines.append("  nothing to add: every host was audited, no process is excluded and nothing was lost")
        lines.append("  What is not listed for an incomplete profile, or for a host without one, may be in use all the same.")
        unmapped = self.unmapped()
        if unmapped:
            lines += ["", "LIBRARIES INSTALLED AND PROBED, BUT MAPPED BY NO RUNNING PROCESS (%d)" % len(unmapped)] + wrapped(", ".join(unmapped), 2)
        if self._profiles > 1 and self.hosts.lines(None) != self.hosts.lines(1):
            lines += ["", *self.hosts.lines(None)]
        return lines

    @staticmethod
    def _reasons(facts):
        lines = []
        for engine in facts["rejected"]:
            lines += wrapped("engine %s was not used: %s" % (plain(engine["name"]), plain(engine["message"])), 4)
            lines += wrapped("remedy: " + plain(engine["remedy"]), 8)
        for reason in facts["reasons"][:_SHOWN]:
            # the effect's word stands for itself: incomplete, excluded, note
            lines += wrapped("%s: %s" % (reason["effect"], plain(reason["message"])), 4)
            if reason["concerns"]["names"]:
                omitted = reason["concerns"]["omitted"]
                more = " and %d more" % omitted if omitted else ""
                lines += wrapped("%s: %s%s" % (reason["concerns"]["kind"].replace("_", " "), plain(", ".join(reason["concerns"]["names"])), more), 8)
            if reason["remedy"]:
                lines += wrapped("remedy: " + plain(reason["remedy"]), 8)
        return lines + _more(len(facts["reasons"]), "the profile")


def _more(total, where):
    return ["    and %d more, in %s" % (total - _SHOWN, where)] if total > _SHOWN else []
