# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `file_open`: opens of files that hold cryptography, whatever they are called.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple, Optional

from .._files.names import NAME_HINTS
from .._kernel import events, syscalls
from .._kernel.libbpf import LoadError
from .._kernel.ring import Ring
from .base import PARTIAL, BpfProbe

if TYPE_CHECKING:
    from .._files.kinds import FileFacts
    from .._files.look import Look

_UNKNOWN_RING = 1 << 20

# Files of unknown content looked at in one tick (some 20 microseconds each), and how many may wait for the next.
_LOOKS_PER_TICK = 1000
_MOST_WAITING = 20000
# Files opened for writing are looked at when their process ends or the window does.
_MOST_WRITTEN = 4096

# Of a name as given, the kernel side takes so many bytes (MAX_NAME of bpf/events.h, with its NUL).
_LONGEST_NAME = 4095

_WRITES = os.O_WRONLY | os.O_RDWR


# Count the opens through io_uring that are not seen: one of them, the tracepoint of the other is not there.
_RING_COUNTERS = ("ring_request", "ring_entry")
_AT_ALL_SYSTEM_CALLS = "tp_btf/sys_exit"
# (hook, programs of the object, those of which one suffices), best first. The last two cost every system call of the host.
_WAYS = (
    ("fexit/do_sys_openat2", ("open_return", "handle_return", "ring_open", "ring_return"), ()),
    ("fexit/do_sys_openat2", ("open_return", "handle_return"), _RING_COUNTERS),
    ("fexit/do_sys_openat2", ("open_return", "handle_return"), ()),
    (_AT_ALL_SYSTEM_CALLS, ("any_return",), _RING_COUNTERS),
    (_AT_ALL_SYSTEM_CALLS, ("any_return",), ()),
)


class FileObserved(NamedTuple):
    """An open of a file that is cryptographic by content or, where that can't be had, by name."""

    time: int
    subject: events.Subject
    key: events.OpenKey
    path: bytes
    path_truncated: bool
    facts: FileFacts
    look: Optional[Look]
    counted: bool


def _by_name(path):
    from .._files.kinds import classify_name  # large, and nothing needs it while probes attach
    return classify_name(path)


