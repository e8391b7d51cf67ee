# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens in every way: whatever name was given, the real path is reported, with the flags, the result and the exact count."""

from __future__ import annotations

import os
import platform
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.files import open_folder
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, file, files, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

RDONLY = ["O_RDONLY"]
FLAGS = {
    "O_RDONLY": os.O_RDONLY, "O_RDWR": os.O_RDWR, "O_WRONLY O_APPEND": os.O_WRONLY | os.O_APPEND, "O_RDONLY O_NOFOLLOW O_CLOEXEC": os.O_NOFOLLOW | os.O_CLOEXEC,
    "O_RDWR O_SYNC": os.O_RDWR | os.O_SYNC, "O_WRONLY O_DSYNC": os.O_WRONLY | os.O_DSYNC, "O_RDONLY O_NONBLOCK O_NOATIME": os.O_NONBLOCK | os.O_NOATIME,
    "O_RDONLY O_NOCTTY": os.O_NOCTTY, "O_RDWR O_CREAT": os.O_RDWR | os.O_CREAT,
}
# scenarios of programs/opens.py
SCENARIOS = ("relative", "directory", "symlink", "chroot", "flags", "by_openat2", "by_handle", "old_calls", "counts", "random", "refused", "nobody", "gone", "fork")
NAMESPACES = ("tmpfs", "bind", "overlay", "pivoted")


def _layout(folder):
    make_site(folder)
    for name in ("sub", "sub/deep", "jail", "jail/etc", "mount", "upper", "work", "folder.pem"):
        (folder / name).mkdir(mode=0o755)
    (folder / "secret").mkdir(mode=0o700)
    for name in ("sub/inner.pem", "jail/etc/jailed.key", "flags.pem", "gone.key"):
        shutil.copy(folder / "site.key", folder / name)
    os.chmod(folder / "site.key", 0o600)
    os.symlink("site.crt", folder / "link.pem")
    os.symlink("sub", folder / "linked")
    os.symlink("loop.pem", folder / "loop.pem")


@pytest.fixture(scope="module")
def seen():
    with open_folder() as folder:
        _layout(folder)
        seen = SimpleNamespace(folder=folder, pids={}, said={})
        with traced() as window:
            for name in SCENARIOS:
                if name != "old_calls" or platform.machine() == "x86_64":
                    done = python("opens.py", name, folder, *(FLAGS.values() if name == "flags" else ()))
                    seen.pids[name], seen.said[name] = done.pid, done.stdout
            for name in NAMESPACES:
                with talking("opens.py", name, folder) as talker:
                    assert talker.hear() == "ready"
                    window.settle()
                    talker.tell()
                    assert talker.close() == 0
                seen.pids[name] = talker.pid
        seen.profile = window.profile
        assert_attached(window.profile)
        yield seen


@pytest.fixture
def entry(seen):
    return lambda name: process(seen.profile, seen.pids[name])


def _reported(entry):
    """What a process is reported to have opened: (path, result, count) of every file that is not the system's own."""
    return sorted((item["path"], item["result"], item["count"]) for item in entry["files"] if not item["path"].startswith(("/usr/", "/etc/ssl/openssl")))


@pytest.mark.parametrize("name, expected", [
    ("relative", [("site.crt", "ok", 1), ("site.key", "ok", 1)]),
    ("directory", [("site.key", "ok", 1), ("sub/inner.pem", "ok", 1)]),
    ("symlink", [("site.crt", "ok", 1), ("sub/inner.pem", "ok", 1)]),
    ("chroot", [("jail/etc/jailed.key", "ok", 2), ("jail/etc/none.key", "ENOENT", 1)]),
    ("by_openat2", [("../x.key", "EXDEV", 1), ("site.key", "ok", 1), ("site.key", "ok", 1)]),
    ("by_handle", [("site.key", "ok", 1), ("site.key", "ok", 1)]),
    ("counts", [("none.pem", "ENOENT", 3), ("site.crt", "ok", 7), ("site.key", "ok", 25)]),
    ("refused", [("folder.pem", "EISDIR", 1), ("link.pem", "ELOOP", 1), ("loop.pem", "ELOOP", 1), ("none.key", "ENOENT", 1), ("site.crt", "EEXIST", 1),
                 ("site.key/x.key", "ENOTDIR", 1), ("sub/../absent.p12", "ENOENT", 1)]),
    ("nobody", [("secret/x.key", "EACCES", 1), ("site.crt", "ok", 1), ("site.key", "EACCES", 1)]),
    ("tmpfs", [("mount/inner.key", "ok", 1), ("mount/inner.key", "ok", 1), ("site.key", "ok", 1)]),
    ("bind", [("mount/inner.pem", "ok", 1)]),
    ("overlay", [("mount/inner.pem", "ok", 9)]),
])
def test_real_path_result_and_count(seen, entry, name, expected):
    assert _reported(entry(name)) == [("%s/%s" % (seen.folder, path), result, count) for path, result, count in expected]


