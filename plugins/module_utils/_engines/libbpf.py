# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine `libbpf`: CO-RE objects through the distribution's libbpf, and perf for mappings. One window; closing detaches all.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import operator
import os
import re
import resource
import select
import time

from .._errors import AuditError
from .._formats.elf import ElfError, ElfFile
from .._functions.families import FAMILIES, family_of, file_names
from .._kernel import events, syscalls
from .._kernel.libbpf import Libbpf
from .._kernel.ring import Ring
from .._libraries import catalogue
from .._probes.base import DISABLED, FAILED
from .._probes.file_open import FileOpenProbe
from .._probes.function_programs import FunctionPrograms
from .._probes.functions import FunctionProbe
from .._probes.library_load import LibraryLoadProbe
from .._probes.process import ProcessProbe
from .._probes.wire import SshKexProbe, TlsHandshakeProbe, WireTap
from .base import Counts, Engine

_time_of = operator.itemgetter(0)  # every event type has it first

_RING = 2 << 20
# A quarter of the ring: time enough to come before it is full.
_WAKE_AT = _RING // 4

_BTF = "/sys/kernel/btf/vmlinux"
_LINKER_CACHE = "/etc/ld.so.cache"
# Executables that carry OpenSSL and may start within the window; running ones are found by their maps.
_EXECUTABLES = (b"/usr/bin/node", b"/usr/local/bin/node", b"/usr/bin/nodejs", b"/opt/nodejs/bin/node")
# Where musl's linker and locally built software look; ld.so.cache has the rest.
_FOLDERS = (b"/lib", b"/usr/lib", b"/usr/local/lib", b"/usr/local/lib64", b"/usr/local/ssl/lib", b"/usr/local/ssl/lib64", b"/opt/openssl/lib")

# Distinct files that are probed, of each kind
_MOST_OPENSSL_FILES = 16
_MOST_OTHER_FILES = 32

_OPENSSL = FAMILIES[0]
_OPENSSL_FILES = rb"lib(?:crypto|ssl)\.so"
_OTHER_FILES = file_names(FAMILIES[1:])


def rejection():
    """Why this engine can't run here at all.

    :returns: AuditError with a code of _report.reasons.ENGINE_REMEDIES, or None where the engine can be tried.
    """
    if os.geteuid() != 0:
        return AuditError("it needs root", "not_root")
    if not os.path.exists(_BTF):
        return AuditError("the kernel has no type information (BTF, %s)" % _BTF, "no_btf")
    if os.stat("/proc/self/ns/pid").st_ino != 4026531836:  # PROC_PID_INIT_INO, include/linux/proc_ns.h
        return AuditError("kernel PIDs would not match this PID namespace", "pid_namespace")
    try:
        Libbpf()
    except AuditError as error:
        return AuditError(str(error), "no_libbpf")
    return None


