# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens in every way: whatever name was given, the real path is told, with the flags, the result and the exact count."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.files import open_folder
from ansible_collections.cryptofleet.audit.tests.integration.support.opens import OPENS
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
NOBODY = pwd.getpwnam("nobody").pw_uid

# name -> what a process does; {0} is the folder
LOADS = {
    "relative": "os.chdir('{0}/sub'); openat('../site.key'); openat('./deep/../../site.crt')",
    "directory": "at = os.open('{0}/sub', os.O_RDONLY); os.chdir('/'); openat('../site.key', directory=at); openat('inner.pem', directory=at)",
    "symlink": "openat('{0}/link.pem'); openat('{0}/linked/inner.pem')",
    "chroot": "os.chroot('{0}/jail'); os.chdir('/'); openat('/etc/jailed.key'); openat('../../etc/jailed.key'); openat('/etc/none.key')",
    "flags": "\n".join("openat('{0}/flags.pem', %d)" % value for value in FLAGS.values()),
    "openat2": "openat2('{0}/site.key'); openat2('site.key', os.O_NOATIME, 8, os.open('{0}', os.O_RDONLY)); openat2('../x.key', 0, 8, os.open('{0}', os.O_RDONLY))",
    "by handle": "by_handle('{0}/site.key'); by_handle('{0}/site.key', os.O_NOATIME)",
    "old calls": "done(call('open', path('{0}/site.key'), os.O_NOATIME)); done(call('creat', path('{0}/created.pem'), 0o600))",
    "counts": "for number in range(25): openat('{0}/site.key')\nfor number in range(7): openat('{0}/site.crt')\nfor number in range(3): openat('{0}/none.pem')",
    "random": "for number in range(5): openat('/dev/urandom')\nopenat('/dev/random', os.O_NONBLOCK)",
    "refused": "openat('{0}/none.key'); openat('{0}/loop.pem'); openat('{0}/link.pem', os.O_NOFOLLOW); openat('{0}/site.key/x.key');"
               "openat('{0}/site.crt', os.O_CREAT | os.O_EXCL | os.O_RDWR); openat('{0}/folder.pem', os.O_WRONLY); os.chdir('{0}/sub'); openat('../absent.p12')",
    "nobody": "os.setgid(%d); os.setuid(%d); openat('{0}/site.key'); openat('{0}/site.crt'); openat('{0}/secret/x.key')" % (NOBODY, NOBODY),
    "gone": "openat('{0}/gone.key'); os.unlink('{0}/gone.key')",
    "fork": "openat('{0}/site.key')\nif os.fork() == 0:\n openat('{0}/site.key'); openat('{0}/site.key'); os._exit(0)\nprint(os.wait()[0])",
}
# These end only when told to: their mount namespace ends with them.
NAMESPACES = {
    "tmpfs": "own_mounts(); mount('none', '{0}/mount', 'tmpfs'); import shutil; shutil.copy('{0}/site.key', '{0}/mount/inner.key'); openat('{0}/mount/inner.key')",
    "bind": "own_mounts(); mount('{0}/sub', '{0}/mount', 'none', MS_BIND); openat('{0}/mount/inner.pem')",
    "overlay": "own_mounts(); mount('overlay', '{0}/mount', 'overlay', 0, 'lowerdir={0}/sub,upperdir={0}/upper,workdir={0}/work');"
               "[openat('{0}/mount/inner.pem') for number in range(9)]",
    "pivoted": "own_mounts(); mount('none', '{0}/mount', 'tmpfs'); import shutil; os.mkdir('{0}/mount/etc'); os.mkdir('{0}/mount/old')\n"
               "shutil.copy('{0}/site.key', '{0}/mount/etc/contained.key'); os.chdir('{0}/mount')\n"
               "assert call('pivot_root', path('.'), path('old')) == 0; os.chdir('/etc'); openat('contained.key'); openat('/etc/absent.key')",
}


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
        names = [name for name in LOADS if name != "old calls" or platform.machine() == "x86_64"]
        with traced() as window:
            for name in names:
                done = python(OPENS + LOADS[name].replace("{0}", str(folder)))
                seen.pids[name], seen.said[name] = done.pid, done.stdout
            for name, code in NAMESPACES.items():
                with talking(OPENS + code.replace("{0}", str(folder)) + "\nprint('ready'); input()") as talker:
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


def _told(entry):
    """What a process is told to have opened: (path, result, count) of every file that is not the system's own."""
    return sorted((item["path"], item["result"], item["count"]) for item in entry["files"] if not item["path"].startswith(("/usr/", "/etc/ssl/openssl")))