class FileOpenProbe(BpfProbe):
    """Turns FileOpened into FileObserved, and tells the kernel side what each inode is."""

    name = "file_open"
    object_name = "file_open"

    def __init__(self, libbpf, ring, wake_at):
        super().__init__(libbpf, ring, wake_at)
        self._ring_counters = ()
        self.looker = None  # Looker, set by the engine when all is attached
        self._unknown = None
        self._classes = None
        self._opens = None
        self._waiting = collections.deque()
        self._written = collections.OrderedDict()  # image -> list of FileOpened
        self._held = 0
        self._passed_over = 0
        self._gone = 0
        self._truncated = 0

    def _open(self):
        takes_functions = syscalls.takes_function_programs()
        ways = [way for way in _WAYS if takes_functions or way[0] == _AT_ALL_SYSTEM_CALLS]
        for way in ways[:-1]:
            try:
                self._open_as(*way)
                return
            except (LoadError, OSError):
                self.close()
        self._open_as(*ways[-1])

    def _open_as(self, hook, programs, ring_counters):
        self.hook, self.programs, self._ring_counters = hook, programs, ring_counters
        super()._open()

    def _prepare(self):
        self._object.want_programs(self.programs + self._ring_counters)
        self._unknown = Ring(_UNKNOWN_RING)
        self._object.reuse_map("unknown_events", self._unknown.fd)

    def _fill(self):
        hints = syscalls.Map(self._object.map_fd("name_hints"), 4, 1)
        for hint in NAME_HINTS:
            hints.put(hint, b"\1")
        self._classes = syscalls.Map(self._object.map_fd("classes"), events.INODE_KEY.size, 1)
        self._opens = syscalls.Map(self._object.map_fd("opens"), events.OPEN_KEY.size, events.COUNTER.size)

    def _attach(self):
        super()._attach()
        for program in self._ring_counters:
            try:
                self._object.attach(program)
            except LoadError:
                continue
            self.programs += (program,)
            return
        if "ring_return" not in self.programs and syscalls.has_io_uring():
            self.status = PARTIAL
            self.reason = "opens through io_uring are neither seen nor counted: the kernel has no place for the programs that would, or refuses them"

    def filenos(self):
        return [self._unknown.fd] if self._unknown else []

    def receive_unknown(self):
        """Take what came through the ring of unknown files; what can't wait is passed over and counted."""
        if not self._unknown:
            return
        for record in self._unknown.read():
            event = events.decode(record)
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(event)
            else:
                self._pass_over(event)

    def observe_unknown(self, everything=False):
        """Look at waiting files, a tick's worth or all: list of FileObserved."""
        found = []
        left = len(self._waiting) if everything else min(_LOOKS_PER_TICK, len(self._waiting))
        for _number in range(left):
            observed = self.observe(self._waiting.popleft())
            if observed:
                found.append(observed)
        return found

    def observe(self, event):
        """What one FileOpened is: FileObserved, or None for a file of something else (the kernel side then drops its opens)."""
        path = event.path
        truncated = not path.startswith(b"/") or (event.key.error == -errno.ENAMETOOLONG and len(path) >= _LONGEST_NAME)
        self._truncated += truncated
        if event.key.error or stat.S_ISCHR(event.mode):
            facts = _by_name(path)
            return FileObserved(event.time, event.subject, event.key, path, truncated, facts, None, event.counted) if facts.kind else None
        if event.key.flags & _WRITES:
            self._hold(event)
            return None
        if truncated:
            facts, look = _by_name(path), None
        else:
            look = self.looker.look(path, event.subject.mount_namespace, event.subject.image.pid, event.key.inode)
            facts = look.facts
        if facts.kind is None:
            if look is not None and look.gone:
                self._gone += 1
            else:
                self._judge(event.key, events.INODE_OTHER)
            self._forget(event.key)
            return None
        if look is not None and not look.gone:
            self._judge(event.key, events.INODE_CRYPTO)
        return FileObserved(event.time, event.subject, event.key, path, truncated, facts, look, event.counted)

    def _pass_over(self, event):
        """Count as lost what can't be looked at: every open of it that the kernel side has counted, and let it begin anew."""
        value = self._opens.get(events.OPEN_KEY.pack(*event.key)) if event.counted and self._opens else None
        self._passed_over += events.COUNTER.unpack(value)[0] if value is not None else 1
        if event.counted:
            self._forget(event.key)

    def _hold(self, event):
        """Keep a file opened for writing: its content comes later."""
        self._written.setdefault(event.subject.image, []).append(event)
        self._held += 1
        if self._held > _MOST_WRITTEN:
            _image, dropped = self._written.popitem(last=False)
            self._held -= len(dropped)
            for each in dropped:
                self._pass_over(each)

    def observe_written(self, image=None):
        """Look at the files an image (or, with None, any) opened for writing: list of FileObserved."""
        images = [image] if image is not None else list(self._written)
        held = [event for each in images for event in self._written.pop(each, ())]
        self._held -= len(held)
        return [observed for observed in map(self._look_written, held) if observed]

    def _look_written(self, event):
        truncated = not event.path.startswith(b"/")
        if truncated:
            facts, look = _by_name(event.path), None
        else:
            look = self.looker.look(event.path, event.subject.mount_namespace, event.subject.image.pid, event.key.inode)
            facts = look.facts
        if facts.kind is None:
            self._gone += look is not None and look.gone
            self._forget(event.key)
            return None
        return FileObserved(event.time, event.subject, event.key, event.path, truncated, facts, look, event.counted)

    def _judge(self, key, verdict):
        if self._classes:
            self._classes.put(events.INODE_KEY.pack(key.inode, key.device, key.variant), bytes((verdict,)))

    def _forget(self, key):
        if self._opens:
            self._opens.discard(events.OPEN_KEY.pack(*key))

    def counts(self, over=None):
        """The kernel side's counts: list of OpenCount.

        :arg over: called with an OpenKey: with it, only the counts it is true for, and they are taken out of the kernel.
        """
        if not self._opens:
            return []
        counts = []
        for raw, key in [(raw, events.OpenKey(*events.OPEN_KEY.unpack(raw))) for raw in self._opens.keys()]:
            if over is not None and not over(key):
                continue
            value = self._opens.get(raw)
            if value is not None:
                counts.append(events.OpenCount(key, *events.COUNTER.unpack(value)))
                if over is not None:
                    self._opens.discard(raw)
        return counts

    def losses(self):
        losses = super().losses()
        unclassified = self.counters()["unclassified"] + self._passed_over
        if unclassified:
            losses["unclassified_opens"] = unclassified
        if self.counters()["io_uring_opens"]:
            losses["io_uring_opens"] = self.counters()["io_uring_opens"]
        if self._truncated:
            losses["path_truncated"] = self._truncated
        return losses

    def unseen(self):
        """Opens of files that were gone before their content could be looked at, and whose names tell nothing (int)."""
        return self._gone

    def close(self):
        super().close()
        self._classes = self._opens = None
        if self._unknown:
            self._unknown.close()
            self._unknown = None
