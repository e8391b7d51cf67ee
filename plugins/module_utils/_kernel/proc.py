# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of /proc: what a process is, what it has mapped and open.

Every function of a process returns None where the process is gone (ENOENT, ESRCH). PermissionError is let through: the caller
counts such processes as not permitted. Any other OSError is let through as well; /proc does not give any in normal operation.
All names are bytes as the kernel holds them. Formats: proc(5), proc_pid_stat(5), Linux Documentation/filesystems/proc.rst.

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

# Bounds on what one process can make us read. vm.max_map_count is 65530 by default, 1048576 in some distributions.
_MAX_CMDLINE = 32768
_MAX_SMALL = 1 << 20
_MAX_MAPPINGS = 262144
_MAX_FDS = 65536

TICK_NS = 10_000_000  # /proc gives times in 1/100 s (USER_HZ), the kernel in ns

_DELETED = b" (deleted)"

Stat = collections.namedtuple("Stat", "pid comm state ppid pgrp session flags user_ticks system_ticks threads start_ticks")
Stat.__doc__ = """/proc/PID/stat. comm: bytes, at most 15 (a kernel thread: 63); state: str, one letter; start_ticks: int,
since boot, of the length os.sysconf("SC_CLK_TCK") a second (100); user_ticks, system_ticks: int, the same unit; flags: int, PF_*; the rest int."""
Status = collections.namedtuple("Status", "tgid uid euid gid egid ns_pids")
Status.__doc__ = """/proc/PID/status: int; real and effective user and group. ns_pids: list of int, the process's number in each pid
namespace from that of /proc inwards; empty before Linux 4.1."""
Exe = collections.namedtuple("Exe", "path deleted")
Exe.__doc__ = "The file a process executes. path: bytes, in the process's mount namespace; deleted: bool, it has no name any more."
Mapping = collections.namedtuple("Mapping", "start end offset dev_major dev_minor inode path deleted")
Mapping.__doc__ = """An executable mapping of a file. start, end: int, addresses; offset: int, bytes in the file; dev_major, dev_minor,
inode: int, as the kernel's file system names them (on btrfs and overlayfs the device differs from stat's); path: bytes; deleted: bool."""


def _read(proc_root, pid, name, limit=_MAX_SMALL):
    """Up to limit bytes of a file of a process, or None where the process is gone."""
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
    """The processes there are now: sorted list of int."""
    return sorted(int(name) for name in os.listdir(proc_root) if name.isdigit())


def read_stat(pid, proc_root="/proc"):
    """/proc/PID/stat as Stat, or None where the process is gone or the line is not of that form."""
    data = _read(proc_root, pid, "stat")
    if not data:
        return None
    begin, end = data.find(b"("), data.rfind(b")")  # comm may hold ")" and spaces; no field after it can
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
    """Whether Stat is that of a kernel thread, which has no executable, maps or command line."""
    return bool(process_stat.flags & _PF_KTHREAD)


