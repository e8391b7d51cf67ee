# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises the processes of the audit itself: Ansible's own connection, the commands it runs there, and this process.

All processes of one ssh connection, or of one ansible command, share one Connection object. So what is learned from one of them holds for
all of them, also for those seen earlier. A Connection belongs to the audit where one of these is certain:

* This process descends from it: Ansible waits for the module.
* It runs a command that names our job. A job (``async``) has left its connection: its parent is Ansible's ``async_wrapper``, whose
  arguments contain the job's number, drawn at random. A later connection that polls the job names it: the collection's action plugins set
  ``CRYPTOFLEET_AUDIT=`` before the module they run. Only the first command of an ssh session or of an ansible command counts, and only
  from one of our own logins.
* Our job was started over it: the action plugin states in ``CRYPTOFLEET_AUDIT`` that it came by ssh, and the connection has the socket of
  ``SSH_CONNECTION``, or, where sudo has removed that variable, the audit session id of this process. Without the plugin's statement these
  two could be those of a user who runs ``ansible`` in an ssh login.

A process that still runs at the end of the window and has another parent by then is a service left running, not part of the connection.

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
_COMMANDS = (b"ansible", b"ansible-playbook"[:15], b"ansible-console", b"ansible-pull")  # comm (15 bytes) of the commands and of their workers
_WRAPPER = b"async_wrapper.py"
_MARK = "CRYPTOFLEET_AUDIT"
# the names ansible-core and its collections give to their connection plugins over ssh
_SSH_TRANSPORTS = ("ssh", "paramiko", "paramiko_ssh", "libssh", "smart")
_MAX_SOCKETS = 200000  # lines of /proc/net/tcp that are searched


class Connection:
    """All processes of one ssh connection, or of one ansible command."""

    __slots__ = ("kind", "leaders", "outer", "own")

    def __init__(self, kind, leader, outer=None):
        """Start a connection.

        :arg kind: bytes, ``sshd`` or ``ansible``; empty for this process alone.
        :arg leader: int, pid of its first process.
        :arg outer: Connection in which an ansible command was started, or None.
        """
        self.kind = kind
        self.leaders = {leader}  # pids of processes that stay part of it, whoever is their parent
        self.outer = outer
        self.own = False  # it belongs to the audit

    @property
    def is_audit(self):
        """Whether it belongs to the audit, as far as is known now (bool)."""
        return self.own or (self.outer is not None and self.outer.own)


