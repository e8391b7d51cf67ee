# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module hands back stays within its bound, says what it left out, and never leaves out the coverage."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import result as result_module

LIMIT = 200000


def reason(message, effect="incomplete", remedy=None):
    """A reason of a coverage."""
    return {"code": "a_code", "effect": effect, "count": 1, "concerns": {"kind": "host", "names": [], "omitted": 0}, "message": message,
            "remedy": remedy}


@pytest.fixture
def large(profile, process):
    """A profile of about 4 MB: many processes with long lists."""
    processes = []
    for pid in range(1, 201):
        own = copy.deepcopy(process)
        own["pid"] = pid
        own["audit_connection"] = pid == 1
        own["libraries"] = [dict(own["libraries"][0], path="/lib/%d.so" % number, how="present" if number else "loaded") for number in range(20)]
        own["files"] = [dict(own["files"][number % 2], path="/f/%d" % number, kind="random" if number % 5 == 4 else "private_key", count=number)
                        for number in range(20)]
        own["operations"] = [dict(own["operations"][0], function="f%d" % number, count=number) for number in range(20)]
        processes.append(own)
    for pid in range(201, 301):
        processes.append(dict(copy.deepcopy(process), pid=pid, libraries=[], files=[], operations=[], tls=[], ssh=[]))
    profile["processes"] = processes
    profile["statistics"].update(processes=300, libraries=4000, files=4000, operations=4000)
    return profile


def entries(document, name):
    return sum(len(process[name]) for process in document["processes"])


def test_a_small_profile_is_whole(profile):
    result = result_module.profile_result(profile, whole=False, returned=True)
    assert result["profile"] is profile
    assert result["truncated"] is False and result["omitted"] == {} and result["changed"] is False


def test_a_large_one_stays_under_the_limit_and_counts_what_it_left_out(large):
    before = copy.deepcopy(large)
    result = result_module.profile_result(large, whole=False, returned=True)
    assert len(json.dumps(result)) < LIMIT
    assert result["truncated"] is True and "set dest" in result["msg"]
    shown = result["profile"]
    assert len(before["processes"]) - len(shown["processes"]) == result["omitted"]["processes"]
    for name in ("libraries", "files", "operations"):
        assert entries(before, name) - entries(shown, name) == result["omitted"][name]
    assert shown["coverage"] == before["coverage"] and shown["statistics"] == before["statistics"]
    assert large == before


def test_what_is_left_out_is_the_same_every_time(large):
    assert json.dumps(result_module.bounded(large)) == json.dumps(result_module.bounded(copy.deepcopy(large)))


def test_the_bound_is_used_and_not_just_kept(large):
    assert len(json.dumps(result_module.bounded(large)[0])) > result_module.LIMIT_BYTES * 0.9


