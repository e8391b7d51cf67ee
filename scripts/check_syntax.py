# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse Python files as an older Python would: check_syntax.py VERSION FOLDER..."""

from __future__ import annotations

import ast
import pathlib
import sys


def main(version, *folders):
    feature_version = tuple(int(part) for part in version.split("."))
    bad = 0
    files = sorted(path for folder in folders for path in pathlib.Path(folder).rglob("*.py"))
    for path in files:
        try:
            ast.parse(path.read_bytes(), str(path), feature_version=feature_version)
        except SyntaxError as error:
            print("%s:%s: %s" % (path, error.lineno, error.msg), file=sys.stderr)
            bad += 1
    print("%d files" % len(files))
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
