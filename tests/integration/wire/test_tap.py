# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tap on this host: real TLS, network namespaces, programs of others on the same cgroups, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import syscalls
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import WIRE_KNOWN
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.wire import mounted_root
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.collector import HandshakeCollector
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask, mounted, probe, until
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import COLLECTIONS, PROGRAMS, environment, python_command, require_root, run, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.wire import events_of, foreign_program, real_client_hello, record, tap
from ansible_collections.cryptofleet.audit.tests.integration.support.wire_calls import take_root

PORT = 47443
# enum bpf_cmd; BPF_F_ALLOW_MULTI
_ENABLE_STATS = 32
_MULTI = 2


@pytest.fixture(autouse=True)
def root():
    require_root()


@contextlib.contextmanager
def server(folder, *options, prefix=()):
    """openssl s_server on PORT; its process."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=site", "-keyout", folder / "key.pem",
        "-out", folder / "cert.pem")
    process = subprocess.Popen([*prefix, tool("openssl", "openssl"), "s_server", "-accept", str(PORT), "-quiet", "-cert", folder / "cert.pem",
                                "-key", folder / "key.pem", *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening = [*prefix, tool("ss", "iproute2"), "-Hltn", "sport", "= :%d" % PORT]
    try:
        until(lambda: subprocess.run(listening, capture_output=True, check=True).stdout)
        yield process
    finally:
        process.kill()
        process.wait()


def connect(address, *options):
    return run("openssl", "s_client", "-connect", "%s:%d" % (address, PORT), "-servername", "site", *options, stdin="Q\n")


def said(events, by_server, sender=None):
    """What one end sent, as the same end's kernel had it; with a sender, the pid that every packet must have."""
    found = [event for event in events if event.outgoing and (event.local_port == PORT) is by_server]
    assert sender is None or {event.subject.image.pid for event in found} == {sender}
    return b"".join(event.data for event in found)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl(tmp_path, version):
    with tap() as made, server(tmp_path) as listener:
        client = connect("127.0.0.1", version)
        events = events_of(made, PORT, 4)
    client_says, server_says = said(events, False, client.pid), said(events, True, listener.pid)
    assert client_says.startswith(b"\x16\x03\1") and client_says[5] == 1 and b"site" in client_says
    assert server_says.startswith(b"\x16\x03\3") and server_says[5] == 2
    assert {event.subject.comm for event in events if event.outgoing} == {b"openssl"}
    # the certificate is in clear in TLS 1.2 only
    assert (b"\x55\x04\x03" in server_says) is (version == "-tls1_2")
    for at_server, sent in ((True, client_says), (False, server_says)):
        there = [event for event in events if (event.local_port == PORT) is at_server]
        assert len({event.cookie for event in there}) == 1
        first = next(event for event in there if not event.outgoing)
        assert first.flags & WIRE_KNOWN and first.data == sent[:43]


@contextlib.contextmanager
def network_namespace():
    """A namespace of its own with a way there and back; yields its name and number."""
    ip = tool("ip", "iproute2")
    subprocess.run([ip, "netns", "add", "wire-test"], check=True)
    try:
        for command in ("link add wire-here type veth peer name wire-there netns wire-test", "addr add 10.77.7.1/24 dev wire-here", "link set wire-here up",
                        "-n wire-test addr add 10.77.7.2/24 dev wire-there", "-n wire-test link set wire-there up", "-n wire-test link set lo up"):
            subprocess.run([ip, *command.split()], check=True)
        yield "wire-test", os.stat("/run/netns/wire-test").st_ino
    finally:
        subprocess.run([ip, "netns", "delete", "wire-test"], check=True)


def test_another_network_namespace(tmp_path):
    with network_namespace() as (name, number), tap() as made, server(tmp_path, prefix=(tool("ip", "iproute2"), "netns", "exec", name)):
        client = connect("10.77.7.2")
        events = events_of(made, PORT, 4)
    here = os.stat("/proc/self/ns/net").st_ino
    assert number != here and {event.network_namespace for event in events} == {here, number}
    for event in events:
        assert (event.local_port == PORT) is (event.network_namespace == number)
        assert event.local == bytes((10, 77, 7, 2 if event.local_port == PORT else 1))
    assert said(events, False, client.pid)[5] == 1 and said(events, True)[5] == 2


_ANSWER = record(22, b"\2\0\0\x2e\3\3" + os.urandom(32) + b"\0\x13\1\0\0\6\0\x2b\0\2\3\4")  # a ServerHello of TLS 1.3


@contextlib.contextmanager
def cut(namespace):
    """No way into the namespace or out of it for the block and a second more."""
    link = (tool("ip", "iproute2"), "-n", namespace, "link", "set", "wire-there")
    subprocess.run([*link, "down"], check=True)
    yield
    time.sleep(1)
    subprocess.run([*link, "up"], check=True)


