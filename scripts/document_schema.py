#!/usr/bin/env python3
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of docs/profile.md from the JSON Schemas, or check that they are what the schemas give.

A table stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``, NAME being a schema's; what is outside is written by hand.

    document_schema.py            write the tables
    document_schema.py --check    compare; exit 1 on a difference
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "plugins" / "plugin_utils" / "schemas"
PAGE = ROOT / "docs" / "profile.md"
FIRST = "profile.schema.json"  # its fields have no prefix

# Definitions that are a kind of value and not an object of their own: said in the table, not linked.
KINDS = {"time": "time", "maybe_time": "time or null", "build_id": "hex or null"}


class Schemas:
    """The schema files, and where a reference leads."""

    def __init__(self):
        self.files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.schema.json"))}

    def follow(self, file, reference):
        """``(file, pointer, node)`` of a $ref in a file."""
        name, _hash, pointer = reference.partition("#")
        file = name or file
        node = self.files[file]
        for part in pointer.strip("/").split("/") if pointer.strip("/") else []:
            node = node[part]
        return file, pointer, node


class Page:
    """The tables of one schema: an object a table, in the order in which they are met."""

    def __init__(self, schemas, file, titles):
        """:arg titles: dict of id of a node -> title of its table, of the pages before: their objects are linked and not repeated."""
        self._schemas = schemas
        self._file = file
        self._prefix = "" if file == FIRST else file.partition(".")[0]
        self._titles = titles
        self._waiting = []
        self._lines = []

    def render(self):
        """The text."""
        root = self._schemas.files[self._file]
        self._lines = ["", root["description"] + ("" if root["description"].endswith(".") else "."), ""]
        if "oneOf" in root:
            for choice in root["oneOf"]:
                file, pointer, node = self._schemas.follow(self._file, choice["$ref"])
                self._add(file, node, pointer.rpartition("/")[2].replace("_event", " event"))
        else:
            self._table(self._file, root, self._prefix)
        while self._waiting:
            file, node, title = self._waiting.pop(0)
            self._lines += ["### %s" % title, ""]
            if "description" in node:
                self._lines += [node["description"], ""]
            self._table(file, node, title)
        return "\n".join(self._lines).rstrip() + "\n\n"

    def _add(self, file, node, title):
        if id(node) not in self._titles:
            self._titles[id(node)] = title
            self._waiting.append((file, node, title))
        return self._titles[id(node)]

    def _fields(self, file, node):
        """Name -> (file, node) of an object, with those of the object it extends first."""
        fields, required, patterns = {}, set(), {}
        if "$ref" in node:
            base_file, _pointer, base = self._schemas.follow(file, node["$ref"])
            fields, required, patterns = self._fields(base_file, base)
        fields.update({name: (file, part) for name, part in node.get("properties", {}).items()})
        patterns.update({name: (file, part) for name, part in node.get("patternProperties", {}).items()})
        return fields, required | set(node.get("required", ())), patterns

    def _table(self, file, node, title):
        fields, required, patterns = self._fields(file, node)
        required |= set(self._schemas.files[self._file]["required"]) if "oneOf" in self._schemas.files[self._file] else set()
        self._lines += ["| field | value | meaning |", "|---|---|---|"]
        for name, (of, part) in fields.items():
            path = "%s.%s" % (title, name) if title else name
            shown = "`%s`" % name + ("" if name in required else " (optional)")
            self._lines.append("| %s | %s | %s |" % (shown, _cell(self._value(of, part, path)), _cell(self._meaning(of, part))))
        for pattern, (of, part) in patterns.items():
            path = "%s.*" % title if title else "*"
            shown = "`%s` (optional)" % pattern.strip("^$").replace("|", "\\|")
            self._lines.append("| %s | %s | %s |" % (shown, _cell(self._value(of, part, path)), _cell(self._meaning(of, part))))
        self._lines.append("")

    def _meaning(self, file, node):
        while "description" not in node and "$ref" in node:
            file, _pointer, node = self._schemas.follow(file, node["$ref"])
        return node.get("description", "")

    def _value(self, file, node, path):
        """What a field holds, in words."""
        if "properties" in node or "$ref" in node and "patternProperties" in node:
            return self._link(file, node, path)
        if "$ref" in node:
            of, pointer, target = self._schemas.follow(file, node["$ref"])
            name = pointer.rpartition("/")[2]
            return KINDS[name] if name in KINDS and pointer.startswith("/$defs/") else self._value(of, target, path)
        if "const" in node:
            return "`%s`" % json.dumps(node["const"])
        if "enum" in node:
            return ", ".join("`%s`" % value for value in node["enum"])
        if "anyOf" in node:
            return " or ".join(dict.fromkeys(self._value(file, choice, path) for choice in node["anyOf"]))
        kinds = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", ["any"])
        words = [self._kind(kind, file, node, path) for kind in kinds]
        return (", or " if kinds[0] == "array" else " or ").join(words)

    def _kind(self, kind, file, node, path):
        if kind == "array":
            return "list of " + self._value(file, node["items"], path + "[]") if "items" in node else "list"
        if kind == "object":
            parts = list(node.get("patternProperties", {}).values())
            if len(parts) != 1:
                return "object"
            return "object of facts" if "anyOf" in parts[0] else "object of " + self._value(file, parts[0], path + ".*")
        if kind in ("integer", "number") and "maximum" in node:
            return "%s, %s to %s" % (kind, node["minimum"], node["maximum"])
        if kind in ("integer", "number") and node.get("minimum"):
            return "%s from %s" % (kind, node["minimum"])
        return kind

    def _link(self, file, node, path):
        title = self._add(file, node, path)
        text = "object" + (" or null" if "null" in node.get("type", ()) else "")
        return "%s: [%s](#%s)" % (text, title, _anchor(title))


def _anchor(title):
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def fill(page, schemas):
    """The page's text with every table as the schemas give it."""
    titles = {}

    def table(match):
        name = match.group(1)
        return "<!-- begin %s -->\n%s<!-- end %s -->" % (name, Page(schemas, name + ".schema.json", titles).render(), name)
    return re.sub(r"<!-- begin ([a-z]+) -->\n.*?<!-- end \1 -->", table, page, flags=re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    schemas = Schemas()
    held = PAGE.read_text(encoding="utf-8")
    missing = [name for name in schemas.files if "<!-- begin %s -->" % name.split(".")[0] not in held]
    wanted = fill(held, schemas)
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif wanted != held:
        print("docs/profile.md is not what the schemas give; run scripts/document_schema.py", file=sys.stderr)
    if missing:
        print("docs/profile.md has no place for " + ", ".join(missing), file=sys.stderr)
    return 1 if missing or check and wanted != held else 0


if __name__ == "__main__":
    sys.exit(main())
