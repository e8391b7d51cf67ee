# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of /proc: identity of a process, its mappings, open files, control groups and namespaces.

A function that takes a pid returns None where the process is gone (ENOENT, ESRCH). It raises PermissionError, which the caller counts as
permission denied. It raises any other OSError too; /proc gives none in normal operation. pid is an int; proc_root is a str, where /proc is
mounted. Names and paths are bytes as the kernel has them. Formats: proc(5), proc_pid_stat(5), Linux Documentation/filesystems/proc.rst.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections
import errno
import functools
import os
import pwd
import time

PROC_PID_INIT_INO = 0xEFFFFFFC  # Linux include/uapi/linux/nsfs.h and include/linux/proc_ns.h
_PF_KTHREAD = 0x00200000  # Linux include/linux/sched.h
_AUDIT_UNSET = 0xFFFFFFFF  # Linux include/uapi/linux/audit.h, AUDIT_SID_UNSET; the same of a login, include/linux/audit.h

# Limits on what one process can make us read. vm.max_map_count is 65530 by default, 1048576 in some distributions.
_MAX_CMDLINE = 32768  # bytes
_MAX_FILE = 1 << 20  # bytes of any other file
_MAX_MAPPINGS = 262144
_MAX_FDS = 65536

TICK_NS = 10_000_000  # /proc gives times in 1/100 s (USER_HZ), the kernel's events in ns

_DELETED = b" (deleted)"

Stat = collections.namedtuple("Stat", "pid comm state ppid pgrp session flags user_ticks system_ticks threads start_ticks")
Stat.__doc__ = """/proc/PID/stat.

comm: bytes, at most 15 (a kernel thread: 63); state: str, one letter; start_ticks: int, start time since boot in units of 1/100 s
(os.sysconf("SC_CLK_TCK")); user_ticks, system_ticks: int, processor time in the same unit; flags: int, PF_*; the others are int."""
Status = collections.namedtuple("Status", "tgid uid euid gid egid ns_pids")
Status.__doc__ = """/proc/PID/status.

tgid: int; uid, euid, gid, egid: int, real and effective user and group; ns_pids: list of int, the process's pid in each PID namespace,
from that of /proc inwards; empty before Linux 4.1."""
Exe = collections.namedtuple("Exe", "path deleted")
Exe.__doc__ = "The executable of a process. path: bytes, in the process's mount namespace; deleted: bool, the file was unlinked."
Mapping = collections.namedtuple("Mapping", "start end offset dev_major dev_minor inode path deleted")
Mapping.__doc__ = """An executable mapping of a file.

start, end: int, addresses; offset: int, in bytes of the file; dev_major, dev_minor, inode: int, as the kernel's file system numbers them (on
btrfs and overlayfs the device differs from stat's); path: bytes; deleted: bool, the file was unlinked."""


