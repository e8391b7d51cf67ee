# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles of a fleet merged into one inventory: assets, each with the places where it was seen.

One pass over the profiles. What is merged lies in a temporary database beside the reports, so memory stays flat whatever
the number of hosts. This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile

from . import _store
from ._host_facts import host_facts

KINDS = ("algorithms", "protocols", "libraries", "stacks", "certificates", "keys")

_KEY_FILES = ("private_key", "public_key", "keystore")
_CERTIFICATE_FILES = ("certificate", "certificate_bundle")
_CERTIFICATE_FACTS = ("subject", "issuer", "serial", "key_algorithm", "key_bits", "curve", "signature_algorithm",
                      "not_before", "not_after", "self_signed", "is_ca", "fingerprint_sha256")

_SSH_FACTS = ("key_exchange", "host_key", "host_key_bits", "cipher_client_to_server", "cipher_server_to_client",
              "mac_client_to_server", "mac_server_to_client", "strict_kex", "role", "outcome")

_MAPPING = ("processes", "deleted", "mapped_since")  # of a library: who maps it

_REMEMBERED = 100000  # ids of assets kept at hand

_TABLES = """
CREATE TABLE asset (id TEXT PRIMARY KEY, kind TEXT NOT NULL, sort TEXT NOT NULL, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE occurrence (
    asset TEXT, host TEXT, exe TEXT, unit TEXT, path TEXT, grade TEXT, count INTEGER, first_seen TEXT, last_seen TEXT,
    processes INTEGER, deleted INTEGER, mapped_since TEXT,
    PRIMARY KEY (asset, host, exe, unit, path, grade)
) WITHOUT ROWID;
CREATE TABLE coverage (host TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
"""

_ADD_OCCURRENCE = """
INSERT INTO occurrence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count, processes = processes + excluded.processes, deleted = deleted + excluded.deleted,
    mapped_since = CASE WHEN mapped_since = '' OR (excluded.mapped_since <> '' AND excluded.mapped_since < mapped_since)
                   THEN excluded.mapped_since ELSE mapped_since END,
    first_seen = CASE WHEN first_seen = '' OR (excluded.first_seen <> '' AND excluded.first_seen < first_seen)
                 THEN excluded.first_seen ELSE first_seen END,
    last_seen = max(last_seen, excluded.last_seen)
"""


