# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sees every connection's beginning, attached once for the probes `tls_handshake` and `ssh_kex`: two programs on the packets' way, or,
where the root cgroup can't be had, one at the return of system calls.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._kernel import events, syscalls
from .._kernel.libbpf import LoadError
from .._kernel.ring import Ring
from .base import ATTACHED, DISABLED, FAILED, PARTIAL, BpfProbe, Probe

# Of its own, so that a flood of handshakes costs no other probe an event.
_RING = 2 << 20
_WAKE_AT = _RING // 4

_MOUNTS = "/proc/self/mountinfo"
# What the system calls do not show.
_NOT_BY_CALLS = ("only what read, readv, recvfrom, recvmsg, write, writev, sendto and sendmsg of 64-bit programs carry over TCP is seen: not QUIC and DTLS, "
                 "io_uring, sendfile, splice, sendmmsg, recvmmsg, MPTCP, nor the kernel's own sockets")

# Every cgroup but the root has it (Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files").
_NOT_OF_ROOT = "cgroup.type"


def mounted_root():
    """Where the root of the cgroup v2 hierarchy is mounted (str), or None."""
    with open(_MOUNTS, "r", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream.read(4 << 20).splitlines():
            # proc_pid_mountinfo(5): ID, parent, device, root, mount point, options, optional fields, "-", type, source, options
            fields, _separator, kind = line.partition(" - ")
            root, where = fields.split(" ")[3:5]
            if kind.startswith("cgroup2 ") and root == "/" and "\\" not in where and _is_root(where):
                return where
    return None


def _is_root(folder):
    return os.path.isdir(folder) and not os.path.lexists(os.path.join(folder, _NOT_OF_ROOT))


def open_root():
    """The root of the cgroup v2 hierarchy.

    :returns: ``(descriptor, words)``; the words say how it was reached.
    :raises OSError: this kernel has no cgroup v2, or it can't be reached from here.
    """
    where = mounted_root()
    if where is not None:
        return os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), where
    # no name in any mount namespace, so nobody else sees it
    root = syscalls.detached_mount("cgroup2")
    if not _is_root("/proc/self/fd/%d" % root):
        os.close(root)
        raise LoadError("this is not the host's cgroup namespace, so most sockets are out of sight")
    return root, "detached cgroup2 mount"


class _NoCgroup(Exception):
    """The root cgroup can't be had; its cause is the LoadError or OSError that says why."""


class WireTap(BpfProbe):
    """Programs that attach by links: the kernel takes them down with this process, however it ends.

    Attached to the root cgroup it sees packets. Where that can't be had it is partial, and sees what system calls carry.
    """

    name = "wire"
    object_name = "wire"
    programs = ("wire_egress", "wire_ingress")

    def __init__(self, libbpf, looks):
        """:arg looks: int, bits of enum wire_look: what the probes that are wanted look for."""
        super().__init__(libbpf, None, _WAKE_AT)
        self._looks = looks
        self._records = None
        self._links = []

    def _settings(self):
        return events.SETTINGS.pack(self._wake_at, os.getpid(), self._looks)

    def _open(self):
        self._records = Ring(_RING)
        self._ring = self._records.fd
        try:
            super()._open()
        except _NoCgroup as refused:
            self._open_at_calls(refused.__cause__)

    def _open_at_calls(self, refused):
        """:arg refused: LoadError or OSError, why the root cgroup can't be had."""
        self._detach()
        why = getattr(refused, "reason", None) or refused.strerror or str(refused)
        self.object_name, self.programs = "wire_calls", ("call_return",)
        super()._open()
        self.status, self.errno = PARTIAL, refused.errno
        self.reason = "%s; %s" % (why, _NOT_BY_CALLS)
        self.hook = "tp_btf/sys_exit: the cgroup could not be had (%s)" % why

    def _attach(self):
        if self.object_name == "wire_calls":
            super()._attach()
            return
        try:
            self._attach_to_root()
        except (LoadError, OSError) as error:
            raise _NoCgroup from error

    def _attach_to_root(self):
        root, words = open_root()
        try:
            for program, kind in zip(self.programs, (syscalls.CGROUP_INET_EGRESS, syscalls.CGROUP_INET_INGRESS)):
                self._links.append(syscalls.link_cgroup(self._object.program_fd(program), root, kind))
        except PermissionError as error:
            raise LoadError("attach: %s: another program may be attached to the root cgroup for itself alone" % error.strerror, error.errno) from error
        finally:
            os.close(root)
        self.hook = "cgroup_skb %s" % words

    def filenos(self):
        """What becomes readable where the ring fills up: list of descriptors."""
        return [self._ring] if self._records else []

    def read(self):
        """All events there are now: list of WireData."""
        return [events.decode(record) for record in self._records.read()] if self._records else []

    def losses(self):
        losses = super().losses()
        losses.update((name, number) for name, number in self.counters().items() if name in ("socket_storage_full", "unparsed_packets", "truncated_handshakes") and number)
        return losses

    def _detach(self):
        """Let go of the programs, not of the ring."""
        for link in self._links:
            os.close(link)
        self._links = []
        super().close()

    def close(self):
        self._detach()
        if self._records:
            self._records.close()
            self._records = self._ring = None


class WireProbe(Probe):
    """One of the two that share the tap: its status and its own count."""

    counter = ""

    def __init__(self, tap):
        super().__init__()
        self._tap = tap
        self._first = False  # of the two: it tells what both lost

    def _open(self):
        if self._tap.status == DISABLED:
            self._tap.open(True)
            self._first = True
        if self._tap.status == FAILED:
            raise LoadError(self._tap.reason, self._tap.errno, self._tap.verifier_log)
        self.hook = self._tap.hook
        self.status, self.reason, self.errno = self._tap.status, self._tap.reason, self._tap.errno

    def hits(self):
        return self._tap.counters()[self.counter] if self.status in (ATTACHED, PARTIAL) else 0

    def losses(self):
        return self._tap.losses() if self._first else {}

    def runs(self):
        return self._tap.runs() if self._first else None


class TlsHandshakeProbe(WireProbe):
    """Yields WireData through the tap. A hit is a hello that begins, or a datagram with one."""

    name = "tls_handshake"
    counter = "hits"


class SshKexProbe(WireProbe):
    """Yields WireData through the tap. A hit is the beginning of one direction of a connection."""

    name = "ssh_kex"
    counter = "ssh_starts"
