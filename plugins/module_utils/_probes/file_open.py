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
from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

from .._files.names import NAME_HINTS
from .._kernel import events, syscalls
from .._kernel.libbpf import LoadError
from .._kernel.ring import Ring
from .base import PARTIAL, BpfProbe

if TYPE_CHECKING:
    from .._files.kinds import FileFacts
    from .._files.look import Look

_UNKNOWN_RING = 1 << 20  # bytes

# Files of unknown content that are read in one tick (some 20 microseconds each), and how many may wait for the next.
_LOOKS_PER_TICK = 1000
_MOST_WAITING = 20000
# Opens for writing that are held: their files are read when the process ends, or the window.
_MOST_WRITTEN = 4096

# Bytes of a name as given that the kernel side copies: MAX_NAME of bpf/shared/events.h, without its NUL.
_LONGEST_NAME = 4095

# bpf/shared/path.bpf.h, bpf/shared/events.h
_MAX_COMPONENTS = 48
_MAX_WALK = 4096

_WRITES = os.O_WRONLY | os.O_RDWR


class _Way(NamedTuple):
    """A set of programs that sees all opens by system calls. counters: one of them counts the opens through io_uring, which the others do not see."""

    hook: str
    programs: Tuple[str, ...]
    counters: Tuple[str, ...]


_OPEN_FUNCTION, _ALL_SYSTEM_CALLS = "fexit/do_sys_openat2", "tp_btf/sys_exit"
# A kernel has the tracepoint of one of them.
_RING_COUNTERS = ("ring_request", "ring_entry")
# Best first. The last two cost time on every system call of the host. Debian's 5.10 takes neither of the others: in its BTF the argument of
# __x64_sys_open_by_handle_at is only a forward declaration of struct pt_regs, and the verifier refuses handle_return ("type FWD is not a struct").
_WAYS = (
    _Way(_OPEN_FUNCTION, ("open_return", "handle_return", "ring_open", "ring_return"), ()),
    _Way(_OPEN_FUNCTION, ("open_return", "handle_return"), _RING_COUNTERS),
    _Way(_OPEN_FUNCTION, ("open_return", "handle_return"), ()),
    _Way(_ALL_SYSTEM_CALLS, ("any_return",), _RING_COUNTERS),
    _Way(_ALL_SYSTEM_CALLS, ("any_return",), ()),
)


class FileObserved(NamedTuple):
    """An open of a file that is cryptographic by content or, where that can't be read, by name."""

    time: int
    subject: events.Subject
    key: events.OpenKey
    path: bytes
    path_truncated: bool
    facts: FileFacts
    look: Optional[Look]
    counted: bool


def _is_detached(path):
    """Whether a file is in no mounted tree, such as a memfd or a lazily unmounted file system: the walk ended before its bounds.

    :arg path: bytes, as decode() gives it.
    :returns: bool. False also where the walk was cut: bpf/shared/path.bpf.h, MAX_COMPONENTS and MAX_WALK.
    """
    return path.startswith(b".../") and path.count(b"/") < _MAX_COMPONENTS and len(path) < _MAX_WALK


def _by_name(path):
    from .._files.kinds import classify_name  # large, and nothing needs it while probes attach
    return classify_name(path)


