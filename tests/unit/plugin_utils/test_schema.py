# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemas themselves, and what they refuse."""

from __future__ import annotations

import json

import jsonschema
import pytest
from ansible.errors import AnsibleError
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _schema

NAMES = sorted(path.name[:-len(".schema.json")] for path in _schema.SCHEMA_DIRECTORY.glob("*.schema.json"))


def subschemas(node, path="$"):
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from subschemas(value, "%s.%s" % (path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from subschemas(value, "%s[%d]" % (path, number))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(_schema.load_schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_and_every_field_described(name):
    schema = _schema.load_schema(name)
    for path, node in subschemas(schema):
        kind = node.get("type")
        if "object" in (kind if isinstance(kind, list) else [kind]) and path not in ("$.$defs.who", "$.$defs.asset") and "oneOf" not in node:
            assert node.get("additionalProperties") is False or node.get("unevaluatedProperties") is False, path
        for field, definition in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            assert "description" in definition or "$ref" in definition or "const" in definition or "enum" in definition, "%s.%s" % (path, field)


def test_a_profile_a_snapshot_and_a_preflight_are_valid(profile, preflight):
    _schema.validate(profile, "profile")
    _schema.validate(dict(profile, document="snapshot"), "profile")
    _schema.validate(preflight, "preflight")


def test_marks_are_allowed_and_only_true(profile):
    profile["processes"][0]["exe_escaped"] = True
    profile["processes"][0]["files"][0]["path_truncated"] = True
    _schema.validate(profile, "profile")
    profile["processes"][0]["exe_escaped"] = False
    with pytest.raises(_schema.SchemaViolation, match=r"\$\.processes\[0\]\.exe_escaped"):
        _schema.validate(profile, "profile")


def change(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize("path, value, named", [
    (["processes", 0, "pid"], "1", r"\$\.processes\[0\]\.pid: '1' is not of type 'integer'"),
    (["processes", 0, "exe"], "", r"\$\.processes\[0\]\.exe"),
    (["processes", 0, "secret"], "x", r"\$\.processes\[0\]: 'secret' does not match"),
    (["processes", 0, "files", 0, "kind"], "poem", r"\$\.processes\[0\]\.files\[0\]\.kind"),
    (["processes", 0, "files", 0, "first_seen"], "yesterday", r"\$\.processes\[0\]\.files\[0\]\.first_seen"),
    (["processes", 0, "operations", 0, "count"], -1, r"\$\.processes\[0\]\.operations\[0\]\.count"),
    (["coverage", "lost", "ring_full"], None, r"\$\.coverage\.lost\.ring_full"),
    (["coverage", "probes", 0, "status"], "fine", r"\$\.coverage\.probes\[0\]\.status"),
    (["schema_version"], "2.0", r"\$\.schema_version"),
])
def test_a_violation_names_its_field(profile, path, value, named):
    change(profile, path, value)
    with pytest.raises(_schema.SchemaViolation, match=named):
        _schema.validate(profile, "profile")


@pytest.mark.parametrize("field", ["coverage", "window", "processes", "engine"])
def test_a_missing_field_is_named(profile, field):
    del profile[field]
    with pytest.raises(_schema.SchemaViolation, match="'%s' is a required property" % field):
        _schema.validate(profile, "profile")


def test_a_violation_never_repeats_a_whole_document(profile):
    profile["processes"][0]["exe"] = ["x" * 100000]
    with pytest.raises(_schema.SchemaViolation) as caught:
        _schema.validate(profile, "profile")
    assert len(str(caught.value)) < 500


def test_a_stream_ends_with_its_coverage(events):
    lines = [json.dumps(event) for event in events]
    assert _schema.validate_stream(lines) == 1
    with pytest.raises(_schema.SchemaViolation, match="it was cut"):
        _schema.validate_stream(lines[:-1])
    with pytest.raises(_schema.SchemaViolation, match="it was cut"):
        _schema.validate_stream([])


@pytest.mark.parametrize("kind, entry", [("tls_handshake", "tls"), ("ssh_kex", "ssh"), ("file_open", "files"), ("operation", "operations")])
def test_every_kind_of_event_has_its_definition(events, process, kind, entry):
    # as crypto_monitor makes them: an entry of the profile without its counts and times
    line = {key: value for key, value in process[entry][0].items() if key not in ("count", "first_seen", "last_seen")}
    line.update(event=kind, time=events[0]["time"], audit_connection=False, pid=1, name="nginx", exe=None)
    assert _schema.validate_stream([json.dumps(line), json.dumps(events[-1])]) == 1


def test_no_kind_of_event_is_left_out():
    assert sorted(_schema._event_definitions()) == sorted(_schema.load_schema("event")["properties"]["event"]["enum"])


@pytest.mark.parametrize("line, words", [
    ("{", "line 1: not JSON"), ("[]", "line 1: .* is not a kind of event"), ('{"event": "party"}', "line 1: .*party"),
    ('{"event": ["file_open"]}', "line 1"), ('{"event": "file_open"}', "line 1: .*required"),
])
def test_a_bad_line_is_named(events, line, words):
    with pytest.raises(_schema.SchemaViolation, match=words):
        _schema.validate_stream([line, json.dumps(events[-1])])


def test_without_jsonschema_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(_schema, "JSONSCHEMA_TRACEBACK", "ImportError")
    with pytest.raises(AnsibleError, match="jsonschema >= 4.18"):
        _schema.require_jsonschema()
