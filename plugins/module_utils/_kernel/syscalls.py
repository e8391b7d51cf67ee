# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python's standard library has no function for: bpf(2), perf_event_open(2), mount namespaces.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct
import time

from .._errors import AuditError

# arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h
# those above 423 are the same everywhere
_NEW_NUMBERS = {"io_uring_setup": 425, "fsopen": 430, "fsconfig": 431, "fsmount": 432}
_NUMBERS = {"x86_64": dict(_NEW_NUMBERS, bpf=321, perf_event_open=298), "aarch64": dict(_NEW_NUMBERS, bpf=280, perf_event_open=241)}

# enum bpf_cmd, include/uapi/linux/bpf.h
_BPF_MAP_CREATE = 0
_BPF_MAP_LOOKUP_ELEM = 1
_BPF_MAP_UPDATE_ELEM = 2
_BPF_MAP_DELETE_ELEM = 3
_BPF_MAP_GET_NEXT_KEY = 4
_BPF_PROG_LOAD = 5
_BPF_OBJ_GET_INFO_BY_FD = 15
_BPF_LINK_CREATE = 28

# struct bpf_map_info: type, id, key_size, value_size; enum bpf_map_type
_MAP_INFO = struct.Struct("<IIII")
_PER_CPU_MAPS = (5, 6, 10)

_PROG_TYPE_TRACING = 26

MAP_TYPE_RINGBUF = 27
# enum bpf_attach_type
CGROUP_INET_INGRESS = 0
CGROUP_INET_EGRESS = 1
_PERF_EVENT = 41
TRACE_UPROBE_MULTI = 48
_TRACE_FEXIT = 25

_libc = ctypes.CDLL(None, use_errno=True)


def architecture():
    """The machine's architecture, as the kernel names it.

    :returns: str, for instance ``x86_64``.
    """
    return platform.machine()


def _syscall(name, *arguments):
    numbers = _NUMBERS.get(architecture())
    if numbers is None:
        raise OSError(errno.ENOSYS, "architecture %s is not supported" % architecture())
    result = _libc.syscall(ctypes.c_long(numbers[name]), *arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))
    return result


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _syscall("bpf", ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes)))


def create_ring(size):
    """Create a BPF ring buffer map (5.8+).

    :arg size: int, bytes, a power of two of pages.
    :returns: int, its descriptor.
    :raises OSError: as of bpf(2).
    """
    return _bpf(_BPF_MAP_CREATE, struct.pack("<IIIII", MAP_TYPE_RINGBUF, 0, 0, size, 0))


def map_sizes(fd):
    """The layout of a BPF map.

    :arg fd: int, descriptor of the map.
    :returns: ``(type, key size, value size)``, sizes in bytes; of a per-CPU map the value of one CPU.
    :raises OSError: as of bpf(2).
    """
    info = ctypes.create_string_buffer(_MAP_INFO.size)
    _bpf(_BPF_OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    kind, _id, key_size, value_size = _MAP_INFO.unpack(info.raw)
    return kind, key_size, value_size


class Map:
    """A BPF map, with keys and values as bytes. It does not own the descriptor."""

    def __init__(self, fd, key_size, value_size):
        """Use an existing map.

        :arg fd: int, its descriptor.
        :arg key_size: int, bytes.
        :arg value_size: int, bytes; of a per-CPU map those of all CPUs' values, each rounded up to 8.
        :raises AuditError: the map has other sizes, so that the kernel would write behind the end of a buffer here.
        """
        kind, key, value = map_sizes(fd)
        fits = value_size % ((value + 7) & ~7) == 0 if kind in _PER_CPU_MAPS else value_size == value
        if key_size != key or not fits:
            raise AuditError("A BPF map has keys of %d and values of %d bytes, not %d and %d: the files of cryptofleet.audit are of different versions. "
                             "Reinstall the collection." % (key, value, key_size, value_size))
        self.fd = fd
        self._key = ctypes.create_string_buffer(key_size)
        self._next = ctypes.create_string_buffer(key_size)
        self._value = ctypes.create_string_buffer(value_size)

    def _element(self, command, key, second, flags=0):
        self._key.raw = key
        _bpf(command, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(self._key), ctypes.addressof(second) if second else 0, flags))

    def get(self, key):
        """Read one element.

        :arg key: bytes.
        :returns: bytes, its value, or None where the map has no such key.
        :raises OSError: as of bpf(2).
        """
        try:
            self._element(_BPF_MAP_LOOKUP_ELEM, key, self._value)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return self._value.raw

    def first(self):
        """Read element 0 of an array.

        :returns: memoryview of its 64-bit numbers, valid until the next call; of a per-CPU map those of all CPUs one after the other.
        :raises OSError: as of bpf(2).
        """
        self._element(_BPF_MAP_LOOKUP_ELEM, bytes(len(self._key)), self._value)
        return memoryview(self._value).cast("B").cast("Q")

    def put(self, key, value):
        """Write one element.

        :arg key: bytes.
        :arg value: bytes.
        :raises OSError: as of bpf(2); E2BIG where the map is full.
        """
        self._value.raw = value
        self._element(_BPF_MAP_UPDATE_ELEM, key, self._value)

    def discard(self, key):
        """Delete one element, if the map has it.

        :arg key: bytes.
        :raises OSError: as of bpf(2).
        """
        try:
            self._element(_BPF_MAP_DELETE_ELEM, key, None)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def keys(self):
        """List all keys. One that is added or deleted meanwhile may or may not be among them.

        :returns: list of bytes.
        :raises OSError: as of bpf(2).
        """
        found = []
        pointer = 0
        while True:
            try:
                _bpf(_BPF_MAP_GET_NEXT_KEY, struct.pack("<IIQQ", self.fd, 0, pointer, ctypes.addressof(self._next)))
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return found
                raise
            found.append(self._next.raw)
            self._key.raw = self._next.raw
            pointer = ctypes.addressof(self._key)


