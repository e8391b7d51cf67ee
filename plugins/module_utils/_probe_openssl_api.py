# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `openssl_api`: operations asked of libcrypto and libssl, in every file of theirs that any process maps.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import os
import time

from . import _events, _hit_cost, _kernel, _libraries
from ._budget import BURST_NS, NS_PER_SECOND, Budget, FunctionCalls
from ._elf import ElfError, ElfFile
from ._libbpf import LIBBPF_ERRNO_VERIFY, BpfObject, LoadError, sum_of_cpus
from ._openssl_functions import CIPHER, CIPHER_3, DIGEST, DIGEST_3, FUNCTIONS, NAMES, PKEY_CTX, PKEY_CTX_1_1, PKEY_CTX_3, wrapper_bits
from ._probe import ATTACHED, FAILED, OVER_BUDGET, PARTIAL, Probe, possible_cpus
from ._uprobe import MultiAttachment, PerfAttachment, close_all
from ._x86_prologue import ENTRY, cheap_place

# Distinct files that are probed; each costs an object of its own in the kernel.
_MOST_TARGETS = 16

# The machine of a uprobe is the kernel's: e_machine, ELF gABI.
_X86_64 = 62
_MACHINES = {"x86_64": _X86_64, "aarch64": 183}

# Where an executable carries OpenSSL, its own code lies in the same segment: OpenSSL's part is about where these are.
_SPREAD = ("OPENSSL_init_crypto", "CRYPTO_malloc", "ERR_clear_error", "BN_new", "X509_new", "ASN1_item_d2i", "PKCS7_sign", "CMS_sign",
           "RAND_bytes", "EC_KEY_new", "DH_new", "RSA_new", "SSL_new", "SSL_CTX_new", "OSSL_PROVIDER_load", "X509V3_EXT_print", "UI_new",
           "PKCS12_parse", "OCSP_REQUEST_new", "TS_REQ_new", "BIO_new", "EVP_PKEY_new", "EVP_CIPHER_CTX_new", "EVP_MD_CTX_new")


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


