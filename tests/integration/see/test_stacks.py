# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks that no probe can observe are named, and every process says how far it was covered."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import libraries, process, processes, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import CHECKOUT, PROGRAMS, environment, run, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

SOURCES = CHECKOUT / "tests" / "unit" / "support" / "programs"
JVM = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"
GO = pathlib.Path(sys.executable).with_name("go")


@pytest.fixture(scope="module")
def server_program(tmp_path_factory):
    """A TLS server in Go."""
    program = tmp_path_factory.mktemp("go") / "tls_server"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cryptofleet-audit-tests" / "go"
    subprocess.run([GO, "build", "-ldflags=-s -w", "-o", program, SOURCES / "tls_server.go"], check=True, timeout=600,
                   env=dict(os.environ, GOCACHE=str(cache), GOTOOLCHAIN="local", GOFLAGS="", GOPROXY="off", CGO_ENABLED="0"))
    return program


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("site"))


@contextlib.contextmanager
def running(*command, first=None, **options):
    """A program that runs for the block, after it printed a line that begins with first."""
    options.setdefault("env", environment())
    with subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options) as started:
        try:
            for line in started.stdout if first else ():
                if line.startswith(first):
                    break
            yield started.pid
        finally:
            started.kill()


def served(program, site, address):
    key, certificate = site
    return running(program, address, certificate, key, first="listening")


def stack(entry, name):
    found = [item for item in entry["stacks"] if item["name"] == name]
    assert len(found) == 1, entry["stacks"]
    return found[0]


def test_processes_that_are_there_before(server_program, site):
    """A connection from before the window; Java, node and a Python package with an OpenSSL inside."""
    node = shutil.which("node", path=environment()["PATH"])
    with contextlib.ExitStack() as stack_of:
        server = stack_of.enter_context(served(server_program, site, "127.0.0.61:8443"))
        client = stack_of.enter_context(talking("tls_held_client.py", "127.0.0.61", "8443"))
        assert client.hear() == "TLSv1.3"
        java = stack_of.enter_context(running("java", SOURCES / "Providers.java", "wait", first="disabled"))
        own = stack_of.enter_context(running(node, "-e", "console.log('ready'); process.stdin.resume()", first="ready"))
        package = stack_of.enter_context(running(sys.executable, "-B", PROGRAMS / "load_cryptography.py", first="loaded"))
        with traced(pids=[server, client.pid, java, own, package]) as window:
            pass
    profile = window.profile
    entry = process(profile, server)
    assert entry["coverage"] == "unobservable"
    assert entry["coverage_reason"].startswith("no probe observes Go crypto/tls, and no handshake of it was on the wire; its 1 TLS connections are from before")
    found = stack(entry, "Go crypto/tls")
    assert (found["path"], found["detected_by"], found["visibility"], found["evidence"]) == (str(server_program), "build info", "unobservable", {"source": "file", "grade": "present"})
    entry = process(profile, client.pid)
    assert (entry["coverage"], entry["coverage_reason"]) == ("idle", "its 1 TLS connections are from before the window") and entry["stacks"] == []
    entry = process(profile, java)
    found = stack(entry, "Java JSSE")
    assert entry["coverage"] == "unobservable" and found["path"] == JVM and found["evidence"] == {"source": "proc", "grade": "present"}
    assert "SunJSSE" in found["details"]["providers"] and found["version"].startswith("17.")
    entry = process(profile, own)
    assert stack(entry, "OpenSSL (static)")["visibility"] == "probed" and entry["coverage"] in ("idle", "observed")
    entry = process(profile, package)
    found = stack(entry, "OpenSSL (static)")
    assert found["visibility"] == "unobservable" and "/cryptography/hazmat/bindings/_rust" in found["path"] and entry["coverage"] == "unobservable"
    coverage = profile["coverage"]
    assert coverage["processes"]["unobservable"] == 3 and coverage["processes"]["idle"] + coverage["processes"]["observed"] == 2
    assert coverage["complete"] is True and coverage["scope"]["processes"] == "selected"
    excluded = {entry["pid"]: entry["code"] for entry in coverage["scope"]["excluded"]}
    assert {pid for pid, code in excluded.items() if code == "unobservable"} == {server, java, package}, excluded
    assert set(excluded.values()) <= {"unobservable", "stacks_not_searched"}, excluded
    assert reason(profile, "unobservable")["count"] == 3 and reason(profile, "unobservable")["effect"] == "excluded"


def test_a_handshake_on_the_wire_is_an_observation(server_program, site):
    """The same program, where the handshake is inside the window: it is seen, so nothing of it is unseen."""
    with served(server_program, site, "127.0.0.62:9443") as server:
        with traced(pids=[server]) as window:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.62", 9443)) as plain, context.wrap_socket(plain) as held:
                assert held.version() == "TLSv1.3"
                window.settle()
                time.sleep(0.5)
    entry = process(window.profile, server)
    assert entry["tls"] and (entry["coverage"], entry["coverage_reason"]) == ("observed", None)
    assert stack(entry, "Go crypto/tls")["visibility"] == "unobservable"
    assert window.profile["coverage"]["processes"]["unobservable"] == 0


