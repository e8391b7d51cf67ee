# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents against their JSON Schema (2020-12).

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import json
import pathlib
import traceback

from ansible.errors import AnsibleError
from ansible.module_utils.basic import missing_required_lib

try:
    import jsonschema
    import referencing
    jsonschema.Draft202012Validator({}, registry=referencing.Registry())  # a TypeError before 4.18
except (ImportError, TypeError):
    JSONSCHEMA_TRACEBACK = traceback.format_exc()
else:
    JSONSCHEMA_TRACEBACK = None

SCHEMA_DIRECTORY = pathlib.Path(__file__).parent / "schemas"

_LONGEST_MESSAGE = 300


class SchemaViolation(Exception):
    """A document does not match its schema. The text names the field as a JSON path."""


def require_jsonschema():
    """Check that the controller has the library, before anything is run on a host.

    :raises AnsibleError: it has not; the text says how to get it.
    """
    if JSONSCHEMA_TRACEBACK is not None:
        raise AnsibleError(
            "documents are validated on the controller: " + missing_required_lib("jsonschema >= 4.18", url="https://python-jsonschema.readthedocs.io"))


def load_schema(name):
    """Read a schema.

    :arg name: str, as in NAME.schema.json.
    :returns: dict.
    """
    return json.loads((SCHEMA_DIRECTORY / (name + ".schema.json")).read_text(encoding="utf-8"))


def validate(document, name):
    """Check one document.

    :arg document: dict.
    :arg name: str, ``profile`` (snapshots too), ``preflight``, ``manifest`` or ``inventory``.
    :raises SchemaViolation: naming the first field that is wrong.
    """
    _check(document, name + ".schema.json")


def validate_stream(lines):
    """Check the events of a stream; the last must be the coverage.

    :arg lines: iterable of str or bytes, JSON texts.
    :returns: int, how many events there were, the coverage not counted.
    :raises SchemaViolation: naming the first line and field that is wrong.
    """
    definitions = _event_definitions()
    event = None
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise SchemaViolation("line %d: not JSON: %s" % (number, error)) from error
        kind = event.get("event") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind not in definitions:
            raise SchemaViolation("line %d: $.event: %s is not a kind of event" % (number, json.dumps(kind)[:_LONGEST_MESSAGE]))
        try:
            _check(event, "event.schema.json#/$defs/" + definitions[kind])
        except SchemaViolation as error:
            raise SchemaViolation("line %d: %s" % (number, error)) from error
    if event is None or event["event"] != "coverage":
        raise SchemaViolation("the stream has no coverage at its end: it was cut")
    return number - 1


def _check(document, reference):
    error = jsonschema.exceptions.best_match(_validator(reference).iter_errors(document))
    if error is not None:
        message = error.message
        if len(message) > _LONGEST_MESSAGE:
            message = "... " + message[-_LONGEST_MESSAGE:]
        raise SchemaViolation("%s: %s" % (error.json_path, message))


@functools.lru_cache(maxsize=None)
def _event_definitions():
    """The definition of each kind of event, by the schema itself: dict of str to str."""
    kinds = {}
    for name, definition in load_schema("event")["$defs"].items():
        kind = definition.get("properties", {}).get("event", {})
        for value in kind.get("enum", [kind["const"]] if "const" in kind else []):
            kinds[value] = name
    return kinds


@functools.lru_cache(maxsize=None)
def _validator(reference):
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": reference}
    return jsonschema.Draft202012Validator(schema, registry=_registry())


@functools.lru_cache(maxsize=None)
def _registry():
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMA_DIRECTORY.glob("*.schema.json"))]
    return referencing.Registry().with_resources((schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas)
