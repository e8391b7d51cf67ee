# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes there are: time-ordered events and /proc become one record for each program image of each process.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .._kernel import proc, syscalls
from .._kernel.proc import TICK_NS
from .records import ProcessRecord
from .session import Session

# Images without any observation that are kept after their end, so that a late record still finds them.
MOST_ENDED = 2000
# Programs of which one ended image is kept for the search for crypto stacks.
_MOST_PROGRAMS = 4096


class ProcessTable:
    """All processes of a window."""

    def __init__(self, selection, observer):
        """
        :arg selection: Selection.
        :arg observer: callable, called with ``(kind, time, record, thing)`` for each event worth a line of a monitor.
        """
        self._selection = selection
        self._observer = observer
        self._images = {}  # ProcessRecord.key -> ProcessRecord
        self._current = {}  # pid -> ProcessRecord
        self._ended = collections.deque()  # ended images without observation, oldest first
        self._programs = set()  # what the ended images ran of which one is kept
        self._session = Session()
        self.seen = 0  # selected images
        self.omitted = 0  # observations that are not held, because of the bounds

    def _entered(self, record):
        """A record was entered: what waited for it can be taken."""

    def on_found(self, event):
        """Enter a ProcessFound."""
        self._enter_from_proc(event.pid)

    def _enter_from_proc(self, pid):
        stat = proc.read_stat(pid)
        if stat is None or proc.is_kernel_thread(stat) or (stat.state in "ZX" and stat.threads <= 1):  # a zombie runs nothing
            return None
        start = stat.start_ticks * TICK_NS
        record = self._current.get(pid)
        if record is not None and record.ticks == stat.start_ticks:
            return record
        record = ProcessRecord(pid, start, None, "proc", parent_pid=stat.ppid, comm=stat.comm, entered_at=syscalls.clock_boottime_ns())
        self._read_executable(record)
        record.arguments, record.arguments_truncated = proc.read_cmdline(pid) or (None, False)
        status = proc.read_status(pid)
        record.uid = status.euid if status else None
        record.cgroups = proc.read_cgroup(pid)
        self._enter(record, self._current.get(stat.ppid))
        return record

    def _read_executable(self, record):
        """What only a process's owner and root may see of it."""
        try:
            exe = proc.read_exe(record.pid)
            if exe:
                record.exe, record.exe_deleted = exe
                record.exe_inode = proc.exe_inode(record.pid)
            record.mount_namespace = record.mount_namespace or proc.mount_namespace(record.pid)
        except PermissionError:
            self.note_denied(record)

    @staticmethod
    def note_denied(record):
        """Note that permission to read something of a process was denied."""
        stat = proc.read_stat(record.pid)
        if stat is not None and stat.start_ticks == record.ticks:  # a process that is being reaped refuses too
            record.permission_denied = True

    def _enter(self, record, parent):
        before = self._current.get(record.pid)
        self._images[record.key] = record
        if before is not None and before.is_later(record):
            record.replaced_at = before.exec_time or before.start
            self._end(record)
        else:
            if before is not None and not before.ended:
                self._end(before)
            self._current[record.pid] = record
        self._session.join(record, parent)
        inherited = parent is not None and parent.selected and self._selection.follow_children
        record.selected = not record.is_kernel_thread and (self._selection.matches(record) or inherited)
        self.seen += record.selected
        self._entered(record)

    def _end(self, record):
        """An image is over: forget it later if nothing was observed of it."""
        if not record.has_crypto():
            self._ended.append(record)
            if len(self._ended) > MOST_ENDED:
                old = self._ended.popleft()
                if not old.has_crypto() and not self._is_kept(old):
                    if self._images.get(old.key) is old:
                        del self._images[old.key]
                    if self._current.get(old.pid) is old:
                        del self._current[old.pid]

    def _is_kept(self, record):
        """Whether an ended image without observation is kept: where it was asked for by name, or is the first one seen of its program.

        A program's files are searched for crypto stacks when the window has ended; one image of each program is enough for that.
        """
        if not record.selected:
            return False
        if not self._selection.whole_host:
            return True
        program = (record.mount_namespace, record.exe, record.exe_inode, record.private_files)
        if program in self._programs:
            return False
        if len(self._programs) >= _MOST_PROGRAMS:
            self.omitted += 1
            return False
        self._programs.add(program)
        return True

    def find(self, subject):
        """The ProcessRecord of an event's Subject; entered now where no event told of it before."""
        image = subject.image
        record = self._images.get((image.pid, image.start, image.exec_id))
        if record is not None:
            return record
        record = self._images.get((image.pid, image.start - image.start % TICK_NS, None))
        if record is not None:
            self._bind(record, image)
        else:
            record = self._from_subject(subject)
            current = self._current.get(image.pid)
            if current is None or not current.is_later(record):  # else /proc describes another image
                self._complete_from_proc(record)
            self._enter(record, self._current.get(subject.parent_pid))
        return record

    @staticmethod
    def _from_subject(subject):
        image = subject.image
        return ProcessRecord(image.pid, image.start, image.exec_id, "kernel", parent_pid=subject.parent_pid, comm=subject.comm,
                             uid=subject.uid, mount_namespace=subject.mount_namespace)

    def _complete_from_proc(self, record):
        """What /proc still tells of a process that no exec event described."""
        stat = proc.read_stat(record.pid)
        if stat is None or stat.start_ticks != record.ticks:
            return
        self._read_executable(record)
        record.arguments, record.arguments_truncated = proc.read_cmdline(record.pid) or (None, False)
        record.cgroups = proc.read_cgroup(record.pid)

    def _bind(self, record, image):
        """Give a record entered from /proc the exec number that an event tells."""
        self._images.pop(record.key, None)
        record.exec_id, record.start = image.exec_id, image.start
        self._images[record.key] = record

    def _scanned_later(self, image, time):
        """The record of a process that /proc was read for after an event of this time: that reading already shows what came of it."""
        record = self._current.get(image.pid)
        if record is not None and record.entered_at > time and record.is_of(image):
            self._bind(record, image)
            return record
        return None

    def on_fork(self, event):
        """ProcessFork."""
        record = self._scanned_later(event.subject.image, event.time)
        if record is None:
            parent = self._images.get((event.parent.pid, event.parent.start, event.parent.exec_id)) or self._current.get(event.parent.pid)
            record = self._from_subject(event.subject)
            if parent is not None:
                record.cgroups = parent.cgroups
                record.exe, record.exe_deleted, record.exe_inode = parent.exe, parent.exe_deleted, parent.exe_inode
                record.arguments, record.arguments_truncated = parent.arguments, parent.arguments_truncated
                record.libraries = dict(parent.libraries)  # a fork has its parent's mappings
                record.private_files = parent.private_files
                record.inherited = True
            self._enter(record, parent)
        self._observer("process_fork", event.time, record, None)
        return record

    def on_exec(self, event):
        """ProcessExec."""
        image = event.subject.image
        record = self._scanned_later(image, event.time)
        if record is None:
            record = self._begin_image(event)
        record.exec_time = event.time
        self._observer("process_exec", event.time, record, None)
        return record

    def _begin_image(self, event):
        image = event.subject.image
        before = self._current.get(image.pid)
        if before is not None and not before.is_of(image):
            before = None
        record = self._from_subject(event.subject)
        record.exe, record.exe_inode, record.exe_deleted = event.path, event.inode, False
        record.arguments, record.arguments_truncated = event.arguments, event.arguments_truncated
        if event.arguments_truncated:
            whole = proc.read_cmdline(image.pid)
            if whole and whole[0][:1] == event.arguments[:1]:
                record.arguments, record.arguments_truncated = whole
        parent = before or self._current.get(event.subject.parent_pid)
        # its own control groups while it lives, else those it was born into
        record.cgroups = proc.read_cgroup(image.pid) or (parent.cgroups if parent else None)
        if before is not None:
            before.replaced_at = event.time
            # the kernel maps the new program before it says so: it is none of the old one's
            before.private_files = frozenset(mapped for mapped in before.private_files if mapped.path != event.path)
            if before.inherited and not (before.files or before.operations):
                before.libraries.clear()  # a fork on its way to execve: the mappings were never used
                before.private_files = frozenset()
            if image.exec_id is None:  # polling knows no exec numbers: both images would have one key
                self._images[before.pid, before.start, "before %d" % event.time] = self._images.pop(before.key)
            self._end(before)
        self._enter(record, parent)
        return record

    def on_exit(self, event):
        """ProcessExit."""
        record = self.find(event.subject)
        if record.exit_time is None:
            record.exit_time, record.exit_status = event.time, event.status
            self._observer("process_exit", event.time, record, None)
            self._end(record)
        return record

    def records(self):
        """All ProcessRecords that are held."""
        return list(self._images.values())

    def release_services(self):
        """At the end of the window: what Ansible's own connection has left running is no part of it."""
        self._session.release_services(self._current)

    def selected_alive(self):
        """Whether any selected process is still there."""
        return any(record.selected and not record.ended for record in self._images.values())
