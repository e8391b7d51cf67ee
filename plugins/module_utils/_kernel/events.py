# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event types a probe yields, and their binary layout: the mirror of bpf/shared/events.h, which a unit test compares.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections
import functools
import struct
from typing import List, NamedTuple, Optional

from .._errors import AuditError

EVENT_ABI = 1

# enum event_type
EXEC, FORK, EXIT, FILE_OPEN, OPERATION, WIRE = 1, 2, 3, 4, 5, 6

# enum path_flag
PATH_COMPLETE, ARGUMENTS_TRUNCATED, OPEN_NOT_COUNTED = 1, 2, 4

# enum inode_class
INODE_OTHER, INODE_CRYPTO = 1, 2

# enum wire_look
LOOK_TLS, LOOK_SSH = 1, 2

# enum wire_flag
WIRE_KNOWN, WIRE_GAP, WIRE_START = 1, 2, 4

# enum counter_id, in order
COUNTERS = ("hits", "ring_full", "map_full", "user_fault", "unclassified_opens", "nested_calls", "ssh_starts", "socket_storage_full",
            "unparsed_packets", "truncated_handshakes", "io_uring_opens")

_HEADER = struct.Struct("<HHIQ")
_SUBJECT = struct.Struct("<IIQIIQII16s")
_EXEC = struct.Struct("<QIHHII")
_FORK = struct.Struct("<IIQ")
_EXIT = struct.Struct("<iI")
OPEN_KEY = struct.Struct("<IIQQIIiI")
_OPEN = struct.Struct("<QIHHHHI")
_WIRE = struct.Struct("<QQIIIHBBBBHHH16s16s")
OPERATION_KEY = struct.Struct("<IIQHHBBHII24s")
COUNTER = struct.Struct("<QQQ")
OPERATION_VALUE = struct.Struct("<QQQI4x")
INODE_KEY = struct.Struct("<QII")
SETTINGS = struct.Struct("<QII")
FUNCTION = struct.Struct("<iiQQHHHHHBBBBBBB7x")
# UPROBES of bpf/functions/functions.bpf.c. A uprobe's number, which is its cookie, is the row of its function in the map "functions".
UPROBES = 6144
# MEASURED_UPROBE of the same file: no function of a library, but the tracer's own
MEASURED_UPROBE = UPROBES - 1
# FUNCTIONS and MEASURED_FUNCTION of the same file
ALL_FUNCTIONS = 1024
MEASURED_FUNCTION = 0xFFFF
# ROW_PROGRAMS of the same file
ROW_PROGRAMS = 128

_KEY_BITS = struct.Struct("<I4x")

_SUBJECT_AT = _HEADER.size
_BODY_AT = _SUBJECT_AT + _SUBJECT.size
_WIRE_DATA_AT = _BODY_AT + _WIRE.size

# sizeof() of every struct of events.h that crosses over
SIZES = {
    "event_header": _HEADER.size,
    "subject": _SUBJECT.size,
    "exec_event": _BODY_AT + _EXEC.size,
    "fork_event": _BODY_AT + _FORK.size,
    "exit_event": _BODY_AT + _EXIT.size,
    "open_key": OPEN_KEY.size,
    "open_event": _BODY_AT + OPEN_KEY.size + _OPEN.size,
    "operation_key": OPERATION_KEY.size,
    "operation_event": _BODY_AT + OPERATION_KEY.size + _KEY_BITS.size,
    "operation": OPERATION_VALUE.size,
    "wire_event": _BODY_AT + _WIRE.size,
    "counter": COUNTER.size,
    "inode_key": INODE_KEY.size,
    "settings": SETTINGS.size,
    "function": FUNCTION.size,
}


class Image(NamedTuple):
    """One program image of one process; start is the leader's start in ns since boot."""

    pid: int
    exec_id: int
    start: int


class Subject(NamedTuple):
    """Who did it, as the kernel knew it at that moment."""

    image: Image
    parent_pid: int
    uid: int
    cgroup: int
    mount_namespace: int
    comm: bytes


class ProcessExec(NamedTuple):
    """A successful execve. path begins with ``.../`` where the kernel could not name the file up to the root."""

    time: int
    subject: Subject
    path: bytes
    device: int
    inode: int
    arguments: List[bytes]
    arguments_truncated: bool