def test_hellos_that_are_sent_again():
    """The way is cut while each hello is sent, and the kernel sends it until it arrives."""
    ip, asked = tool("ip", "iproute2"), real_client_hello()
    with network_namespace() as (name, _number), tap() as made:
        inside = [ip, "netns", "exec", name]
        listener = subprocess.Popen([*inside, *python_command("slow_server.py"), "10.77.7.2", str(PORT), str(len(asked)), _ANSWER.hex()], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        try:
            assert listener.stdout.readline() == "ready\n"
            with socket.create_connection(("10.77.7.2", PORT), timeout=30) as client:
                with cut(name):
                    client.sendall(asked)
                assert listener.stdout.readline() == "asked\n"
                with cut(name):
                    listener.stdin.write("\n")
                    listener.stdin.flush()
                assert client.recv(len(_ANSWER)) == _ANSWER
                events = events_of(made, PORT)
        finally:
            listener.kill()
            listener.communicate()
    handshakes = HandshakeCollector()
    seen = [seen for event in events for seen in handshakes.take(event)] + handshakes.settle(0, everything=True)
    assert sorted((one.role, one.outcome, one.version) for one in seen) == [("client", "negotiated", 0x0304), ("server", "negotiated", 0x0304)]


@contextlib.contextmanager
def cgroup():
    """A cgroup of its own, as systemd makes for a unit."""
    folder = os.path.join(mounted_root(), "wire-test")
    os.mkdir(folder)
    try:
        yield folder
    finally:
        until(lambda: not open(os.path.join(folder, "cgroup.procs")).read())
        os.rmdir(folder)


def send_one(folder):
    """Whether a packet comes from a process in that cgroup to us."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.5)
        run(*python_command("send_from_cgroup.py"), folder, listener.getsockname()[1], check=False)
        try:
            return listener.recv(1) == b"x"
        except socket.timeout:
            return False


@pytest.mark.parametrize("flags", [_MULTI, 0], ids=["beside others", "exclusive"])
@pytest.mark.parametrize("verdict", [0, 1])
def test_a_units_own_rules_hold(verdict, flags):
    """What systemd attaches for IPAddressDeny= and IPAccounting=: the verdict is theirs, before, with and after the tap."""
    with cgroup() as folder, foreign_program(verdict, folder, flags):
        assert send_one(folder) is bool(verdict)
        with tap():
            assert send_one(folder) is bool(verdict)
        assert send_one(folder) is bool(verdict)


def runs(program):
    text = open("/proc/self/fdinfo/%d" % program).read()
    return int(re.search(r"^run_cnt:\s*(\d+)", text, re.M).group(1))


def test_others_at_the_root_see_what_they_saw():
    """The packets of a program at the same place are counted by it as before."""
    statistics = syscalls._bpf(_ENABLE_STATS, struct.pack("=I", 0))
    try:
        with cgroup() as folder, foreign_program(1, folder, _MULTI) as program, foreign_program(1, mounted_root(), _MULTI) as at_root:
            for attach in (False, True, False):
                with tap() if attach else contextlib.nullcontext():
                    before, before_root = runs(program), runs(at_root)
                    assert send_one(folder)
                    assert runs(program) == before + 1 and runs(at_root) > before_root
    finally:
        os.close(statistics)


def test_a_root_cgroup_held_exclusively():
    """Where a program holds the root cgroup exclusively (no BPF_F_ALLOW_MULTI), system calls are probed instead, and the profile says what that misses."""
    with contextlib.ExitStack() as holding:
        take_root(holding)
        document = ask("preflight").document
    for name in ("tls_handshake", "ssh_kex"):
        entry = probe(document, name)
        assert (entry["status"], entry["errno"]) == ("partial", "EPERM")
        assert all(word in entry["reason"] for word in ("exclusively", "QUIC", "io_uring", "sendfile", "splice"))
        assert entry["hook"].startswith("tp_btf/sys_exit, because the root cgroup is unavailable (attach: ") and "not permitted" in entry["hook"]
    assert probe(document, "process")["status"] == "attached"
    assert document["supports"]["profile"] and document["supports"]["grade"] == "reduced"


def test_no_mounted_cgroup2():
    script = "for at in $(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts); do umount -l $at; done"
    document = ask("preflight", prefix=mounted(script)).document
    assert document["kernel"]["cgroup_mode"] != "v2"
    assert [probe(document, name)["hook"] for name in ("tls_handshake", "ssh_kex")] == ["cgroup_skb detached cgroup2 mount"] * 2
    document = ask("preflight").document
    assert probe(document, "tls_handshake")["hook"] == "cgroup_skb %s" % mounted_root()


def test_another_cgroup_namespace():
    """Its root is not the host's: what is below it would be some sockets and not others."""
    prefix = [tool("unshare", "util-linux"), "--mount", "--cgroup", "--propagation", "private", "/bin/sh", "-euc",
              "for at in $(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts); do umount -l $at; done; exec \"$@\"", "sh"]
    with cgroup() as folder:
        moved = ["/bin/sh", "-euc", 'echo 0 > %s/cgroup.procs; exec "$@"' % folder, "sh"]
        document = ask("preflight", prefix=moved + prefix).document
    entry = probe(document, "tls_handshake")
    assert entry["status"] == "partial" and "cgroup namespace" in entry["reason"] and entry["hook"].startswith("tp_btf/sys_exit")


def ids_of_links():
    said = subprocess.run([tool("bpftool", "bpftool"), "-j", "link", "list"], capture_output=True, text=True, check=True).stdout
    return {link["id"] for link in json.loads(said) if link["type"] == "cgroup"}


def links_of(pid):
    """Numbers of the links that a process holds."""
    held = set()
    for entry in os.scandir("/proc/%s/fdinfo" % pid):
        with contextlib.suppress(OSError), open(entry.path) as stream:
            held.update(map(int, re.findall(r"^link_id:\s*(\d+)", stream.read(), re.M)))
    return held


def test_a_killed_tracer_leaves_nothing():
    child = subprocess.Popen([sys.executable, PROGRAMS / "hold_tap.py"], stdout=subprocess.PIPE, env=environment(PYTHONPATH=str(COLLECTIONS)))
    try:
        assert child.stdout.readline() == b"on\n"
        held = links_of(child.pid)
        assert len(held) == 2 and held <= ids_of_links()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    until(lambda: not held & ids_of_links())


def test_a_closed_tap_leaves_nothing():
    with tap():
        held = links_of("self")
        assert len(held) == 2 and held <= ids_of_links()
    until(lambda: not held & ids_of_links())
