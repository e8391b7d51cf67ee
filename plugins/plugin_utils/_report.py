# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit's folder made into its manifest, inventory and summary.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os

from . import _inventory, _manifest, _schema, _store, _summary
from ._version import COLLECTION_VERSION

# the line between the summary's page and what follows it; scripts/audit.sh prints what is above. Text of hosts is always indented
DETAILS = "DETAILS"


def make(audit, hosts, results, dry_run=False):
    """Merge what is in the folder.

    :arg audit: str, the folder.
    :arg hosts: list of str, names of all hosts that were to be audited.
    :arg results: list of dict with host, status, reason and sha256.
    :arg dry_run: bool, read everything, write nothing.
    :returns: dict with the paths inventory, manifest and report, the summary's page as lines, counts and quarantined.
    :raises _store.StoreError: the folder can't be used.
    """
    paths = {"inventory": os.path.join(audit, "inventory.json"), "manifest": _manifest.manifest_path(audit),
             "report": os.path.join(audit, "summary.txt")}
    with contextlib.nullcontext() if dry_run else _manifest.locked(audit):
        entries, quarantined = _manifest.gather(audit, hosts, results, dry_run)
        with _inventory.Inventory(None if dry_run else audit) as inventory:
            for host in sorted(entries):
                problem = _add(inventory, audit, entries[host])
                if problem:
                    quarantined.append(_manifest.quarantine(audit, os.path.join(audit, entries[host]["file"]), problem, dry_run))
                    entries[host] = _manifest.entry(host, "invalid", problem)
            counts = _manifest.counts(entries)
            page, details = _summary.render(inventory, entries, counts, quarantined)
            if dry_run:
                page = ["CHECK MODE: no profile is stored; this page is of the profiles that the folder holds already", ""] + page
            else:
                _manifest.write(audit, entries, quarantined, COLLECTION_VERSION)
                inventory.write(paths["inventory"], entries, counts, COLLECTION_VERSION)
                text = "\n".join(page + ["", DETAILS, ""] + details) + "\n"
                _store.write_bytes(paths["report"], text.encode("utf-8", "backslashreplace"))
            assets = inventory.statistics()
    return dict(paths, summary=page, counts={"hosts": counts, "assets": assets}, quarantined=quarantined)


def _add(inventory, audit, entry):
    """Merge one host's profile and complete its entry.

    :arg inventory: Inventory.
    :arg audit: str, the folder.
    :arg entry: dict, the host's entry of the manifest.
    :returns: str, why the file can't be used, or None.
    """
    if entry["status"] != "ok" or entry["file"] is None:
        return None
    try:
        profile, facts = _store.read_document(os.path.join(audit, entry["file"]))
        # what was validated when it was stored need not be validated again; a file that came otherwise does
        if facts["sha256"] != entry["sha256"]:
            _schema.validate(profile, "profile")
    except (_store.StoreError, _schema.SchemaViolation) as error:
        return str(error)
    entry.update(facts, started_at=profile["window"]["started_at"], ended_at=profile["window"]["ended_at"],
                 complete=profile["coverage"]["complete"])
    inventory.add(entry["host"], profile)
    return None