def read_status(pid, proc_root="/proc"):
    """/proc/PID/status as Status, or None where the process is gone. The kernel escapes a newline in a process's name there."""
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
    """The arguments of a process, as it shows them now (a process can overwrite them).

    :returns: ``(list of bytes, truncated)``, or None where the process is gone; at most 32 KiB, truncated is True where there
        is more. A kernel thread and a zombie have an empty list.
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


def _without_mark(link, path, root):
    """Take the kernel's " (deleted)" off a path, unless that is how a file's name ends that is still there.

    :arg link: str, a magic link of /proc that leads to the open file itself.
    :arg root: bytes, where the process's own root directory can be reached.
    :returns: ``(path, deleted)``
    """
    if not path.endswith(_DELETED):
        return path, False
    try:
        there = os.stat(link)
        if there.st_nlink:
            named = os.lstat(root + path)
            if (there.st_dev, there.st_ino) == (named.st_dev, named.st_ino):
                return path, False
    except OSError:  # no such name, or it cannot be asked: the mark is the kernel's
        pass
    return path[:-len(_DELETED)], True


def _root_of(proc_root, pid):
    return os.fsencode("%s/%d/root" % (proc_root, pid))


def read_exe(pid, proc_root="/proc"):
    """The executable of a process as Exe, or None where the process is gone, a kernel thread, a zombie, or its path longer than a page."""
    link = "%s/%d/exe" % (proc_root, pid)
    try:
        path = os.readlink(os.fsencode(link))
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # the kernel gives the path of a link of /proc one page
            return None
        raise
    return Exe(*_without_mark(link, path, _root_of(proc_root, pid)))


def exe_inode(pid, proc_root="/proc"):
    """The inode number of the executable of a process, or None where the process is gone."""
    try:
        return os.stat("%s/%d/exe" % (proc_root, pid)).st_ino
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None


def _true_path(proc_root, pid, addresses, raw):
    """``(path, deleted)`` of a mapping.

    A newline in the path is written ``\\012`` in maps, and a backslash with these digits looks the same: where that occurs the
    link in map_files, which escapes nothing, decides.
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
    return _without_mark(link, raw, _root_of(proc_root, pid))


def read_maps(pid, proc_root="/proc"):
    """The executable mappings of files of a process.

    :returns: an iterator of Mapping in the order of addresses, or None where the process is gone. A file appears once for each
        of its executable mappings. Memory shared without a file (memfd, System V, /dev/zero) appears by the kernel's name for it,
        deleted. Where the process goes during the iteration it ends early. At most 262144 mappings are looked at.
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
                yield Mapping(*(numbers + _true_path(proc_root, pid, fields[0], path)))


def read_cgroup(pid, proc_root="/proc"):
    """The control groups of a process: list of ``(hierarchy, controllers, path)``: int, bytes, bytes.

    controllers is ``b""`` on cgroup v2, else for instance ``b"cpu,cpuacct"`` or ``b"name=systemd"``. None where the process is gone.
    The path is relative to the reader's cgroup namespace. See cgroups(7).
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
    """The inode number (int) that names the process's mount namespace, or None where the process is gone or a zombie."""
    try:
        return os.stat("%s/%d/ns/mnt" % (proc_root, pid)).st_ino
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None


def pid_namespace_is_initial(proc_root="/proc"):
    """Whether this process is in the host's own pid namespace; False where it is not or where the kernel does not tell."""
    try:
        return os.stat(proc_root + "/self/ns/pid").st_ino == PROC_PID_INIT_INO
    except OSError:
        return False


def open_fds(pid, proc_root="/proc"):
    """What a process has open: list of ``(number, link)``, int and bytes (a path, ``socket:[N]``...), by number.

    None where the process is gone. At most 65536. The kernel's " (deleted)" is not taken off the link.
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
    """The kernel's audit session id (int) of a process: one for each login, inherited. None where there is none or the process is gone."""
    return _audit_number(proc_root, pid, "sessionid")


def audit_login(pid, proc_root="/proc"):
    """The user (int) whose login a process descends from, whoever it became since. None where there is none or the process is gone."""
    return _audit_number(proc_root, pid, "loginuid")


def _audit_number(proc_root, pid, name):
    data = _read(proc_root, pid, name)
    return int(data) if data and data.isdigit() and int(data) != _AUDIT_UNSET else None


def peak_memory_kib():
    """The most memory this process had resident (int, KiB). getrusage(2) would count what its parent had before execve."""
    return next(int(line.split()[1]) for line in _read("/proc", os.getpid(), "status").split(b"\n") if line.startswith(b"VmHWM:"))


def boot_time_offset():
    """Seconds (float) to add to the time since boot (CLOCK_BOOTTIME, which counts suspension) for the time of day.

    It moves when the clock is set.
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
    """The name (str) of a user (int) by the host's user database, or None. In a container the number can be another user's.

    Each number is asked for once: where users come from a directory service, that is a network request.
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