@pytest.mark.parametrize("name, expected", [
    ("relative", [("site.crt", "ok", 1), ("site.key", "ok", 1)]),
    ("directory", [("site.key", "ok", 1), ("sub/inner.pem", "ok", 1)]),
    ("symlink", [("site.crt", "ok", 1), ("sub/inner.pem", "ok", 1)]),
    ("chroot", [("jail/etc/jailed.key", "ok", 2), ("jail/etc/none.key", "ENOENT", 1)]),
    ("openat2", [("../x.key", "EXDEV", 1), ("site.key", "ok", 1), ("site.key", "ok", 1)]),
    ("by handle", [("site.key", "ok", 1), ("site.key", "ok", 1)]),
    ("counts", [("none.pem", "ENOENT", 3), ("site.crt", "ok", 7), ("site.key", "ok", 25)]),
    ("refused", [("folder.pem", "EISDIR", 1), ("link.pem", "ELOOP", 1), ("loop.pem", "ELOOP", 1), ("none.key", "ENOENT", 1), ("site.crt", "EEXIST", 1),
                 ("site.key/x.key", "ENOTDIR", 1), ("sub/../absent.p12", "ENOENT", 1)]),
    ("nobody", [("secret/x.key", "EACCES", 1), ("site.crt", "ok", 1), ("site.key", "EACCES", 1)]),
    ("tmpfs", [("mount/inner.key", "ok", 1), ("mount/inner.key", "ok", 1), ("site.key", "ok", 1)]),
    ("bind", [("mount/inner.pem", "ok", 1)]),
    ("overlay", [("mount/inner.pem", "ok", 9)]),
])
def test_real_path_result_and_count(seen, entry, name, expected):
    assert _told(entry(name)) == [("%s/%s" % (seen.folder, path), result, count) for path, result, count in expected]


def test_a_container_has_its_own_paths(seen, entry):
    """After pivot_root the path is what the process itself would call it."""
    found = file(entry("pivoted"), "/etc/contained.key")
    assert (found["kind"], found["classified_by"], found["result"], found["count"]) == ("private_key", "content", "ok", 1)
    assert file(entry("pivoted"), "/etc/absent.key")["result"] == "ENOENT"


def test_known_by_content_in_every_namespace(seen, entry):
    for name, path in (("tmpfs", "mount/inner.key"), ("bind", "mount/inner.pem"), ("overlay", "mount/inner.pem"), ("chroot", "jail/etc/jailed.key")):
        for found in files(entry(name), seen.folder / path, flags=RDONLY):
            assert (found["kind"], found["classified_by"], found["facts"]["key_bits"]) == ("private_key", "content", 2048), name


def test_flags(seen, entry):
    found = {" ".join(item["flags"]): item for item in files(entry("flags"), seen.folder / "flags.pem")}
    assert set(found) == set(FLAGS)
    assert {item["count"] for item in found.values()} == {1}
    assert {item["kind"] for item in found.values()} == {"private_key"}


def test_flags_of_the_other_calls(seen, entry):
    assert sorted(item["flags"] for item in files(entry("openat2"), seen.folder / "site.key")) == [RDONLY, ["O_RDONLY", "O_NOATIME"]]
    assert sorted(item["flags"] for item in files(entry("by handle"), seen.folder / "site.key")) == [RDONLY, ["O_RDONLY", "O_NOATIME"]]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="aarch64 has neither open nor creat")
def test_old_calls(seen, entry):
    assert file(entry("old calls"), seen.folder / "site.key")["flags"] == ["O_RDONLY", "O_NOATIME"]
    created = file(entry("old calls"), seen.folder / "created.pem")
    assert (created["flags"], created["size"], created["classified_by"]) == (["O_WRONLY", "O_CREAT", "O_TRUNC"], 0, "name")


def test_random(seen, entry):
    found = file(entry("random"), "/dev/urandom")
    assert (found["kind"], found["count"], found["result"]) == ("random", 5, "ok")
    assert file(entry("random"), "/dev/random")["flags"] == ["O_RDONLY", "O_NONBLOCK"]


def test_who_was_refused(seen, entry):
    found = file(entry("nobody"), seen.folder / "site.key")
    assert (found["kind"], found["classified_by"], found["flags"], found["mode"]) == ("private_key", "name", RDONLY, None)
    assert entry("nobody")["exit_code"] == 0


def test_a_file_that_is_gone_is_told_by_its_name(seen, entry):
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
