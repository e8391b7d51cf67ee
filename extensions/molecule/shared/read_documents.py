# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print documents of an audit as a list, after the schema of each was found to be kept: read_documents.py SCHEMA=FILE..."""

from __future__ import annotations

import json
import sys

from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _schema, _store

documents = []
for argument in sys.argv[1:]:
    schema, path = argument.split("=", 1)
    document = _store.read_document(path)[0]
    try:
        _schema.validate(document, schema)
    except _schema.SchemaViolation as error:
        sys.exit("%s: %s" % (path, error))
    documents.append(document)
print(json.dumps(documents))
