# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load that opens files in every way the kernel offers, by the system calls themselves: Python's own os.open adds flags."""

from __future__ import annotations

import platform

# arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
_NUMBERS = {
    "x86_64": {"open": 2, "creat": 85, "pivot_root": 155, "mount": 165, "openat": 257, "name_to_handle_at": 303, "open_by_handle_at": 304, "openat2": 437},
    "aarch64": {"mount": 40, "pivot_root": 41, "openat": 56, "name_to_handle_at": 264, "open_by_handle_at": 265, "openat2": 437},
}
NUMBERS = _NUMBERS[platform.machine()]
AT_FDCWD = -100

# Functions that a load is written in. Each open is closed at once; an error is what the test looks for.
OPENS = """
import ctypes, os, struct, sys
NR = %r
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    return libc.syscall(NR[name], *[ctypes.c_long(each) if isinstance(each, int) else each for each in arguments])
def path(name):
    return os.fsencode(name)
def done(fd):
    if fd >= 0:
        os.close(fd)
    return fd
def openat(name, flags=0, directory=-100, mode=0o600):
    return done(call("openat", directory, path(name), flags, mode))
def openat2(name, flags=0, resolve=0, directory=-100):
    return done(call("openat2", directory, path(name), struct.pack("<QQQ", flags, 0, resolve), 24))
def by_handle(name, flags=0):
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    if call("name_to_handle_at", -100, path(name), handle, ctypes.byref(mount), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    at = os.open(os.path.dirname(name), os.O_RDONLY)
    fd = done(call("open_by_handle_at", at, handle, flags))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    os.close(at)
def mount(source, target, kind, flags=0, data=None):
    if call("mount", path(source), path(target), path(kind), flags, path(data) if data else None):
        raise OSError(ctypes.get_errno(), "mount", target)
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
def own_mounts():
    if libc.unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
""" % (NUMBERS,)
