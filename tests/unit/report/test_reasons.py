# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons as data: every one has a text for one and for many, and only those that can hide cryptography make a profile incomplete."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.records import ProcessRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.reasons import EXCLUDED, INCOMPLETE, MOST_EXCLUDED, MOST_NAMES, NOTE, REASONS, Reasons
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.writer import Writer
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _schema

WORDS = {"name": "file_open", "detail": "because", "bound": 7}
WRITER = Writer(True, 0.0)


def processes(number, programs=1):
    return [ProcessRecord(pid, 10 ** 9, 1, "kernel", comm=b"agent", exe=b"/usr/bin/agent%d" % (pid % programs)) for pid in range(100, 100 + number)]


def added(code, count=1, **more):
    reasons = Reasons()
    reasons.add(code, count, **{**WORDS, **more})
    return reasons


def validated(entry):
    schema = _schema.load_schema("profile")
    jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/reason"}).validate(entry)
    return entry


@pytest.mark.parametrize("code", sorted(REASONS))
@pytest.mark.parametrize("count", [1, 3])
def test_every_reason_is_a_sentence_with_the_right_number(code, count):
    entry = validated(added(code, count).entries(WRITER)[0])
    assert entry["code"] == code and entry["count"] == count and "%" not in entry["message"]
    reason = REASONS[code]
    assert reason.effect in (INCOMPLETE, EXCLUDED, NOTE)
    if "%(count)d" in reason.singular:
        assert reason.plural is not None and re.search(r"\b%d\b" % count, entry["message"])
    if reason.plural is not None:
        assert entry["message"] != added(code, 4 - count).entries(WRITER)[0]["message"]


@pytest.mark.parametrize("code", sorted(REASONS))
def test_complete_means_that_nothing_can_be_hidden(code):
    assert added(code).is_complete() is (REASONS[code].effect != INCOMPLETE)


def test_nothing_is_no_reason():
    assert added("ring_full", 0).entries(WRITER) == [] and Reasons().is_complete()


def test_what_matters_most_is_first():
    reasons = Reasons()
    reasons.add("package_database", detail="x")
    reasons.add("permission_denied", 1, processes=processes(1))
    reasons.add("ring_full", 2)
    assert [entry["effect"] for entry in reasons.entries(WRITER)] == [INCOMPLETE, EXCLUDED, NOTE]


def test_excluded_processes_are_named_once():
    reasons = Reasons()
    reasons.add("permission_denied", 2, processes=processes(2))
    reasons.add("unobservable", 3, processes=processes(3))
    assert [(entry["pid"], entry["code"]) for entry in reasons.excluded(WRITER)] == [
        (100, "permission_denied"), (101, "permission_denied"), (102, "unobservable")]
    assert reasons.entries(WRITER)[0]["concerns"] == {"kind": "process", "names": ["agent (pid 100 and 1 more)"], "omitted": 0}
    assert reasons.is_complete()


def test_workers_of_one_program_are_one_exception():
    reasons = Reasons()
    reasons.add("permission_denied", 100, processes=processes(100, programs=2))
    entry = validated(reasons.entries(WRITER)[0])
    assert reasons.is_complete() and len(reasons.excluded(WRITER)) == 100
    assert entry["concerns"]["names"] == ["agent (pid 100 and 49 more)", "agent (pid 101 and 49 more)"]
    reasons.add("unobservable", MOST_EXCLUDED + 1, processes=processes(MOST_EXCLUDED + 1))
    assert not reasons.is_complete()


def test_a_scope_with_too_many_exceptions_is_incomplete():
    reasons = Reasons()
    reasons.add("permission_denied", MOST_NAMES + 1, processes=processes(MOST_NAMES + 1, programs=MOST_NAMES + 1))
    entry = validated(reasons.entries(WRITER)[0])
    assert not reasons.is_complete() and reasons.excluded(WRITER) == []
    assert entry["effect"] == INCOMPLETE and len(entry["concerns"]["names"]) == MOST_NAMES and entry["concerns"]["omitted"] == 1


def test_hostile_names_are_text():
    entry = added("library_first_mapped", names=(b"/opt/\xff\x1b[2J.so",)).entries(WRITER)[0]
    json.dumps(entry)
    assert entry["concerns"]["names"] == ["/opt/\\xff\x1b[2J.so"]
