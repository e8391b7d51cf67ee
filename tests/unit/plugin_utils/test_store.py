# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an audit: names that stay in their folder, and files that appear whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _store
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(min_size=1, max_size=300))
def test_a_host_name_never_leaves_the_folder(host):
    name = _store.safe_name(host)
    assert "/" not in name and "\0" not in name and not name.startswith(".")
    assert len(os.fsencode(name + _store.PROFILE_SUFFIX)) <= 255
    if "%-" not in name:
        assert _store.host_of(name) == host


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_two_hosts_never_share_a_name(one, other):
    assert (one == other) == (_store.safe_name(one) == _store.safe_name(other))


@pytest.mark.parametrize("host, name", [
    ("web1.example", "web1.example"), ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"), ("..", "%2E."), ("a/b", "a%2Fb"), ("::1", "%3A%3A1"),
])
def test_names(host, name):
    assert _store.safe_name(host) == name


@pytest.mark.parametrize("dest, expected", [("out/", "out/h.json.gz"), ("out.json", "out.json"), ("folder", "folder/h.json.gz")])
def test_where_a_document_goes(tmp_path, dest, expected):
    (tmp_path / "folder").mkdir()
    # a path joined by hand: pathlib would drop the separator at the end
    assert _store.target_path("%s/%s" % (tmp_path, dest), "h") == "%s/%s" % (tmp_path, expected)


def test_the_same_document_is_the_same_file(tmp_path):
    one = _store.write_bytes(tmp_path / "a.json.gz", _store.encode({"b": 1, "a": [2]}))
    other = _store.write_bytes(tmp_path / "deep" / "b.json.gz", _store.encode({"a": [2], "b": 1}))
    assert one["sha256"] == other["sha256"]
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == {"a": [2], "b": 1}


def test_a_document_with_a_lone_surrogate_can_be_stored(tmp_path):
    _store.write_bytes(tmp_path / "a.json", _store.encode({"path": "\udcff"}))
    assert _store.read_document(tmp_path / "a.json")[0] == {"path": "\udcff"}


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(_store.StoreError, match="can't write .*a.json: No space left"):
        with _store.atomic(path) as stream:
            stream.write(b"half")
            raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_an_interrupted_write_leaves_no_part(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with _store.atomic(tmp_path / "a.json") as stream:
            stream.write(b"half")
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_write_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    code = ("import os, signal; from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _store\n"
            "with _store.atomic(%r) as stream:\n    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)" % str(path))
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert done.returncode == -9
    assert path.read_text() == "old"


def test_two_writers_of_one_file_never_mix(tmp_path):
    path = tmp_path / "a.json"
    contents = [b"%d" % number * 200000 for number in range(4)]

    def write(content):
        for _round in range(20):
            _store.write_bytes(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    for writer in writers:
        writer.join()
    assert seen <= set(contents) and path.read_bytes() in contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name, content, words", [
    ("a.json", b"{", "not a whole JSON document"),
    ("a.json", b"[]", "holds no JSON object"),
    ("a.json", b"\xff\xfe", "not a whole JSON document"),
    ("a.json", b"[" * 100000, "nested too deeply|not a whole JSON document"),
    ("a.json.gz", b"{}", "can't be read"),
    ("a.json.gz", gzip.compress(b'{"a": "' + os.urandom(2000).hex().encode() + b'"}')[:-700], "not a whole JSON document"),
    ("a.json.gz", gzip.compress(b"{}")[:-1], "not a whole JSON document"),
])
def test_a_broken_file_is_one_clear_error(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(_store.StoreError, match=words):
        _store.read_document(tmp_path / name)


def test_a_folder_where_a_file_should_be(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(_store.StoreError, match="it is a folder"):
        _store.check_writable(tmp_path / "a.json")
    with pytest.raises(_store.StoreError, match="can't write"):
        _store.write_bytes(tmp_path / "a.json", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