def test_a_container_has_its_own_paths(seen, entry):
    """After pivot_root the path is what the process itself would call it."""
    found = file(entry("pivoted"), "/etc/contained.key")
    assert (found["kind"], found["classified_by"], found["result"], found["count"]) == ("private_key", "content", "ok", 1)
    assert file(entry("pivoted"), "/etc/absent.key")["result"] == "ENOENT"


def test_classified_by_content_in_every_namespace(seen, entry):
    for name, path in (("tmpfs", "mount/inner.key"), ("bind", "mount/inner.pem"), ("overlay", "mount/inner.pem"), ("chroot", "jail/etc/jailed.key")):
        for found in files(entry(name), seen.folder / path, flags=RDONLY):
            assert (found["kind"], found["classified_by"], found["facts"]["key_bits"]) == ("private_key", "content", 2048), name


def test_flags(seen, entry):
    found = {" ".join(item["flags"]): item for item in files(entry("flags"), seen.folder / "flags.pem")}
    assert set(found) == set(FLAGS)
    assert {item["count"] for item in found.values()} == {1}
    assert {item["kind"] for item in found.values()} == {"private_key"}


def test_flags_of_the_other_calls(seen, entry):
    assert sorted(item["flags"] for item in files(entry("by_openat2"), seen.folder / "site.key")) == [RDONLY, ["O_RDONLY", "O_NOATIME"]]
    assert sorted(item["flags"] for item in files(entry("by_handle"), seen.folder / "site.key")) == [RDONLY, ["O_RDONLY", "O_NOATIME"]]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="aarch64 has neither open nor creat")
def test_old_calls(seen, entry):
    assert file(entry("old_calls"), seen.folder / "site.key")["flags"] == ["O_RDONLY", "O_NOATIME"]
    created = file(entry("old_calls"), seen.folder / "created.pem")
    assert (created["flags"], created["size"], created["classified_by"]) == (["O_WRONLY", "O_CREAT", "O_TRUNC"], 0, "name")


def test_random(seen, entry):
    found = file(entry("random"), "/dev/urandom")
    assert (found["kind"], found["count"], found["result"]) == ("random", 5, "ok")
    assert file(entry("random"), "/dev/random")["flags"] == ["O_RDONLY", "O_NONBLOCK"]


def test_who_was_refused(seen, entry):
    found = file(entry("nobody"), seen.folder / "site.key")
    assert (found["kind"], found["classified_by"], found["flags"], found["mode"]) == ("private_key", "name", RDONLY, None)
    assert entry("nobody")["exit_code"] == 0


def test_a_file_that_is_gone_is_classified_by_its_name(seen, entry):
    found = file(entry("gone"), seen.folder / "gone.key")
    assert (found["kind"], found["classified_by"], found["deleted"], found["result"]) == ("private_key", "name", True, "ok")


def test_times(seen, entry):
    found = file(entry("counts"), seen.folder / "site.key")
    assert entry("counts")["started_at"] < found["first_seen"] < found["last_seen"] < entry("counts")["exited_at"]
    first = file(entry("counts"), seen.folder / "site.crt")["first_seen"]
    assert found["last_seen"] < first


def test_a_fork_has_its_own_opens(seen, entry):
    child = process(seen.profile, int(seen.said["fork"]))
    assert file(entry("fork"), seen.folder / "site.key")["count"] == 1
    assert file(child, seen.folder / "site.key")["count"] == 2
    assert child["ppid"] == seen.pids["fork"]