class Inventory:
    """What the profiles added so far amount to. Use it as a context manager: the database goes when it ends."""

    def __init__(self, folder):
        """
        :arg folder: str or None, the folder of the temporary database; None: the system's folder for temporary files.
        """
        self._folder = folder
        self._path = None
        self._database = None
        self._identities = {}
        self._rows = []

    def __enter__(self):
        descriptor, self._path = tempfile.mkstemp(prefix=".inventory.", suffix=".part", dir=self._folder)
        os.close(descriptor)
        self._database = sqlite3.connect(self._path, isolation_level=None)
        # nobody else reads this file and it does not outlive the process: no journal, no fsync, and a bounded cache
        self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;" + _TABLES)
        self._database.execute("BEGIN")
        return self

    def __exit__(self, *exception):
        self._database.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def add(self, host, profile):
        """Merge one profile.

        :arg host: str, its name in the inventory of Ansible.
        :arg profile: dict, a valid profile or snapshot.
        """
        connection = sum(1 for process in profile["processes"] if process["audit_connection"])
        described = profile["host"]
        self._database.execute("INSERT OR REPLACE INTO coverage VALUES (?, ?)", (host, _dump({
            "document": profile["document"],
            "started_at": profile["window"]["started_at"],
            "ended_at": profile["window"]["ended_at"],
            "seconds": profile["window"]["actual_seconds"],
            "engine": profile["engine"]["name"],
            "grade": profile["engine"]["grade"],
            "rejected": profile["engine"]["rejected"],
            "complete": profile["coverage"]["complete"],
            "reasons": profile["coverage"]["reasons"],
            "scope": profile["coverage"]["scope"],
            "probes": {probe["name"]: probe["status"] for probe in profile["coverage"]["probes"]},
            "lost": {cause: number for cause, number in profile["coverage"]["lost"].items() if number},
            "processes": len(profile["processes"]),
            "processes_of_the_audit": connection,
            "processes_seen": profile["coverage"]["processes"]["seen"],
            "hostname": described["hostname"],
            "kernel": described["kernel"],
            "arch": described["arch"],
            "os": described["os"]["name"],
            "virtualisation": described["virtualisation"],
            "probed_unmapped": _probed_unmapped(profile),
            "host_crypto": host_facts(profile.get("host_crypto")),
        })))
        running = _running(profile["processes"])
        for process in profile["processes"]:
            # Ansible's own connection and the tracer are in the profile; they are nothing the host does
            if not process["audit_connection"]:
                self._add_process(host, process, id(process) in running)
        # which process made these is not known; that the host made them is
        for handshake in profile["unattributed"]["tls"]:
            self._add_tls((host, "", ""), handshake)
        for handshake in profile["unattributed"]["ssh"]:
            self._add_ssh((host, "", ""), handshake)
        self._database.executemany(_ADD_OCCURRENCE, self._rows)
        self._rows = []

    def _add_process(self, host, process, running):
        place = (host, process["exe"] or process["name"] or "", process["unit"] or "")
        for library in process["libraries"]:
            facts = {key: library[key] for key in ("name", "family", "version", "build_id")}
            package = library["package"]
            facts["package"] = "%s %s" % (package["name"], package["version"] or "") if package else None
            mapping = (1, int(bool(library["deleted"])), _mapped_since(process, library)) if running else (0, 0, "")
            self._put("libraries", (library["name"], library["version"], library["build_id"]), facts, place, library["path"], library, mapping)
        for stack in process["stacks"] or ():
            facts = {key: stack[key] for key in ("name", "version", "visibility")}
            facts["fips"] = stack["details"]["fips"]
            self._put("stacks", tuple(facts.values()), facts, place, stack["path"], stack)
        for operation in process["operations"]:
            facts = {key: operation[key] for key in ("algorithm", "operation", "key_bits")}
            facts["internal"] = operation.get("internal", False)
            self._put("algorithms", tuple(facts.values()), facts, place, operation["library"], operation)
        for file in process["files"]:
            self._add_file(place, file)
        for handshake in process["tls"]:
            self._add_tls(place, handshake)
        for handshake in process["ssh"]:
            self._add_ssh(place, handshake)

    def _add_ssh(self, place, handshake):
        facts = dict({key: handshake[key] for key in _SSH_FACTS}, protocol="SSH")
        self._put("protocols", tuple(facts.values()), facts, place, _endpoints(handshake), handshake)

    def _add_tls(self, place, handshake):
        facts = {key: _point(handshake[key]) for key in ("version", "cipher_suite", "group", "signature_algorithm")}
        facts.update({key: handshake[key] for key in ("role", "outcome", "transport", "resumed", "alert")}, protocol="TLS")
        self._put("protocols", tuple(facts.values()), facts, place, _endpoints(handshake), handshake)
        certificate = handshake["certificate"]
        if certificate and certificate.get("fingerprint_sha256"):
            kept = {key: certificate.get(key) for key in _CERTIFICATE_FACTS}
            self._put("certificates", (certificate["fingerprint_sha256"],), kept, place, _endpoints(handshake), handshake)

    def _add_file(self, place, file):
        facts = file["facts"] or {}
        if file["kind"] in _CERTIFICATE_FILES and file["result"] == "ok":
            for certificate in _certificates(facts):
                kept = {key: certificate.get(key) for key in _CERTIFICATE_FACTS}
                self._put("certificates", (certificate["fingerprint_sha256"],), kept, place, file["path"], file)
        elif file["kind"] in _KEY_FILES and file["result"] == "ok":
            kept = {"path": file["path"], "kind": file["kind"], "format": file["format"],
                    "algorithm": facts.get("algorithm") or facts.get("key_algorithm"), "key_bits": facts.get("key_bits"),
                    "encrypted": facts.get("encrypted")}
            self._put("keys", tuple(kept.values()), kept, place, file["path"], file)

    def _put(self, kind, key, facts, place, path, seen, mapping=(0, 0, "")):
        """Enter one place of an asset.

        :arg kind: str, of KINDS.
        :arg key: tuple of str, int, bool and None: what makes the asset this one.
        :arg facts: dict, what the inventory says of the asset.
        :arg place: tuple of host, program and unit, str.
        :arg path: str, the file or endpoint.
        :arg seen: dict, the entry of the profile.
        :arg mapping: tuple of the columns processes, deleted and mapped_since, of a library.
        """
        identity = self._identities.get((kind, key))
        if identity is None:
            identity = self._identity(kind, key, facts)
        self._rows.append((identity, *place, path, seen["evidence"]["grade"], seen.get("count", 1), seen.get("first_seen") or "",
                           seen.get("last_seen") or seen.get("first_seen") or "", *mapping))

    def _identity(self, kind, key, facts):
        """The asset's id, after entering it where it is new."""
        identity = hashlib.sha256(_dump([kind, *key]).encode()).hexdigest()[:32]
        # the hosts come in the order of their names, so the first facts to come are the same ones in every run
        self._database.execute("INSERT OR IGNORE INTO asset VALUES (?, ?, ?, ?)", (identity, kind, _sort_text(key), _dump(facts)))
        if len(self._identities) >= _REMEMBERED:
            self._identities.clear()
        self._identities[kind, key] = identity
        return identity

    def as_of(self):
        """The latest end of a window, the date this inventory speaks of.

        :returns: str, or None without a profile.
        """
        return max((facts["ended_at"] for _host, facts in self.coverage()), default=None)

    def coverage(self):
        """Walk over the profiles.

        :returns: iterator of tuples ``(host, facts)``, by name.
        """
        for host, facts in self._database.execute("SELECT host, facts FROM coverage ORDER BY host"):
            yield host, json.loads(facts)

    def assets(self, kind):
        """Walk over the assets of one kind.

        :arg kind: str, of KINDS.
        :returns: iterator of tuples ``(id, facts with hosts, locations and count)``, in order.
        """
        rows = self._database.execute(
            "SELECT id, facts, COUNT(DISTINCT host), COUNT(*), SUM(count), SUM(processes), SUM(deleted), MIN(NULLIF(mapped_since, ''))"
            " FROM asset JOIN occurrence ON asset = id WHERE kind = ? GROUP BY id ORDER BY sort, id", (kind,))
        for identity, facts, hosts, locations, count, *mapping in rows:
            entry = dict(json.loads(facts), hosts=hosts, locations=locations, count=count)
            if kind == "libraries":
                entry.update(zip(_MAPPING, mapping))
            yield identity, entry

    def occurrences(self, kind, identity, most=-1):
        """Walk over the places where one asset was seen, by host.

        :arg kind: str, of KINDS.
        :arg identity: str, the asset's id.
        :arg most: int, places at most; -1: all of them.
        :returns: iterator of dicts.
        """
        rows = self._database.execute(
            "SELECT host, exe, unit, path, grade, count, first_seen, last_seen, processes, deleted, mapped_since"
            " FROM occurrence WHERE asset = ? ORDER BY host, exe, unit, path, grade LIMIT ?", (identity, most))
        for host, exe, unit, path, grade, count, first_seen, last_seen, processes, deleted, mapped_since in rows:
            entry = {"host": host, "exe": exe or None, "unit": unit or None, "path": path, "grade": grade, "count": count,
                     "first_seen": first_seen or None, "last_seen": last_seen or None}
            if kind == "libraries":
                entry.update(processes=processes, deleted=deleted, mapped_since=mapped_since or None)
            yield entry

    def statistics(self):
        """Count the assets of each kind.

        :returns: dict of str, kind, to int.
        """
        found = dict(self._database.execute("SELECT kind, COUNT(*) FROM asset GROUP BY kind"))
        return {kind: found.get(kind, 0) for kind in KINDS}

    def write(self, path, entries, counts, version):
        """Write the inventory, one asset after the other.

        :arg path: str, the file.
        :arg entries: dict of str, host, to dict, its entry of the manifest.
        :arg counts: dict, hosts by status.
        :arg version: str, the collection's version.
        :raises _store.StoreError: the file can't be written.
        """
        head = {"schema_version": "1.0", "collection_version": version, "document": "inventory", "as_of": self.as_of(),
                "hosts": counts, "statistics": self.statistics()}
        with _store.atomic(path) as stream:
            stream.write(_dump(head)[:-1].encode("ascii"))
            _write_list(stream, "coverage", (self._host_text(entries[host]) for host in sorted(entries)))
            stream.write(b',"assets":{')
            for number, kind in enumerate(KINDS):
                _write_list(stream, kind, (self._asset_text(kind, identity, facts) for identity, facts in self.assets(kind)), comma=number > 0)
            stream.write(b"}}\n")

    def _host_text(self, entry):
        """One host's text in pieces; what is stored of its profile is JSON already."""
        row = self._database.execute("SELECT facts FROM coverage WHERE host = ?", (entry["host"],)).fetchone()
        yield '{"host":%s,"profile":' % _dump(entry["host"])
        yield row[0] if row else "null"
        yield ',"reason":%s,"status":%s}' % (_dump(entry["reason"]), _dump(entry["status"]))

    def _asset_text(self, kind, identity, facts):
        """One asset's text in pieces: a common algorithm has as many occurrences as the fleet has processes."""
        yield _dump(dict(facts, id=identity))[:-1]
        for number, occurrence in enumerate(self.occurrences(kind, identity)):
            yield "," if number else ',"occurrences":['
            yield _dump(occurrence)
        yield "]}"


