# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server that runs before the window opens, under load, and reloads its configuration inside the window."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import build_id, certificate_facts, make_site, package_of
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, file, library, operations, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import end, environment, run, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

CONFIGURATION = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 2;
daemon off;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} ssl reuseport;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        return 200 "hello";
    }}
}}
"""
REQUESTS = 40
RELOADS = 3


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _children(pid):
    return {int(child) for child in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()}


def _until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nginx: %s did not happen in %d s" % (what, seconds)
        time.sleep(0.01)


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def nginx(folder):
    """A server of our own: master and two workers, both ready."""
    key, certificate = make_site(folder)
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, certificate=certificate, key=key))
    program = tool("nginx", "nginx-light")
    with open(folder / "stderr", "wb") as errors:
        server = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration)], stdin=subprocess.DEVNULL, stderr=errors, env=environment())
    try:
        _until(lambda: server.poll() is None and len(_children(server.pid)) == 2 and _answers(port), "a start with two workers")
        yield SimpleNamespace(program=program, master=server.pid, workers=_children(server.pid), port=port, key=key, certificate=certificate,
                              folder=folder, configuration=configuration)
    finally:
        end(server, signal.SIGQUIT)


def _requests(site, number):
    """One full handshake each."""
    urls = ["https://localhost:%d/%d" % (site.port, count) for count in range(number)]
    done = run(tool("curl", "curl"), "--silent", "--fail", "--cacert", site.certificate, "--resolve", "localhost:%d:127.0.0.1" % site.port,
               "--header", "Connection: close", "--no-sessionid", *urls)
    assert done.stdout.count("hello") == number


def _reload(site):
    before = _children(site.master)
    done = run(site.program, "-p", site.folder, "-c", site.configuration, "-s", "reload")
    _until(lambda: len(_children(site.master)) == 2 and not _children(site.master) & before and _answers(site.port), "new workers after a reload")
    return done.pid, _children(site.master)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = pathlib.Path(tmp_path_factory.mktemp("nginx"))
    os.chmod(folder, 0o755)
    shutil.chown(folder, "root", "root")
    with nginx(folder) as site:
        with traced(names=["nginx"]) as window:
            _requests(site, REQUESTS)
            site.reloaders, site.later = [], []
            for _number in range(RELOADS):
                pid, workers = _reload(site)
                site.reloaders.append(pid)
                site.later.append(workers)
                _requests(site, REQUESTS)
        site.profile = window.profile
    assert_attached(site.profile)
    return site


def test_every_nginx_process_is_listed(seen):
    ours = {entry["pid"]: entry for entry in seen.profile["processes"] if entry["pid"] == seen.master or entry["ppid"] in (seen.master, os.getpid())}
    assert set(ours) >= {seen.master} | seen.workers | set.union(*seen.later) | set(seen.reloaders)
    assert {entry["name"] for entry in seen.profile["processes"]} == {"nginx"}
    assert process(seen.profile, seen.master)["ppid"] == os.getpid()
    for pid in seen.workers | set.union(*seen.later):
        entry = process(seen.profile, pid)
        assert (entry["ppid"], entry["exe"]) == (seen.master, "/usr/sbin/nginx")


def test_who_was_there_before_and_who_came(seen):
    opened = seen.profile["window"]["started_at"]
    for pid in {seen.master} | seen.workers:
        entry = process(seen.profile, pid)
        assert entry["started_at"] < opened
        assert entry["evidence"] == {"source": "proc", "grade": "present"}
    for pid in set.union(*seen.later):
        assert process(seen.profile, pid)["started_at"] > opened
    for pid in seen.workers:  # they leave at the first reload
        assert (process(seen.profile, pid)["exit_code"], process(seen.profile, pid)["exit_signal"]) == (0, None)
    assert process(seen.profile, seen.master)["exited_at"] is None


def test_master_and_workers_differ_in_their_command_lines(seen):
    assert process(seen.profile, seen.master)["cmdline"][0].startswith("nginx: master process")
    for pid in seen.workers:
        assert process(seen.profile, pid)["cmdline"][0].startswith("nginx: worker process")
        assert process(seen.profile, pid)["user"] != "root"


def test_libraries_are_those_of_the_maps(seen):
    for pid in {seen.master} | seen.workers:
        entry = process(seen.profile, pid)
        for name in ("libcrypto", "libssl"):
            found = library(entry, name)
            assert (found["how"], found["deleted"], found["first_seen"]) == ("present", False, None)
            assert found["build_id"] == build_id(found["path"])
            assert found["package"] == package_of(found["path"])
            assert found["evidence"] == {"source": "proc", "grade": "present"}
    for pid in set.union(*seen.later):
        assert library(process(seen.profile, pid), "libssl")


def test_key_and_certificate_are_read_by_the_master_at_each_reload(seen):
    entry = process(seen.profile, seen.master)
    key, certificate = file(entry, seen.key), file(entry, seen.certificate)
    assert (key["kind"], key["flags"], key["result"], key["count"], key["classified_by"]) == ("private_key", ["O_RDONLY"], "ok", RELOADS, "content")
    assert (certificate["kind"], certificate["flags"], certificate["count"]) == ("certificate", ["O_RDONLY"], RELOADS)
    expected = certificate_facts(seen.certificate)
    assert {name: certificate["facts"][name] for name in expected} == expected
    assert seen.profile["window"]["started_at"] < key["first_seen"] < key["last_seen"]
    for pid in seen.workers:
        assert not [item for item in process(seen.profile, pid)["files"] if item["path"] in (str(seen.key), str(seen.certificate))]


def test_the_one_that_asks_for_the_reload_tests_the_configuration_too(seen):
    """`nginx -s reload` reads the configuration, not the key; the files it opened are its own, not the server's."""
    for pid in seen.reloaders:
        entry = process(seen.profile, pid)
        assert entry["cmdline"][-2:] == ["-s", "reload"]
        assert (entry["ppid"], entry["exit_code"]) == (os.getpid(), 0)


def test_every_handshake_signs_once(seen):
    """TLS 1.3 with an RSA key: the server signs once for each full handshake. Nobody resumes: every curl connection is new."""
    workers = seen.workers | set.union(*seen.later)
    signed = sum(operations(process(seen.profile, pid))["RSA-PSS", "sign"] + sum(
        count for (algorithm, operation), count in operations(process(seen.profile, pid)).items()
        if operation == "sign" and algorithm and algorithm.startswith("RSA") and algorithm != "RSA-PSS") for pid in workers)
    assert signed == REQUESTS * (1 + RELOADS)


def test_operations_of_the_load(seen):
    workers = seen.workers | set.union(*seen.later)
    total = sum((operations(process(seen.profile, pid)) for pid in workers), start=operations({"operations": []}))
    assert total["AES-256-GCM", "encrypt"] + total["AES-256-GCM", "cipher"] > 0, total
    assert operations(process(seen.profile, seen.master))["TLS", "tls_context"] == RELOADS
    assert not [1 for pid in workers if operations(process(seen.profile, pid))["TLS", "tls_context"]]