def takes_function_programs():
    """Whether the kernel loads programs for the return of kernel functions (fexit): some refuse them even to root.

    Tested by a program for no function: EINVAL means that the kernel got as far as to check it.

    :returns: bool.
    """
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0))  # r0 = 0; exit
    license_text = ctypes.create_string_buffer(b"GPL")
    # union bpf_attr, prog_load: prog_type, insn_cnt, insns, license, log, kern_version, prog_flags, prog_name, prog_ifindex, expected_attach_type; then zeros
    attributes = struct.pack("<IIQQ16xII16xII", _PROG_TYPE_TRACING, 2, ctypes.addressof(code), ctypes.addressof(license_text), 0, 0, 0, _TRACE_FEXIT)
    try:
        _bpf(_BPF_PROG_LOAD, attributes.ljust(128, b"\0"))
    except OSError as error:
        return error.errno == errno.EINVAL
    raise OSError(errno.EPROTO, "a program for no function was loaded")


def has_io_uring():
    """Whether the kernel was built with io_uring, allowed or not. Tested by a call without parameters, which makes no ring.

    :returns: bool.
    """
    try:
        _syscall("io_uring_setup", ctypes.c_uint(0), None)
    except OSError as error:
        return error.errno != errno.ENOSYS
    raise OSError(errno.EPROTO, "a ring was made of no parameters")


def skipped_runs(program_fd):
    """How often the kernel skipped a run of a program, because it was running on that CPU already.

    :arg program_fd: int.
    :returns: int; 0 before 5.12, which does not count them.
    """
    with open("/proc/self/fdinfo/%d" % program_fd, "r") as stream:
        for line in stream:
            if line.startswith("recursion_misses:"):
                return int(line.split()[1])
    return 0


class ExecutableMapping:
    """A file mapped as code into this process for the time of a with block, whose value is its address (int)."""

    def __init__(self, fd, size):
        """Map it.

        :arg fd: int, descriptor of the file.
        :arg size: int, bytes.
        :raises OSError: this process may not have executable memory.
        """
        _libc.mmap.restype = ctypes.c_void_p
        self._size = ctypes.c_size_t(size)
        self._address = _libc.mmap(None, self._size, ctypes.c_int(mmap.PROT_READ | mmap.PROT_EXEC), ctypes.c_int(mmap.MAP_PRIVATE),
                                   ctypes.c_int(fd), ctypes.c_long(0))
        if self._address == 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)) - 1:  # MAP_FAILED
            number = ctypes.get_errno()
            raise OSError(number, "mmap: %s" % os.strerror(number))

    def __enter__(self):
        return self._address

    def __exit__(self, *_error):
        _libc.munmap(ctypes.c_void_p(self._address), self._size)


