# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of module_utils form layers: an import goes to the same package, to a lower layer, or to the root's two files."""

from __future__ import annotations

import ast
import pathlib

UTILS = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

# docs/architecture.md describes them. Packages of one layer do not import each other, but for the pairs below.
LAYERS = (
    ("", "_formats"),
    ("_kernel", "_packages"),
    ("_files", "_libraries", "_wire"),
    ("_functions", "_stacks", "_host"),
    ("_probes", "_processes"),
    ("_engines", "_report"),
    ("_window",),
)
BESIDE = {("_formats", "")}


def imports():
    """``(importing package, imported package, "file:line")`` of every import inside the collection."""
    for path in sorted(UTILS.rglob("*.py")):
        package = path.parent.name if path.parent != UTILS else ""
        for node in ast.walk(ast.parse(path.read_text())):
            where = "%s:%d" % (path.relative_to(UTILS), getattr(node, "lineno", 0))
            if isinstance(node, ast.ImportFrom) and node.level:
                parts = (node.module or "").split(".")
                below_root = node.level == 2 or not package
                target = (parts[0] if below_root and (UTILS / parts[0]).is_dir() else "") if below_root else package
                yield package, target, where
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not any(name.startswith("ansible") for name in names), "%s: import siblings relatively" % where


def test_imports_run_downwards_only():
    layer_of = {package: number for number, packages in enumerate(LAYERS) for package in packages}
    upward = [(where, target) for package, target, where in imports()
              if package != target and (package, target) not in BESIDE and layer_of[target] >= layer_of[package]]
    assert not upward


def test_every_package_has_a_layer():
    assert {path.name for path in UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"} == {name for names in LAYERS for name in names if name}
