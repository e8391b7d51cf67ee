# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine `procfs`: no probes at all, /proc read at intervals. It sees who maps and holds what, not what happens between two looks.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time

from .._files import kinds
from .._kernel import events, proc, syscalls
from .._libraries import catalogue
from .._probes.base import ATTACHED, UNSUPPORTED, Probe
from .._probes.file_open import FileObserved
from .base import Engine

_FDINFO_FLAGS = b"flags:"


class _Polled(Probe):
    """A probe of the other engines, as far as polling can stand in for it."""

    def __init__(self, name, hook):
        super().__init__()
        self.name = name
        self.hook = hook
        self.found = 0

    def _open(self):
        self.status = ATTACHED

    def hits(self):
        return self.found


class _Unsupported(Probe):
    """A probe that has no counterpart in /proc."""

    def __init__(self, name, why):
        super().__init__()
        self.name = name
        self._why = why

    def open(self, wanted):
        super().open(False)
        if wanted:
            self.status, self.reason = UNSUPPORTED, self._why


class ProcfsEngine(Engine):
    """Looks at /proc; yields the same events as other engines, with the time of the look."""

    name = "procfs"

    def __init__(self, wanted):
        """:arg wanted: dict of probe name -> bool."""
        self.process = _Polled("process", "/proc")
        self.files = _Polled("file_open", "/proc/PID/fd")
        self.libraries = _Polled("library_load", "/proc/PID/maps")
        calls = [_Unsupported(name, "engine procfs sees no function calls") for name in ("openssl_api", "library_api")]
        wire = [_Unsupported(name, "engine procfs sees no packets") for name in ("tls_handshake", "ssh_kex")]
        self.probes = [self.process, self.files, self.libraries] + calls + wire
        for probe in self.probes:
            probe.open(wanted.get(probe.name, True))
        self._seen = set()
        self._known = {pid: identity for pid, _stat, identity in self._processes()}  # pid -> (start ticks, executable)

    @staticmethod
    def wait(seconds):
        """See Engine. There is no buffer that could fill up."""
        time.sleep(seconds)
        return False

    @staticmethod
    def _processes():
        """``(pid, Stat, identity)`` of every process but this one."""
        for pid in proc.list_pids():
            stat = proc.read_stat(pid)
            if stat is None or proc.is_kernel_thread(stat) or pid == os.getpid():
                continue
            try:
                exe = proc.read_exe(pid)
            except PermissionError:
                exe = None
            yield pid, stat, (stat.start_ticks, exe.path if exe else None)

    def read(self):
        """See Engine. Each event has the time of the poll."""
        now = syscalls.clock_boottime_ns()
        found, alive = [], {}
        for pid, stat, identity in self._processes():
            alive[pid] = identity
            found += self._look_at(pid, stat, identity, now)
        if self.process.status == ATTACHED:
            for pid, (ticks, _exe) in self._known.items():
                if pid not in alive or alive[pid][0] != ticks:
                    found.append(events.ProcessExit(now, self._subject(pid, ticks, None), None))
        self._known = alive
        return found

    @staticmethod
    def _subject(pid, ticks, stat):
        image = events.Image(pid, None, ticks * proc.TICK_NS)
        return events.Subject(image, stat.ppid if stat else None, None, 0, None, stat.comm if stat else b"")

    def _look_at(self, pid, stat, identity, now):
        subject = self._subject(pid, stat.start_ticks, stat)
        before = self._known.get(pid)
        if (before is None or before[0] != identity[0]) and self.process.status == ATTACHED:
            self.process.found += 1
            yield events.ProcessFound(now, pid)
        if before is not None and before[0] == identity[0] and before[1] != identity[1] and identity[1] and self.process.status == ATTACHED:
            self.process.found += 1
            arguments, truncated = proc.read_cmdline(pid) or ([], False)
            yield events.ProcessExec(now, subject, identity[1], 0, 0, arguments, truncated)
        try:
            yield from self._mapped(pid, stat, now)
            yield from self._held(pid, stat, subject, now)
        except PermissionError:
            return  # the ledger counts it when it reads the process itself

    def _mapped(self, pid, stat, now):
        if self.libraries.status != ATTACHED:
            return
        for mapping in proc.read_maps(pid) or ():
            key = (pid, stat.start_ticks, mapping.path, mapping.inode)
            if key not in self._seen and catalogue.recognise(mapping.path) is not None:
                self._seen.add(key)
                self.libraries.found += 1
                path = mapping.path + (b" (deleted)" if mapping.deleted else b"")
                yield events.LibraryMapped(now, pid, path, None, os.makedev(mapping.dev_major, mapping.dev_minor), mapping.inode)

    def _held(self, pid, stat, subject, now):
        if self.files.status != ATTACHED:
            return
        for number, path in proc.open_fds(pid) or ():
            key = (pid, stat.start_ticks, number, path)
            if key in self._seen or not path.startswith(b"/"):
                continue
            self._seen.add(key)
            observed = self._observe(pid, number, path, subject, now)
            if observed is not None:
                self.files.found += 1
                yield observed

    def _observe(self, pid, number, path, subject, now):
        link = "/proc/%d/fd/%d" % (pid, number)
        try:
            inode = os.stat(link).st_ino
            with open("/proc/%d/fdinfo/%d" % (pid, number), "rb") as stream:
                flags = next((int(line.split()[1], 8) for line in stream if line.startswith(_FDINFO_FLAGS)), 0)
        except OSError:
            return None
        if path in (b"/dev/random", b"/dev/urandom"):
            facts, look = kinds.classify_name(path), None
        else:
            look = self.looker.look(path, proc.mount_namespace(pid), pid, inode)
            facts = look.facts
        if facts.kind is None or (look is not None and look.gone):
            return None
        key = events.OpenKey(pid, 0, subject.image.start, inode, 0, flags, 0, 0)
        return FileObserved(now, subject, key, path, False, facts, look, False)
