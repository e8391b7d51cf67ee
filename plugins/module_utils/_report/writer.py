# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile document: what the ledger holds and what the probes covered, as plain data ready for JSON.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import grp
import os

from .._kernel import proc
from .._processes.placement import placement
from .._stacks.stack import RELEASE_FILE
from .._text import put_text, to_text, utc
from .redact import Redactor

SCHEMA_VERSION = "1.0"
COLLECTION_VERSION = "0.1.0"

# include/uapi/asm-generic/fcntl.h; O_RDONLY is the absence of the two others
_OPEN_FLAGS = [(getattr(os, name), name) for name in (
    "O_CREAT", "O_EXCL", "O_NOCTTY", "O_TRUNC", "O_APPEND", "O_NONBLOCK", "O_DSYNC", "O_DIRECT", "O_NOFOLLOW", "O_NOATIME", "O_CLOEXEC", "O_PATH")]
_ACCESS = {os.O_RDONLY: "O_RDONLY", os.O_WRONLY: "O_WRONLY", os.O_RDWR: "O_RDWR"}
_O_SYNC = 0o4010000
_O_TMPFILE = os.O_TMPFILE


def flag_names(flags):
    """The names of open(2) flags (int): the access mode first."""
    names = [_ACCESS.get(flags & os.O_ACCMODE, "O_ACCMODE")]
    names += [name for value, name in _OPEN_FLAGS if flags & value]
    if flags & _O_SYNC == _O_SYNC:
        names[names.index("O_DSYNC")] = "O_SYNC"
    if flags & _O_TMPFILE == _O_TMPFILE:
        names.append("O_TMPFILE")
    return names


def error_name(number):
    """An errno (int) by its name, for instance ``EACCES``, or ``errno_512`` where only the kernel knows it; None for None."""
    if number is None:
        return None
    return errno.errorcode.get(number, "errno_%d" % number)


def _group_name(gid):
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)


def _homes():
    """Home directories (bytes) of people, from /etc/passwd alone: asking a directory service for all of them would be a burden."""
    try:
        with open("/etc/passwd", "rb") as stream:
            rows = [line.split(b":") for line in stream.read(1 << 20).splitlines()]
    except OSError:
        return []
    return [row[5] for row in rows if len(row) > 5 and row[2].isdigit() and 1000 <= int(row[2]) < 65534 and row[5].count(b"/") > 1]