class ProcessFork(NamedTuple):
    """A new process; subject is the child."""

    time: int
    subject: Subject
    parent: Image


class ProcessFound(NamedTuple):
    """A process that a polling engine saw for the first time."""

    time: int
    pid: int


class ProcessExit(NamedTuple):
    """The last thread of a process ended; status is as wait(2) gives it."""

    time: int
    subject: Subject
    status: int


class FunctionRecord(collections.namedtuple("FunctionRecord", (
        "text_low text_high tail_callers_low tail_callers_high library id calls stack offset "
        "shape argument digest_shape digest_argument direction_argument bits_argument tail_caller"))):
    """What the kernel side has to know of one probed function of one file: struct function, which describes the members. All are int."""

    __slots__ = ()

    def pack(self):
        """Its bytes."""
        return FUNCTION.pack(*self)


class OpenKey(NamedTuple):
    """What opens are counted by; the same tuple in the order of struct open_key."""

    pid: int
    exec_id: int
    start: int
    inode: int
    device: int
    flags: int
    error: int
    variant: int


class FileOpened(NamedTuple):
    """First sight of an open. path is absolute in the mount namespace, or begins with ``.../`` where it could not be walked to its root."""

    time: int
    subject: Subject
    key: OpenKey
    path: bytes
    size: int
    rdev: int
    mode: int
    counted: bool


class FileNotRead(NamedTuple):
    """An open of a file whose content could not be read, and whose name says nothing: it was gone, or no path leads to it."""

    time: int
    subject: Subject
    path: bytes


class OperationKey(NamedTuple):
    """What operations are counted by; the same tuple in the order of struct operation_key."""

    pid: int
    exec_id: int
    start: int
    library: int
    function: int
    direction: int
    internal: int
    key_bits: int
    nid: int
    digest_nid: int
    name: bytes


class OpenCount(NamedTuple):
    """What the kernel side counted by one OpenKey; times are in ns since boot."""

    key: OpenKey
    count: int
    first_seen: int
    last_seen: int


class OperationCount(NamedTuple):
    """What the kernel side counted by one OperationKey; times are in ns since boot. key_bits is 0 where it is not known.

    library is the path of the file whose function was called.
    """

    key: OperationKey
    library: bytes
    key_bits: int
    count: int
    first_seen: int
    last_seen: int


class OperationSeen(NamedTuple):
    """First sight of an operation. key_bits is 0 where it is not known."""

    time: int
    subject: Subject
    key: OperationKey
    key_bits: int
    library: Optional[bytes] = None  # path of the file whose function was called; the engine sets it


class LibraryMapped(NamedTuple):
    """An executable mapping of a file, from perf. build_id is hex; where it is None, device and inode are set instead."""

    time: int
    pid: int
    path: bytes
    build_id: Optional[str]
    device: Optional[int]
    inode: Optional[int]


class WireData(NamedTuple):
    """Unencrypted bytes of a handshake, as one packet or system call carried them.

    subject is None where the sender is not certain, as of everything that came in. cookie identifies the socket; it is 0 where the
    connection had none of its own yet. sequence is the TCP sequence number of data[0]. payload_size is that of the packet from data[0] on.
    flags: WIRE_KNOWN, WIRE_GAP, WIRE_START. Addresses have 4 or 16 bytes.
    """

    time: int
    subject: Optional[Subject]
    cookie: int
    cgroup: int
    network_namespace: int
    sequence: int
    payload_size: int
    family: int
    protocol: int
    outgoing: bool
    flags: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    data: bytes


def text_of(raw):
    """The text of a NUL-padded array.

    :arg raw: bytes.
    :returns: bytes.
    """
    return raw.split(b"\0", 1)[0]


def join_components(walked, complete):
    """The path of a dentry walk.

    :arg walked: bytes, NUL-ended names from the leaf to the root.
    :arg complete: bool or int, whether the walk reached the root of the mount namespace.
    :returns: bytes, the absolute path; where the walk did not reach the root, what is known of its end, after ``.../``.
    """
    path = b"/".join(reversed(walked.split(b"\0")[:-1]))
    return (b"/" if complete else b".../") + path


def _failed_path(base, name):
    """The path that a failed open asked for: the name as given, made absolute, without ``.`` and empty components.

    ``..`` stays: a symlink before it would change its meaning.
    """
    parts = base.split(b"/") + name.split(b"/")
    return (b"/" if base.startswith(b"/") else b"") + b"/".join(part for part in parts if part not in (b"", b"."))


