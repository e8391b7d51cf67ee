# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module hands back: a short answer, a summary, and the document, whole or within a bound.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json

from .summary import preflight_sentence, preflight_summary, profile_sentence, profile_summary, stream_summary

# AWX drops a result above 700,000 bytes and a controller needs about five times a result's size; this leaves room for the rest of it
LIMIT_BYTES = 190000

_WHERE = " To have the %s too, set return_document, or dest to store it."

_LISTS = ("libraries", "files", "operations", "tls", "ssh", "stacks")
_PLAIN_KINDS = ("random", "config")


def asked(params):
    """What the action plugin needs to know of the module's parameters; a job is collected by a task that has others.

    :arg params: dict.
    :returns: dict, for the key ``asked`` of the result, which the action plugin takes out.
    """
    return {"dest": params["dest"], "return_document": params["return_document"]}


def profile_result(document, whole, returned=False):
    """The result of crypto_profile and crypto_snapshot.

    The document is in it for the action plugin, which checks it against its schema and leaves it there only where the user asked for it.

    :arg document: dict, a profile or snapshot.
    :arg whole: bool, whether it goes to a file: nothing is left out then.
    :arg returned: bool, whether it stays in the result.
    :returns: dict.
    """
    summary = profile_summary(document)
    result = {"changed": False, "msg": profile_sentence(document, summary), "summary": summary, "profile": document}
    if whole:
        return result
    result["profile"], omitted = bounded(document)
    if not returned:
        result["msg"] += _WHERE % "profile"
        return result
    result.update(truncated=bool(omitted), omitted=omitted)
    if omitted:
        result["msg"] += " Left out of this result: %s; set dest to keep all of it." % _counts(omitted)
    return result


def monitor_result(lines, coverage, whole, returned=False):
    """The result of crypto_monitor.

    :arg lines: list of str, the stream's JSON texts without line ends; the coverage is the last of them.
    :arg coverage: dict.
    :arg whole: bool, whether it goes to a file.
    :arg returned: bool, whether the events stay in the result.
    :returns: dict.
    """
    # one event at a time: there may be a million
    summary = stream_summary((json.loads(line) for line in lines[:-1]), coverage)
    kinds = ", ".join("%d %s" % (number, kind) for kind, number in sorted(summary["counts"].items()))
    result = {"changed": False, "summary": summary, "msg": "%d event%s%s. Coverage is %s." % (
        summary["events"], "" if summary["events"] == 1 else "s", ": " + kinds if kinds else "", "complete" if coverage["complete"] else "incomplete")}
    if whole:
        result["stream"] = "".join(line + "\n" for line in lines)
        return result
    kept = _lines_within(lines)
    result["events"] = [json.loads(line) for line in kept]
    if not returned:
        result["msg"] += _WHERE % "events"
        return result
    omitted = {"events": len(lines) - len(kept)} if len(kept) < len(lines) else {}
    result.update(coverage=coverage, truncated=bool(omitted), omitted=omitted)
    if omitted:
        result["msg"] += " Left out of this result: %s; set dest to keep all of them." % _counts(omitted)
    return result


def preflight_result(document):
    """The result of crypto_preflight; of the document as in ``profile_result``.

    :arg document: dict.
    :returns: dict.
    """
    return {"changed": False, "msg": preflight_sentence(document), "summary": preflight_summary(document), "preflight": document}


def bounded(document, limit=LIMIT_BYTES):
    """Cut a document to a size.

    Entries are left out in a fixed order, those that say least first. The coverage and every count of the document stay as they are.

    :arg document: dict, a profile or snapshot; it is not changed.
    :arg limit: int, bytes of its JSON.
    :returns: tuple of the document (dict) and of how many entries of which list were left out (dict of str to int).
    """
    size = _size(document)
    if size <= limit:
        return document, {}
    processes = [_copy(process) for process in document["processes"]]
    excess = size - limit
    omitted = {}
    for choose in _PASSES:
        if excess <= 0:
            break
        excess -= choose(processes, excess, omitted)
    return dict(document, processes=processes), omitted


def _copy(process):
    copy = dict(process)
    for name in _LISTS:
        copy[name] = process[name] and list(process[name])  # null where the program was gone
    return copy


def _drop_processes(condition):
    def run(processes, excess, omitted):
        freed = 0
        for index in range(len(processes) - 1, -1, -1):
            if freed >= excess:
                break
            if condition(processes[index]):
                process = processes.pop(index)
                freed += _size(process) + 2
                _count(omitted, "processes", 1)
                for name in _LISTS:
                    _count(omitted, name, len(process[name] or ()))
        return freed
    return run


def _drop_entries(name, condition):
    def run(processes, excess, omitted):
        # the longest lists give first: what makes a document large is seldom spread evenly
        freed = 0
        while freed < excess:
            fullest, fewest = None, 0
            for process in processes:
                eligible = sum(1 for entry in process[name] or () if condition(entry))
                if eligible > fewest:
                    fullest, fewest = process, eligible
            if fullest is None:
                break
            freed += _thin(fullest, name, condition, excess - freed, omitted)
        return freed
    return run


def _thin(process, name, condition, excess, omitted):
    """Leave out entries of one process, the rarest first; at most half of the eligible ones at a time, so that no process loses all."""
    eligible = [index for index, entry in enumerate(process[name]) if condition(entry)]
    eligible.sort(key=lambda index: (process[name][index].get("count", 0), -index))
    freed = 0
    gone = set()
    for index in eligible[:(len(eligible) + 1) // 2]:
        if freed >= excess:
            break
        freed += _size(process[name][index]) + 2
        gone.add(index)
    process[name] = [entry for index, entry in enumerate(process[name]) if index not in gone]
    _count(omitted, name, len(gone))
    return freed


def _any(entry):
    return True


def _did_anything(process):
    return any(process[name] for name in ("operations", "files", "tls", "ssh"))


_PASSES = (
    _drop_processes(lambda process: process["audit_connection"]),
    _drop_entries("files", lambda entry: entry["kind"] in _PLAIN_KINDS),
    _drop_processes(lambda process: not _did_anything(process) and not process["libraries"]),
    _drop_processes(lambda process: not _did_anything(process)
                    and all(library["how"] == "present" for library in process["libraries"])),
    _drop_entries("libraries", lambda entry: entry["how"] == "present"),
    _drop_processes(lambda process: not _did_anything(process)),
    _drop_entries("files", _any),
    _drop_entries("operations", _any),
    _drop_entries("libraries", _any),
    _drop_entries("stacks", _any),
    _drop_entries("ssh", _any),
    _drop_entries("tls", _any),
    _drop_processes(_any),
)


def _count(omitted, name, number):
    if number:
        omitted[name] = omitted.get(name, 0) + number


def _counts(omitted):
    return ", ".join("%d %s" % (omitted[name], name) for name in sorted(omitted))


def _size(value):
    # separators as AnsibleModule.exit_json writes them; ensure_ascii too
    return len(json.dumps(value))


def _lines_within(lines):
    """The first lines that fit, and always the last one, which is the coverage."""
    if not lines:
        return lines
    room = LIMIT_BYTES - 2 * _line_size(lines[-1])  # the result has the coverage of its own beside the events
    kept = []
    for line in lines[:-1]:
        room -= _line_size(line)
        if room < 0:
            break
        kept.append(line)
    return kept + lines[-1:]


def _line_size(line):
    return _size(json.loads(line)) + 2
