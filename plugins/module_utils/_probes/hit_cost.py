# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one hit of a uprobe costs on this machine, measured on functions of our own.

A hit costs less than a microsecond on one machine and ten on another, and several times as much where the kernel has to single-step
the probed instruction. So two functions of a few bytes are put into an anonymous file, called in a loop without and with the probe, and
the difference is the cost. One begins with an instruction that the kernel emulates, the other with one that it single-steps.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import NamedTuple

from .._kernel import syscalls

_CALLS = 100
_MOST_ROUNDS = 5
_MOST_SECONDS = 0.015  # for one of the functions

# Each code is a function f(calls, object), which calls the function behind it that often, with object in argument 1; then that function.
# The probe reads the object, which begins with a number as OpenSSL's structures do.
_LOOP_X86_64 = bytes.fromhex("53"          # push rbx
                             "4889fb"      # mov rbx, rdi
                             "e807000000"  # 1: call the function
                             "48ffcb"      # dec rbx
                             "75f6"        # jnz 1b
                             "5b"          # pop rbx
                             "c3")         # ret
_LOOP_AARCH64 = bytes.fromhex("fd7bbea9"   # stp x29, x30, [sp, #-32]!
                              "f35301a9"   # stp x19, x20, [sp, #16]
                              "f30300aa"   # mov x19, x0
                              "f40301aa"   # mov x20, x1
                              "e10314aa"   # 1: mov x1, x20
                              "06000094"   # bl the function
                              "730600f1"   # subs x19, x19, #1
                              "a1ffff54"   # b.ne 1b
                              "f35341a9"   # ldp x19, x20, [sp, #16]
                              "fd7bc2a8"   # ldp x29, x30, [sp], #32
                              "c0035fd6")  # ret
# architecture -> (loop, function that begins with an emulated instruction, and with a single-stepped one).
# What is emulated: arch/x86/kernel/uprobes.c, arch/arm64/kernel/probes/decode-insn.c
_CODE = {
    "x86_64": (_LOOP_X86_64, bytes.fromhex("555dc3"), bytes.fromhex("89f8c3")),  # push rbp, pop rbp, ret; mov eax, edi, ret
    "aarch64": (_LOOP_AARCH64, bytes.fromhex("01000014c0035fd6"),  # b to the next; ret
                bytes.fromhex("fd7bbfa9fd7bc1a8c0035fd6")),        # stp x29, x30, [sp, #-16]!; ldp x29, x30, [sp], #16; ret
}


class HitCost(NamedTuple):
    """Nanoseconds of one hit, by how the kernel gets over the probed instruction."""

    emulated: int
    single_stepped: int
    measured: bool

    def of(self, emulated):
        """ns of a hit. emulated: bool, of the instruction a probe sits on."""
        return self.emulated if emulated else self.single_stepped


# What tests/bench measures in a virtual machine, and for a machine where nothing can be measured.
DEFAULT = HitCost(1500, 4500, False)


def measure(attach):
    """Measure.

    :arg attach: callable(path, offset): probes that file (bytes) at that offset (int) with the program that serves real functions,
        and returns something with close(). Its errors are OSError.
    :returns: HitCost; DEFAULT where it can't be measured here: no such file, no executable memory, another architecture.
    """
    code = _CODE.get(syscalls.architecture())
    if code is None:
        return DEFAULT
    loop, *functions = code
    try:
        emulated, single_stepped = (_measure_one(loop, function, attach) for function in functions)
    except (OSError, AttributeError):  # os.memfd_create() needs a C library of 2018
        return DEFAULT
    return HitCost(emulated, max(emulated, single_stepped), True)


def _measure_one(loop, function, attach):
    """ns of a hit of that function, 1 at least."""
    fd = os.memfd_create("hit_cost")
    try:
        os.write(fd, loop + function)
        with syscalls.ExecutableMapping(fd, len(loop) + len(function)) as address:
            call = ctypes.CFUNCTYPE(None, ctypes.c_ulong, ctypes.c_char_p)(address)
            unprobed = _best_call(call)
            attached = attach(b"/proc/self/fd/%d" % fd, len(loop))
            try:
                return max(1, round(_best_call(call) - unprobed))
            finally:
                attached.close()
    finally:
        os.close(fd)


def _best_call(call):
    """ns of a call in the best of some rounds: what else runs on the machine only adds."""
    began = time.monotonic()
    rounds = []
    while not rounds or (len(rounds) < _MOST_ROUNDS and time.monotonic() - began < _MOST_SECONDS):
        before = time.perf_counter()
        call(_CALLS, b"\1" + bytes(15))
        rounds.append((time.perf_counter() - before) * 1e9 / _CALLS)
    return min(rounds)