def code_range(elf, functions):
    """Where the library's own code is.

    :arg functions: dict of name -> (file offset, size) of the probed functions found in it.
    :returns: ``(low, high)`` of file offsets, counted as if the executable segment were the only one.
    """
    segments = elf.text_segments()
    if elf.soname is None:
        found = list(functions.values()) + list(elf.symbols(_SPREAD).values())
        return min(offset for offset, _size in found), max(offset + size for offset, size in found)
    first = next(iter(functions.values()))[0]
    for offset, _vaddr, size in segments:
        if offset <= first < offset + size:
            return offset, offset + size
    raise ElfError("the functions are in no executable segment")


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
        self._use_rows = False
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
        loaded = next(target.object for target in self._files.values() if target.object)
        row = _events.MEASURED_ROW
        if self._use_rows:
            programs = {row: loaded.program_fd("row_%d" % row)}
            self._budget.cost = _hit_cost.measure(lambda path, offset: PerfAttachment(programs, path, {row: offset}))
        else:
            program = loaded.program_fd("any_function")
            self._budget.cost = _hit_cost.measure(lambda path, offset: MultiAttachment(program, path, {row: offset}))
        operations = self._operations()
        for raw in operations.keys():
            if _events.decode_operation_key(raw).function == row:
                operations.discard(raw)

    def _attach(self, target, fd):
        with ElfFile.open(fd) as elf:
            target.build_id = elf.build_id()
            if elf.machine != _MACHINES.get(_kernel.architecture()):
                raise LoadError("it is for another machine (e_machine %d, %d bit)" % (elf.machine, elf.bits))
            functions = elf.symbols(NAMES)
            if not functions:
                raise LoadError("it exports none of the probed functions")
            rows, places = self._rows(elf, functions)
        name = b"/proc/self/fd/%d" % fd
        if not self._use_rows:
            try:
                self._attach_multi(target, name, rows, places)
            except (OSError, LoadError) as error:
                # before 6.6 the kernel knows neither the link nor, before 5.15, the cookie
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, LIBBPF_ERRNO_VERIFY):
                    raise
                target.close()
                self._use_rows = True
        if self._use_rows:
            self._attach_rows(target, name, rows, places)
        target.functions = len(places) - len(target.attachment.refused)
        target.hook = self.hook = target.attachment.hook
        if target.attachment.refused:
            target.reason = "; ".join("%s: %s" % (FUNCTIONS[row].name, why) for row, why in sorted(target.attachment.refused.items()))

    def _rows(self, elf, functions):
        """``(rows, places)``: the packed struct function of every row, and row -> file offset to attach at."""
        low, high = code_range(elf, functions)
        family, version = _libraries.embedded_openssl(elf) or ("OpenSSL", None)
        old = family in ("LibreSSL", "BoringSSL", "AWS-LC") or (version or "3").startswith(("0.", "1."))
        shapes = {PKEY_CTX: PKEY_CTX_1_1 if old else PKEY_CTX_3}
        if (version or "").startswith("3."):
            shapes.update({CIPHER: CIPHER_3, DIGEST: DIGEST_3})
        rows, places = [], {}
        for row, function in enumerate(FUNCTIONS):
            if function.name not in functions or (function.before_3 and not old):
                rows.append(bytes(_events.FUNCTION.size))
                continue
            offset, size = functions[function.name]
            within = cheap_place(elf.read(offset, size), function.wanted_arguments()) if elf.machine == _X86_64 else ENTRY
            place = places[row] = offset + within.offset
            self._budget.add(row, within.emulated)
            shape = shapes.get(function.shape, function.shape)
            rows.append(_events.FUNCTION.pack(low - place, high - place, row, shape, function.argument, function.digest_shape,
                                              function.digest_argument, function.direction_argument, function.bits_argument,
                                              within.stack, *wrapper_bits(function.name)))
        rows += [bytes(_events.FUNCTION.size)] * (_events.MEASURED_ROW - len(rows))
        # a typical one: a cipher by its structure, which is argument 1
        rows.append(_events.FUNCTION.pack(0, 0, _events.MEASURED_ROW, CIPHER, 1, 0, 0, 0, 0, 0, 0, 0))
        return b"".join(rows), places

    def _load(self, target, object_name, programs, rows):
        target.object = BpfObject(self._libbpf, object_name)
        target.object.set_constants(_events.SETTINGS.pack(self._wake_at, os.getpid(), target.index) + rows)
        target.object.reuse_map("events", self._ring)
        for name, fd in self._maps.items():
            target.object.reuse_map(name, fd)

    def _share_maps(self, target):
        """The first object's maps serve all later ones. Descriptors are duplicated, so that they outlive it."""
        if not self._maps:
            self._maps = {name: os.dup(target.object.map_fd(name)) for name in ("counters", "operations", "last_calls", "function_calls")}
            self._calls = FunctionCalls(self._maps["function_calls"], possible_cpus(), _events.FUNCTION_ROWS, len(FUNCTIONS))

    def _operations(self):
        return _kernel.Map(self._maps["operations"], _events.OPERATION_KEY.size, _events.OPERATION_VALUE.size)

    def _attach_multi(self, target, name, rows, places):
        self._load(target, "openssl_api", ("any_function",), rows)
        target.object.expect_attach_type("any_function", _kernel.TRACE_UPROBE_MULTI)
        target.object.load(("any_function",))
        target.attachment = MultiAttachment(target.object.program_fd("any_function"), name, places)
        self._share_maps(target)

    def _attach_rows(self, target, name, rows, places):
        programs = {row: "row_%d" % row for row in [*places, _events.MEASURED_ROW]}
        self._load(target, "openssl_api_rows", programs.values(), rows)
        target.object.want_programs(programs.values())
        target.object.load(programs.values())
        target.attachment = PerfAttachment({row: target.object.program_fd(program) for row, program in programs.items()}, name, places)
        self._share_maps(target)

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
        for fd in self._maps.values():
            os.close(fd)
        self._maps, self._calls = {}, None
