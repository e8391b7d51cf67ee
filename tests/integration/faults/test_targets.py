# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets that are not there, that never come, and that end before the window does."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import request_from
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import images, process, processes, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, python_command, run, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import TracerError, traced

ENGINES = ["auto", "procfs"]
NO_SUCH_PID = 2 ** 22 + 1  # above PID_MAX_LIMIT


@pytest.fixture
def gone():
    """A pid that was there a moment ago."""
    with subprocess.Popen(["/bin/true"]) as child:
        child.wait()
    return child.pid


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["trace", "monitor", "snapshot"])
def test_unknown_pid(gone, what, engine):
    began = time.monotonic()
    answer = ask(what, pids=[NO_SUCH_PID, gone], duration=3000, engine=engine)
    assert answer.error == "no process has the pid %d, %d on this host" % tuple(sorted((NO_SUCH_PID, gone)))
    assert time.monotonic() - began < 60, "it does not wait for the window's end"


def test_one_unknown_pid_among_known_ones():
    with talking("input()") as child:
        assert ask("trace", pids=[child.pid, NO_SUCH_PID], duration=2).error == "no process has the pid %d on this host" % NO_SUCH_PID


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["trace", "monitor", "snapshot"])
@pytest.mark.parametrize("targets, word", [
    ({"names": ["no-such-program"]}, "name 'no-such-program'"),
    ({"names": ["no-such-*", "[x"]}, "name 'no-such-*', name '[x'"),
    ({"units": ["no-such.service"]}, "unit 'no-such.service'"),
    ({"containers": ["0123456789ab"]}, "container '0123456789ab'"),
])
def test_nothing_matches(targets, word, what, engine):
    answer = ask(what, duration=1, engine=engine, **targets)
    assert answer.error == "nothing on this host matched %s in the window" % word


def test_some_targets_match_and_some_do_not():
    with talking("input()") as child:
        document = ask("trace", pids=[child.pid], names=["no-such-program"], duration=1).document
    assert process(document, child.pid)["pid"] == child.pid
    assert reason(document, "target_not_found")["message"] == "no process matched name 'no-such-program' in the window"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_name_that_comes_inside_the_window(engine, tmp_path):
    """Without any cryptography in it: it was there, and nothing of the kind was seen."""
    program = tmp_path / "late-program"
    program.symlink_to("/bin/sleep")
    with traced(names=["late-prog*"], engine=engine) as window:
        with subprocess.Popen([str(program), "600"]) as child:
            window.settle()
            window.settle()
            child.terminate()
    entry = process(window.profile, child.pid)
    assert entry["files"] == entry["operations"] == [] and (entry["exit_signal"] == signal.SIGTERM or engine == "procfs")


@pytest.mark.parametrize("bounds", [{"duration": 0}, {"duration": 3601}, {"duration": -5}])
def test_duration_out_of_range(bounds):
    params = {"pid": [], "name": [], "unit": [], "container": [], "probes": {}, "engine": "auto", "follow_children": True, "redact": True}
    with pytest.raises(AuditError, match="duration must be from 1 to 3600, not %d" % bounds["duration"]):
        request_from(dict(params, **bounds))


@pytest.mark.parametrize("end, code, number", [("exit", 7, None), ("kill", None, 9), ("abort", None, 6)])
def test_a_target_that_dies_ends_the_window_early_with_all_that_was(end, code, number):
    began = time.monotonic()
    child = subprocess.Popen([*python_command("end_after_use.py"), end], stdin=subprocess.PIPE, env=environment(), cwd="/tmp")
    try:
        with traced(pids=[child.pid], duration=3000) as window:
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.wait(timeout=60)
            window.wait()
    finally:
        child.kill()
        child.stdin.close()
        child.wait()
    assert time.monotonic() - began < 120
    profile = window.profile
    assert profile["window"]["ended_because"] == "targets_exited" and profile["window"]["requested_seconds"] == 3000
    entry = process(profile, child.pid)
    assert (entry["exit_code"], entry["exit_signal"]) == (code, number) and entry["exited_at"]
    assert {library["name"] for library in entry["libraries"]} >= {"libcrypto", "libssl"}
    assert {file["kind"] for file in entry["files"]} & {"config", "certificate_bundle", "certificate"}
    assert entry["operations"], "what it did before it died"


def test_children_of_a_dead_target_keep_the_window_open():
    child = subprocess.Popen(python_command("leave_child.py"), stdin=subprocess.PIPE, env=environment())
    with traced(pids=[child.pid], duration=3000) as window:
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait(timeout=60)
        window.settle()
        window.settle()
        child.stdin.close()
        window.wait()
    assert window.profile["window"]["ended_because"] == "targets_exited"
    assert sorted((entry["pid"] == child.pid, entry["exit_code"]) for entry in window.profile["processes"]) == [(False, 3), (True, 0)]


def test_without_follow_children_a_window_ends_with_its_target():
    child = subprocess.Popen(python_command("leave_child.py"), stdin=subprocess.PIPE, env=environment())
    with traced(pids=[child.pid], duration=3000, follow_children=False) as window:
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait(timeout=60)
        window.wait()
    child.stdin.close()
    assert [entry["pid"] for entry in window.profile["processes"]] == [child.pid]
    assert window.profile["window"]["ended_because"] == "targets_exited"


def test_a_name_does_not_end_the_window_early(tmp_path):
    """A program of that name may start again."""
    program = tmp_path / "again-program"
    program.symlink_to("/bin/true")
    with traced(names=["again-program"], duration=600) as window:
        run(program)
        window.settle()
        run(program)
    assert window.profile["window"]["ended_because"] == "signal"
    assert [entry["exit_code"] for entry in processes(window.profile, name="again-program")] == [0, 0]


def test_many_targets_die_at_once():
    children = [subprocess.Popen(["/bin/sleep", "600"]) for _number in range(50)]
    try:
        with traced(pids=[child.pid for child in children], duration=3000) as window:
            for child in children:
                child.kill()
            window.wait()
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert window.profile["window"]["ended_because"] == "targets_exited"
    assert all(images(window.profile, child.pid)[-1]["exit_signal"] == 9 for child in children)


def test_the_tracer_says_an_error_and_no_traceback():
    with pytest.raises(TracerError) as caught:
        with traced(pids=[NO_SUCH_PID]):
            pass
    assert str(caught.value).strip() == "AuditError: no process has the pid %d on this host" % NO_SUCH_PID


def test_a_thread_is_no_process():
    with talking("thread_number.py") as child:
        thread = int(child.hear())
        assert ask("trace", pids=[thread], duration=1).error == "no process has the pid %d on this host" % thread