def test_what_tells_least_goes_first(large):
    size = len(json.dumps(large))
    document, omitted = result_module.bounded(large, size - 1000)
    assert omitted["processes"] == 1 and not any(process["audit_connection"] for process in document["processes"])
    document, omitted = result_module.bounded(large, size - 100000)
    kinds = {file["kind"] for process in large["processes"] for file in process["files"]}
    assert "random" in kinds
    assert "operations" not in omitted or omitted["operations"] <= 20
    document, _omitted = result_module.bounded(large, size // 2)
    assert all(process["operations"] for process in document["processes"])


def test_with_dest_nothing_is_left_out(large):
    result = result_module.profile_result(large, whole=True)
    assert result["profile"] is large and "truncated" not in result


def test_the_coverage_stays_even_where_nothing_else_fits(large):
    large["coverage"]["reasons"] = [reason("x" * 1000)] * 100
    document, _omitted = result_module.bounded(large, 50000)
    assert document["processes"] == []
    assert len(document["coverage"]["reasons"]) == 100


@pytest.mark.parametrize("whole, returned", [(True, False), (False, True), (False, False)])
def test_a_stream(events, whole, returned):
    lines = [json.dumps(events[0])] * 5000 + [json.dumps(events[1])]
    result = result_module.monitor_result(lines, events[1]["coverage"], whole, returned)
    assert result["summary"]["events"] == 5000 and result["summary"]["counts"] == {"file_open": 5000}
    assert result["msg"].startswith("5000 events: 5000 file_open. Coverage is complete.")
    if whole:
        assert result["stream"].splitlines() == lines
    else:
        assert len(json.dumps(result)) < LIMIT
        assert result["events"][-1]["event"] == "coverage"
    if returned:
        assert result["omitted"] == {"events": 5001 - len(result["events"])} and result["coverage"] == events[1]["coverage"]
    else:
        assert "omitted" not in result and "coverage" not in result


def shown(result, *documents):
    """What Ansible prints of a result: one line an item, wrapped at the terminal's edge."""
    text = json.dumps({key: value for key, value in result.items() if key not in documents}, indent=4, sort_keys=True, ensure_ascii=False)
    return sum(1 + len(line) // 110 for line in text.splitlines()) + 1, text


def test_the_result_fits_a_screen_whatever_the_profile_holds(large):
    large["coverage"].update(complete=False, reasons=[reason("cause %d" % number, remedy="do %d" % number) for number in range(30)])
    for process in large["processes"]:
        for number, operation in enumerate(process["operations"]):
            operation["algorithm"] = "ALGORITHM-%d" % number
    lines, text = shown(result_module.profile_result(large, whole=False), "profile")
    assert lines <= 40
    assert "cause 4; remedy: do 4" in text and "and 25 more" in text and "cause 5;" not in text
    assert "ALGORITHM-19 (" in text and "12 more" in text


def test_a_summary_of_a_profile(profile):
    own = copy.deepcopy(profile["processes"][0])
    profile["processes"].append(dict(own, pid=1, audit_connection=True))
    profile["processes"][0]["operations"].append(dict(own["operations"][0], algorithm="CTR-DRBG", internal=True))
    profile["unattributed"]["tls"] = [dict(own["tls"][0], count=3)]
    result = result_module.profile_result(profile, whole=True)
    assert result["msg"] == "1 process with cryptography on web1 in 30 s: 10 TLS handshakes, 1 SSH key exchange, 2 algorithms. Coverage is complete."
    summary = result["summary"]
    assert summary["host"] == "web1, Debian GNU/Linux 12, kernel 6.1.0-x, x86_64"
    assert summary["tls"] == "TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 (10)"
    assert (summary["libraries"], summary["algorithms"]) == ("libcrypto 3.0.17 (1)", "AES-256-GCM (1000)")
    assert (summary["files"], summary["processes"]) == ("certificate (1), private key (1)", 1)


def test_an_idle_host_is_told_what_would_show_more(profile):
    profile["processes"] = []
    result = result_module.profile_result(profile, whole=False)
    assert "Nothing was in use: observe for longer" in result["msg"] and "set return_document" in result["msg"]
    assert result["summary"]["tls"] == "none"


def test_a_complete_profile_counts_the_processes_that_are_excluded(profile):
    profile["coverage"]["scope"]["excluded"] = [{"pid": 1, "name": "systemd", "started_at": None, "unit": None, "code": "permission_denied"}]
    assert result_module.profile_result(profile, whole=True)["msg"].endswith(". Coverage is complete, except for 1 process.")


def test_what_no_probe_could_see_is_not_none(profile):
    for probe in profile["coverage"]["probes"]:
        if probe["name"] not in ("process", "library_load", "file_open"):
            probe["status"] = "unsupported"
    profile["processes"][0].update(tls=[], ssh=[], operations=[])
    profile["engine"].update(name="procfs", rejected=[{"name": "libbpf", "code": "no_btf", "message": "no type information", "remedy": "Use a newer kernel."}])
    result = result_module.profile_result(profile, whole=True)
    assert result["msg"] == "1 process with cryptography on web1 in 30 s. Coverage is complete."
    assert [result["summary"][field] for field in ("tls", "ssh", "algorithms")] == ["not observed"] * 3
    assert result["summary"]["rejected"] == ["libbpf: no type information; remedy: Use a newer kernel."]


def test_reasons_that_make_a_profile_incomplete_come_first(profile):
    profile["coverage"]["reasons"] = [reason("a note", effect="note"), reason("an exclusion", effect="excluded"), reason("a gap")]
    assert result_module.profile_result(profile, whole=True)["summary"]["reasons"] == ["a gap", "an exclusion", "a note"]


def test_events_as_lines(events, process):
    event = dict(events[0])
    mine = dict(event, audit_connection=True)
    tls = dict(process["tls"][0], event="tls_handshake", time=event["time"], pid=1, name="nginx")
    library = {"event": "library_load", "time": event["time"], "pid": 1, "name": "curl", "library": process["libraries"][0]}
    lines = [json.dumps(line) for line in [mine, event, tls, library] + [event] * 20 + [events[-1]]]
    result = result_module.monitor_result(lines, events[-1]["coverage"], False)
    first = result["summary"]["first_events"]
    assert first[:3] == ["12:00:00.123 nginx[4711] file_open private_key /etc/ssl/private/site.key",
                         "12:00:00.123 nginx[1] tls_handshake as server TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768",
                         "12:00:00.123 curl[1] library_load libcrypto 3.0.17 /usr/lib/libcrypto.so.3"]
    assert len(first) == 16 and first[-1] == "and 8 more"
    assert shown(result, "events")[0] <= 40


def test_no_event_at_all(events):
    result = result_module.monitor_result([json.dumps(events[-1])], events[-1]["coverage"], False)
    assert result["msg"].startswith("0 events. Coverage is complete.")


def test_a_preflight_in_a_sentence(preflight):
    result = result_module.preflight_result(preflight)
    assert result["msg"] == "This host supports profiles of grade full with engine libbpf: 1 of 1 probe attaches."
    preflight["probes"][0].update(status="failed", reason="EPERM")
    preflight["supports"].update(profile=False, grade="none", probes=[])
    preflight["remedies"] = [{"concerns": "libbpf", "code": "not_root", "remedy": "run with become: true"}]
    result = result_module.preflight_result(preflight)
    assert result["msg"] == "This host can't be observed: no probe attaches. What to put right is in remedies."
    assert result["summary"]["not_attached"] == ["process: EPERM"]
    assert result["summary"]["remedies"] == ["libbpf: run with become: true"]


def test_text_of_a_host_moves_no_cursor(profile, events):
    profile["host"]["hostname"] = "web\x9b2J"
    profile["processes"][0]["libraries"][0]["version"] = "3\u202e1"
    profile["coverage"].update(complete=False, reasons=[reason("gone: \x1b[2J")])
    _lines, text = shown(result_module.profile_result(profile, whole=False), "profile")
    event = json.dumps(dict(events[0], path="/\x9b31m"))
    text += shown(result_module.monitor_result([event, json.dumps(events[-1])], events[-1]["coverage"], False), "events")[1]
    assert all(char.isprintable() or char == "\n" for char in text)
