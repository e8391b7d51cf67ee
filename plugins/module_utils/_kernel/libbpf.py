# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""libbpf of the distribution, through ctypes: open an object, give it constants and maps, load it, attach it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import lzma
import mmap
import os
import struct

from .._errors import AuditError
from . import syscalls

SONAMES = ("libbpf.so.1", "libbpf.so.0")

# Bytes for the verifier's log; what is never written costs no memory. libbpf before 0.7 has no function to set the buffer.
_LOG_SIZE = 4 << 20
_LOG_LINES = 12

# enum libbpf_errno: libbpf before 0.8 returns it instead of the kernel's errno where the verifier rejected a program
LIBBPF_ERRNO_VERIFY = 4007

_PRINTER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

_POINTER_FUNCTIONS = ("bpf_object__open_mem", "bpf_object__find_program_by_name", "bpf_object__find_map_by_name", "bpf_program__attach")


class LoadError(Exception):
    """An object, map or program could not be opened, loaded or attached.

    ``reason``: str. ``errno``: int or None. ``log``: list of str, the verifier's last lines.
    """

    def __init__(self, reason, number=None, log=()):
        super().__init__(reason)
        self.reason = reason
        self.errno = number
        self.log = list(log)


def _return_freed_memory():
    """Make malloc return freed blocks to the kernel: libbpf reads 10 MB of kernel types for each object and frees them.

    glibc raises its threshold for mapped blocks when one is freed (mallopt(3), M_MMAP_THRESHOLD), unless it is set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(ctypes.c_int(-3), ctypes.c_int(128 << 10))


class Libbpf:
    """The library, loaded. One instance for a process."""

    def __init__(self):
        """Load it.

        :raises AuditError: this host has no libbpf.
        """
        _return_freed_memory()
        for soname in SONAMES:
            try:
                self.lib = ctypes.CDLL(soname, use_errno=True)
            except OSError:
                continue
            self.soname = soname
            break
        else:
            raise AuditError("libbpf (%s) is not installed on this host; on most distributions iproute2 brings it" % " or ".join(SONAMES))
        for name in _POINTER_FUNCTIONS:
            function = getattr(self.lib, name, None)
            if function is not None:
                function.restype = ctypes.c_void_p
        # Its own messages would go to the module's stderr; return values and logs have what matters of them.
        self._printer = _PRINTER(lambda _level, _format, _arguments: 0)
        self.lib.libbpf_set_print(self._printer)
        if self.soname.endswith(".0") and hasattr(self.lib, "libbpf_set_strict_mode"):
            self.lib.libbpf_set_strict_mode(ctypes.c_int(1))  # LIBBPF_STRICT_CLEAN_PTRS: errors as NULL and errno, as in 1.0

    @property
    def version(self):
        """The version.

        :returns: str, for instance ``libbpf 1.1``; before 0.6, which has no function for it, the soname.
        """
        if not hasattr(self.lib, "libbpf_major_version"):
            return self.soname
        return "libbpf %d.%d" % (self.lib.libbpf_major_version(), self.lib.libbpf_minor_version())

    def pointer(self, name, *arguments):
        """Call a function that returns a pointer.

        :arg name: str, of the function.
        :returns: int.
        :raises OSError: it returned an error.
        """
        result = getattr(self.lib, name)(*arguments)
        # libbpf before 1.0 may return -errno as a pointer (libbpf_get_error)
        if not result or result >= 2 ** 64 - 4095:
            number = 2 ** 64 - result if result else ctypes.get_errno()
            raise OSError(number, "%s: %s" % (name, os.strerror(number)))
        return result


def object_bytes(name):
    """The content of a BPF object for this architecture.

    :arg name: str, of the object.
    :returns: bytes.
    :raises AuditError: the architecture is not supported, or the collection's files are corrupt.
    """
    if syscalls.architecture() == "x86_64":
        from .objects_x86_64 import OBJECTS
    elif syscalls.architecture() == "aarch64":
        from .objects_aarch64 import OBJECTS
    else:
        raise AuditError("there are no BPF objects for the architecture %s" % syscalls.architecture())
    digest, text = OBJECTS[name]
    content = lzma.decompress(base64.b85decode(text))
    if hashlib.sha256(content).hexdigest() != digest:
        raise AuditError("the BPF object %s is corrupt (SHA-256 mismatch): reinstall the collection" % name)
    return content


class BpfObject:
    """One BPF object. Open it, prepare it, load it, attach its programs; closing detaches and frees everything."""

    def __init__(self, libbpf, name):
        """Open it.

        :arg libbpf: Libbpf.
        :arg name: str, of the object.
        :raises LoadError: libbpf can't read it.
        """
        self._libbpf = libbpf
        self._lib = libbpf.lib
        self._content = object_bytes(name)
        self._log = mmap.mmap(-1, _LOG_SIZE)
        self._log_address = ctypes.addressof(ctypes.c_char.from_buffer(self._log))
        self._links = []
        self._object = None
        self._name = name
        # struct bpf_object_open_opts: its size, the object's name, and later members that stay zero
        name_buffer = ctypes.create_string_buffer(name.encode())
        options = struct.pack("=QQ", 16, ctypes.addressof(name_buffer))
        try:
            self._object = libbpf.pointer("bpf_object__open_mem", self._content, ctypes.c_size_t(len(self._content)), options)
        except OSError as error:
            raise LoadError("%s could not open the object: %s" % (libbpf.version, error.strerror), error.errno) from error

    def _find(self, kind, name):
        try:
            return self._libbpf.pointer("bpf_object__find_%s_by_name" % kind, ctypes.c_void_p(self._object), name.encode())
        except OSError as error:
            raise LoadError("the object has no %s %s" % (kind, name), error.errno) from error

    def set_constants(self, content):
        """Set the object's read-only data. Before load.

        :arg content: bytes, the whole of struct settings.
        :raises LoadError: libbpf refuses it.
        """
        try:
            section = self._find("map", ".rodata")
        except LoadError:
            # libbpf before 1.0 finds it only by its name in the kernel: 8 bytes of the object's name, then the section's
            section = self._find("map", self._name[:8] + ".rodata")
        status = self._lib.bpf_map__set_initial_value(ctypes.c_void_p(section), content, ctypes.c_size_t(len(content)))
        if status < 0:
            raise LoadError("the object's constants can't be set: %s" % os.strerror(-status), -status)

    def reuse_map(self, name, fd):
        """Use an existing map in place of one that the object declares. Before load.

        :arg name: str, of the map.
        :arg fd: int, descriptor of the existing map.
        :raises LoadError: libbpf refuses it.
        """
        status = self._lib.bpf_map__reuse_fd(ctypes.c_void_p(self._find("map", name)), ctypes.c_int(fd))
        if status < 0:
            raise LoadError("map %s can't be shared: %s" % (name, os.strerror(-status)), -status)

    def want_programs(self, names):
        """Load only these programs of the object. Before load.

        :arg names: iterable of str.
        """
        wanted = set(names)
        program = None
        self._lib.bpf_program__name.restype = ctypes.c_char_p
        while True:
            program = self._program_after(program)
            if not program:
                return
            name = self._lib.bpf_program__name(ctypes.c_void_p(program)).decode()
            self._lib.bpf_program__set_autoload(ctypes.c_void_p(program), ctypes.c_bool(name in wanted))

    def _program_after(self, program):
        """The next program of the object.

        :arg program: int, pointer to a program; None for the first.
        :returns: int, pointer to the next; None after the last.
        """
        if hasattr(self._lib, "bpf_object__next_program"):  # 0.6
            step, arguments = self._lib.bpf_object__next_program, (self._object, program)
        else:
            step, arguments = self._lib.bpf_program__next, (program, self._object)
        step.restype = ctypes.c_void_p
        return step(*map(ctypes.c_void_p, arguments))

    def expect_attach_type(self, name, kind):
        """Set the attach type of a program. Before load.

        :arg name: str, of the program.
        :arg kind: int of enum bpf_attach_type.
        """
        self._lib.bpf_program__set_expected_attach_type(ctypes.c_void_p(self._find("program", name)), ctypes.c_int(kind))

    def load(self, names):
        """Load the object.

        :arg names: iterable of str, programs whose verifier log is wanted where the kernel rejects them.
        :raises LoadError: with errno and the verifier's last lines.
        """
        if hasattr(self._lib, "bpf_program__set_log_buf"):
            for name in names:
                self._lib.bpf_program__set_log_buf(ctypes.c_void_p(self._find("program", name)), ctypes.c_void_p(self._log_address), ctypes.c_size_t(_LOG_SIZE))
        status = self._lib.bpf_object__load(ctypes.c_void_p(self._object))
        if status < 0:
            number = -status
            log = ctypes.string_at(self._log_address).decode("utf-8", "replace").strip().splitlines()[-_LOG_LINES:]
            # libbpf fills the buffer only when it loads again with a log level; an empty one means that the kernel wrote no log
            text = "the verifier rejected it" if number == LIBBPF_ERRNO_VERIFY else os.strerror(number)
            raise LoadError("the kernel refused to load the object: %s (errno %d)" % (text, number), number, log)

    def map_fd(self, name):
        """The descriptor of a map, owned by the object.

        :arg name: str.
        :returns: int.
        """
        return self._lib.bpf_map__fd(ctypes.c_void_p(self._find("map", name)))

    def program_fd(self, name):
        """The descriptor of a loaded program, owned by the object.

        :arg name: str.
        :returns: int.
        """
        return self._lib.bpf_program__fd(ctypes.c_void_p(self._find("program", name)))

    def attach(self, name):
        """Attach a program to the hook that its section names. Closing the object detaches it.

        :arg name: str, of the program.
        :raises LoadError: the kernel refuses it.
        """
        try:
            self._links.append(self._libbpf.pointer("bpf_program__attach", ctypes.c_void_p(self._find("program", name))))
        except OSError as error:
            raise LoadError("attach: %s" % error.strerror, error.errno) from error

    def close(self):
        """Detach and free everything. May be called twice."""
        for link in self._links:
            self._lib.bpf_link__destroy(ctypes.c_void_p(link))
        self._links = []
        if self._object:
            self._lib.bpf_object__close(ctypes.c_void_p(self._object))
            self._object = None


def sum_of_cpus(value):
    """Add up a per-CPU __u64.

    :arg value: bytes of all CPUs' values.
    :returns: int.
    """
    return sum(number for number, in struct.iter_unpack("<Q", value))
