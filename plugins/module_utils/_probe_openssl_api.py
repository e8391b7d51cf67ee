# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `openssl_api`: operations asked of libcrypto and libssl, in every file of theirs that any process maps.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import os
import time

from . import _events, _hit_cost, _kernel
from ._budget import BURST_NS, NS_PER_SECOND, Budget, FunctionCalls
from ._elf import ElfError, ElfFile
from ._libbpf import LIBBPF_ERRNO_VERIFY, BpfObject, LoadError, sum_of_cpus
from ._openssl_functions import FUNCTIONS
from ._openssl_places import MEASURED, function_places
from ._probe import ATTACHED, FAILED, OVER_BUDGET, PARTIAL, Probe, possible_cpus
from ._uprobe import MultiAttachment, PerfAttachment, close_all

# Distinct files that are probed: LIBRARIES of bpf/openssl_api.bpf.c
_MOST_TARGETS = 16

_MAPS = ("counters", "operations", "last_calls", "function_calls", "functions")
_ANY_FUNCTION = "any_function"

# e_machine, ELF gABI
_MACHINES = {"x86_64": 62, "aarch64": 183}

class Target:
    """One file whose functions are probed."""

    def __init__(self, path, index):
        self.path = path
        self.index = index
        self.build_id = None
        self.status = FAILED
        self.reason = None
        self.functions = 0
        self.hook = None
        self.object = None
        self.attachment = None

    def coverage(self):
        """The target's entry of coverage.probes.targets; path stays bytes."""
        return {"path": self.path, "build_id": self.build_id, "functions": self.functions, "status": self.status, "reason": self.reason}

    def close(self):
        """Detach and free. The descriptors of the attachment are closed by whoever took them, or here."""
        if self.attachment:
            self.attachment.close()
            self.attachment = None
        if self.object:
            self.object.close()
            self.object = None


def _offsets(places):
    return {row: place.offset for row, place in places.items()}


