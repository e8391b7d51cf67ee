# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are the audit itself: the connection this process came by.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from . import _proc


def _is_sshd_of_a_container(stat):
    """Whether init is the listener itself, as in a container that runs nothing else: then its child is the connection's."""
    first = _proc.read_stat(1)
    return stat.comm.startswith(b"sshd") and first is not None and first.comm.startswith(b"sshd")


def own_session():
    """The pids of the connection this process came by, from its first process to this one; what they start belongs to it too.

    Over ssh that is the connection's own sshd; on the controller itself, the ansible command. Started otherwise, this process alone.
    """
    chain = [(os.getpid(), b"")]
    pid = os.getppid()
    while pid > 1 and len(chain) < 64:
        stat = _proc.read_stat(pid)
        if stat is None or (stat.ppid == 1 and not _is_sshd_of_a_container(stat)):
            break  # a child of init is a service (sshd's listener) or a lost session: not this connection's
        chain.append((pid, stat.comm))
        pid = stat.ppid
    first = 0
    for position, (_pid, comm) in enumerate(chain):
        if comm.startswith((b"sshd", b"ansible")):
            first = position
    return {pid for pid, _comm in chain[:first + 1]}
