# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the first instructions of an x86-64 function a uprobe is cheap and sees the same as at its entry.

The kernel emulates ``push reg``, ``call``, ``jmp``, ``jcc`` and ``nop`` (arch/x86/kernel/uprobes.c: push_setup_xol_ops,
branch_setup_xol_ops) and single-steps everything else, which costs 3 times as much on bare metal and 20 times in a virtual machine.
So the first instructions are decoded, as far as they are of the few forms below, up to one that is emulated. It is taken if it is
executed exactly once for each call, and if the arguments that are wanted are still in their registers. Anything not understood
means the entry itself, which is always right. Encodings: Intel SDM volume 2, chapter 2 and appendix A.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

# Register numbers (ModRM with REX) of the six integer arguments: rdi, rsi, rdx, rcx, r8, r9 (System V ABI, AMD64, 3.2.3)
ARGUMENT_REGISTERS = (7, 6, 2, 1, 8, 9)
_RSP = 4

_LONGEST_PROLOGUE = 64
_DEEPEST_STACK = 0xFFFF  # what struct function has room for

# One-byte opcodes with ModRM: opcode -> whether the destination is "rm", "reg" or None
_MODRM = {0x01: "rm", 0x03: "reg", 0x09: "rm", 0x0B: "reg", 0x21: "rm", 0x23: "reg", 0x29: "rm", 0x2B: "reg", 0x31: "rm", 0x33: "reg",
          0x38: None, 0x39: None, 0x3A: None, 0x3B: None, 0x63: "reg", 0x84: None, 0x85: None, 0x88: "rm", 0x89: "rm", 0x8B: "reg", 0x8D: "reg"}
# Two-byte opcodes (0F xx) with ModRM: SSE moves and logic touch no general register; movzx and movsx write "reg"
_MODRM_0F = {0x10: None, 0x11: None, 0x28: None, 0x29: None, 0x57: None, 0x6F: None, 0x7F: None, 0xEF: None, 0xD6: None, 0x16: None, 0x17: None,
             0xB6: "reg", 0xB7: "reg", 0xBE: "reg", 0xBF: "reg"}


class ProbeOffset(NamedTuple):
    """Where to attach: offset from the function's entry, how far the stack pointer is below its value there (bytes both), and what it costs."""

    offset: int
    stack: int
    emulated: bool = True  # by the kernel; else single-stepped


ENTRY = ProbeOffset(0, 0, False)


class _Instruction(NamedTuple):
    length: int
    written: Optional[int]  # general register
    stack: int  # bytes the stack pointer goes down
    emulated: bool


def _modrm_length(code, at, rex):
    """``(bytes of ModRM, SIB and displacement, reg, rm register or None)``, or None at the end of code."""
    if at >= len(code):
        return None
    byte = code[at]
    mod, reg, rm = byte >> 6, (byte >> 3 & 7) | (rex & 4) << 1, (byte & 7) | (rex & 1) << 3
    if mod == 3:
        return 1, reg, rm
    length = 1
    displacement = {0: 0, 1: 1, 2: 4}[mod]
    if byte & 7 == 4:
        if at + 1 >= len(code):
            return None
        length += 1
        if mod == 0 and code[at + 1] & 7 == 5:
            displacement = 4
    elif mod == 0 and byte & 7 == 5:
        displacement = 4  # relative to rip
    return length + displacement, reg, None


def _decode(code, at):
    """The instruction at a position, or None where it is of no known form."""
    start = at
    operand16 = False
    while at < len(code) and code[at] in (0x66, 0xF2, 0xF3, 0x64):
        operand16 |= code[at] == 0x66
        at += 1
    plain = at == start
    rex = 0
    if at < len(code) and code[at] & 0xF0 == 0x40:
        rex = code[at]
        at += 1
    if at >= len(code):
        return None
    opcode = code[at]
    at += 1
    if plain:
        simple = _decode_simple(opcode, code, at, rex, start)
        if simple is not None:
            return simple
    if opcode == 0x0F:
        return _decode_0f(code, at, rex, start)
    if opcode in _MODRM:
        return _with_modrm(_MODRM[opcode], code, at, rex, start)
    if opcode in (0x81, 0x83, 0xC7) and not operand16:
        return _with_immediate(opcode, code, at, rex, start)
    return None


