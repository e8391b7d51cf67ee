# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps: processes, and the libraries, files, operations and handshakes each was seen with.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple

from .._kernel.proc import TICK_NS
from .._libraries.facts import LibraryRecord
from .._wire.handshake import HandshakeRecord
from .session import Connection


class MappedFile(NamedTuple):
    """A file that was mapped executable. path without the kernel's mark of deletion; build_id as hex or None; inode is None where the build id is known."""

    path: bytes
    build_id: Optional[str]
    inode: Optional[int]


@dataclasses.dataclass
class FileRecord:
    """Opens of one file by one process with the same flags and result. Times in ns since boot."""

    observed: Any  # FileObserved of _probes.file_open, or the like of it
    count: int
    first_seen: Optional[int]
    last_seen: Optional[int]
    source: str = "kernel"


@dataclasses.dataclass
class OperationRecord:
    """Operations of one kind by one process. Times in ns since boot."""

    library: bytes
    function: str
    algorithm: Optional[str]
    operation: str
    key_bits: Optional[int]
    internal: bool
    count: int
    first_seen: int
    last_seen: int
    cut: bool = False  # algorithm is the beginning of a longer name
    unread: bool = False  # the memory that tells it could not be read


@dataclasses.dataclass
class ProcessRecord:
    """One program image of one process. start in ns since boot; exec_id None where only /proc was asked."""

    pid: int
    start: int
    exec_id: Optional[int]
    source: str  # kernel, proc
    parent_pid: Optional[int] = None
    comm: bytes = b""
    exe: Optional[bytes] = None
    exe_deleted: Optional[bool] = None
    exe_inode: Optional[int] = None
    arguments: Optional[List[bytes]] = None
    arguments_truncated: bool = False
    uid: Optional[int] = None
    mount_namespace: Optional[int] = None
    cgroups: Optional[List[Tuple[int, bytes, bytes]]] = None
    entered_at: int = 0  # when /proc was read for it, 0 where an event described it
    exec_time: Optional[int] = None
    exit_time: Optional[int] = None
    exit_status: Optional[int] = None
    replaced_at: Optional[int] = None  # when a later execve took its place
    selected: bool = False
    connection: Optional[Connection] = None  # which ssh connection or ansible command it came by
    permission_denied: bool = False  # something of it must not be read
    partly_searched: bool = False  # a file of it was not searched for stacks, or not to its end
    files_not_read: bool = False  # it opened a file whose content could not be read
    inherited: bool = False  # its libraries are its parent's at the fork
    libraries: Dict[bytes, LibraryRecord] = dataclasses.field(default_factory=dict)
    private_files: FrozenSet[MappedFile] = frozenset()  # mapped files it brought along, which may carry a crypto stack; a fork shares its parent's
    files: Dict[Any, FileRecord] = dataclasses.field(default_factory=dict)
    operations: Dict[Any, OperationRecord] = dataclasses.field(default_factory=dict)
    tls: Dict[Any, HandshakeRecord] = dataclasses.field(default_factory=dict)
    ssh: Dict[Any, HandshakeRecord] = dataclasses.field(default_factory=dict)
    tls_connections: Set[int] = dataclasses.field(default_factory=set)  # inodes of its sockets that look like TLS
    stacks: Optional[List[Any]] = dataclasses.field(default_factory=list)  # ProcessStack of _stacks.finder; None where it could not be looked at
    coverage: Optional[str] = None  # a state of _report.process_state
    coverage_reason: Optional[str] = None
    left_out: Dict[str, Set[Any]] = dataclasses.field(default_factory=dict)  # over a bound: name of one of these -> which

    @property
    def ticks(self):
        """The start as /proc tells it."""
        return self.start // TICK_NS

    @property
    def key(self):
        """What a program image is known by: where only /proc was asked, its start is in 1/100 s and its exec number is not known."""
        return self.pid, self.start, self.exec_id

    def is_of(self, image):
        """Whether this is of the process of an Image, whichever program it ran."""
        return self.start == image.start if self.exec_id is not None else self.ticks == image.start // TICK_NS

    def is_later(self, other):
        """Whether this began after another ProcessRecord of the same pid."""
        return (self.start, self.exec_id or 0) > (other.start, other.exec_id or 0)

    @property
    def ended(self):
        """Whether the process or this image of it is no more."""
        return self.end_time is not None

    @property
    def end_time(self):
        """When the process exited or another program took its place (int, ns since boot), or None."""
        return self.exit_time if self.replaced_at is None else self.replaced_at

    @property
    def is_kernel_thread(self):
        """Whether it is a thread of the kernel: a child of kthreadd (kernel/kthread.c), whose pid is 2, that runs no program.

        Of what /proc lists they are left out already; in a PID namespace pid 2 is any process, whose children may be unreadable.
        """
        return self.source == "kernel" and self.parent_pid == 2 and self.exe is None and not self.permission_denied

    @property
    def audit_connection(self):
        """Whether it is Ansible's own connection or this audit, as far as is known by now."""
        return self.connection is not None and self.connection.is_audit

    def has_crypto(self):
        """Whether anything was observed of it."""
        return bool(self.libraries or self.files or self.operations or self.tls or self.ssh or self.tls_connections or self.stacks)
