# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process is which: a reused pid, two tracers at once, the tracer itself; and redaction of command lines and paths."""

from __future__ import annotations

import json
import os
import pathlib
import secrets
import shutil
import subprocess
import threading

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, functions, images, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import PROGRAMS, environment, python, run, talking, tool
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

CHILDREN = 60


@pytest.fixture(scope="module")
def reuse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reuse")
    run(tool("gcc", "gcc"), "-O1", "-o", folder / "reuse", PROGRAMS / "reuse_pid.c")
    return folder / "reuse"


def test_a_pid_used_sixty_times_is_sixty_processes(reuse, tmp_path):
    """Several of them begin within the same 1/100 s, the resolution of /proc."""
    key = make_key(tmp_path)
    for number in range(1, CHILDREN + 1):
        shutil.copy(key, tmp_path / ("%d.key" % number))
    load = subprocess.Popen([reuse, tmp_path, str(CHILDREN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        pid = int(load.stdout.readline())
        with traced() as window:
            load.stdin.write("\n")
            load.stdin.flush()
            assert load.wait(timeout=60) == 0, "the kernel can't choose a pid: Linux 5.5 is needed"
            window.settle()
    finally:
        load.kill()
        load.communicate()
    found = images(window.profile, pid)
    assert len(found) == CHILDREN
    ticks = [entry["started_at"][:-5] for entry in found]
    assert len(set(ticks)) < len(ticks), "no two began in the same 1/100 s: this machine is too slow to prove it"
    assert len({entry["started_at"] for entry in found}) == CHILDREN
    for entry in found:
        only, = entry["files"]
        assert pathlib.Path(only["path"]).name == "%d.key" % entry["exit_code"] and only["count"] == entry["exit_code"]
        assert entry["started_at"] <= only["first_seen"] <= only["last_seen"] <= entry["exited_at"]


def make_key(folder):
    path = folder / "made.pem"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    return path


def test_a_pid_asked_for_is_not_the_one_that_gets_it_later(reuse, tmp_path):
    """The window is kept open by another target."""
    for number in (1, 2, 3):
        shutil.copy(make_key(tmp_path), tmp_path / ("%d.key" % number))
    with talking("input()") as other:
        load = subprocess.Popen([reuse, tmp_path, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pid = int(load.stdout.readline())
        with traced(pids=[load.pid, other.pid], follow_children=False) as window:
            load.stdin.write("\n")
            load.stdin.flush()
            load.wait(timeout=60)
            window.settle()
        load.communicate()
    assert {entry["pid"] for entry in window.profile["processes"]} == {load.pid, other.pid} and pid != load.pid


# an algorithm that importing hashlib does not try by itself
HASHES = "import hashlib, sys; [hashlib.new('sha512_256', b'x') for _ in range(321)]; open(sys.argv[1]).close(); print(hashlib.sha512(b'y').hexdigest())"


def digests(entry):
    return sum(number for (_function, algorithm, _what, _bits), number in functions(entry).items() if algorithm in ("SHA512-256", "SHA512/256"))


def test_two_tracers_see_everything_each(tmp_path):
    key = make_key(tmp_path)
    with traced() as first:
        with traced() as second:
            done = python(HASHES, key)
            second.settle()
            first.settle()
        again = python(HASHES, key)
        first.settle()
    assert done.stdout == again.stdout
    for profile in (first.profile, second.profile):
        entry = process(profile, done.pid)
        assert digests(entry) == 321
        assert file(entry, key)["count"] == 1 and entry["exit_code"] == 0
    entry = process(first.profile, again.pid)
    assert digests(entry) == 321
    assert again.pid not in {item["pid"] for item in second.profile["processes"]}


def test_the_tracer_does_not_see_itself(tmp_path):
    """It reads the files that events name, and hashes; none of that is reported."""
    for number in range(20):
        shutil.copy("/etc/ssl/openssl.cnf", tmp_path / ("%d.cnf" % number))
    key = make_key(tmp_path)
    with traced() as window:
        run("cat", key, *sorted(tmp_path.glob("*.cnf")))
        window.settle()
    for entry in images(window.profile, window.pid):
        assert entry["files"] == [] and entry["operations"] == [] and entry["audit_connection"] is True
    assert not [entry for entry in window.profile["processes"] if entry["ppid"] == window.pid]


@pytest.mark.parametrize("most", [1, 25])
def test_max_events_ends_the_window(most, tmp_path):
    key = make_key(tmp_path)
    stop = threading.Event()

    def load():
        while not stop.is_set():
            run("openssl", "pkey", "-in", key, "-noout")
    thread = threading.Thread(target=load)
    thread.start()
    try:
        lines = ask("monitor", duration=3000, max_events=most).document
    finally:
        stop.set()
        thread.join()
    events = [json.loads(line) for line in lines]
    assert len(events) == most + 1 and events[-1]["event"] == "coverage"
    coverage = events[-1]["coverage"]
    ended, = (entry for entry in coverage["reasons"] if entry["code"] == "stream_ended")
    assert coverage["complete"] is False and "max_events, %d" % most in ended["message"]


# redaction

SECRET = secrets.token_hex(8)
COMMANDS = [
    ["mysql", "-uroot", "-p%s" % SECRET, "db"],
    ["curl", "-u", "alice:%s" % SECRET, "https://127.0.0.1:1/"],
    ["curl", "-H", "Authorization: Bearer %s" % SECRET, "https://127.0.0.1:1/"],
    ["curl", "https://bob:%s@127.0.0.1:1/x?access_token=%s" % (SECRET, SECRET)],
    ["openssl", "enc", "-aes-256-cbc", "-k", SECRET],
    ["openssl", "enc", "-aes-256-cbc", "-K", SECRET * 4, "-iv", "0" * 32],
    ["openssl", "pkey", "-in", "x.pem", "-passin", "pass:%s" % SECRET],
    ["openssl", "dgst", "-hmac", SECRET],
    ["docker", "login", "--password", SECRET, "registry"],
    ["server", "--api-key=%s" % SECRET, "--token", SECRET, "--client-secret", SECRET],
    ["env", "AWS_SECRET_ACCESS_KEY=%s" % SECRET, "PGPASSWORD=%s" % SECRET, "true"],
    ["sshpass", "-p", SECRET, "ssh", "host"],
    ["sh", "-c", "mysql -p%s < dump; curl -u x:%s https://y" % (SECRET, SECRET)],
    ["tool", "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----" % SECRET],
]


@pytest.fixture
def programs(tmp_path):
    """Programs of these names that do nothing."""
    for name in {command[0] for command in COMMANDS}:
        shutil.copy("/bin/true", tmp_path / name)
    return tmp_path


@pytest.fixture
def home():
    """A person's home with a program and a key in it."""
    folder = pathlib.Path("/home/alice-%s" % SECRET)
    folder.mkdir(parents=True)
    try:
        shutil.copy("/bin/cat", folder / "cat")
        make_key(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def do(programs, home):
    for command in COMMANDS:
        subprocess.run([programs / command[0], *command[1:]], env=environment(), check=True)
    run(home / "cat", home / "made.pem", "--", home / "made.pem")


@pytest.mark.parametrize("redact", [True, False])
def test_redaction(programs, home, redact):
    with traced(pids=[os.getpid()], redact=redact) as window:
        do(programs, home)
        window.settle()
    entries = window.profile["processes"]
    lines = [entry["cmdline"] for entry in entries if entry["cmdline"]]
    for command in COMMANDS:
        mine = [line for line in lines if line[0].endswith("/" + command[0]) and len(line) == len(command)]
        assert mine, command
    text = json.dumps(window.profile)
    own = json.dumps([entry for entry in entries if entry["pid"] == os.getpid()])  # the tests' own command line
    if redact:
        assert SECRET not in text.replace(own, ""), [line for line in lines if SECRET in str(line)]
        assert "/home/[user]/made.pem" in text and "/home/[user]/cat" in text
    else:
        assert all(any(line[1:] == command[1:] for line in lines) for command in COMMANDS)
        assert str(home) in text


@pytest.mark.parametrize("redact", [True, False])
def test_redaction_in_a_stream_and_in_a_snapshot(programs, home, redact):
    program = home / "sleep"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([str(program), "600"]) as held:
        done = ask("snapshot", pids=[held.pid], redact=redact).document
        held.kill()
    assert (str(home) in json.dumps(done)) is not redact
    stop = threading.Event()

    def load():
        while not stop.is_set():
            do(programs, home)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        lines = ask("monitor", pids=[os.getpid()], duration=3, redact=redact).document
    finally:
        stop.set()
        thread.join()
    assert len(lines) > len(COMMANDS)
    assert any(SECRET in line for line in lines) is not redact
