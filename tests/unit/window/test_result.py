# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module hands back stays within its bound, says what it left out, and never leaves out the coverage."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import result as result_module

LIMIT = 200000


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
    result = result_module.profile_result(profile, whole=False)
    assert result["profile"] is profile
    assert result["truncated"] is False and result["omitted"] == {} and result["changed"] is False


def test_a_large_one_stays_under_the_limit_and_counts_what_it_left_out(large):
    before = copy.deepcopy(large)
    result = result_module.profile_result(large, whole=False)
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
    assert result["profile"] is large and result["truncated"] is False


def test_the_coverage_stays_even_where_nothing_else_fits(large):
    large["coverage"]["reasons"] = ["x" * 1000] * 100
    document, _omitted = result_module.bounded(large, 50000)
    assert document["processes"] == []
    assert len(document["coverage"]["reasons"]) == 100


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream(events, whole):
    lines = [json.dumps(events[0])] * 5000 + [json.dumps(events[1])]
    result = result_module.monitor_result(lines, events[1]["coverage"], whole)
    assert result["summary"]["events"] == 5000
    if whole:
        assert result["stream"].splitlines() == lines
        assert result["truncated"] is False
    else:
        assert len(json.dumps(result)) < LIMIT
        assert result["events"][-1]["event"] == "coverage"
        assert result["omitted"] == {"events": 5001 - len(result["events"])}
