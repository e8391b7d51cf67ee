# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are the audit itself: Ansible's own connection, the commands it runs there, and this process.

Every process that came over one ssh connection, or from one ansible command, holds the same Connection. So what is learned of one
of them counts for all, for those seen before too. A Connection is the audit's where one of these is certain:

* This process descends from it: a module that Ansible waits for.
* It runs a command that names our job. A job (C(async)) has left its connection: its parent is Ansible's C(async_wrapper), whose
  arguments give the job's number, drawn at random. Whoever asks for the job names it: the collection's action plugins in
  C(CRYPTOFLEET_AUDIT=), before the module they run. Only the first command of an ssh session or of an ansible command counts, and
  only by a login of ours.
* A job was started over it: the action plugin says in C(CRYPTOFLEET_AUDIT) that it came by ssh, and the connection has the socket of
  C(SSH_CONNECTION), or, where sudo has removed that, the kernel's audit session id of this process. Without the plugin's word these
  two would be those of whoever types C(ansible) in an ssh login.

What still runs when the window ends and has another parent by then is a service that was left running, and not the connection.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
import socket
import sys

from .._kernel import proc

_SSH = b"sshd"  # OpenSSH 9.8 and later: also sshd-session and sshd-auth
_ANSIBLE = b"ansible"
_COMMANDS = (b"ansible", b"ansible-playbook"[:15], b"ansible-console", b"ansible-pull")  # what the kernel calls them, and their workers
_WRAPPER = b"async_wrapper.py"
_MARK = "CRYPTOFLEET_AUDIT"
# the names ansible-core and its collections give to their connection plugins over ssh
_SSH_TRANSPORTS = ("ssh", "paramiko", "paramiko_ssh", "libssh", "smart")
# sockets of a host that are looked through for one
_MOST_SOCKETS = 200000


class Connection:
    """All processes of one ssh connection, or of one ansible command."""

    __slots__ = ("kind", "leaders", "outer", "own")

    def __init__(self, kind, leader, outer=None):
        """
        :arg kind: bytes, how its first process is called. :arg leader: int, the pid of that.
        :arg outer: the Connection an ansible command was started in, or None.
        """
        self.kind = kind
        self.leaders = {leader}
        self.outer = outer
        self.own = False

    @property
    def is_audit(self):
        """Whether it is the audit's, as far as is known by now (bool)."""
        return self.own or (self.outer is not None and self.outer.own)


class Session:
    """Gives every ProcessRecord of a window its Connection, and finds the audit's among these."""

    def __init__(self):
        self._job = None  # matches the job's number in an argument
        self._logins = set()
        self._only_command = None  # the Connection of the one ansible command there is; a worker that was gone before anyone looked is of it

    def begin(self, current):
        """Connections of the processes that are there when the window opens. current: dict pid -> ProcessRecord, from /proc."""
        records = sorted(current.values(), key=lambda record: (record.start, record.pid))  # parents before children
        for record in records:
            self.join(record, current.get(record.parent_pid))
        commands = {id(record.connection): record.connection for record in records if record.connection and record.connection.kind == _ANSIBLE}
        if len(commands) == 1:
            self._only_command, = commands.values()
        own = current.get(os.getpid())
        if own is None:
            return
        jobs = self._enter_job(own, current)
        if own.connection is None:
            own.connection = Connection(b"", own.pid)
        own.connection.own = True
        for record in jobs:
            record.connection = own.connection
            own.connection.leaders.add(record.pid)
        if jobs:
            for record in records:
                self._notice(record, current.get(record.parent_pid))
            self._find_origin(current)

    def _enter_job(self, own, current):
        """The records of Ansible's wrapper around this process, none where it is no job."""
        jobs = []
        record = current.get(own.parent_pid)
        while record is not None and len(jobs) < 8:
            number = _job_number(record.arguments or ())
            if number is None:
                break
            self._job = re.compile(rb"(?<![A-Za-z0-9])" + number + rb"(?![0-9])")
            jobs.append(record)
            record = current.get(record.parent_pid)
        if jobs:
            self._logins = _logins()
        return jobs

    def join(self, record, parent):
        """Give a record its Connection.

        :arg parent: the record of the process that made it, or of the same process before its execve; or None.
        """
        inherited = parent.connection if parent is not None else None
        kind = inherited.kind if inherited is not None else None
        if kind != _SSH and _is_login(record, parent):
            record.connection = Connection(_SSH, record.pid)
        elif kind != _ANSIBLE and record.comm in _COMMANDS:
            record.connection = self._only_command if parent is None and self._only_command else Connection(_ANSIBLE, record.pid, inherited)
        else:
            record.connection = inherited
        if self._job is not None:
            self._notice(record, parent)

    def _notice(self, record, parent):
        """Whether it is the command of a session that asks for our job."""
        connection = record.connection
        if connection is None or connection.own or parent is None:
            return
        if not parent.comm.startswith(_SSH) and parent.comm not in _COMMANDS:
            return
        if record.uid in self._logins and any(self._job.search(argument) for argument in record.arguments or ()):
            connection.own = True

    @staticmethod
    def _find_origin(current):
        """Mark the ssh connection that this job was started over, where it is still there."""
        if os.environ.get(_MARK, "").rpartition(".")[2] not in _SSH_TRANSPORTS:
            return
        links = {b"socket:[%d]" % inode for inode in socket_inodes(os.environ.get("SSH_CONNECTION", ""))}
        session = proc.audit_session(os.getpid())
        for record in current.values():
            connection = record.connection
            if connection is None or connection.own or connection.kind != _SSH or not record.comm.startswith(_SSH):
                continue
            if _holds(record.pid, links) or _began_session(record, session, current):
                connection.own = True

    @staticmethod
    def release_services(current):
        """Take the mark off what was left running. current: dict pid -> ProcessRecord, at the end of the window."""
        for record in sorted(current.values(), key=lambda record: (record.start, record.pid)):
            connection = record.connection
            if connection is None or record.ended or record.pid in connection.leaders:
                continue
            stat = proc.read_stat(record.pid)
            if stat is None or stat.start_ticks != record.ticks:
                continue
            parent = current.get(stat.ppid)
            if parent is None or parent.connection is not connection:
                record.connection = None