def _running(processes):
    """The program images that still ran when the window ended.

    :arg processes: list of dict, of a profile.
    :returns: set of int, ``id()`` of the entries; an image that its process replaced by execve is none of them.
    """
    last = {}
    for process in processes:
        if process["exited_at"] is None:
            key = process["pid"], process["started_at"]
            if key not in last or (process["exec_number"] or 0) >= (last[key]["exec_number"] or 0):
                last[key] = process
    return {id(process) for process in last.values()}


def _mapped_since(process, library):
    """When a process mapped a library: when that was seen, or else when its program began, which can't be later."""
    if library["how"] == "loaded" and library["first_seen"]:
        return library["first_seen"]
    return process["exec_at"] or process["started_at"] or ""


def _probed_unmapped(profile):
    """The files that probes were on and that no process maps but the audit's own.

    :arg profile: dict.
    :returns: list of dict with path, build_id and version, by path.
    """
    mapped, versions = set(), {}
    for process in profile["processes"]:
        for library in process["libraries"]:
            versions[library["path"]] = library["version"]
            if not process["audit_connection"]:
                mapped.add(library["path"])
        if not process["audit_connection"]:
            mapped.add(process["exe"])
            mapped.update(stack["path"] for stack in process["stacks"] or ())
    found = {target["path"]: {"path": target["path"], "build_id": target["build_id"], "version": versions.get(target["path"])}
             for probe in profile["coverage"]["probes"] for target in probe["targets"] if target["path"] not in mapped}
    return [found[path] for path in sorted(found)]


def _write_list(stream, name, items, comma=True):
    """Write ``"name":[...]``, each item given as the pieces of its text."""
    stream.write(b"%s%s:[" % (b"," if comma else b"", _dump(name).encode("ascii")))
    for number, pieces in enumerate(items):
        stream.write(b",\n" if number else b"\n")
        for piece in pieces:
            stream.write(piece.encode("ascii"))
    stream.write(b"]")


def _certificates(facts):
    """The facts of each certificate a file holds: its own, or those of a list in them."""
    if facts.get("fingerprint_sha256"):
        yield facts
    for value in facts.values():
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict) and item.get("fingerprint_sha256") and item["fingerprint_sha256"] != facts.get("fingerprint_sha256"):
                yield item


def _point(code_point):
    """A code point as one text; None for none."""
    return code_point and (code_point["name"] or code_point["code"])


def _endpoints(handshake):
    """Where a handshake was: the server's name or address and port."""
    server = handshake["local" if handshake["role"] == "server" else "peer"]
    return "%s:%s" % (handshake.get("sni") or server["address"], server["port"])


def _sort_text(key):
    return "\0".join("%010d" % part if isinstance(part, int) else part or "" for part in key)


def _dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
