# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS-like connections of real processes, and of a /proc made by hand."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import proc
from ansible_collections.cryptofleet.audit.plugins.module_utils._report import tls_sockets

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def connection(family, address, port):
    """A connected pair of sockets: the one the address was asked on, the one it was accepted as."""
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        outgoing = socket.create_connection((address, port))
        incoming = listener.accept()[0]
    return outgoing, incoming


def inode(held):
    return os.fstat(held.fileno()).st_ino


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.57"), (socket.AF_INET6, "::1")])
def test_both_ends_of_a_connection_on_a_port_of_tls(family, address):
    outgoing, incoming = connection(family, address, 8883)
    with outgoing, incoming:
        look = tls_sockets.tls_sockets([os.getpid()])
        assert look.holders == {os.getpid(): {inode(outgoing), inode(incoming)}} and not look.left and not look.denied
    assert os.getpid() not in tls_sockets.tls_sockets([os.getpid()]).holders


def test_other_ports_and_listening_sockets_are_none():
    outgoing, incoming = connection(socket.AF_INET, "127.0.0.57", 8881)
    with outgoing, incoming, socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.58", 8883))
        listener.listen()
        assert os.getpid() not in tls_sockets.tls_sockets([os.getpid()]).holders


def test_a_socket_that_two_processes_share_is_both_processes():
    outgoing, incoming = connection(socket.AF_INET, "127.0.0.57", 5671)
    with outgoing, incoming:
        child = os.fork()
        if not child:
            signal.pause()
            os._exit(0)
        try:
            look = tls_sockets.tls_sockets([os.getpid(), child])
            assert look.holders[child] == look.holders[os.getpid()] == {inode(outgoing), inode(incoming)}
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_a_connection_in_another_network_namespace():
    program = ("import os,socket,sys\nos.system('ip link set lo up')\nl=socket.socket()\nl.bind(('127.0.0.1',6443))\nl.listen()\n"
               "a=socket.create_connection(('127.0.0.1',6443))\nb=l.accept()[0]\nprint(os.getpid(),flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(["unshare", "--net", sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True) as other:
        pid = int(other.stdout.readline())
        assert len(tls_sockets.tls_sockets(proc.list_pids()).holders[pid]) == 2
        other.communicate("")


def test_descriptors_that_must_not_be_read():
    """As nobody: the connection is in the table, its owner's descriptors are refused."""
    outgoing, incoming = connection(socket.AF_INET, "127.0.0.57", 5061)
    with outgoing, incoming:
        reader, writer = os.pipe()
        owner, child = os.getpid(), os.fork()
        if not child:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            look = tls_sockets.tls_sockets([owner])
            os.write(writer, b"%d %d" % (owner in look.denied, len(look.holders)))
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 100) == b"1 0"
        os.close(reader)
        os.close(writer)


@pytest.fixture
def host(tmp_path):
    """A function that makes a /proc of one process with a table and descriptors."""
    def make(table, links):
        folder = tmp_path / "5"
        (folder / "net").mkdir(parents=True)
        (folder / "net" / "tcp").write_bytes(table)
        (folder / "ns").mkdir()
        (folder / "ns" / "net").write_text("")
        (folder / "fd").mkdir()
        for number, link in enumerate(links):
            os.symlink(link, folder / "fd" / str(number))
        return str(tmp_path)
    return make


def row(local, remote, state, number):
    return "   0: %s %s %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 20 4 30 10 -1\n" % (local, remote, state, number)


def test_what_the_kernel_writes(host):
    table = HEADER + row("0100007F:01BB", "0100007F:9C40", "01", 11) + row("0100007F:9C40", "0100007F:01BB", "01", 12) + row("0100007F:01BB", "00000000:0000", "0A", 13) \
        + row("0100007F:9C41", "0100007F:01BB", "06", 0) + row("0100007F:0050", "0100007F:9C42", "01", 14)
    root = host(table.encode(), ["socket:[11]", "socket:[12]", "socket:[13]", "socket:[14]", "/dev/null", "pipe:[11]"])
    assert tls_sockets.tls_sockets([5], root).holders == {5: {11, 12}}


@pytest.mark.parametrize("table", [b"", b"\0" * 5000, HEADER.encode() + b"x y z\n", HEADER.encode() + b"0: a:zz b:01BB 01 0 0 0 0 0 x\n"])
def test_a_table_that_makes_no_sense(host, table):
    assert tls_sockets.tls_sockets([5, 6], host(table, ["socket:[11]"])).holders == {}


def test_where_no_descriptor_is_left_that_is_said(monkeypatch):
    def exhausted(_pid, _root):
        raise OSError(24, "Too many open files")
    outgoing, incoming = connection(socket.AF_INET, "127.0.0.57", 465)
    with outgoing, incoming:
        monkeypatch.setattr(proc, "open_fds", exhausted)
        assert tls_sockets.tls_sockets([os.getpid()]) == ({}, set(), 1)


def test_cost_of_a_thousand_processes():
    """Within a second of processor time, with twenty descriptors each."""
    outgoing, incoming = connection(socket.AF_INET, "127.0.0.57", 853)
    children = []
    with outgoing, incoming:
        try:
            for _number in range(1000):
                child = os.fork()
                if not child:
                    for _descriptor in range(16):
                        os.open("/dev/null", os.O_RDONLY)
                    signal.pause()
                    os._exit(0)
                children.append(child)
            began = time.thread_time()
            look = tls_sockets.tls_sockets([os.getpid()] + children)
            spent = time.thread_time() - began
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    assert len(look.holders) == 1001 and look.left == 0
    assert spent < 1.0, spent