def _read(proc_root, pid, name, limit=_MAX_FILE):
    """Read a file of a process, at most limit bytes: bytes, or None where the process is gone."""
    try:
        fd = os.open("%s/%d/%s" % (proc_root, pid, name), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    try:
        chunks = []
        left = limit
        while left > 0:
            chunk = os.read(fd, left)
            if not chunk:
                break
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    except (FileNotFoundError, ProcessLookupError):
        return None
    finally:
        os.close(fd)


def list_pids(proc_root="/proc"):
    """The pids of all processes: sorted list of int."""
    return sorted(int(name) for name in os.listdir(proc_root) if name.isdigit())


def read_stat(pid, proc_root="/proc"):
    """Read /proc/PID/stat: Stat, or None where the process is gone or the line is malformed."""
    data = _read(proc_root, pid, "stat")
    if not data:
        return None
    begin, end = data.find(b"("), data.rfind(b")")  # comm may contain ")" and spaces; no later field does
    fields = data[end + 1:].split()
    if begin < 0 or end < begin or len(fields) < 20:
        return None
    try:
        numbers = [int(field) for field in fields[1:20]]
        return Stat(pid, data[begin + 1:end], fields[0].decode("ascii"), numbers[0], numbers[1], numbers[2], numbers[5],
                    numbers[10], numbers[11], numbers[16], numbers[18])
    except ValueError:
        return None


def is_kernel_thread(process_stat):
    """Whether a Stat is that of a kernel thread, which has no executable, maps or command line."""
    return bool(process_stat.flags & _PF_KTHREAD)


def read_status(pid, proc_root="/proc"):
    """Read /proc/PID/status: Status, or None where the process is gone. The kernel escapes a newline in the name there."""
    data = _read(proc_root, pid, "status")
    if not data:
        return None
    fields = {}
    for line in data.split(b"\n"):
        key, _colon, value = line.partition(b":")
        if key in (b"Tgid", b"Uid", b"Gid", b"NSpid"):
            fields.setdefault(key, [int(number) for number in value.split() if number.isdigit()])
    if len(fields.get(b"Uid", ())) < 2 or len(fields.get(b"Gid", ())) < 2:
        return None
    return Status((fields.get(b"Tgid") or [pid])[0], fields[b"Uid"][0], fields[b"Uid"][1], fields[b"Gid"][0], fields[b"Gid"][1],
                  fields.get(b"NSpid", []))


def read_cmdline(pid, proc_root="/proc"):
    """Read the command line of a process. The process can overwrite it at any time.

    :returns: ``(arguments, truncated)``: list of bytes, 32 KiB at most, and whether there is more (bool); or None where the process is
        gone. The list is empty for a kernel thread and a zombie.
    """
    data = _read(proc_root, pid, "cmdline", _MAX_CMDLINE + 1)
    if data is None:
        return None
    truncated = len(data) > _MAX_CMDLINE
    data = data[:_MAX_CMDLINE]
    if not data:
        return [], False
    if data.endswith(b"\0"):
        data = data[:-1]
    return data.split(b"\0"), truncated


def _strip_deleted(link, path, root):
    """Remove the kernel's " (deleted)" from a path, unless it belongs to the name of a file that still exists.

    :arg link: str, a magic link of /proc to the open file itself.
    :arg path: bytes, as the kernel gives it.
    :arg root: bytes, a path to the process's root directory.
    :returns: ``(path, deleted)``, bytes and bool.
    """
    if not path.endswith(_DELETED):
        return path, False
    try:
        opened = os.stat(link)
        if opened.st_nlink:
            named = os.lstat(root + path)
            if (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino):
                return path, False
    except OSError:  # no such name, or not permitted: the suffix is the kernel's
        pass
    return path[:-len(_DELETED)], True


def _root_of(proc_root, pid):
    return os.fsencode("%s/%d/root" % (proc_root, pid))


def read_exe(pid, proc_root="/proc"):
    """The executable of a process: Exe, or None where the process is gone, a kernel thread or a zombie, or the path is longer than a page."""
    link = "%s/%d/exe" % (proc_root, pid)
    try:
        path = os.readlink(os.fsencode(link))
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # the kernel gives the path of a link of /proc one page
            return None
        raise
    return Exe(*_strip_deleted(link, path, _root_of(proc_root, pid)))


def exe_inode(pid, proc_root="/proc"):
    """The inode number (int) of the executable of a process, or None where the process is gone."""
    try:
        return os.stat("%s/%d/exe" % (proc_root, pid)).st_ino
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None


def _decode_path(proc_root, pid, addresses, raw):
    """Decode the path of a line of /proc/PID/maps.

    The kernel writes a newline in the path as ``\\012`` and does not escape a backslash, so that a name with these four characters looks the
    same. Where they occur, the path is read from the link in map_files, which escapes nothing.

    :arg addresses: bytes, first field of the line.
    :arg raw: bytes, the path in the line.
    :returns: ``(path, deleted)``, bytes and bool.
    """
    if b"\\012" not in raw and not raw.endswith(_DELETED):
        return raw, False
    start, _dash, end = addresses.partition(b"-")
    link = "%s/%d/map_files/%x-%x" % (proc_root, pid, int(start, 16), int(end, 16))
    if b"\\012" in raw:
        try:
            raw = os.readlink(os.fsencode(link))
        except OSError:  # unmapped meanwhile, or not permitted
            raw = raw.replace(b"\\012", b"\n")
    return _strip_deleted(link, raw, _root_of(proc_root, pid))


def read_maps(pid, proc_root="/proc"):
    """The executable file mappings of a process.

    :returns: iterator of Mapping in order of addresses, or None where the process is gone. A file appears once for each of its
        executable mappings. Shared memory without a file (memfd, System V, /dev/zero) appears under the kernel's name for it, as deleted.
        The iteration ends early where the process exits meanwhile, and after 262144 lines.
    """
    try:
        stream = open("%s/%d/maps" % (proc_root, pid), "rb")
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    return _mappings(stream, pid, proc_root)


def _mappings(stream, pid, proc_root):
    with stream:
        for _number in range(_MAX_MAPPINGS):
            try:
                line = stream.readline()
            except ProcessLookupError:
                return
            if not line:
                return
            fields = line.rstrip(b"\n").split(b" ", 5)
            if len(fields) != 6 or fields[1][2:3] != b"x" or fields[4] == b"0":
                continue
            try:
                start, _dash, end = fields[0].partition(b"-")
                major, _colon, minor = fields[3].partition(b":")
                numbers = (int(start, 16), int(end, 16), int(fields[2], 16), int(major, 16), int(minor, 16), int(fields[4]))
            except ValueError:
                continue
            path = fields[5].lstrip(b" ")
            if path:
                yield Mapping(*(numbers + _decode_path(proc_root, pid, fields[0], path)))


def read_cgroup(pid, proc_root="/proc"):
    """The control groups of a process (cgroups(7)).

    :returns: list of ``(hierarchy, controllers, path)``, int, bytes, bytes; None where the process is gone. controllers is ``b""`` on cgroup
        v2, else for instance ``b"cpu,cpuacct"`` or ``b"name=systemd"``. The path is relative to the reader's cgroup namespace.
    """
    data = _read(proc_root, pid, "cgroup")
    if data is None:
        return None
    entries = []
    for line in data.split(b"\n"):
        fields = line.split(b":", 2)
        if len(fields) == 3 and fields[0].isdigit():
            entries.append((int(fields[0]), fields[1], fields[2]))
    return entries


def mount_namespace(pid, proc_root="/proc"):
    """The inode number (int) that identifies the process's mount namespace, or None where the process is gone or a zombie."""
    try:
        return os.stat("%s/%d/ns/mnt" % (proc_root, pid)).st_ino
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None


def pid_namespace_is_initial(proc_root="/proc"):
    """Whether this process is in the host's initial PID namespace (bool); False also where it can't be determined."""
    try:
        return os.stat(proc_root + "/self/ns/pid").st_ino == PROC_PID_INIT_INO
    except OSError:
        return False


def open_fds(pid, proc_root="/proc"):
    """The open file descriptors of a process.

    :returns: list of ``(number, link)``, int and bytes (a path, ``socket:[N]``...), sorted, at most 65536; None where the process is gone.
        The kernel's " (deleted)" is not removed.
    """
    folder = "%s/%d/fd" % (proc_root, pid)
    try:
        numbers = sorted(int(name) for name in os.listdir(folder) if name.isdigit())
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    entries = []
    for number in numbers[:_MAX_FDS]:
        try:
            entries.append((number, os.readlink(os.fsencode("%s/%d" % (folder, number)))))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
    return entries


def audit_session(pid, proc_root="/proc"):
    """The audit session id (int) of a process, one for each login and inherited; None where it has none or the process is gone."""
    return _audit_number(proc_root, pid, "sessionid")


def audit_login(pid, proc_root="/proc"):
    """The UID (int) that logged in, which su(1) and sudo(8) do not change; None where there is none or the process is gone."""
    return _audit_number(proc_root, pid, "loginuid")


def _audit_number(proc_root, pid, name):
    data = _read(proc_root, pid, name)
    return int(data) if data and data.isdigit() and int(data) != _AUDIT_UNSET else None


def peak_memory_kib():
    """The peak resident memory of this process (int, KiB). getrusage(2) would include that of its parent before execve."""
    return next(int(line.split()[1]) for line in _read("/proc", os.getpid(), "status").split(b"\n") if line.startswith(b"VmHWM:"))


def boot_time_offset():
    """The time of day when the system booted, as CLOCK_BOOTTIME counts (with suspension).

    It changes when the clock is set.

    :returns: float, seconds since the epoch; added to a time since boot it gives the time of day.
    """
    best = None
    for _attempt in range(5):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        now = time.time()
        after = time.clock_gettime(time.CLOCK_BOOTTIME)
        if best is None or after - before < best[0]:
            best = (after - before, now - (before + after) / 2)
    return best[1]


@functools.lru_cache(maxsize=4096)
def user_name(uid):
    """The name of a user in the host's user database. In a container the same UID may be another user.

    Each UID is looked up once: where users come from a directory service, that is a network request.

    :arg uid: int.
    :returns: str or None.
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
