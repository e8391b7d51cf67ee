# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fault_child.py breaks in its own process before it runs the host side. Each function is one fault."""

import ctypes
import os
import platform
import signal
import struct
import threading

from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import libbpf, syscalls


def forbid(call, number):
    """A system call of this process and its threads fails with this errno: a seccomp filter, as of a container's profile."""
    numbers = {"x86_64": {"bpf": 321, "perf_event_open": 298}, "aarch64": {"bpf": 280, "perf_event_open": 241}}[platform.machine()]
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, numbers[call]), (0x06, 0, 0, 0x00050000 | number), (0x06, 0, 0, 0x7FFF0000)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(filters)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def corrupt(names, how, section):
    """The verifier refuses programs of these objects, those whose section begins so.

    With "register" the first instruction reads a register that was never written; with "helper" the first call is of a function that this
    kernel has not (as under lockdown: include/linux/security.h, LOCKDOWN_BPF_READ_KERNEL). An eBPF instruction is 8 bytes:
    Documentation/bpf/standardization/instruction-set.rst.
    """
    whole = libbpf.object_bytes

    def broken(name):
        content = bytearray(whole(name))
        if name in names:
            for offset, length in _programs(bytes(content), section):
                if how == "register":
                    content[offset:offset + 8] = struct.pack("<BBhi", 0xBF, 0x80, 0, 0)  # r0 = r8
                else:
                    at = next((at for at in range(offset, offset + length, 8)
                               if content[at] == 0x85 and content[at + 1] >> 4 == 0 and content[at + 4:at + 8] == b"\x71\0\0\0"), None)
                    if at is not None:  # call 113, bpf_probe_read_kernel
                        content[at + 4:at + 8] = struct.pack("<i", 99999)
        return bytes(content)

    libbpf.object_bytes = broken


def _programs(content, section):
    """Offset and length of each program section of an ELF object whose name begins so."""
    start, size, count, strings = struct.unpack_from("<Q10xHHH", content, 40)
    rows = [struct.unpack_from("<IIQQQQ", content, start + size * number) for number in range(count)]
    base = rows[strings][4]
    for name, kind, flags, _address, offset, length in rows:
        text = content[base + name:content.index(b"\0", base + name)].decode()
        if kind == 1 and flags & 4 and length and text.startswith(section):  # PROGBITS, SHF_EXECINSTR
            yield offset, length


def replace_objects():
    """What is loaded is no object at all."""
    libbpf.object_bytes = lambda name: b"no object"


def change_digest(name):
    """The SHA-256 that is installed with an object is not the object's."""
    from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import objects_aarch64, objects_x86_64
    for module in (objects_x86_64, objects_aarch64):
        module.OBJECTS[name] = ("0" * 64, module.OBJECTS[name][1])


def set_architecture(name):
    """The machine is of this architecture."""
    syscalls.architecture = lambda: name


def kill_after(seconds):
    """SIGKILL ends the process after so long."""
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
