# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a uprobe is cheap: against bytes whose meaning is known, and against objdump on a real library."""

from __future__ import annotations

import platform
import re
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines.libbpf import installed
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats.elf import ElfFile
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.openssl import OPENSSL
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.x86_prologue import ENTRY, ProbeOffset, cheap_offset

RETURN = bytes.fromhex("c3") * 16


@pytest.mark.parametrize("code, wanted, within", [
    ("55", set(), ProbeOffset(0, 0)),  # push rbp
    ("4157", {0, 1}, ProbeOffset(0, 0)),  # push r15
    ("f30f1efa 55", {0}, ProbeOffset(4, 0)),  # endbr64; push
    ("f30f1efa 4154", {0}, ProbeOffset(4, 0)),
    ("f30f1efa c3", {0}, ENTRY),  # nothing cheap before the end
    ("41b901000000 e900000000", {0, 1}, ProbeOffset(6, 0)),  # mov r9d, 1; jmp: EVP_EncryptInit_ex
    ("41b901000000 e900000000", {5}, ENTRY),  # r9 is wanted and written
    ("4883ec10 6a00 e885f3ffff", {0, 1, 5}, ProbeOffset(6, 24)),  # sub rsp, 16; push 0; call: EVP_CipherInit_ex
    ("4881ec00010000 53", set(), ProbeOffset(7, 256)),
    ("4881ec00000100 53", set(), ENTRY),  # more than struct function has room for
    ("4883c410 53", set(), ENTRY),  # add rsp: the frame is unknown
    ("4889e5 53", set(), ProbeOffset(3, 0)),  # mov rbp, rsp
    ("4889ec 53", set(), ENTRY),  # mov rsp, rbp
    ("4889d1 31d2 e9c6f8ffff", {0, 1}, ProbeOffset(5, 0)),  # mov rcx, rdx; xor edx, edx; jmp: EVP_DigestInit_ex
    ("4889d1 31d2 e9c6f8ffff", {2}, ENTRY),
    ("488b07 4c8b4708 488b4048 4c89c7 ffe0", {0}, ENTRY),  # mov rdi, r8: EVP_MAC_init
    ("64488b042528000000 53", set(), ProbeOffset(9, 0)),  # mov rax, fs:0x28
    ("4885ff 7413", {0}, ProbeOffset(3, 0)),  # test rdi, rdi; je
    ("48ffc7 75fb", set(), ENTRY),  # inc is not known
    ("488d7f01 75fa", set(), ENTRY),  # lea; jne back to it: may run again for one call
    ("0f05", set(), ENTRY),  # syscall
    ("", set(), ENTRY),
    ("48", set(), ENTRY),  # cut inside an instruction
    ("4883ec", set(), ENTRY),
])
def test_offsets(code, wanted, within):
    code = bytes.fromhex(code)
    assert cheap_offset(code + RETURN if len(code) > 3 else code, wanted) == within


def test_every_cut_of_a_function_is_survived():
    code = bytes.fromhex("f30f1efa4883ec1064488b0425280000004889442408 31c0e8000000004883c410c3")
    for length in range(len(code)):
        assert cheap_offset(code[:length], {0, 1, 2, 3, 4, 5}).offset <= length


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines have other instructions")
def test_real_offsets_are_of_instructions_that_the_kernel_emulates():
    """objdump knows nothing of our tables: an offset inside an instruction would corrupt the program that runs it."""
    path = installed(rb"libcrypto\.so")[0]
    checked = 0
    with ElfFile.open(path) as elf:
        segment = elf.text_segments()[0]
        found = elf.symbols([function.name for function in OPENSSL.functions])
        for function in OPENSSL.functions:
            if function.name not in found:
                continue
            offset, size = found[function.name]
            within = cheap_offset(elf.read(offset, size), function.wanted_arguments())
            address = offset - segment[0] + segment[1]
            text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--start-address=%d" % address, "--stop-address=%d" % (address + 96), path],
                                  stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
            lines = {int(at, 16) - address: word for at, word in re.findall(r"^\s*([0-9a-f]+):\s+(\S+)", text, re.M)}
            assert within.offset in lines, (function.name, within)
            if within != ENTRY:
                assert re.fullmatch(r"push|call|jmp|j[a-z]+|nop[wl]?", lines[within.offset]), (function.name, within, lines[within.offset])
                checked += 1
    assert checked > 20