class OpensslApiProbe(Probe):
    """Yields OperationSeen through the shared ring, and counts."""

    name = "openssl_api"

    def __init__(self, libbpf, ring, wake_at):
        super().__init__()
        self._libbpf = libbpf
        self._ring = ring
        self._wake_at = wake_at
        self._files = {}
        self._maps = {}
        self._object = None
        self.slow_to_detach = False  # the kernel has no uprobe_multi (before 6.6): each function takes some 50 ms
        self._last = dict.fromkeys(_events.COUNTERS, 0)
        self._left_out = 0
        self._wanted = False
        self._budget = Budget()
        self._calls = None
        self._last_calls = []
        self._measured = False
        self._began = time.monotonic()

    def _open(self):
        """Nothing attaches before a file is known; add() does."""
        self._wanted = True
        self.reason = "no OpenSSL was found on this host or in any process"

    def add(self, fd, path):
        """Probe one more file.

        :arg fd: int, a descriptor of it, open for reading; closed here.
        :arg path: bytes, for the report only: the file is reached by its descriptor.
        :returns: Target where the file is new, else None.
        """
        try:
            if not self._wanted:
                return None
            found = os.fstat(fd)
            identity = (found.st_dev, found.st_ino)
            if identity in self._files:
                return None
            if len(self._files) >= _MOST_TARGETS:
                self._left_out += 1
                return None
            target = self._files[identity] = Target(path, len(self._files))
            try:
                self._attach(target, fd)
                target.status = ATTACHED
            except LoadError as error:
                self._target_failed(target, error.reason, error)
            except ElfError as error:
                self._target_failed(target, "not readable as ELF: %s" % error)
            except OSError as error:
                self._target_failed(target, error.strerror or str(error))
            self._judge()
            return target
        finally:
            os.close(fd)

    def _target_failed(self, target, reason, load_error=None):
        target.close()
        target.reason = reason
        if load_error is not None:
            self.errno, self.verifier_log = load_error.errno, load_error.log

    def _judge(self):
        states = [target.status for target in self._files.values()]
        if ATTACHED not in states:
            self.status, self.reason = FAILED, "no file could be probed: see targets"
        elif self._budget.let_go:
            self.status = OVER_BUDGET
            self.reason = "called so often that they were let go, so their counts are lower bounds: %s" % ", ".join(
                FUNCTIONS[row].name for row in sorted(self._budget.let_go))
        elif FAILED in states or self._left_out:
            self.status, self.reason = PARTIAL, "%d files could not be probed: see targets" % (states.count(FAILED) + self._left_out)
        else:
            self.status, self.reason = ATTACHED, None

    def keep_budget(self):
        """Let the costliest functions go when the window's CPU time is spent. Cheap enough to be called at every tick."""
        if not self._calls:
            return
        calls = self.function_calls()
        fds, gone = [], []
        for row in self._budget.overspent(time.monotonic() - self._began, calls):
            links = [link for target in self._files.values() if target.attachment for link in target.attachment.give_up(row)]
            if links:
                gone.append(row)
                fds += links
        close_all(fds)
        if gone:
            self._budget.went(gone, _kernel.clock_boottime_ns(), calls)
            self._judge()
        if not self._measured:
            self._measured = True
            self._measure()

    def function_calls(self):
        """Calls of each function so far, or until it was closed: list of Calls, by row."""
        if self._calls:
            self._last_calls = self._calls.read()
        return self._last_calls

    def _measure(self):
        """Learn what a hit costs, by the very program that serves the functions."""
        row = _events.MEASURED_ROW
        if self._object is None:
            loaded = next(target.object for target in self._files.values() if target.object)
            programs = {row: loaded.program_fd("row_%d" % row)}
            self._budget.cost = _hit_cost.measure(lambda path, offset: PerfAttachment(programs, path, {row: offset}))
        else:
            program = self._object.program_fd(_ANY_FUNCTION)
            self._budget.cost = _hit_cost.measure(lambda path, offset: MultiAttachment(program, path, {row: offset}, 0))
        operations = self._operations()
        for raw in operations.keys():
            if _events.decode_operation_key(raw).function == row:
                operations.discard(raw)

    def _attach(self, target, fd):
        with ElfFile.open(fd) as elf:
            target.build_id = elf.build_id()
            if elf.machine != _MACHINES.get(_kernel.architecture()):
                raise LoadError("it is for another machine (e_machine %d, %d bit)" % (elf.machine, elf.bits))
            places = function_places(elf)
        if not places:
            raise LoadError("it exports none of the probed functions")
        for row, place in places.items():
            self._budget.add(row, place.emulated)
        name = b"/proc/self/fd/%d" % fd
        if not self.slow_to_detach:
            try:
                self._attach_multi(target, name, places)
            except (OSError, LoadError) as error:
                # before 6.6 the kernel knows neither the link nor, before 5.15, the cookie
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, LIBBPF_ERRNO_VERIFY):
                    raise
                self._free()
                self.slow_to_detach = True
        if self.slow_to_detach:
            self._attach_rows(target, name, places)
        target.functions = len(places) - len(target.attachment.refused)
        target.hook = self.hook = target.attachment.hook
        if target.attachment.refused:
            target.reason = "; ".join("%s: %s" % (FUNCTIONS[row].name, why) for row, why in sorted(target.attachment.refused.items()))

    def _attach_multi(self, target, name, places):
        if self._object is None:
            self._object = self._opened("openssl_api", 0)
            self._object.expect_attach_type(_ANY_FUNCTION, _kernel.TRACE_UPROBE_MULTI)
            self._object.load((_ANY_FUNCTION,))
            self._share_maps(self._object)
        self._describe(target, places)
        first_cookie = target.index * _events.COOKIES_OF_A_LIBRARY
        target.attachment = MultiAttachment(self._object.program_fd(_ANY_FUNCTION), name, _offsets(places), first_cookie)

    def _attach_rows(self, target, name, places):
        programs = {row: "row_%d" % row for row in [*places, _events.MEASURED_ROW]}
        target.object = self._opened("openssl_api_rows", target.index)
        target.object.want_programs(programs.values())
        target.object.load(programs.values())
        self._share_maps(target.object)
        self._describe(target, places)
        target.attachment = PerfAttachment({row: target.object.program_fd(program) for row, program in programs.items()}, name, _offsets(places))

    def _opened(self, name, library):
        """An object, opened. The first one's maps serve all later ones."""
        opened = BpfObject(self._libbpf, name)
        opened.set_constants(_events.SETTINGS.pack(self._wake_at, os.getpid(), library))
        opened.reuse_map("events", self._ring)
        for each, fd in self._maps.items():
            opened.reuse_map(each, fd)
        return opened

    def _share_maps(self, loaded):
        """Descriptors are duplicated, so that they outlive the object."""
        if not self._maps:
            self._maps = {name: os.dup(loaded.map_fd(name)) for name in _MAPS}
            self._calls = FunctionCalls(self._maps["function_calls"], possible_cpus(), _events.FUNCTION_ROWS, len(FUNCTIONS))

    def _describe(self, target, places):
        """Tell the kernel side how each function names its algorithm; and the row that is measured, in the place of each library."""
        functions = _kernel.Map(self._maps["functions"], 4, _events.FUNCTION.size)
        for row, content in [(row, place.row) for row, place in places.items()] + [(_events.MEASURED_ROW, MEASURED)]:
            functions.put((target.index * _events.FUNCTION_ROWS + row).to_bytes(4, "little"), content)

    def _operations(self):
        return _kernel.Map(self._maps["operations"], _events.OPERATION_KEY.size, _events.OPERATION_VALUE.size)

    def library(self, index):
        """The Target of a library number of an OperationKey."""
        return list(self._files.values())[index]

    def is_target(self, device, inode):
        """Whether a file is already probed, or was tried."""
        return (device, inode) in self._files

    def counts(self, over=None):
        """The kernel side's counts: list of ``(OperationKey, key bits, count, first, last)``; times in ns since boot.

        :arg over: called with an OperationKey: with it, only the counts it is true for, and they are taken out of the kernel.
        """
        if not self._maps:
            return []
        operations = self._operations()
        counts = []
        for raw, key in [(raw, _events.decode_operation_key(raw)) for raw in operations.keys()]:
            if over is not None and not over(key):
                continue
            value = operations.get(raw)
            if value is not None:
                count, first, last, key_bits = _events.OPERATION_VALUE.unpack(value)
                counts.append((key, key.key_bits or key_bits, count, first, last))
                if over is not None:
                    operations.discard(raw)
        return counts

    def counters(self):
        """The kernel side's counters by name, as of now, or of the moment it was closed."""
        if self._maps:
            counters = _kernel.Map(self._maps["counters"], 4, 8 * possible_cpus())
            for number, name in enumerate(_events.COUNTERS):
                self._last[name] = sum_of_cpus(counters.get(number.to_bytes(4, "little")))
            self._last["hits"] = sum(calls.all for calls in self.function_calls())
        return self._last

    def hits(self):
        return self.counters()["hits"]

    def losses(self):
        return {name: number for name, number in self.counters().items() if name in ("ring_full", "map_full", "user_fault") and number}

    def coverage(self):
        cost = self._budget.cost
        return dict(super().coverage(), ns_per_hit=cost._asdict(), cost_ns=self._budget.spent(self.function_calls()),
                    budget={"burst_ns": BURST_NS, "ns_per_second": NS_PER_SECOND},
                    let_go=[{"function": FUNCTIONS[row].name, "since": gone.since, "calls": gone.calls.all, "internal_calls": gone.calls.internal}
                            for row, gone in sorted(self._budget.let_go.items())])

    def targets(self):
        return [target.coverage() for target in self._files.values()]

    def close(self):
        self.counters()
        close_all([fd for target in self._files.values() if target.attachment for fd in target.attachment.give_up_all()])
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
        self._maps, self._calls = {}, None
