# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The BPF side of all probed functions, of whatever library: one program, its maps, one budget. Loaded once.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from .._formats.elf import ElfFile
from .._functions.attach_points import MEASURED, attach_points, family_in
from .._kernel import events, syscalls
from .._kernel.libbpf import LIBBPF_ERRNO_VERIFY, BpfObject, LoadError, sum_of_cpus
from .._kernel.uprobe import Closing, MultiAttachment, PerfAttachment, close_all
from . import hit_cost
from .base import FAILED, possible_cpus
from .budget import Budget, FunctionCalls

_MAPS = ("counters", "operations", "last_calls", "function_calls", "functions")
_ANY_FUNCTION, _ANY_ROW, _MEASURED_ROW = "any_function", "any_row", "measured_row"
# how a kernel says that it has no such link, or no such helper
_UNKNOWN_TO_THE_KERNEL = (errno.EINVAL, errno.EOPNOTSUPP, LIBBPF_ERRNO_VERIFY)
_HITS = events.COUNTERS.index("hits").to_bytes(4, "little")

# e_machine, ELF gABI
_MACHINES = {"x86_64": 62, "aarch64": 183}


class Target:
    """One file whose functions are probed. Its uprobes have consecutive numbers, in the order of ``probed``."""

    def __init__(self, path, index, family):
        """
        :arg path: bytes.
        :arg index: int, its number among all targets.
        :arg family: Family.
        """
        self.path = path
        self.index = index
        self.family = family
        self.first_uprobe = None
        self.probed = []  # Functions
        self.build_id = None
        self.status = FAILED
        self.reason = None
        self.functions = 0
        self.hook = None
        self.objects = []  # of row programs
        self.attachment = None

    def coverage(self):
        """The target's entry of coverage.probes.targets; path stays bytes."""
        return {"path": self.path, "build_id": self.build_id, "functions": self.functions, "status": self.status, "reason": self.reason}

    def give_up(self, functions):
        """Descriptors (list): closing them detaches these Functions (set). Until resume() others may be detached with them."""
        if not self.attachment:
            return []
        return self.attachment.give_up({number for number, function in enumerate(self.probed) if function in functions})

    def close(self):
        """Detach and free. The descriptors of the attachment are closed by whoever took them, or here."""
        if self.attachment:
            self.attachment.close()
            self.attachment = None
        for each in self.objects:
            each.close()
        self.objects = []


def _offsets(points):
    """The number of each uprobe in its target -> its offset in the file: dict."""
    return {number: point.offset for number, point in enumerate(points)}