def _decode_simple(opcode, code, at, rex, start):
    """Forms without ModRM, and push of memory."""
    if 0x50 <= opcode <= 0x57 and rex in (0, 0x41):
        return _Instruction(at - start, None, 8, True)
    if opcode == 0xE8 and not rex:
        return _Instruction(at + 4 - start, None, 0, True)
    if opcode == 0xE9 and not rex:
        return _Instruction(at + 4 - start, None, 0, True)
    if (opcode == 0xEB or 0x70 <= opcode <= 0x7F) and not rex:
        return _Instruction(at + 1 - start, None, 0, True)
    if opcode == 0x90 and not rex:
        return _Instruction(at - start, None, 0, True)
    if opcode == 0x6A and not rex:
        return _Instruction(at + 1 - start, None, 8, False)
    if opcode == 0x68 and not rex:
        return _Instruction(at + 4 - start, None, 8, False)
    if 0xB8 <= opcode <= 0xBF:
        return _Instruction(at + (8 if rex & 8 else 4) - start, (opcode & 7) | (rex & 1) << 3, 0, False)
    if opcode == 0xFF and at < len(code) and code[at] >> 3 & 7 == 6:
        modrm = _modrm_length(code, at, rex)
        if modrm is not None and modrm[2] is None:
            return _Instruction(at + modrm[0] - start, None, 8, False)
    return None


def _decode_0f(code, at, rex, start):
    if at >= len(code):
        return None
    opcode = code[at]
    if opcode == 0x1E and code[start:start + 4] == b"\xf3\x0f\x1e\xfa":
        return _Instruction(4, None, 0, False)  # endbr64
    if 0x80 <= opcode <= 0x8F and start == at - 1:
        return _Instruction(at + 5 - start, None, 0, True)
    if opcode in _MODRM_0F:
        return _with_modrm(_MODRM_0F[opcode], code, at + 1, rex, start)
    return None


def _with_modrm(destination, code, at, rex, start):
    modrm = _modrm_length(code, at, rex)
    if modrm is None:
        return None
    length, reg, rm = modrm
    written = {"reg": reg, "rm": rm, None: None}[destination]
    if written == _RSP:
        return None  # the frame is set up in a way that is not followed here
    return _Instruction(at + length - start, written, 0, False)


def _with_immediate(opcode, code, at, rex, start):
    modrm = _modrm_length(code, at, rex)
    if modrm is None:
        return None
    length, _reg, rm = modrm
    operation = code[at] >> 3 & 7
    size = 1 if opcode == 0x83 else 4
    end = at + length + size
    if end > len(code):
        return None
    if opcode != 0xC7 and operation == 7:
        return _Instruction(end - start, None, 0, False)  # cmp
    if rm == _RSP:
        if opcode == 0xC7 or operation != 5 or not rex & 8:
            return None
        return _Instruction(end - start, None, int.from_bytes(code[at + length:end], "little", signed=True), False)  # sub rsp, n
    return _Instruction(end - start, rm, 0, False)


def _jumped_into(code, last):
    """Whether any jump in the function may lead to a byte up to last: then the instruction there may run more than once for a call.

    Every byte is tried as the beginning of a jump, so none is missed and some that are none are found.
    """
    for at, byte in enumerate(code):
        if 0x70 <= byte <= 0x7F or 0xE0 <= byte <= 0xE3 or byte == 0xEB:
            size, begin = 1, at + 1
        elif byte == 0xE9 or (0x80 <= byte <= 0x8F and at and code[at - 1] == 0x0F):
            size, begin = 4, at + 1
        else:
            continue
        if begin + size > len(code):
            continue
        target = begin + size + int.from_bytes(code[begin:begin + size], "little", signed=True)
        if 0 <= target <= last:
            return True
    return False


def cheap_offset(code, wanted):
    """Where to attach to a function.

    :arg code: bytes, the whole function (of it, what is there).
    :arg wanted: set of int, the arguments (0 to 5) that the probe reads.
    :returns: ProbeOffset; ENTRY where no better one is certain.
    """
    registers = {ARGUMENT_REGISTERS[argument] for argument in wanted}
    at = stack = 0
    while at < min(len(code), _LONGEST_PROLOGUE):
        instruction = _decode(code, at)
        if instruction is None:
            return ENTRY
        if instruction.emulated:
            return ProbeOffset(at, stack, True) if at == 0 or not _jumped_into(code, at) else ENTRY
        if instruction.written in registers or instruction.stack < 0:
            return ENTRY
        at += instruction.length
        stack += instruction.stack
        if stack > _DEEPEST_STACK:
            return ENTRY
    return ENTRY