class FileOpenProbe(BpfProbe):
    """Turns FileOpened into FileObserved, and writes the class of each inode back to the kernel side."""

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
        ways = [way for way in _WAYS if takes_functions or way.hook == _ALL_SYSTEM_CALLS]
        for way in ways[:-1]:
            try:
                self._open_as(way)
                return
            except (LoadError, OSError):
                self.close()
        self._open_as(ways[-1])

    def _open_as(self, way):
        self.hook, self.programs, self._ring_counters = way
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
            self.reason = "opens through io_uring are neither seen nor counted: the kernel has no tracepoint for it, or refuses the program"

    def filenos(self):
        return [self._unknown.fd] if self._unknown else []

    def receive_unknown(self):
        """Queue the opens of files of unknown content that are in their ring. What the queue has no room for is counted as lost."""
        if not self._unknown:
            return
        for record in self._unknown.read():
            event = events.decode(record)
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(event)
            else:
                self._pass_over(event)

    def observe_unknown(self, everything=False):
        """Read queued files.

        :arg everything: bool, all of them and not only as many as one tick may take.
        :returns: list of FileObserved and FileNotRead.
        """
        found = []
        left = len(self._waiting) if everything else min(_LOOKS_PER_TICK, len(self._waiting))
        for _number in range(left):
            observed = self.observe(self._waiting.popleft())
            if observed:
                found.append(observed)
        return found

    def observe(self, event):
        """Classify the file of an open.

        :arg event: FileOpened.
        :returns: FileObserved; FileNotRead; None for a file that is not cryptographic, whose opens the kernel side then ignores, and for one
            that is held.
        """
        path = event.path
        detached = not event.key.error and _is_detached(path)
        truncated = not path.startswith(b"/") or (event.key.error == -errno.ENAMETOOLONG and len(path) >= _LONGEST_NAME)
        self._truncated += truncated and not detached
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
            gone = look is not None and look.gone
            self._gone += gone
            if not gone:
                self._judge(event.key, events.INODE_OTHER)
            self._forget(event.key)
            return events.FileNotRead(event.time, event.subject, path) if gone or detached else None
        if look is not None and not look.gone:
            self._judge(event.key, events.INODE_CRYPTO)
        return FileObserved(event.time, event.subject, event.key, path, truncated, facts, look, event.counted)

    def _pass_over(self, event):
        """Count every open of a file that can't be read now as lost. Its next open is a first sight again."""
        value = self._opens.get(events.OPEN_KEY.pack(*event.key)) if event.counted and self._opens else None
        self._passed_over += events.COUNTER.unpack(value)[0] if value is not None else 1
        if event.counted:
            self._forget(event.key)

    def _hold(self, event):
        """Hold an open for writing: the file's content comes later."""
        self._written.setdefault(event.subject.image, []).append(event)
        self._held += 1
        if self._held > _MOST_WRITTEN:
            _image, dropped = self._written.popitem(last=False)
            self._held -= len(dropped)
            for each in dropped:
                self._pass_over(each)

    def observe_written(self, image=None):
        """Read the files that were opened for writing.

        :arg image: Image of the process that opened them; None for all.
        :returns: list of FileObserved and FileNotRead.
        """
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
            gone = look is not None and look.gone
            self._gone += gone
            self._forget(event.key)
            return events.FileNotRead(event.time, event.subject, event.path) if gone or _is_detached(event.path) else None
        return FileObserved(event.time, event.subject, event.key, event.path, truncated, facts, look, event.counted)

    def _judge(self, key, verdict):
        if self._classes:
            self._classes.put(events.INODE_KEY.pack(key.inode, key.device, key.variant), bytes((verdict,)))

    def _forget(self, key):
        if self._opens:
            self._opens.discard(events.OPEN_KEY.pack(*key))

    def counts(self, over=None):
        """Read the kernel side's counts of opens.

        :arg over: None, or a function of OpenKey: only the counts for which it is true, and they are deleted in the kernel.
        :returns: list of OpenCount.
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
        unclassified = self.counters()["unclassified_opens"] + self._passed_over
        if unclassified:
            losses["unclassified_opens"] = unclassified
        if self.counters()["io_uring_opens"]:
            losses["io_uring_opens"] = self.counters()["io_uring_opens"]
        if self._truncated:
            losses["path_truncated"] = self._truncated
        return losses

    def unseen(self):
        """Opens of files that were gone before their content could be read, and whose names do not hint at cryptography.

        :returns: int.
        """
        return self._gone

    def close(self):
        super().close()
        self._classes = self._opens = None
        if self._unknown:
            self._unknown.close()
            self._unknown = None