class FunctionPrograms:
    """Attaches functions of files, and holds what is counted of them."""

    def __init__(self, libbpf, ring, wake_at):
        """
        :arg libbpf: Libbpf.
        :arg ring: int, descriptor of the shared ring buffer.
        :arg wake_at: int, bytes in it at which to wake the reader early.
        """
        self._libbpf = libbpf
        self._ring = ring
        self._wake_at = wake_at
        self.probes = []  # those that it serves
        self._files = {}  # (device, inode) -> Target
        self._uprobes = 0  # numbers of uprobes that are taken
        self._maps = {}
        self._object = None
        self._cookies_work = False  # some file was attached by the one program that knows functions by their cookies (5.15+)
        self._needs_rows = False  # it can't be: each function needs a program of its own
        self.load_error = None  # LoadError of the program, where the kernel took it for no file yet
        self._closing = None
        self.slow_to_detach = False  # the kernel has no uprobe_multi (before 6.6): each function takes some 50 ms
        self._last = dict.fromkeys(events.COUNTERS, 0)
        self.budget = Budget()
        self._numbers = {}  # Function that is attached somewhere -> the number its calls are counted by
        self._calls = self._counters = None
        self._last_calls = []
        self._measured = False
        self._began = time.monotonic()

    def add_target(self, identity, path, family):
        """A new Target, which is not attached yet.

        :arg identity: ``(device, inode)`` of its file.
        :arg path: bytes.
        :arg family: Family.
        """
        target = self._files[identity] = Target(path, len(self._files), family)
        return target

    def is_target(self, device, inode):
        """Whether a file is already probed, or was tried."""
        return (device, inode) in self._files

    def library(self, index):
        """The Target of a library number of an OperationKey."""
        return list(self._files.values())[index]

    def attach(self, target, fd):
        """Probe the functions of a Target's file.

        :arg target: Target.
        :arg fd: int, a descriptor of its file.
        :raises LoadError, ElfError, OSError: nothing of it could be probed.
        """
        with ElfFile.open(fd) as elf:
            target.build_id = elf.build_id()
            if elf.machine != _MACHINES.get(syscalls.architecture()):
                raise LoadError("it is for another machine (e_machine %d, %d bit)" % (elf.machine, elf.bits))
            target.family = family_in(elf, target.family)
            points = attach_points(elf, target.family)
        if not points:
            raise LoadError("it exports none of the probed functions")
        if self._uprobes + len(points) > events.MEASURED_UPROBE:
            raise LoadError("its %d functions are over the bound of %d in all files" % (len(points), events.MEASURED_UPROBE))
        target.first_uprobe = self._uprobes
        self._uprobes += len(points)
        target.probed = [point.function for point in points]
        for point in points:
            self.budget.add(self._number(point.function), point.emulated)
        name = b"/proc/self/fd/%d" % fd
        if not self._needs_rows:
            try:
                self._attach_by_cookies(target, name, points)
            except (OSError, LoadError) as error:
                if self._cookies_work or error.errno not in _UNKNOWN_TO_THE_KERNEL:
                    raise
                self._free()
                self._needs_rows = self.slow_to_detach = True
        if self._needs_rows:
            try:
                self._attach_rows(target, name, points)
            except LoadError as error:
                self.load_error = None if self._maps else error
                raise
        self.load_error = None
        failed = target.attachment.failed
        target.functions = len(points) - len(failed)
        target.hook = target.attachment.hook
        if failed:
            target.reason = "; ".join("%s: %s" % (target.probed[number].name, why) for number, why in sorted(failed.items()))

    @property
    def functions(self):
        """The Functions (list) that are attached somewhere, by the numbers that ``budget`` and function_calls() go by."""
        return list(self._numbers)

    def _number(self, function):
        return self._numbers.setdefault(function, len(self._numbers))

    def _attach_by_cookies(self, target, name, points):
        if self._object is None:
            opened = self._opened("functions", 0)
            try:
                opened.expect_attach_type(_ANY_FUNCTION, syscalls.TRACE_UPROBE_MULTI)
                opened.load((_ANY_FUNCTION,))
            except LoadError:
                opened.close()
                raise
            self._object = opened
            self._share_maps(opened)
        self._describe(target, points)
        target.attachment = self._linked(name, _offsets(points), target.first_uprobe)
        self._cookies_work = True

    def _linked(self, path, offsets, first_uprobe):
        """An attachment whose cookies are numbers of uprobes: uprobe_multi, or perf events where the kernel has no such link (before 6.6)."""
        program = self._object.program_fd(_ANY_FUNCTION)
        if not self.slow_to_detach:
            try:
                return MultiAttachment(program, path, offsets, first_uprobe)
            except OSError as error:
                if self._cookies_work or error.errno not in _UNKNOWN_TO_THE_KERNEL:
                    raise
                self.slow_to_detach = True
        return PerfAttachment(dict.fromkeys(offsets, program), path, offsets, first_uprobe)

    def _attach_rows(self, target, name, points):
        programs = {}
        for first in range(0, len(points), events.ROW_PROGRAMS):
            programs.update(self._load_rows(target, first, min(len(points) - first, events.ROW_PROGRAMS)))
        self._describe(target, points)
        target.attachment = PerfAttachment(programs, name, _offsets(points))

    def _load_rows(self, target, first, size):
        """Programs for some of a Target's uprobes: dict of the uprobe's number in the target -> descriptor."""
        names = {first + row: "row_%d" % row for row in range(size)}
        wanted = [*names.values(), _MEASURED_ROW, _ANY_ROW]
        opened = self._opened("functions_rows", target.first_uprobe + first)
        target.objects.append(opened)
        opened.want_programs(wanted)
        opened.load(wanted)
        syscalls.Map(opened.map_fd("program_of_rows"), 4, 4).put(bytes(4), opened.program_fd(_ANY_ROW).to_bytes(4, sys.byteorder))
        self._share_maps(opened)
        return {number: opened.program_fd(program) for number, program in names.items()}

    def _opened(self, name, first_uprobe):
        """An object, opened. The first one's maps serve all later ones."""
        opened = BpfObject(self._libbpf, name)
        opened.set_constants(events.SETTINGS.pack(self._wake_at, os.getpid(), first_uprobe))
        opened.reuse_map("events", self._ring)
        for each, fd in self._maps.items():
            opened.reuse_map(each, fd)
        return opened

    def _share_maps(self, loaded):
        """Descriptors are duplicated, so that they outlive the object."""
        if not self._maps:
            self._maps = {name: os.dup(loaded.map_fd(name)) for name in _MAPS}
            self._counters = syscalls.Map(self._maps["counters"], 4, 8 * possible_cpus())
            self._calls = FunctionCalls(self._maps["function_calls"], possible_cpus(), events.ALL_FUNCTIONS)
            self._put_record(events.MEASURED_UPROBE, MEASURED)

    def _describe(self, target, points):
        """Write what the kernel side has to know of each function."""
        for number, point in enumerate(points, target.first_uprobe):
            self._put_record(number, point.record._replace(library=target.index, calls=self._number(point.function)))

    def _put_record(self, number, record):
        syscalls.Map(self._maps["functions"], 4, events.FUNCTION.size).put(number.to_bytes(4, "little"), record.pack())

    def enforce_budget(self):
        """Detach the costliest functions when the window's CPU time is spent. Cheap enough to be called at every tick."""
        if not self._calls:
            return
        seconds = time.monotonic() - self._began
        if not self.budget.check_due(seconds, sum_of_cpus(self._counters.get(_HITS))) and self._measured:
            return
        calls, functions = self.function_calls(), self.functions
        going = self.budget.over_budget(seconds, calls)
        if going:
            self._detach_functions({functions[number] for number in going})
            self.budget.record_detached(going, syscalls.clock_boottime_ns(), calls)
            for probe in self.probes:
                probe.judge()
        if not self._measured:
            self._measured = True
            self._measure()

    def _detach_functions(self, functions):
        close_all([fd for target in self._files.values() for fd in target.give_up(functions)])
        for target in self._files.values():
            if target.attachment:
                target.attachment.resume()

    def function_calls(self):
        """Calls of each of ``functions`` so far, or until it was closed: list of Calls."""
        if self._calls:
            self._last_calls = self._calls.read(len(self._numbers))
        return self._last_calls

    def _measure(self):
        """Measure what a hit costs, by the very program that serves the functions."""
        attached = next((target for target in self._files.values() if target.attachment), None)
        if attached is None:
            return
        if self._object is None:
            programs = {0: attached.objects[0].program_fd(_MEASURED_ROW)}
            self.budget.cost = hit_cost.measure(lambda path, offset: PerfAttachment(programs, path, {0: offset}))
        else:
            self.budget.cost = hit_cost.measure(lambda path, offset: self._linked(path, {0: offset}, events.MEASURED_UPROBE))
        operations = self._operations()
        for raw in operations.keys():
            if events.decode_operation_key(raw).function == events.MEASURED_FUNCTION:
                operations.discard(raw)

    def _operations(self):
        return syscalls.Map(self._maps["operations"], events.OPERATION_KEY.size, events.OPERATION_VALUE.size)

    def counts(self, over=None):
        """The kernel side's counts.

        :arg over: callable(OperationKey) or None: with it, only the counts it is true for, and they are taken out of the kernel.
        :returns: list of OperationCount.
        """
        if not self._maps:
            return []
        operations = self._operations()
        counts = []
        for raw, key in [(raw, events.decode_operation_key(raw)) for raw in operations.keys()]:
            if over is not None and not over(key):
                continue
            value = operations.get(raw)
            if value is not None:
                count, first_seen, last_seen, key_bits = events.OPERATION_VALUE.unpack(value)
                if count:  # none is left where all that was unread could be read in the end
                    counts.append(events.OperationCount(key, self.library(key.library).path, key.key_bits or key_bits, count, first_seen, last_seen))
                if over is not None:
                    operations.discard(raw)
        return counts

    def counters(self):
        """The kernel side's counters by name, as of now, or of the moment it was closed."""
        if self._maps:
            for number, name in enumerate(events.COUNTERS):
                self._last[name] = sum_of_cpus(self._counters.get(number.to_bytes(4, "little")))
        return self._last

    def losses(self):
        """Events and counts that were lost, by cause: dict of str -> int."""
        return {name: number for name, number in self.counters().items() if name in ("ring_full", "map_full") and number}

    def close(self):
        """Detach all, and wait for it. Returns when the last was: float, seconds of time.monotonic(). May be called twice."""
        self.detach()
        return self._closing.wait()

    def detach(self):
        """Begin to detach all. The kernel takes a while: close() waits for it. May be called twice."""
        self.function_calls()
        self.counters()
        if self._closing is None:
            self._closing = Closing([fd for target in self._files.values() if target.attachment for fd in target.attachment.give_up_all()])
        for target in self._files.values():
            target.close()
        self._free()

    def _free(self):
        """Give up the shared object and maps."""
        if self._object:
            self._object.close()
            self._object = None
        for fd in self._maps.values():
            os.close(fd)
        self._maps, self._calls, self._counters = {}, None, None