def link_uprobe_multi(program_fd, path, offsets, cookies):
    """Attach a program to many functions of one file by one link (6.6+).

    :arg program_fd: int, descriptor of a program loaded with TRACE_UPROBE_MULTI.
    :arg path: bytes; the kernel opens it itself, so /proc/self/fd/N names an exact inode.
    :arg offsets: list of file offsets, bytes.
    :arg cookies: list of int, one for each offset.
    :returns: int, the link's descriptor; closing it detaches.
    :raises OSError: EINVAL where the kernel has no such link; ENOTSUPP (524) where one instruction can't be probed.
    """
    path_buffer = ctypes.create_string_buffer(path)
    offset_array = (ctypes.c_uint64 * len(offsets))(*offsets)
    cookie_array = (ctypes.c_uint64 * len(offsets))(*cookies)
    # union bpf_attr, link_create: prog_fd, target_fd, attach_type, flags, then uprobe_multi {path, offsets, ref_ctr_offsets, cookies, cnt, flags, pid}
    attributes = struct.pack("<IIIIQQQQIII", program_fd, 0, TRACE_UPROBE_MULTI, 0, ctypes.addressof(path_buffer),
                             ctypes.addressof(offset_array), 0, ctypes.addressof(cookie_array), len(offsets), 0, 0)
    return _bpf(_BPF_LINK_CREATE, attributes + b"\0" * 4)


def link_perf_event(program_fd, event_fd, cookie):
    """Attach a program to a perf event by a link (5.15+), which keeps the event.

    :arg program_fd: int.
    :arg event_fd: int, of perf_event_open().
    :arg cookie: int, what bpf_get_attach_cookie() returns in the program.
    :returns: int, the link's descriptor; closing it detaches.
    :raises OSError: EINVAL where the kernel has no such link.
    """
    # union bpf_attr, link_create: prog_fd, target_fd, attach_type, flags, then perf_event {bpf_cookie}
    return _bpf(_BPF_LINK_CREATE, struct.pack("<IIIIQ", program_fd, event_fd, _PERF_EVENT, 0, cookie))


def link_cgroup(program_fd, cgroup_fd, attach_type):
    """Attach a program to a cgroup by a link (5.7+), beside other programs that are attached there.

    :arg program_fd: int.
    :arg cgroup_fd: int, descriptor of the cgroup's directory.
    :arg attach_type: int, CGROUP_INET_INGRESS or CGROUP_INET_EGRESS.
    :returns: int, the link's descriptor; closing it detaches.
    :raises OSError: EPERM where another program is attached exclusively (no BPF_F_ALLOW_MULTI).
    """
    return _bpf(_BPF_LINK_CREATE, struct.pack("<IIII", program_fd, cgroup_fd, attach_type, 0))


def detached_mount(kind):
    """Mount a file system without a mount point (5.2+): only the returned descriptor leads to it, and closing it unmounts.

    :arg kind: str, the type of the file system.
    :returns: int, descriptor of its root.
    :raises OSError: the kernel has no such file system, or forbids it.
    """
    # include/uapi/linux/mount.h: FSOPEN_CLOEXEC, FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC
    context = _syscall("fsopen", kind.encode(), ctypes.c_uint(1))
    try:
        _syscall("fsconfig", ctypes.c_int(context), ctypes.c_uint(6), None, None, ctypes.c_int(0))
        return _syscall("fsmount", ctypes.c_int(context), ctypes.c_uint(1), ctypes.c_uint(0))
    finally:
        os.close(context)


def perf_event_open(attributes, pid, cpu):
    """perf_event_open(2) without a group and with close-on-exec.

    :arg attributes: bytes of struct perf_event_attr.
    :arg pid: int, -1 for all processes.
    :arg cpu: int, -1 for all CPUs.
    :returns: int, a descriptor.
    :raises OSError: as of perf_event_open(2).
    """
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    close_on_exec = 8  # PERF_FLAG_FD_CLOEXEC
    return _syscall("perf_event_open", buffer, ctypes.c_int(pid), ctypes.c_int(cpu), ctypes.c_int(-1), ctypes.c_ulong(close_on_exec))


def clock_boottime_ns():
    """The current time of the clock that all events have.

    :returns: int, ns since boot.
    """
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e9)
