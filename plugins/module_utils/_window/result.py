# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module hands back: the document, whole or within a bound, and a summary of it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json

# AWX drops a result above 700,000 bytes and a controller needs about five times a result's size; this leaves room for the rest of it
LIMIT_BYTES = 190000

_LISTS = ("libraries", "files", "operations", "tls", "ssh", "stacks")
_PLAIN_KINDS = ("random", "config")


def profile_result(document, whole):
    """The result of crypto_profile and crypto_snapshot.

    :arg document: a profile or snapshot.
    :arg whole: true where it is going to a file: nothing is left out then.
    """
    summary = summarise(document)
    if not whole:
        document, omitted = bounded(document)
    else:
        omitted = {}
    result = {"changed": False, "profile": document, "summary": summary, "truncated": bool(omitted), "omitted": omitted}
    result["msg"] = _sentence(summary)
    if omitted:
        result["msg"] += "; left out of this result: %s (set dest to keep all of it)" % _counts(omitted)
    return result


def monitor_result(lines, coverage, whole):
    """The result of crypto_monitor; lines are the stream's JSON texts without line ends, the coverage line the last of them."""
    kept = lines
    if not whole:
        kept = _lines_within(lines)
    omitted = {"events": len(lines) - len(kept)} if len(kept) < len(lines) else {}
    result = {
        "changed": False,
        "summary": {"events": sum(1 for line in lines if not _is_coverage(line)), "complete": coverage["complete"], "reasons": coverage["reasons"]},
        "coverage": coverage,
        "truncated": bool(omitted),
        "omitted": omitted,
    }
    if whole:
        result["stream"] = "".join(line + "\n" for line in lines)
    else:
        result["events"] = [json.loads(line) for line in kept]
    result["msg"] = "%d events, coverage %s" % (result["summary"]["events"], "complete" if coverage["complete"] else "incomplete")
    if omitted:
        result["msg"] += "; left out of this result: %s (set dest to keep all of them)" % _counts(omitted)
    return result


def preflight_result(document):
    """The result of crypto_preflight."""
    supports = document["supports"]
    attached = ", ".join(supports["probes"]) or "no probe"
    return {
        "changed": False,
        "preflight": document,
        "msg": "engine %s, grade %s: %s" % (document["engine"]["name"], supports["grade"], attached),
    }


def summarise(document):
    """A few facts of a profile that are worth a line, coverage first."""
    coverage = document["coverage"]
    return {
        "complete": coverage["complete"],
        "reasons": coverage["reasons"],
        "engine": document["engine"]["name"],
        "grade": document["engine"]["grade"],
        "started_at": document["window"]["started_at"],
        "ended_at": document["window"]["ended_at"],
        "seconds": document["window"]["actual_seconds"],
        "lost": sum(coverage["lost"].values()),
        "probes": {probe["name"]: probe["status"] for probe in coverage["probes"]},
        "processes": document["statistics"]["processes"],
        "libraries": document["statistics"]["libraries"],
        "files": document["statistics"]["files"],
        "operations": document["statistics"]["operations"],
        "tls": document["statistics"]["tls"],
        "ssh": document["statistics"]["ssh"],
        "library_names": sorted({"%s %s" % (library["name"], library["version"] or "?")
                                 for process in document["processes"] for library in process["libraries"]})[:50],
        "algorithms": sorted({operation["algorithm"] for process in document["processes"]
                              for operation in process["operations"] if operation["algorithm"]})[:100],
        "negotiated": sorted({_negotiated(entry) for process in document["processes"] for entry in process["tls"] if entry["version"]})[:100],
    }


def _negotiated(entry):
    """Version, cipher suite and group of a TLS entry in a line."""
    points = (entry["version"], entry["cipher_suite"], entry["group"])
    return " ".join(point["name"] or point["code"] for point in points if point)


def bounded(document, limit=LIMIT_BYTES):
    """``(document, omitted)``: the document cut to limit bytes of JSON, and how many entries of which list went.

    Entries go in a fixed order, the least telling first, and the coverage and every count of the document stay as they are.
    The document given is not changed.
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
        copy[name] = process[name] and list(process[name])  # stacks are null where nobody could look
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
    """Take entries of one process, rarest first; at most half of the eligible ones at a time, so that no process pays for all."""
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


def _is_coverage(line):
    return json.loads(line)["event"] == "coverage"


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


def _sentence(summary):
    return "%d processes, %d libraries, %d files, %d operations, %d TLS and %d SSH handshakes in %.0f s; engine %s, coverage %s" % (
        summary["processes"], summary["libraries"], summary["files"], summary["operations"], summary["tls"], summary["ssh"],
        summary["seconds"],
        summary["engine"], "complete" if summary["complete"] else "incomplete")
