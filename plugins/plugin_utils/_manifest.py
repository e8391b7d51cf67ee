# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all hosts of an audit, AUDIT/manifest.json: who is in it, and how the audit of each ended.

A host stays in every denominator however its audit ended. This plugin util is PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib

from . import _schema, _store

STATUSES = ("ok", "unreachable", "failed", "invalid", "not_run")

HOSTS_FOLDER = "hosts"
QUARANTINE_FOLDER = "quarantine"
_MANIFEST = "manifest.json"
_LOCK = ".lock"


def manifest_path(audit):
    """The manifest's path.

    :arg audit: str, the audit's folder.
    :returns: str.
    """
    return os.path.join(audit, _MANIFEST)


@contextlib.contextmanager
def locked(audit):
    """Keep other controllers on this folder out while its manifest and reports are made.

    :arg audit: str, the audit's folder; it is made where it is missing.
    :raises _store.StoreError: the folder can't be used.
    """
    try:
        pathlib.Path(audit).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(os.path.join(audit, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _store.StoreError("can't use the audit folder %s: %s" % (audit, error.strerror)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def entry(host, status, reason=None, file=None, sha256=None, size=None):
    """One host of a manifest.

    :arg host: str, its name in the inventory of Ansible.
    :arg status: str, of STATUSES.
    :arg reason: str or None, why, for all but ok.
    :arg file: str or None, its profile, from the audit's folder.
    :arg sha256: str or None, of that file, hex.
    :arg size: int or None, of that file, in bytes.
    :returns: dict.
    """
    return {"host": host, "status": status, "reason": reason, "file": file, "sha256": sha256, "size": size,
            "started_at": None, "ended_at": None, "complete": None}


def earlier(audit):
    """Read the manifest that is there already.

    :arg audit: str, the audit's folder.
    :returns: tuple of the entries (dict of str, host, to dict) and of why it could not be used (str or None).
    """
    path = manifest_path(audit)
    if not os.path.exists(path):
        return {}, None
    try:
        document = _store.read_document(path)[0]
        _schema.validate(document, "manifest")
    except (_store.StoreError, _schema.SchemaViolation) as error:
        return {}, str(error)
    return {item["host"]: item for item in document["hosts"]}, None


def gather(audit, hosts, results, dry_run=False):
    """Put together the hosts of this run, of earlier ones into the same folder, and of files found there.

    :arg audit: str, the audit's folder.
    :arg hosts: list of str, names of all hosts of the play.
    :arg results: list of dict with host, status, reason and sha256, of the hosts that gave one.
    :arg dry_run: bool, write nothing.
    :returns: tuple of the entries (dict of str, host, to dict) and of the files that can't be used (list of dict).
    """
    entries, problem = earlier(audit)
    quarantined = [quarantine(audit, manifest_path(audit), problem, dry_run)] if problem else []
    for host in hosts:
        # without a result of this run the entry of an earlier one stays; without that, the host did not run
        entries.setdefault(host, entry(host, "not_run", "it left the play before its window opened: see the play's log for the error"))
    files = {_store.host_of(path.name[:-len(_store.PROFILE_SUFFIX)]): path for path in _profiles(audit)}
    for result in results:
        host = result["host"]
        entries[host] = entry(host, result["status"], result.get("reason") or None, sha256=result.get("sha256") or None)
        if result["status"] == "ok" and not dry_run and host not in files and _store.safe_name(host) not in files:
            entries[host].update(status="failed", reason="its profile is not in %s" % os.path.join(audit, HOSTS_FOLDER))
    for name, path in files.items():
        host = _owner(name, entries)
        known = entries.setdefault(host, entry(host, "ok"))
        if known["status"] == "not_run":
            known = entries[host] = entry(host, "ok")
        if known["status"] == "ok":
            known["file"] = os.path.join(HOSTS_FOLDER, path.name)
    return entries, quarantined


def _owner(name, entries):
    """The host a profile belongs to; long names are cut in file names, so they are looked for."""
    if name in entries or "%-" not in name:
        return name
    return next((host for host in entries if _store.safe_name(host) == name), name)


def _profiles(audit):
    folder = pathlib.Path(audit, HOSTS_FOLDER)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.endswith(_store.PROFILE_SUFFIX) and not path.name.startswith("."))


def quarantine(audit, path, reason, dry_run=False):
    """Move a file that can't be used out of the way. Where it can't be moved it stays.

    :arg audit: str, the audit's folder.
    :arg path: str or Path, the file.
    :arg reason: str, why it can't be used.
    :arg dry_run: bool, move nothing.
    :returns: dict, the manifest's entry of it.
    """
    path = pathlib.Path(path)
    moved = pathlib.Path(audit, QUARANTINE_FOLDER, path.name)
    record = {"file": os.path.relpath(path, audit), "reason": reason, "moved_to": os.path.relpath(moved, audit)}
    if dry_run:
        return record
    try:
        moved.parent.mkdir(exist_ok=True)
        os.replace(path, moved)
    except OSError as error:
        record["moved_to"] = None
        record["reason"] += "; it could not be moved: %s" % error.strerror
    return record


def counts(entries):
    """Count hosts by status, and all of them.

    :arg entries: dict of str, host, to dict.
    :returns: dict of str to int.
    """
    numbers = {status: 0 for status in STATUSES}
    for item in entries.values():
        numbers[item["status"]] += 1
    return dict(numbers, total=len(entries))


def write(audit, entries, quarantined, version):
    """Write the manifest.

    :arg audit: str, the audit's folder.
    :arg entries: dict of str, host, to dict.
    :arg quarantined: list of dict, files that can't be used.
    :arg version: str, the collection's version.
    :returns: str, the manifest's path.
    :raises _store.StoreError: it can't be written.
    """
    document = {
        "schema_version": "1.0",
        "collection_version": version,
        "document": "manifest",
        "counts": counts(entries),
        "hosts": [entries[host] for host in sorted(entries)],
        "quarantined": quarantined,
    }
    return _store.write_bytes(manifest_path(audit), _store.encode(document))["dest"]