@functools.lru_cache(maxsize=1024)
def _subject_of(raw):
    """The Subject of the bytes of a struct subject. Cached, because the same process is seen many times."""
    pid, exec_id, start, parent, uid, cgroup, namespace, _pad, comm = _SUBJECT.unpack(raw)
    return Subject(Image(pid, exec_id, start), parent, uid, cgroup, namespace, text_of(comm))


def _subject(record):
    return _subject_of(record[_SUBJECT_AT:_BODY_AT])


def _decode_exec(time, record):
    inode, device, path_size, arguments_size, flags, _pad = _EXEC.unpack_from(record, _BODY_AT)
    data = record[_BODY_AT + _EXEC.size:]
    raw = data[path_size:path_size + arguments_size]
    arguments = (raw[:-1] if raw.endswith(b"\0") else raw).split(b"\0") if raw else []  # empty ones count
    return ProcessExec(time, _subject(record), join_components(data[:path_size], flags & PATH_COMPLETE), device, inode,
                       arguments, bool(flags & ARGUMENTS_TRUNCATED))


def _decode_fork(time, record):
    return ProcessFork(time, _subject(record), Image(*_FORK.unpack_from(record, _BODY_AT)))


def _decode_exit(time, record):
    return ProcessExit(time, _subject(record), _EXIT.unpack_from(record, _BODY_AT)[0])


def _decode_open(time, record):
    key = OpenKey(*OPEN_KEY.unpack_from(record, _BODY_AT))
    size, rdev, mode, path_size, name_size, flags, _pad = _OPEN.unpack_from(record, _BODY_AT + OPEN_KEY.size)
    data = record[_BODY_AT + OPEN_KEY.size + _OPEN.size:]
    path = join_components(data[:path_size], flags & PATH_COMPLETE)
    if key.error:
        path = _failed_path(path, text_of(data[path_size:path_size + name_size]))
    return FileOpened(time, _subject(record), key, path, size, rdev, mode, not flags & OPEN_NOT_COUNTED)


def decode_operation_key(raw):
    """Decode a struct operation_key.

    :arg raw: bytes.
    :returns: OperationKey.
    """
    *numbers, name = OPERATION_KEY.unpack_from(raw)
    return OperationKey(*numbers, text_of(name))


def _decode_operation(time, record):
    key = decode_operation_key(record[_BODY_AT:])
    key_bits, = _KEY_BITS.unpack_from(record, _BODY_AT + OPERATION_KEY.size)
    return OperationSeen(time, _subject(record), key, key.key_bits or key_bits)


def _decode_wire(time, record):
    (cookie, cgroup, namespace, sequence, payload_size, size, family, protocol, direction, flags, local_port, remote_port, _pad,
     local, remote) = _WIRE.unpack_from(record, _BODY_AT)
    subject = _subject(record)
    if family == 4:
        local, remote = local[:4], remote[:4]
    # There are thousands a second. 100,000 in one run, Python 3.11: 1.24 us for each; 1.42 with WireData(...), 2.22 with its fields by name.
    return tuple.__new__(WireData, (
        time, subject if subject.image.pid else None, cookie, cgroup, namespace, sequence, payload_size, family, protocol,
        direction == 1, flags, local, local_port, remote, remote_port, record[_WIRE_DATA_AT:_WIRE_DATA_AT + size]))


_DECODERS = {EXEC: _decode_exec, FORK: _decode_fork, EXIT: _decode_exit, FILE_OPEN: _decode_open, OPERATION: _decode_operation,
             WIRE: _decode_wire}


def decode(record):
    """Decode one record of a ring buffer.

    :arg record: bytes, a whole record.
    :returns: one of the event types above.
    :raises AuditError: the object that wrote it and this file are of different versions.
    """
    abi, kind, size, time = _HEADER.unpack_from(record)
    if abi != EVENT_ABI or size != len(record) or kind not in _DECODERS:
        raise AuditError("The BPF objects and the module utilities are of different versions of cryptofleet.audit: event ABI %d, "
                         "type %d, size %d of %d. Reinstall the collection." % (abi, kind, size, len(record)))
    return _DECODERS[kind](time, record)
