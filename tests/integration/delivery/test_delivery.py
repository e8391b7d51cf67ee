# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does around a module: validating, storing, waiting. The tracer is made up; everything else is real."""

from __future__ import annotations

import gzip
import hashlib
import json
import pathlib
import subprocess
import time

import pytest

FQCN = "cryptofleet.audit."


def test_without_dest_the_result_is_a_summary(made_up):
    done, result = made_up().module(FQCN + "crypto_profile", "duration=1")
    assert done.returncode == 0, done.stderr + done.stdout
    assert result["changed"] is False and "profile" not in result and "truncated" not in result
    assert result["summary"]["complete"] is True and result["summary"]["algorithms"] == "AES-256-GCM (1000)"
    assert result["msg"].startswith("1 process with cryptography on web1 in 30 s")
    assert "observing for 1 s" in done.stderr
    # it fits a terminal of 40 lines
    assert sum(1 + len(line) // 110 for line in done.stdout.splitlines()) <= 40


def test_the_document_is_in_the_result_where_it_is_asked_for(made_up):
    done, result = made_up().module(FQCN + "crypto_profile", "duration=1 return_document=true")
    assert done.returncode == 0, done.stderr + done.stdout
    assert result["profile"]["processes"][0]["operations"][0]["count"] == 1000
    assert result["truncated"] is False and result["summary"]["complete"] is True


def test_with_dest_the_document_is_in_the_file_and_the_summary_in_the_result(made_up, profile):
    place = made_up()
    done, result = place.module(FQCN + "crypto_profile", "duration=1 dest=out/")
    assert done.returncode == 0, done.stderr + done.stdout
    path = place.folder / "out" / "localhost.json.gz"
    assert result["dest"] == str(path)
    assert json.loads(gzip.decompress(path.read_bytes())) == profile
    assert result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result["size"] == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    assert "profile" not in result
    assert result["summary"]["complete"] is True
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("module, key", [("crypto_snapshot", "profile"), ("crypto_preflight", "preflight"), ("crypto_monitor", "events")])
def test_every_module_delivers(made_up, module, key):
    place = made_up()
    arguments = "duration=1" if module == "crypto_monitor" else ""
    done, result = place.module(FQCN + module, arguments + " return_document=true")
    assert done.returncode == 0, done.stderr + done.stdout
    assert result[key]
    done, result = place.module(FQCN + module, arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    assert key not in result and result["msg"] and result["summary"]
    assert sum(1 + len(line) // 110 for line in done.stdout.splitlines()) <= 40
    done, result = place.module(FQCN + module, arguments + " dest=out/")
    assert done.returncode == 0, done.stderr + done.stdout
    assert key not in result and "stream" not in result
    assert pathlib.Path(result["dest"]).stat().st_size == result["size"]


def test_a_stream_is_stored_as_json_lines(made_up, events):
    place = made_up()
    done, result = place.module(FQCN + "crypto_monitor", "duration=1 dest=events.jsonl")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = (place.folder / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == events
    assert result["summary"]["events"] == 1


def test_a_document_that_breaks_its_schema_is_refused_and_not_stored(made_up, profile):
    profile["processes"][0]["files"][1]["kind"] = "poem"
    place = made_up(profile=profile)
    done, result = place.module(FQCN + "crypto_profile", "duration=1 dest=out/")
    assert done.returncode == 2
    assert result["invalid"] is True
    assert "$.processes[0].files[1].kind" in result["msg"]
    assert "profile" not in result and "summary" not in result
    assert list((place.folder / "out").iterdir()) == []


def test_an_empty_match_is_one_clear_error(made_up):
    done, result = made_up().module(FQCN + "crypto_profile", "name=nobody duration=1")
    assert done.returncode == 2
    assert result["msg"] == "no process matches name 'nobody'"
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments, words", [
    ("duration=0", "duration must be from 1 to 3600, not 0"),
    ("duration=3601", "duration must be from 1 to 3600, not 3601"),
    ("duration=soon", "duration"),
    ("pid=0", "pid must be 1 or more"),
    ("engine=magic", "value of engine must be one of"),
    ("max_processes=0", "max_processes must be from 1 to"),
    ('{"name": [" "]}', "name contains an empty string"),
    ('{"probes": {"process": false, "file_open": false, "library_load": false, "openssl_api": false, "library_api": false, "tls_handshake": false, "ssh_kex": false}}', "every probe is disabled"),
])
def test_bad_options_are_an_error_before_anything_runs(made_up, arguments, words):
    start = time.monotonic()
    done, result = made_up().module(FQCN + "crypto_profile", arguments)
    assert done.returncode == 2
    assert words in result["msg"]
    assert "Traceback" not in done.stdout + done.stderr
    assert time.monotonic() - start < 25


def test_check_mode_looks_and_does_not_store(made_up):
    place = made_up()
    done, result = place.module(FQCN + "crypto_profile", "duration=1 dest=out/", "localhost", "--check")
    assert done.returncode == 0, done.stderr + done.stdout
    assert result["dest"].endswith("out/localhost.json.gz")
    assert result["summary"]["processes"] == 1
    assert not (place.folder / "out").exists()


def test_a_dest_that_cannot_be_written_is_an_error_before_the_window(made_up):
    place = made_up()
    (place.folder / "file").write_text("")
    start = time.monotonic()
    done, result = place.module(FQCN + "crypto_profile", "duration=60 dest=file/out.json")
    assert done.returncode == 2
    assert "can't write" in result["msg"] and "Not a directory" in result["msg"]
    assert time.monotonic() - start < 40


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_error_and_leaves_no_part(made_up, profile, small_disk):
    profile["processes"][0]["cmdline"] = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(4000)]
    done, result = made_up(profile=profile).module(FQCN + "crypto_profile", "duration=1 dest=%s/" % small_disk)
    assert done.returncode == 2
    assert "No space left on device" in result["msg"]
    assert "Traceback" not in done.stdout + done.stderr
    assert list(small_disk.iterdir()) == []


ASYNC = """
- hosts: localhost
  gather_facts: false
  tasks:
    - cryptofleet.audit.crypto_profile: {duration: 2, dest: "%(out)s/"}
      async: 60
      poll: %(poll)d
      register: window
    - cryptofleet.audit.crypto_collect: {jid: "{{ window.ansible_job_id }}"}
      when: window.ansible_job_id is defined
      register: collected
    - ansible.builtin.copy:
        dest: "%(out)s/result.json"
        content: "{{ {'window': window, 'collected': collected} | to_json }}"
"""


def test_a_job_that_is_collected_gives_the_document_where_its_task_asked_for_it(made_up, tmp_path):
    play = ASYNC.replace(', dest: "%(out)s/"', ", return_document: %(returned)s")
    place = made_up()
    for returned in (True, False):
        out = tmp_path / str(returned)
        out.mkdir()
        done = place.play(play % {"out": out, "poll": 0, "returned": str(returned).lower()})
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads((out / "result.json").read_text())["collected"]
        assert ("profile" in result) is returned and result["summary"]["processes"] == 1


@pytest.mark.parametrize("poll", [1, 0])
def test_async_validates_and_stores_and_leaves_nothing(made_up, profile, tmp_path, poll):
    place = made_up()
    home = tmp_path / "home"
    out = tmp_path / "out"
    home.mkdir()
    done = place.play(ASYNC % {"out": out, "poll": poll}, HOME=str(home), ANSIBLE_REMOTE_TMP=str(home / "tmp"), ANSIBLE_ASYNC_DIR=str(home / "jobs"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(gzip.decompress((out / "localhost.json.gz").read_bytes())) == profile
    result = json.loads((out / "result.json").read_text())["collected" if poll == 0 else "window"]
    assert result["changed"] is False
    assert result["summary"]["processes"] == 1 and "profile" not in result
    deadline = time.monotonic() + 8  # the wrapper of ansible-core removes a started job's module up to 5 s after its end
    left = None
    while time.monotonic() < deadline:
        left = [str(path) for folder in ("tmp", "jobs") for path in (home / folder).rglob("*")]
        if not left:
            break
        time.sleep(0.2)
    assert left == []


def test_async_refuses_a_bad_document_too(made_up, profile, tmp_path):
    profile["coverage"]["guess"] = 1
    done = made_up(profile=profile).play(ASYNC % {"out": tmp_path / "out", "poll": 1})
    assert done.returncode == 2
    assert "$.coverage: Additional properties are not allowed ('guess' was unexpected)" in " ".join((done.stdout + done.stderr).split())


def test_async_that_is_shorter_than_its_window_is_refused(made_up, tmp_path):
    done = made_up().play((ASYNC % {"out": tmp_path / "out", "poll": 1}).replace("duration: 2", "duration: 60"))
    assert done.returncode == 2
    assert "would end the job before its window of 60 s; give at least 180" in " ".join((done.stdout + done.stderr).split())
