# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents in a few lines, for a result that is read on a terminal.

Lists are texts of one line, the most frequent first and cut to a few: a result is printed with one line an item. Whoever tests values
takes the document. This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

_LISTED = 8  # of one list
_ENTRY = 80  # characters of one entry
_REASONS = 5
_EVENTS = 15
_LINE = 160  # characters of an event or a reason
_KIND_WORDS = {"csr": "certificate request", "crl": "CRL"}

# field of a profile's summary -> the probes that fill it
_SEEN_BY = {"tls": ("tls_handshake",), "ssh": ("ssh_kex",), "algorithms": ("openssl_api", "library_api")}
# a selected process is in a profile without any of them too
_CRYPTOGRAPHY = ("libraries", "files", "operations", "tls", "ssh", "stacks")
_OBSERVING = ("attached", "partial", "detached_over_budget")  # statuses of a probe

_FIPS = {True: "on", False: "off", None: "not supported by the kernel"}


def profile_summary(document):
    """A profile or snapshot in about twenty lines. Ansible's own connection and the audit itself are not in it.

    :arg document: dict.
    :returns: dict of str to str, int, float, bool or list of str.
    """
    coverage = document["coverage"]
    processes = [process for process in document["processes"] if not process["audit_connection"]]
    tls = [entry for process in processes for entry in process["tls"]] + document["unattributed"]["tls"]
    ssh = [entry for process in processes for entry in process["ssh"]] + document["unattributed"]["ssh"]
    summary = {
        "host": _host(document),
        "complete": coverage["complete"],
        "reasons": _reasons(coverage),
        "lost": sum(coverage["lost"].values()),
        "engine": document["engine"]["name"],
        "rejected": [_plain("%s: %s; remedy: %s" % (engine["name"], engine["message"], engine["remedy"])) for engine in document["engine"]["rejected"]],
        "grade": document["engine"]["grade"],
        "ended_at": document["window"]["ended_at"],
        "seconds": document["window"]["actual_seconds"],
        "processes": sum(1 for process in processes if any(process[name] for name in _CRYPTOGRAPHY)),
        "libraries": _ranked((name, 1) for process in processes for name in {_named(library) for library in process["libraries"]}),
        "tls": _ranked((_negotiated_tls(entry), entry["count"]) for entry in tls),
        "ssh": _ranked((_negotiated_ssh(entry), entry["count"]) for entry in ssh),
        "algorithms": _ranked((operation["algorithm"], operation["count"]) for process in processes for operation in process["operations"]
                              if operation["algorithm"] and not operation.get("internal")),
        "files": _ranked((_KIND_WORDS.get(kind, kind.replace("_", " ")), 1) for kind, _path in
                         {(file["kind"], file["path"]) for process in processes for file in process["files"]}),
        "stacks": _ranked((name, 1) for process in processes for name in {_named(stack) for stack in process["stacks"] or ()}),
    }
    for field in _SEEN_BY:
        if not _observed(document, field):
            summary[field] = "not observed"
    return summary


def profile_sentence(document, summary):
    """The answer in two sentences.

    :arg document: dict, a profile or snapshot.
    :arg summary: dict of it, by ``profile_summary``.
    :returns: str.
    """
    processes = [process for process in document["processes"] if not process["audit_connection"]]
    handshakes = {name: sum(entry["count"] for process in processes for entry in process[name])
                  + sum(entry["count"] for entry in document["unattributed"][name]) for name in ("tls", "ssh")}
    text = "%s with cryptography on %s" % (_counted(summary["processes"], "process", "processes"), _plain(document["host"]["hostname"] or "this host"))
    found = {"tls": (handshakes["tls"], "TLS handshake"), "ssh": (handshakes["ssh"], "SSH key exchange"),
             "algorithms": (len({operation["algorithm"] for process in processes for operation in process["operations"]}), "algorithm")}
    found = {field: words for field, words in found.items() if _observed(document, field)}
    if document["document"] == "profile":
        text += " in %.0f s" % summary["seconds"]
    if found:
        text += ": " + ", ".join(_counted(*words) for words in found.values())
    excluded = len(document["coverage"]["scope"]["excluded"])
    if not summary["complete"]:
        text += ". Coverage is incomplete: what was not seen may be in use all the same."
    elif excluded:
        text += ". Coverage is complete, except for %s." % _counted(excluded, "process", "processes")
    else:
        text += ". Coverage is complete."
    if found and not any(number for number, _noun in found.values()):
        text += " Nothing was in use: observe for longer, or while the services are in use."
    return text


def stream_summary(events, coverage):
    """A stream in about thirty lines: how many events of which kind, and the first of them as texts.

    :arg events: iterable of dict, without the coverage event.
    :arg coverage: dict.
    :returns: dict.
    """
    counts, lines, others = {}, [], 0
    for event in events:
        counts[event["event"]] = counts.get(event["event"], 0) + 1
        if event.get("audit_connection"):
            continue
        others += 1
        if others <= _EVENTS:
            lines.append(_plain(_event_line(event))[:_LINE])
    if others > _EVENTS:
        lines.append("and %d more" % (others - _EVENTS))
    return {"complete": coverage["complete"], "reasons": _reasons(coverage), "events": sum(counts.values()), "counts": counts, "first_events": lines}