class Writer:
    """Writes records as entries. One for a document: it holds the clock offset and the redaction."""

    def __init__(self, redact, boot_offset):
        """:arg redact: bool. :arg boot_offset: seconds from boot time to time of day."""
        self._redactor = Redactor(_homes()) if redact else None
        self._offset = boot_offset

    def time(self, nanoseconds):
        """A time since boot in ns (or None) as UTC text."""
        return None if nanoseconds is None else utc(nanoseconds / 1e9 + self._offset)

    def show_path(self, path):
        """A path (bytes or None), redacted where asked."""
        return self._redactor.path(path) if self._redactor and path is not None else path

    def put_path(self, entry, key, path, truncated=False):
        """Set a path, redacted where asked."""
        put_text(entry, key, self.show_path(path), truncated)

    def path_text(self, path):
        """A path (bytes) as one text, redacted where asked."""
        return to_text(self.show_path(path))[0]

    @staticmethod
    def process_name(record):
        """The name of a ProcessRecord as text; that of its executable where only the file is known."""
        return to_text(record.comm or (record.exe or b"?").rpartition(b"/")[2])[0]

    def excluded(self, record, code):
        """The entry of a process in coverage.scope.excluded. code: str, of the reason."""
        entry = {"pid": record.pid, "started_at": self.time(record.start), "unit": placement(record.cgroups)[0], "code": code}
        put_text(entry, "name", record.comm or None)
        return entry

    def process_identity(self, record):
        """Who a ProcessRecord is: the entry without what it used and what file it ran from."""
        entry = {"pid": record.pid, "ppid": record.parent_pid}
        put_text(entry, "name", record.comm or None)
        self.put_path(entry, "exe", record.exe, record.exe is not None and not record.exe.startswith(b"/"))
        unit, container = placement(record.cgroups)
        status = record.exit_status
        entry.update({
            "user": proc.user_name(record.uid) if record.uid is not None else None, "uid": record.uid, "exec_number": record.exec_id,
            "started_at": self.time(record.start), "exec_at": self.time(record.exec_time), "exited_at": self.time(record.exit_time),
            "exit_code": status >> 8 & 0xFF if status is not None and not status & 0x7F else None,
            "exit_signal": status & 0x7F or None if status is not None else None,
            "unit": unit, "container": container, "audit_connection": record.audit_connection,
            "evidence": {"source": record.source, "grade": "observed" if record.source == "kernel" else "present"},
        })
        self._put_arguments(entry, record)
        return entry

    def process(self, record, executable_facts):
        """The whole entry of one ProcessRecord. executable_facts: its file's build id and package."""
        entry = self.process_identity(record)
        entry["exe_build_id"], entry["exe_package"] = executable_facts
        entry["exe_deleted"] = record.exe_deleted
        entry["libraries"] = sorted((self.library(library) for library in record.libraries.values()), key=lambda item: (item["path"], item["build_id"] or ""))
        entry["files"] = sorted((self.file(held) for held in record.files.values()), key=lambda item: (item["path"], item["flags"], item["result"]))
        internal = _internal_worth_telling(record)
        entry["operations"] = sorted((self.operation(held) for held in record.operations.values() if not held.internal or id(held) in internal),
                                     key=lambda item: (item["library"], item["function"], item["algorithm"] or "", item["operation"], item["key_bits"] or 0))
        entry.update(self.handshakes(record.tls, record.ssh))
        entry["stacks"] = None if record.stacks is None else sorted((self.stack(seen) for seen in record.stacks), key=lambda item: (item["path"], item["name"]))
        entry["coverage"], entry["coverage_reason"] = record.coverage, record.coverage_reason
        for name, identities in record.left_out.items():
            entry[name + "_omitted"] = len(identities)
        return entry

    def handshakes(self, tls, ssh):
        """The lists ``tls`` and ``ssh`` of dicts of HandshakeRecords."""
        if not tls and not ssh:
            return {"tls": [], "ssh": []}
        from .._wire.entries import sort_key, ssh_entry, tls_entry  # the registries' names are large and not needed while probes attach
        return {"tls": sorted((tls_entry(held, self.time) for held in tls.values()), key=sort_key),
                "ssh": sorted((ssh_entry(held, self.time) for held in ssh.values()), key=sort_key)}

    def _put_arguments(self, entry, record):
        if record.arguments is None:
            entry["cmdline"] = None
            return
        arguments = self._redactor.arguments(record.arguments) if self._redactor else record.arguments
        texts = [to_text(argument) for argument in arguments]
        entry["cmdline"] = [text for text, _escaped in texts]
        if any(escaped for _text, escaped in texts):
            entry["cmdline_escaped"] = True
        if record.arguments_truncated:
            entry["cmdline_truncated"] = True

    def library(self, library):
        """The entry of one LibraryRecord."""
        entry = {"name": library.name, "family": library.family}
        self.put_path(entry, "path", library.path)
        entry.update({"version": library.version, "build_id": library.build_id, "package": library.package, "deleted": library.deleted,
                      "how": library.how, "first_seen": self.time(library.first_seen),
                      "evidence": {"source": library.source, "grade": "observed" if library.source == "kernel" else "present"}})
        return entry

    def file(self, held):
        """The entry of one FileRecord."""
        observed, look = held.observed, held.observed.look
        facts = observed.facts
        entry = {}
        self.put_path(entry, "path", observed.path, observed.path_truncated)
        known = look is not None and not look.gone
        entry.update({
            "kind": facts.kind, "classified_by": facts.classified_by, "format": facts.format, "flags": flag_names(observed.key.flags),
            "result": "ok" if not observed.key.error else error_name(-observed.key.error), "count": held.count,
            "first_seen": self.time(held.first_seen), "last_seen": self.time(held.last_seen),
            "mode": "%04o" % (look.mode & 0o7777) if known else None,
            "owner": proc.user_name(look.uid) or str(look.uid) if known else None, "group": _group_name(look.gid) if known else None,
            "size": look.size if known else None, "deleted": look.gone if look is not None else None, "facts": facts.facts or None,
            "evidence": {"source": held.source, "grade": "observed" if held.source == "kernel" else "present"},
        })
        return entry

    def stack(self, seen):
        """The entry of one ProcessStack of _stacks.finder."""
        stack = seen.stack
        entry = {"name": stack.name, "version": stack.version}
        self.put_path(entry, "path", seen.path)
        settings = [dict(setting, value=os.fsdecode(self.show_path(os.fsencode(setting["value"])))) if setting["value"].startswith("/") else setting
                    for setting in stack.details["settings"]]
        entry.update({"detected_by": stack.how, "visibility": "probed" if seen.probed else "unobservable", "details": dict(stack.details, settings=settings),
                      "evidence": {"source": "proc" if stack.how == RELEASE_FILE else "file", "grade": "present"}})
        return entry

    def operation(self, held):
        """The entry of one OperationRecord."""
        entry = {}
        self.put_path(entry, "library", held.library)
        entry.update({"function": held.function, "algorithm": held.algorithm, "operation": held.operation, "key_bits": held.key_bits,
                      "count": held.count, "first_seen": self.time(held.first_seen), "last_seen": self.time(held.last_seen),
                      "evidence": {"source": "library", "grade": "observed"}})
        if held.internal:
            entry["internal"] = True
        if held.cut:
            entry["algorithm_truncated"] = True
        if held.unread:
            entry["algorithm_unread"] = True
        return entry


def _internal_worth_telling(record):
    """The id() of operations the library started inside itself that no call from outside explains: an algorithm nobody asked for by name.

    A call from outside passes through further public functions of the library, which are seen as well; they are the same
    operation. What stays is, for instance, the cipher inside a PKCS #12 file.
    """
    outside = {(held.library, held.algorithm, held.operation) for held in record.operations.values() if not held.internal}
    return {id(held) for held in record.operations.values()
            if held.internal and (held.algorithm or held.unread) and (held.library, held.algorithm, held.operation) not in outside}