class Session:
    """Assigns a Connection to every ProcessRecord of a window, and finds those that belong to the audit."""

    def __init__(self):
        self._job = None  # compiled bytes pattern of our job's number, or None where this is no job
        self._logins = set()  # UIDs
        # Connection of the ansible command, where there is exactly one. A worker whose parent exited before it was seen is assigned to it.
        self._only_command = None

    def begin(self, current):
        """Assign connections to the processes that run when the window opens.

        :arg current: dict pid -> ProcessRecord, read from /proc.
        """
        records = sorted(current.values(), key=lambda record: (record.start, record.pid))  # parents before their children
        for record in records:
            self.join(record, current.get(record.parent_pid))
        commands = {id(record.connection): record.connection for record in records if record.connection and record.connection.kind == _ANSIBLE}
        if len(commands) == 1:
            self._only_command, = commands.values()
        own = current.get(os.getpid())
        if own is None:
            return
        wrappers = self._find_job(own, current)
        if own.connection is None:
            own.connection = Connection(b"", own.pid)
        own.connection.own = True
        for record in wrappers:
            record.connection = own.connection
            own.connection.leaders.add(record.pid)
        if wrappers:
            for record in records:
                self._check_command(record, current.get(record.parent_pid))
            self._find_origin(current)

    def _find_job(self, own, current):
        """Find Ansible's async_wrapper processes around this process, and remember the job's number.

        :arg own: ProcessRecord of this process.
        :arg current: dict pid -> ProcessRecord.
        :returns: list of ProcessRecord; empty where this is no job.
        """
        wrappers = []
        record = current.get(own.parent_pid)
        while record is not None and len(wrappers) < 8:
            number = _job_number(record.arguments or ())
            if number is None:
                break
            self._job = re.compile(rb"(?<![A-Za-z0-9])" + number + rb"(?![0-9])")
            wrappers.append(record)
            record = current.get(record.parent_pid)
        if wrappers:
            self._logins = _logins()
        return wrappers

    def join(self, record, parent):
        """Assign a record its Connection.

        :arg record: ProcessRecord, new.
        :arg parent: ProcessRecord of its parent, or of the same process before its execve; or None.
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
            self._check_command(record, parent)

    def _check_command(self, record, parent):
        """Mark the connection of a record that is the first command of a session and names our job."""
        connection = record.connection
        if connection is None or connection.own or parent is None:
            return
        if not parent.comm.startswith(_SSH) and parent.comm not in _COMMANDS:
            return
        if record.uid in self._logins and any(self._job.search(argument) for argument in record.arguments or ()):
            connection.own = True

    @staticmethod
    def _find_origin(current):
        """Mark the ssh connection over which this job was started, where it still exists."""
        if os.environ.get(_MARK, "").rpartition(".")[2] not in _SSH_TRANSPORTS:
            return
        links = {b"socket:[%d]" % inode for inode in socket_inodes(os.environ.get("SSH_CONNECTION", ""))}
        session = proc.audit_session(os.getpid())
        for record in current.values():
            connection = record.connection
            if connection is None or connection.own or connection.kind != _SSH or not record.comm.startswith(_SSH):
                continue
            if _has_socket(record.pid, links) or _started_session(record, session, current):
                connection.own = True

    @staticmethod
    def release_services(current):
        """Remove services that were left running from their connection.

        :arg current: dict pid -> ProcessRecord, at the end of the window.
        """
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
    # inetd(8) and ssh@.service start "sshd -i". It sets its title to "sshd: user [priv]" later; the listener's is "sshd: /usr/sbin/sshd [listener]".
    arguments = record.arguments or []
    return b"-i" in arguments[1:] or bool(arguments and re.match(rb"sshd[a-z-]*: (?!.*\[listener\])", arguments[0]))


def _job_number(arguments):
    """The job's number (bytes) in the arguments (list of bytes) of Ansible's async_wrapper, or None."""
    for program, number in zip(arguments, arguments[1:]):
        if program.endswith(_WRAPPER) and re.match(rb"j[0-9]+\Z", number):
            return number
    return None


def _logins():
    """UIDs (set of int) by which this job may have come: its own, the caller of sudo(8), and the login UID of the kernel."""
    logins = {os.getuid()}
    sudo_uid = os.environ.get("SUDO_UID", "")
    if sudo_uid.isdigit():
        logins.add(int(sudo_uid))
    login = proc.audit_login(os.getpid())
    if login is not None:
        logins.add(login)
    return logins


def _has_socket(pid, links):
    """Whether a process has one of the sockets (set of bytes, links of /proc/PID/fd) open."""
    try:
        return bool(links) and any(link in links for _number, link in proc.open_fds(pid) or ())
    except PermissionError:
        return False


def _started_session(record, session, current):
    """Whether an sshd has this audit session id (int or None), and did not inherit it from its listener, as every login would."""
    if session is None or proc.audit_session(record.pid) != session:
        return False
    parent = current.get(record.parent_pid)
    return parent is not None and proc.audit_session(parent.pid) != session


def socket_inodes(ssh_connection, folder="/proc/self/net"):
    """The sockets of an ssh connection on this host.

    :arg ssh_connection: str, ``CLIENT CLIENT_PORT SERVER SERVER_PORT``, the value of SSH_CONNECTION (ssh(1)).
    :arg folder: str, where the kernel's tables are.
    :returns: set of int, inodes; empty where the connection is closed or the text malformed.
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
        wanted = [b"%s:%04X" % (_in_kernel_form(packed), port) for packed, port in zip(addresses, ports)]
        try:
            stream = open("%s/%s" % (folder, name), "rb")
        except OSError:  # a kernel without IPv6
            continue
        with stream:
            for _number, line in zip(range(_MAX_SOCKETS), stream):
                fields = line.split()
                # Linux Documentation/networking/proc_net_tcp.rst: sl, local_address, rem_address, ..., inode as the tenth
                if len(fields) > 9 and fields[1] == wanted[1] and fields[2] == wanted[0] and fields[9].isdigit():
                    inodes.add(int(fields[9]))
    return inodes


def _packed(address):
    """An IPv4 or IPv6 address (str, perhaps with ``%ZONE``) as 4 or 16 bytes. :raises OSError: it is malformed."""
    address = address.partition("%")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _in_kernel_form(packed):
    """An address (4 or 16 bytes) as /proc/net/tcp writes it (bytes): each four bytes as a number in host byte order."""
    words = (int.from_bytes(packed[at:at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return b"".join(b"%08X" % word for word in words)