def _is_login(record, parent):
    """Whether a record is the first process of an ssh connection: a child of sshd's listener, or an sshd for one connection alone."""
    if not record.comm.startswith(_SSH):
        return False
    if parent is not None and parent.pid != record.pid and parent.comm.startswith(_SSH):
        return True
    # inetd(8), ssh@.service; "sshd: user [priv]" is what it calls itself later, and the listener "sshd: /usr/sbin/sshd [listener]"
    arguments = record.arguments or []
    return b"-i" in arguments[1:] or bool(arguments and re.match(rb"sshd[a-z-]*: (?!.*\[listener\])", arguments[0]))


def _job_number(arguments):
    """The job's number in the arguments (list of bytes) of Ansible's wrapper, or None."""
    for program, number in zip(arguments, arguments[1:]):
        if program.endswith(_WRAPPER) and re.match(rb"j[0-9]+\Z", number):
            return number
    return None


def _logins():
    """The users (set of int) this job may have come by: its own, who called sudo(8), and who the kernel says logged in."""
    logins = {os.getuid()}
    asked_by = os.environ.get("SUDO_UID", "")
    if asked_by.isdigit():
        logins.add(int(asked_by))
    login = proc.audit_login(os.getpid())
    if login is not None:
        logins.add(login)
    return logins


def _holds(pid, links):
    """Whether a process has one of the sockets open."""
    try:
        return bool(links) and any(link in links for _number, link in proc.open_fds(pid) or ())
    except PermissionError:
        return False


def _began_session(record, session, current):
    """Whether an sshd has this audit session id, and not from its listener, which would have given it to every login."""
    if session is None or proc.audit_session(record.pid) != session:
        return False
    parent = current.get(record.parent_pid)
    return parent is not None and proc.audit_session(parent.pid) != session


def socket_inodes(ssh_connection, folder="/proc/self/net"):
    """The sockets of an ssh connection on this host.

    :arg ssh_connection: str, ``CLIENT CLIENT_PORT SERVER SERVER_PORT`` as ssh(1) says of SSH_CONNECTION.
    :returns: set of int, inodes; empty where the connection is no more.
    """
    try:
        client, client_port, server, server_port = ssh_connection.split()
        ports = int(client_port), int(server_port)
        addresses = [_packed(client), _packed(server)]
    except (ValueError, OSError):
        return set()
    inodes = set()
    for name in ("tcp", "tcp6"):
        if name == "tcp6":
            addresses = [b"\0" * 10 + b"\xff\xff" + packed if len(packed) == 4 else packed for packed in addresses]
        elif len(addresses[0]) != 4:
            continue
        wanted = [b"%s:%04X" % (_as_kernel_writes(packed), port) for packed, port in zip(addresses, ports)]
        try:
            stream = open("%s/%s" % (folder, name), "rb")
        except OSError:  # a kernel without IPv6
            continue
        with stream:
            for _number, line in zip(range(_MOST_SOCKETS), stream):
                fields = line.split()
                # Linux Documentation/networking/proc_net_tcp.rst: sl, local_address, rem_address, ..., inode as the tenth
                if len(fields) > 9 and fields[1] == wanted[1] and fields[2] == wanted[0] and fields[9].isdigit():
                    inodes.add(int(fields[9]))
    return inodes


def _packed(address):
    address = address.partition("%")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _as_kernel_writes(packed):
    """An address as /proc/net/tcp has it: each four bytes as one number of this machine's byte order."""
    words = (int.from_bytes(packed[at:at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return b"".join(b"%08X" % word for word in words)