class LibbpfEngine(Engine):
    """Attached probes, and the events they yield."""

    name = "libbpf"
    grade = "full"

    def __init__(self, wanted):
        """Attach.

        :arg wanted: dict of probe name -> bool.
        :raises AuditError: nothing at all can be attached.
        """
        # before 5.11 BPF memory counts against this limit; it is this process's own
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (ValueError, OSError):
            pass  # then a load fails with EPERM and says so
        self._libbpf = Libbpf()
        self.version = self._libbpf.version
        try:
            self._ring = Ring(_RING)
        except OSError as error:
            raise AuditError("the kernel refuses a BPF ring buffer: %s" % error.strerror, "no_ring_buffer") from error
        shared = (self._libbpf, self._ring.fd, _WAKE_AT)
        self.process = ProcessProbe(*shared)
        self.files = FileOpenProbe(*shared)
        self.libraries = LibraryLoadProbe()
        self.functions = FunctionPrograms(*shared)
        self.openssl = FunctionProbe("openssl_api", FAMILIES[:1], _MOST_OPENSSL_FILES, "no OpenSSL was found on this host or in any process",
                                     self.functions)
        self.others = FunctionProbe("library_api", FAMILIES[1:], _MOST_OTHER_FILES, "none of its libraries was found on this host or in any process",
                                    self.functions)
        looks = {TlsHandshakeProbe.name: events.LOOK_TLS, SshKexProbe.name: events.LOOK_SSH}
        self._wire = WireTap(self._libbpf, sum(bit for name, bit in looks.items() if wanted.get(name, True)))
        self.probes = [self.process, self.files, self.libraries, self.openssl, self.others, TlsHandshakeProbe(self._wire), SshKexProbe(self._wire)]
        self._late = []
        self._waiter = select.epoll()
        for probe in self.probes:
            probe.open(wanted.get(probe.name, True))
        self._add_installed()
        self._require_probe()
        for fileno in [self._ring.fd] + self.files.filenos() + self.libraries.filenos() + self._wire.filenos():
            # edge-triggered: a ring is readable as soon as one record is there, but wakes its reader only where a program asks for that
            self._waiter.register(fileno, select.EPOLLIN | select.EPOLLET)

    def _require_probe(self):
        wanted = [probe for probe in self.probes if probe.status != DISABLED]
        if wanted and all(probe.status == FAILED for probe in wanted):
            self.close()
            said = []
            for probe in wanted:
                words = [line for line in probe.verifier_log if not line.startswith("processed ")]  # the statistics are its last line
                said.append("%s: %s%s" % (probe.name, probe.reason, " (%s)" % words[-1] if words else ""))
            raise AuditError("no probe could be attached: %s" % "; ".join(said), "probes_refused")

    def _add_installed(self):
        """Probe what a process of the window is likely to load, before it does."""
        began = time.monotonic()
        self._add_files(installed(_OPENSSL_FILES), _OPENSSL, self.openssl)
        if not self.functions.slow_to_detach:  # then the rest is probed when it is mapped or started
            self._add_files([path for path in _EXECUTABLES if os.path.exists(path)], _OPENSSL, self.openssl)
        self.openssl.open_seconds += time.monotonic() - began
        began = time.monotonic()
        if not self.functions.slow_to_detach:
            for path in installed(_OTHER_FILES):
                library = catalogue.recognise(os.path.realpath(path))
                if library is not None:
                    self._add_files([path], family_of(library.name), self.others)
        self.others.open_seconds += time.monotonic() - began

    @staticmethod
    def _add_files(paths, family, probe):
        for path in paths:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            probe.add(fd, os.path.realpath(path), family)

    def add_executable(self, path, opener):
        """See Engine."""
        try:
            fd = os.open(opener, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            found = os.fstat(fd)
            if self.is_probed(found.st_dev, found.st_ino):
                return
            with ElfFile.open(fd) as elf:
                exports = catalogue.exports_openssl(elf)
            if exports:
                self.openssl.add(os.dup(fd), path, _OPENSSL)
        except (OSError, ElfError):
            return
        finally:
            os.close(fd)

    def add_library(self, path, opener):
        """See Engine."""
        library = catalogue.recognise(path)
        family = family_of(library.name) if library is not None else None
        if family is None:
            return False
        try:
            fd = os.open(opener, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        probe = self.openssl if family is _OPENSSL else self.others
        return probe.add(fd, path, family) is not None

    def is_probed(self, device, inode):
        """See Engine."""
        return self.functions.is_target(device, inode)

    def files_gone(self):
        """See Engine."""
        return self.files.unseen()

    def wait(self, seconds):
        """See Engine."""
        return bool(self._waiter.poll(seconds))

    def read(self):
        """See Engine. What is later than the beginning of this call is kept for the next."""
        return self._complete(self._ready()) + self.files.observe_unknown()

    def _ready(self):
        """Events up to now, by time, as the probes give them."""
        self.functions.enforce_budget()
        until = syscalls.clock_boottime_ns()
        found = self._late + [events.decode(record) for record in self._ring.read()]
        found += self.libraries.read() + self._wire.read()
        self.files.receive_unknown()
        found.sort(key=_time_of)
        ready = [event for event in found if event.time <= until]
        self._late = found[len(ready):]
        return ready

    def _complete(self, found):
        """The same events, with FileObserved in place of FileOpened, what an ended process has written behind its exit, and paths of libraries."""
        self.files.looker = self.looker
        seen = []
        for event in found:
            kind = type(event)
            if kind is events.FileOpened:
                observed = self.files.observe(event)
                if observed is not None:
                    seen.append(observed)
                continue
            if kind is events.OperationSeen:
                event = event._replace(library=self.functions.library(event.key.library).path)
            seen.append(event)
            if kind is events.ProcessExec:
                self.looker.remember(event.subject.mount_namespace, event.subject.image.pid)
            elif kind is events.ProcessExit:
                seen += self.files.observe_written(event.subject.image)
        return seen

    def counts(self, is_over=None):
        """See Engine."""
        return Counts(self.files.counts(is_over), self.functions.counts(is_over))

    def finish(self):
        """See Engine. While the kernel takes its time to detach, the files that wait are looked at."""
        found = self._ready()
        found += self._ready()  # what came during the first call is later than it
        counts = self.counts()
        self.detach()
        return self._complete(found) + self.files.observe_unknown(everything=True) + self.files.observe_written(), counts

    def close(self):
        """See Engine."""
        self.detach()
        return self.functions.close()

    def detach(self):
        """See Engine. The kernel takes a while for the functions."""
        for probe in self.probes:
            probe.close()
        self._wire.close()
        if self._ring.fd is not None:
            self._ring.close()
            self._waiter.close()
        self.functions.detach()  # last: its threads take memory, which the rings have given back


def installed(names):
    """Paths (bytes) of the libraries whose file name begins with a pattern (bytes), in the dynamic linker's cache and folders."""
    found = []
    try:
        with open(_LINKER_CACHE, "rb") as stream:
            content = stream.read(16 << 20)
        found += re.findall(rb"/[^\0]*/" + names + rb"[^\0/]*(?=\0)", content)
    except OSError:
        pass
    for folder in _FOLDERS:
        try:
            files = os.listdir(folder)
        except OSError:
            continue
        found += [folder + b"/" + name for name in files if re.match(names, name)]
    return sorted(set(found))
