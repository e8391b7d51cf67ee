# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes `tls_handshake` and `ssh_kex`: the starts of all connections, from one tap that both share.

The tap is two programs of the root cgroup, which see each packet. Where these can't be attached, it is one program at the return of system calls.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._kernel import events, syscalls
from .._kernel.libbpf import LoadError
from .._kernel.ring import Ring
from .base import ATTACHED, DISABLED, FAILED, PARTIAL, BpfProbe, Probe

# Bytes of the tap's own ring, so that a flood of handshakes costs no other probe an event.
_RING = 2 << 20
_WAKE_AT = _RING // 4

_MOUNTS = "/proc/self/mountinfo"
_SYSTEM_CALL_LIMITS = (
    "only TCP data of read, readv, recvfrom, recvmsg, write, writev, sendto and sendmsg by 64-bit programs is seen: not QUIC and DTLS, "
    "io_uring, sendfile, splice, sendmmsg, recvmmsg, MPTCP, nor the kernel's own sockets")

_LOSSES = ("socket_storage_full", "unparsed_packets", "truncated_handshakes")

# Every cgroup but the root has it (Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files").
_NOT_OF_ROOT = "cgroup.type"


def mounted_root():
    """Find the mount point of the root of the cgroup v2 hierarchy.

    :returns: str, or None where it is not mounted.
    """
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
    """Open the root of the cgroup v2 hierarchy.

    :returns: (int, str), its descriptor and how it was reached, for the probe's hook.
    :raises OSError: this kernel has no cgroup v2, or it can't be mounted.
    :raises LoadError: only a part of the hierarchy can be reached.
    """
    where = mounted_root()
    if where is not None:
        return os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), where
    # it has no name in any mount namespace, so no other process sees it
    root = syscalls.detached_mount("cgroup2")
    if not _is_root("/proc/self/fd/%d" % root):
        os.close(root)
        raise LoadError("this process is not in the host's cgroup namespace, so the root cgroup and most sockets can't be reached")
    return root, "detached cgroup2 mount"


class _RootUnavailable(Exception):
    """Nothing can be attached to the root cgroup. ``__cause__`` is the LoadError or OSError with the reason."""


class WireTap(BpfProbe):
    """Programs that attach by links: the kernel detaches them when this process ends, however it ends.

    Attached to the root cgroup it sees packets. Otherwise it is partial, and sees what system calls carry.
    """

    name = "wire"
    object_name = "wire"
    programs = ("wire_egress", "wire_ingress")

    def __init__(self, libbpf, looks):
        """Prepare it; open() attaches.

        :arg libbpf: Libbpf.
        :arg looks: int, bits of enum wire_look: what the probes that are wanted look for.
        """
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
        except _RootUnavailable as unavailable:
            self._open_at_calls(unavailable.__cause__)

    def _open_at_calls(self, error):
        """Attach to the return of system calls instead.

        :arg error: LoadError or OSError, why nothing can be attached to the root cgroup.
        """
        self._detach()
        why = getattr(error, "reason", None) or error.strerror or str(error)
        self.object_name, self.programs = "wire_calls", ("call_return",)
        super()._open()
        self.status, self.errno = PARTIAL, error.errno
        self.reason = "%s; %s" % (why, _SYSTEM_CALL_LIMITS)
        self.hook = "tp_btf/sys_exit, because the root cgroup is unavailable (%s)" % why

    def _attach(self):
        if self.object_name == "wire_calls":
            super()._attach()
            return
        try:
            self._attach_to_root()
        except (LoadError, OSError) as error:
            raise _RootUnavailable from error

    def _attach_to_root(self):
        root, reached = open_root()
        try:
            for program, kind in zip(self.programs, (syscalls.CGROUP_INET_EGRESS, syscalls.CGROUP_INET_INGRESS)):
                self._links.append(syscalls.link_cgroup(self._object.program_fd(program), root, kind))
        except PermissionError as error:
            raise LoadError("attach: %s: another program may hold the root cgroup exclusively (no BPF_F_ALLOW_MULTI)" % error.strerror, error.errno) from error
        finally:
            os.close(root)
        self.hook = "cgroup_skb %s" % reached

    def filenos(self):
        """Descriptors that become readable when the ring fills up.

        :returns: list of int.
        """
        return [self._ring] if self._records else []

    def read(self):
        """Take all events that are there now.

        :returns: list of WireData, in the order in which the kernel reserved them.
        """
        return [events.decode(record) for record in self._records.read()] if self._records else []

    def losses(self):
        losses = super().losses()
        losses.update((name, number) for name, number in self.counters().items() if name in _LOSSES and number)
        return losses

    def _detach(self):
        """Detach the programs, and keep the ring."""
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
    """One of the two probes that share the tap: the tap's status, and a count of its own."""

    counter = ""

    def __init__(self, tap):
        super().__init__()
        self._tap = tap
        self._reports_tap = False  # it opened the tap: it alone reports the losses and runs that both share

    def _open(self):
        if self._tap.status == DISABLED:
            self._tap.open(True)
            self._reports_tap = True
        if self._tap.status == FAILED:
            raise LoadError(self._tap.reason, self._tap.errno, self._tap.verifier_log)
        self.hook = self._tap.hook
        self.status, self.reason, self.errno = self._tap.status, self._tap.reason, self._tap.errno

    def hits(self):
        return self._tap.counters()[self.counter] if self.status in (ATTACHED, PARTIAL) else 0

    def losses(self):
        return self._tap.losses() if self._reports_tap else {}

    def runs(self):
        return self._tap.runs() if self._reports_tap else None


class TlsHandshakeProbe(WireProbe):
    """Yields WireData through the tap. A hit is the start of a hello, or a datagram with one."""

    name = "tls_handshake"
    counter = "hits"


class SshKexProbe(WireProbe):
    """Yields WireData through the tap. A hit is the start of one direction of a connection."""

    name = "ssh_kex"
    counter = "ssh_starts"
