# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a profile: find them, count them, and check that the window missed nothing."""

from __future__ import annotations

import collections
import json

import pytest


def processes(profile, name=None, exe=None):
    """Entries of a name (comm) or of an executable's base name or path."""
    return [entry for entry in profile["processes"]
            if (name is None or entry["name"] == name) and (exe is None or exe in (entry["exe"], (entry["exe"] or "").rpartition("/")[2]))]


def images(profile, pid):
    """Every program image a pid had, in order of their exec numbers."""
    return sorted((entry for entry in profile["processes"] if entry["pid"] == pid), key=lambda entry: entry["exec_number"] or 0)


def process(profile, pid):
    """The last program image of a pid: what it was when it ended."""
    found = images(profile, pid)
    assert found, "pid %d is not in the profile, which has %s" % (pid, sorted({entry["name"] for entry in profile["processes"]}))
    return found[-1]


def libraries(entry, name=None):
    """Library entries of a process, of a catalogue name or all."""
    return [library for library in entry["libraries"] if name in (None, library["name"])]


def library(entry, name):
    """The one library of a catalogue name."""
    found = libraries(entry, name)
    assert len(found) == 1, "%d libraries %s among %s" % (len(found), name, [item["path"] for item in entry["libraries"]])
    return found[0]


def files(entry, path=None, **fields):
    """File entries of a process at a path, with these field values."""
    return [item for item in entry["files"] if path is None or item["path"] == str(path) if all(item[key] == value for key, value in fields.items())]


def file(entry, path, **fields):
    """The one file entry at a path."""
    found = files(entry, path, **fields)
    assert len(found) == 1, "%d files %s among %s" % (len(found), path, [(item["path"], item["flags"], item["result"]) for item in entry["files"]])
    return found[0]


def operations(entry, function=None, library_path=None):
    """Counter of (algorithm, operation) over what was asked of a library from outside it."""
    total = collections.Counter()
    for item in entry["operations"]:
        if not item.get("internal") and function in (None, item["function"]) and library_path in (None, item["library"]):
            total[item["algorithm"], item["operation"]] += item["count"]
    return total


def functions(entry):
    """Counter of (function, algorithm, operation, key bits), internal ones left out."""
    total = collections.Counter()
    for item in entry["operations"]:
        if not item.get("internal"):
            total[item["function"], item["algorithm"], item["operation"], item["key_bits"]] += item["count"]
    return total


def reason(document, code):
    """The entry of coverage.reasons with a code, or None."""
    found = [entry for entry in document["coverage"]["reasons"] if entry["code"] == code]
    assert len(found) <= 1
    return found[0] if found else None


def assert_attached(profile):
    """Every probe did attach, and no event was lost: a test of what is or is not there means nothing otherwise."""
    coverage = profile["coverage"]
    failed = [probe for probe in coverage["probes"] if probe["status"] != "attached"]
    # what other processes of this host do (a path too deep to walk, a bad pointer, a ring) is no loss of a test's own events
    lost = {cause: number for cause, number in coverage["lost"].items() if cause not in ("path_truncated", "user_fault", "io_uring_opens")}
    if failed or lost:
        pytest.fail("the window is not whole: %s" % json.dumps([coverage["reasons"], failed], indent=1), pytrace=False)