def test_a_connection_of_an_unknown_program(tmp_path):
    """A program without library or stack that holds a connection on a port of TLS is reported, over the whole host as well."""
    with talking("held_connection.py", "127.0.0.63", 6697) as holder:
        assert holder.hear() == "connected"
        with traced() as window:
            pass
    entry = process(window.profile, holder.pid)
    assert entry["coverage"] == "unobservable" and not entry["libraries"] and entry["stacks"] == []
    assert entry["coverage_reason"].startswith("it has TLS connections and no known library or stack")
    excluded = {entry["pid"] for entry in window.profile["coverage"]["scope"]["excluded"]}
    assert holder.pid in excluded or reason(window.profile, "unobservable")["effect"] == "incomplete"


def test_programs_that_end_in_the_window(server_program, tmp_path):
    """Their files are searched after they ended; where the file is gone as well, the profile says so."""
    gone = tmp_path / "gone"
    shutil.copy(server_program, gone)
    with traced(names=["tls_server", "gone"]) as window:
        ended = run(server_program, "127.0.0.1:1", "/nothing", "/nothing", check=False)
        lost = run(gone, "127.0.0.1:1", "/nothing", "/nothing", check=False)
        gone.unlink()
    entry = process(window.profile, ended.pid)
    assert entry["exit_code"] == 1 and stack(entry, "Go crypto/tls")["version"] and entry["coverage"] == "unobservable"
    entry = process(window.profile, lost.pid)
    assert entry["stacks"] is None and entry["coverage"] is None
    assert entry["coverage_reason"] == "it exited before its program files could be searched for crypto stacks"
    assert (lost.pid, "program_not_searched") in {(entry["pid"], entry["code"]) for entry in window.profile["coverage"]["scope"]["excluded"]}


def test_a_process_that_ended_before_its_library_was_probed(tmp_path):
    """A copy of libcrypto that was never mapped before, in a program that does nothing with it and ends."""
    for name in ("libcrypto.so.3", "libssl.so.3"):
        shutil.copy(pathlib.Path("/usr/lib/x86_64-linux-gnu") / name, tmp_path / name)
    with traced(names=["openssl"]) as window:
        done = run("openssl", "version", env=environment(LD_LIBRARY_PATH=str(tmp_path)))
    entry = process(window.profile, done.pid)
    assert {pathlib.Path(item["path"]).parent for item in libraries(entry)} == {tmp_path}
    assert (entry["coverage"], entry["coverage_reason"]) == ("exited_before_attach", "it exited before a probe was on its libraries")
    assert window.profile["coverage"]["processes"]["exited_before_attach"] >= 1
    assert reason(window.profile, "exited_before_attach")["count"] >= 1


def test_in_another_mount_namespace(server_program, site):
    """A container's program and its JDK, at paths that are not there, or other files, in the host's."""
    key, certificate = site
    folder = "/mnt"
    script = "mount -t tmpfs none %s && cp %s %s/agent && exec %s/agent 127.0.0.65:8443 %s %s" % (folder, server_program, folder, folder, certificate, key)
    home = pathlib.Path(JVM).parents[2]
    configuration = os.path.realpath(home / "conf/security/java.security")
    assert configuration.startswith("/etc/")  # an absolute link leads there, which is another file in the namespace
    java = ("mount -t tmpfs none /opt && mkdir /opt/jdk && mount --bind %s /opt/jdk && cp %s /opt/own && echo security.provider.13=OnlyHere >> /opt/own &&"
            "mount --bind /opt/own %s && exec /opt/jdk/bin/java %s wait" % (home, configuration, configuration, SOURCES / "Providers.java"))
    with running("unshare", "--mount", "sh", "-c", script, first="listening") as server, \
            running("unshare", "--mount", "sh", "-c", java, first="disabled") as machine:
        with traced(pids=[server, machine]) as window:
            pass
    entry = process(window.profile, server)
    assert entry["exe"] == "/mnt/agent" and stack(entry, "Go crypto/tls")["path"] == "/mnt/agent" and not os.path.exists("/mnt/agent")
    found = stack(process(window.profile, machine), "Java JSSE")
    assert found["path"] == "/opt/jdk/lib/server/libjvm.so" and found["version"].startswith("17.")
    assert found["details"]["providers"][-1] == "OnlyHere"


def test_a_snapshot_calls_nothing_observed(server_program, site):
    with served(server_program, site, "127.0.0.64:8443") as server, talking("tls_held_client.py", "127.0.0.64", "8443") as client:
        assert client.hear() == "TLSv1.3"
        document = ask("snapshot", pids=[server, client.pid]).document
    assert {entry["coverage"] for entry in document["processes"]} == {"unobservable"} and document["coverage"]["processes"]["observed"] == 0
    assert [stack["name"] for stack in process(document, server)["stacks"]] == ["Go crypto/tls"]
    assert document["coverage"]["complete"] is False and len(processes(document)) == 2
