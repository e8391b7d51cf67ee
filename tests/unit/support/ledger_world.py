# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger with made-up processes: events for pids that no kernel gives, and a /proc that holds what a test says."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._engines.base import Counts
from ansible_collections.cryptofleet.audit.plugins.module_utils._files import kinds
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.look import Look
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import families
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import proc as proc_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.proc import TICK_NS
from ansible_collections.cryptofleet.audit.plugins.module_utils._libraries.facts import LibraryRecord
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.file_open import FileObserved
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes import ledger as ledger_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes import table
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.selection import Selection

# above PID_MAX_LIMIT, include/linux/threads.h: nothing of this machine gets in
PID = 5000000
SECOND = 10 ** 9
START = 100 * SECOND
LIBCRYPTO = b"/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
BOUNDS = {"files": 500, "libraries": 200, "operations": 500, "handshakes": 500}


class FakeProc:
    """What _processes.ledger asks /proc for. processes: pid -> dict of start (ns), comm, exe, ppid, maps, arguments, forbidden."""

    def __init__(self):
        self.processes = {}
        self.is_kernel_thread = proc_module.is_kernel_thread

    def list_pids(self):
        return sorted(self.processes)

    def read_stat(self, pid):
        told = self.processes.get(pid)
        if told is None:
            return None
        return proc_module.Stat(pid, told.get("comm", b"old"), "S", told.get("ppid", 1), pid, pid, told.get("flags", 0), 0, 0, 1, told["start"] // TICK_NS)

    def _allowed(self, pid):
        told = self.processes.get(pid)
        if told is not None and told.get("forbidden"):
            raise PermissionError(13, "Permission denied")
        return told

    def read_exe(self, pid):
        told = self._allowed(pid)
        return proc_module.Exe(told["exe"], False) if told and told.get("exe") else None

    def exe_inode(self, pid):
        told = self._allowed(pid)
        return told.get("inode", 9) if told and told.get("exe") else None

    def mount_namespace(self, pid):
        return 1 if self._allowed(pid) else None

    def read_maps(self, pid):
        told = self._allowed(pid)
        return None if told is None else iter([proc_module.Mapping(0, 1, 0, 8, 1, 77, path, False) for path in told.get("maps", ())])

    def read_cmdline(self, pid):
        told = self.processes.get(pid)
        return (told.get("arguments", [b"old"]), False) if told else None

    def read_status(self, pid):
        return proc_module.Status(pid, 0, told.get("uid", 0), 0, 0, []) if (told := self.processes.get(pid)) else None

    def read_cgroup(self, pid):
        told = self.processes.get(pid)
        return told.get("cgroups", []) if told else None


class FakeFacts:
    """LibraryFacts without files."""

    @staticmethod
    def describe(file):
        return LibraryRecord(file.path, file.how, file.source, "libcrypto", "OpenSSL", "3.0", file.build_id, None, None, file.deleted, file.first_seen)


def make(monkeypatch, proc=None, bounds=None, **targets):
    """``(ledger, lines)``: a Ledger, and what its observer was told: ``(kind, time, pid, exec number)``."""
    fake = proc or FakeProc()
    monkeypatch.setattr(ledger_module, "proc", fake)
    monkeypatch.setattr(table, "proc", fake)
    selection = Selection(targets.get("pids", ()), targets.get("names", ()), targets.get("units", ()), targets.get("containers", ()),
                          targets.get("follow_children", True))
    lines = []
    ledger = ledger_module.Ledger(selection, FakeFacts(), dict(BOUNDS, **(bounds or {})),
                                  lambda kind, time, record, _thing: lines.append((kind, time, record.pid, record.exec_id)))
    return ledger, lines


def image(pid=PID, exec_id=1, start=START):
    return events.Image(pid, exec_id, start)


def subject(who=None, parent=1, comm=b"load"):
    return events.Subject(who or image(), parent, 0, 0, 1, comm)


def fork(child, parent, time):
    return events.ProcessFork(time, subject(child, parent.pid, b"shell"), parent)


def execve(who, time, path=b"/usr/bin/openssl", arguments=(b"openssl", b"dgst"), parent=1, truncated=False):
    return events.ProcessExec(time, subject(who, parent, path.rpartition(b"/")[2][:15]), path, 8, 9, list(arguments), truncated)


def leave(who, time, status=0):
    return events.ProcessExit(time, subject(who), status)


def mapped(pid, time, path=LIBCRYPTO, build_id="ab12"):
    return events.LibraryMapped(time, pid, path, build_id, None, None)


def opened(who, time, path=b"/etc/ssl/private/site.key", inode=4, flags=0, error=0, counted=True):
    key = events.OpenKey(who.pid, who.exec_id, who.start, inode, 1, flags, error, 0)
    facts = kinds.classify_name(path)
    look = None if error else Look(facts, 0o100600, 0, 0, 100, False)
    return FileObserved(time, subject(who), key, path, False, facts, look, counted)


def operation(who, function="EVP_EncryptInit_ex", time=START, name=b"AES-256-GCM", bits=256, library=0, direction=0, internal=0, nid=0, digest=0):
    number = [known.name for known in families.FUNCTIONS].index(function)
    return events.OperationSeen(time, subject(who), operation_key(who, number, name, library, direction, internal, nid, digest), bits, LIBCRYPTO)


def operation_key(who, number, name=b"AES-256-GCM", library=0, direction=0, internal=0, nid=0, digest=0):
    return events.OperationKey(who.pid, who.exec_id, who.start, library, number, direction, internal, 0, nid, digest, name)


def open_counts(rows):
    """Counts of opens from ``[(key, count, first, last)]``."""
    return Counts([events.OpenCount(*row) for row in rows], [])


def operation_counts(rows):
    """Counts of operations from ``[(key, key bits, count, first, last)]``."""
    return Counts([], [events.OperationCount(key, LIBCRYPTO, *rest) for key, *rest in rows])


def by_image(ledger, pid=None):
    """Records in order of start and exec number, for a pid or all."""
    return sorted((record for record in ledger.records() if pid in (None, record.pid)), key=lambda record: (record.pid, record.start, record.exec_id or 0))


def only(items):
    """The one item of a sequence."""
    items = list(items)
    assert len(items) == 1, items
    return items[0]

