# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Established TCP connections on ports that mean TLS, and which processes hold them.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
from typing import Dict, NamedTuple, Set

from .._kernel import proc

# Ports that carry TLS from the first octet on, by registration: IANA "Service Name and Transport Protocol Port Number Registry", 2026;
# the last row by universal practice: the documentation of etcd and Kubernetes ("Ports and Protocols").
TLS_PORTS = frozenset((
    443,  # https
    465,  # submissions
    563,  # nntps
    636,  # ldaps
    853,  # domain-s
    989, 990,  # ftps-data, ftps
    992, 993, 994, 995,  # telnets, imaps, ircs (until it was given back), pop3s
    2083,  # radsec
    2376,  # docker-s
    3269,  # msft-gc-ssl
    5061,  # sips
    5349,  # stuns, turns
    5671,  # amqps
    5684,  # coaps
    5986,  # wsmans
    6443,  # sun-sr-https; Kubernetes' API
    6514,  # syslog-tls
    6697,  # ircs-u
    8443,  # pcsync-https
    8883,  # secure-mqtt
    9443,  # tungsten-https
    2379, 2380, 10250,  # etcd's clients and peers, kubelet
))

_ESTABLISHED = b"01"  # Linux include/net/tcp_states.h, as /proc/net/tcp prints it
_SOCKET = b"socket:["

# Bounds on one look at the host: what of the tables is read, and what going through descriptors may cost, in this thread's processor time.
_MOST_TABLE = 64 << 20
_MOST_SECONDS = 2.0


class Holders(NamedTuple):
    """Who holds TLS-like connections.

    holders: dict of pid -> set of socket inodes.
    denied: set of pids whose descriptors may not be read.
    left: int, processes whose descriptors were not read, to keep within the bounds.
    """

    holders: Dict[int, Set[int]]
    denied: Set[int]
    left: int


def tls_sockets(pids, proc_root="/proc"):
    """The TLS-like connections of processes.

    :arg pids: iterable of int. Their network namespaces are read, once each; a socket may be held by a process of another one.
    :returns: Holders. Where there is no such connection at all, no descriptor is looked at.
    """
    pids = list(pids)
    wanted = set()
    for pid in _one_of_each_namespace(pids, proc_root):
        for table in ("tcp", "tcp6"):
            wanted |= _established("%s/%d/net/%s" % (proc_root, pid, table))
    return _holders(pids, wanted, proc_root) if wanted else Holders({}, set(), 0)


def _one_of_each_namespace(pids, proc_root):
    """A process of each network namespace; where a namespace must not be asked for, the reader's own stands for it."""
    found = {}
    for pid in [os.getpid()] + pids:
        try:
            found.setdefault(os.stat("%s/%d/ns/net" % (proc_root, pid)).st_ino, pid)
        except OSError:
            continue
    return found.values()


def _established(path):
    """Inodes of established connections of a table in which one of the ports means TLS: set of int."""
    found = set()
    try:
        with open(path, "rb") as stream:
            left = _MOST_TABLE
            for line in stream:
                left -= len(line)
                if left < 0:
                    break
                fields = line.split(None, 10)
                if len(fields) > 9 and fields[3] == _ESTABLISHED and (_port(fields[1]) in TLS_PORTS or _port(fields[2]) in TLS_PORTS):
                    found.add(int(fields[9]))
    except (OSError, ValueError):
        pass  # the namespace is gone
    return found - {0}


def _port(address):
    return int(address.rpartition(b":")[2], 16)


def _holders(pids, wanted, proc_root):
    deadline = time.thread_time() + _MOST_SECONDS
    holders, denied, left = {}, set(), 0
    for number, pid in enumerate(pids):
        if time.thread_time() > deadline:
            return Holders(holders, denied, left + len(pids) - number)
        try:
            descriptors = proc.open_fds(pid, proc_root) or ()
        except PermissionError:
            denied.add(pid)
            continue
        except OSError:  # no descriptor is left to this process
            left += 1
            continue
        held = {int(link[len(_SOCKET):-1]) for _number, link in descriptors if link.startswith(_SOCKET)} & wanted
        if held:
            holders[pid] = held
    return Holders(holders, denied, left)
