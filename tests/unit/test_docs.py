# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and paths in the documentation lead somewhere, and its lines can be read."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(path for folder in ("docs", "roles", "tests") for path in (ROOT / folder).rglob("*.md")) + sorted(ROOT.glob("*.md"))
UTILS = ROOT / "plugins" / "module_utils"

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*(?:\[\][^\]]*)*\]\(([^)\s]+)\)")
# Paths in backticks that are to be there: of a package of module_utils, or from the root of the checkout. And names of files alone.
_PATH = re.compile(r"`((?:_[a-z]+|bpf|docs|plugins|scripts|tests|roles|playbooks)/[\w/.]+)`")
_NAME = re.compile(r"`(\w+\.(?:py|c|h|bpf\.c|bpf\.h))`")
FILES = {path.name for folder in ("bpf", "plugins", "scripts", "tests") for path in (ROOT / folder).rglob("*.*")}


def text_of(page):
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = []
    for link in _LINK.findall(text_of(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _hash, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or anchor and anchor not in anchors(target):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_are_there(page):
    missing = []
    for path in _PATH.findall(text_of(page)):
        upper = re.search(r"/[^/]*[A-Z]{3}", path)  # NAME, PACKAGE: a placeholder
        if not upper and not any((folder / path).exists() for folder in (ROOT, UTILS)):
            missing.append(path)
    missing += [name for name in _NAME.findall(text_of(page)) if name not in FILES and not name[0].isupper()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_can_be_read(page):
    """Text is wrapped; a row of a table may be longer, within reason."""
    lines = text_of(page).splitlines()
    assert not [line for line in lines if len(line) > (330 if line.startswith("|") else 140)]


def fields(node):
    """The names of all fields in a schema (set of str)."""
    found = set()
    if isinstance(node, dict):
        found.update(node["properties"] if isinstance(node.get("properties"), dict) else ())
        for part in node.values():
            found |= fields(part)
    elif isinstance(node, list):
        for part in node:
            found |= fields(part)
    return found


def test_every_field_is_in_the_reference():
    reference = "".join(text_of(page) for page in (ROOT / "docs" / "reference").glob("*.md"))
    described = set(re.findall(r"`(\w+)`", reference))
    for path in (ROOT / "plugins" / "plugin_utils" / "schemas").glob("*.schema.json"):
        assert not fields(json.loads(path.read_text(encoding="utf-8"))) - described, path.name