def preflight_summary(document):
    """The short answer of a preflight.

    :arg document: dict.
    :returns: dict.
    """
    failed = ["%s: %s" % (probe["name"], probe["reason"] or probe["status"]) for probe in document["probes"]
              if probe["name"] not in document["supports"]["probes"]]
    return {
        "engine": document["engine"]["name"],
        "grade": document["supports"]["grade"],
        "kernel": _plain(document["host"]["kernel"]),
        "probes": ", ".join(document["supports"]["probes"]) or "none",
        "not_attached": [_plain(text)[:_LINE] for text in failed],
        "remedies": [_plain("%s: %s" % (item["concerns"], item["remedy"]))[:2 * _LINE] for item in document["remedies"]],
    }


def preflight_sentence(document):
    """What a preflight found, in one sentence or two.

    :arg document: dict.
    :returns: str.
    """
    supports, number = document["supports"], len(document["probes"])
    if not supports["profile"]:
        text = "This host can't be observed: no probe attaches."
    else:
        text = "This host supports profiles of grade %s with engine %s: %d of %s." % (
            supports["grade"], document["engine"]["name"], len(supports["probes"]), _counted(number, "probe attaches", "probes attach"))
    if document["remedies"]:
        text += " What to put right is in remedies."
    return text


def _host(document):
    host, configured = document["host"], document.get("host_crypto")
    words = [host["hostname"] or "name not known", host["os"]["name"] or "operating system not known", "kernel " + host["kernel"], host["arch"]]
    if configured:
        words.append("FIPS mode %s" % _FIPS[configured["fips"]["kernel"]])
        words.append("crypto policy %s" % (configured["crypto_policies"]["effective"] or "none"))
    return _plain(", ".join(words))


def _observed(document, field):
    """Whether any probe that fills a field of the summary was attached."""
    return any(probe["status"] in _OBSERVING for probe in document["coverage"]["probes"] if probe["name"] in _SEEN_BY[field])


def _reasons(coverage):
    """The reasons as texts, what makes a profile incomplete first."""
    ranked = sorted(coverage["reasons"], key=lambda reason: ("incomplete", "excluded", "note").index(reason["effect"]))
    texts = ["%s%s" % (reason["message"], "; remedy: " + reason["remedy"] if reason["remedy"] else "") for reason in ranked[:_REASONS]]
    if len(ranked) > _REASONS:
        texts.append("and %d more" % (len(ranked) - _REASONS))
    return [_plain(text)[:2 * _LINE] for text in texts]


def _ranked(pairs):
    """``A (7), B (2), 3 more`` of pairs of a text and a number."""
    counts = {}
    for text, number in pairs:
        counts[text] = counts.get(text, 0) + number
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = ["%s (%d)" % (text[:_ENTRY], number) for text, number in ranked[:_LISTED]]
    if len(ranked) > _LISTED:
        words.append("%d more" % (len(ranked) - _LISTED))
    return _plain(", ".join(words)) or "none"


def _named(thing):
    return "%s %s" % (thing["name"], thing["version"]) if thing["version"] else thing["name"]


def _negotiated_tls(entry):
    points = (entry["version"], entry["cipher_suite"], entry["group"])
    words = [point["name"] or point["code"] for point in points if point]
    return " ".join(words + ([] if entry["outcome"] == "negotiated" else [entry["outcome"]]))


def _negotiated_ssh(entry):
    words = [entry[key] for key in ("key_exchange", "host_key", "cipher_server_to_client") if entry[key]]
    return " ".join(words + ([] if entry["outcome"] == "negotiated" else [entry["outcome"]]))


def _event_line(event):
    """``12:00:00.123 nginx[4711] file_open private_key /etc/ssl/private/site.key``."""
    kind = event["event"]
    if kind == "file_open":
        words = [event["kind"], event["path"]] + ([] if event["result"] == "ok" else [event["result"]])
    elif kind == "library_load":
        words = [_named(event["library"]), event["library"]["path"]]
    elif kind == "operation":
        words = [event["operation"], event["algorithm"] or "algorithm not given by the call"]
    elif kind == "tls_handshake":
        words = ["as", event["role"], _negotiated_tls(event)]
    elif kind == "ssh_kex":
        words = ["as", event["role"] or "either side", _negotiated_ssh(event)]
    elif kind == "process_exec":
        words = [" ".join(event.get("cmdline") or [event.get("exe") or ""])]
    elif kind == "process_fork":
        words = ["child %s" % event.get("child_pid")]
    else:
        words = [event["exe"]] if event.get("exe") else []
    return " ".join([event["time"][11:23], "%s[%s]" % (event.get("name") or "?", event.get("pid")), kind] + words)


def _counted(number, singular, plural=None):
    return "%d %s" % (number, singular if number == 1 else plural or singular + "s")


def _plain(text):
    # a terminal takes more than JSON escapes: the control characters above 0x7f, and those that change the direction of writing
    return "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in text)
