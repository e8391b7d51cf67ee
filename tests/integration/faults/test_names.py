# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that break naive tools: valid JSON, the very bytes, an exact count, and a mark wherever something was escaped or cut."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._text import to_text
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import ask, until
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, files, images, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import environment, run, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""

NAMES = {
    "newline": b"new\nline.key", "quotes": b"it's \"quoted\" `x` $(y).key", "control": bytes(range(1, 32)) + b"\x7f.key", "space": b" \t .key ",
    "not UTF-8": b"\xff\xfe\x80.key", "overlong": b"\xc0\xafx.key", "half a character": b"x\xe2\x82.key", "surrogate": b"\xed\xa0\x80.key",
    "backslashes": b"a\\b\\n\\xff.key", "backslashes and not UTF-8": b"a\\xff\xff.key", "UTF-8": "\u00fc\u20ac\U0001f511.key".encode(),
    "separators": "\u2028\u2029\u0085.key".encode(), "braces": b"{{ 7*7 }}{%x%}.key", "percent": b"%s%n%d.key", "deleted": b"site.key (deleted)",
    "longest": b"n" * 251 + b".key", "longest, not UTF-8": b"\xff" * 251 + b".key", "dots": b"...key", "dash": b"-in.key", "no hint": b"x\ny\xff",
}


class Opener:
    """Opens files by the bytes of their names."""

    def __init__(self, talker):
        self._talker, self.pid = talker, talker.pid

    def open(self, folder, name, times=3, flags=os.O_RDONLY):
        self._talker.tell("%s %s %d %d" % (os.fsencode(folder).hex() or "2f", name.hex(), times, flags))
        self._talker.hear()


@pytest.fixture
def opener():
    with talking("open_by_bytes.py", cwd="/") as talker:
        yield Opener(talker)


@pytest.fixture
def place():
    """A short folder, so that a path of 4,095 bytes fits below it; deep trees below it are removed."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n") as folder:
        yield pathlib.Path(folder)
        subprocess.run(["rm", "-rf", folder], check=True)  # shutil gives up on a path of more than PATH_MAX
        os.mkdir(folder)


def make_deep(folder, parts, name, content=PEM):
    """A file below folders that may be deeper than a path can say. Returns nothing; it is reached by chdir."""
    back = os.getcwd()
    try:
        os.chdir(folder)
        for part in parts:
            os.mkdir(part)
            os.chdir(part)
        with open(name, "wb") as stream:
            stream.write(content)
    finally:
        os.chdir(back)


def test_names(opener, tmp_path):
    folder = os.fsencode(tmp_path)
    for name in NAMES.values():
        (tmp_path / os.fsdecode(name)).write_bytes(PEM)
    with traced(pids=[opener.pid]) as window:
        for number, name in enumerate(NAMES.values()):
            opener.open(folder, folder + b"/" + name, 3 + number)
        window.settle()
    entry = process(window.profile, opener.pid)
    for number, (what, name) in enumerate(NAMES.items()):
        text, escaped = to_text(folder + b"/" + name)
        found = file(entry, text)
        assert (found["count"], found["kind"], found["classified_by"], found["result"]) == (3 + number, "private_key", "content", "ok"), what
        assert found.get("path_escaped", False) is escaped and "path_truncated" not in found, what
    assert len(entry["files"]) == len(NAMES)


def test_names_that_could_not_be_opened(opener, tmp_path):
    folder = os.fsencode(tmp_path)
    with traced(pids=[opener.pid]) as window:
        for number, name in enumerate(NAMES.values()):
            opener.open(folder, b"no/" + name, 3 + number)  # relative to the folder
        window.settle()
    entry = process(window.profile, opener.pid)
    hinted = 0
    for number, name in enumerate(NAMES.values()):
        if name.endswith(b".key"):
            hinted += 1
            text, escaped = to_text(folder + b"/no/" + name)
            found = file(entry, text)
            assert (found["count"], found["result"], found["classified_by"]) == (3 + number, "ENOENT", "name")
            assert found.get("path_escaped", False) is escaped
    assert len(entry["files"]) == hinted


@pytest.mark.parametrize("length", [4094, 4095])
def test_the_longest_path(opener, place, length):
    left = length - len(str(place)) - len("/") - len("site.key")
    parts = [b"d" * 254] * (left // 255)
    parts.append(b"e" * (left - 255 * len(parts) - 1))
    make_deep(place, parts, b"site.key")
    path = os.fsencode(place) + b"".join(b"/" + part for part in parts) + b"/site.key"
    assert len(path) == length
    with traced(pids=[opener.pid]) as window:
        opener.open(b"/", path, 5)
        opener.open(b"/", path[:-8] + b"gone.key", 4)
        window.settle()
    entry = process(window.profile, opener.pid)
    found = file(entry, path.decode())
    assert (found["count"], found["classified_by"]) == (5, "content") and "path_truncated" not in found
    gone = file(entry, path[:-8].decode() + "gone.key")
    assert (gone["count"], gone["result"]) == (4, "ENOENT") and "path_truncated" not in gone


@pytest.mark.parametrize("parts", [[b"d%d" % number for number in range(60)], [b"%02d" % number + b"x" * 248 for number in range(20)]], ids=["deep", "long"])
def test_paths_beyond_what_can_be_walked(opener, place, parts):
    """60 levels, and 5,000 bytes: the end of the path is reported, marked as truncated."""
    make_deep(place, parts, b"site.key")
    folder = os.fsencode(place) + b"".join(b"/" + part for part in parts)
    with traced(pids=[opener.pid]) as window:
        opener.open(folder, b"site.key", 6)
        opener.open(folder, b"written.key", 2, os.O_WRONLY | os.O_CREAT)
        opener.open(folder, b"gone.key", 4)
        window.settle()
    entry = process(window.profile, opener.pid)
    assert len(entry["files"]) == 3
    end = folder.decode()[-100:].partition("/")[2]
    for name, count, result in (("site.key", 6, "ok"), ("written.key", 2, "ok"), ("gone.key", 4, "ENOENT")):
        found, = [item for item in entry["files"] if item["path"].endswith("/" + name)]
        assert found["path"].startswith(".../") and found["path"].endswith(end + "/" + name)
        assert (found["path_truncated"], found["count"], found["result"], found["kind"], found["classified_by"]) == (True, count, result, "private_key", "name")
    assert window.profile["coverage"]["lost"]["path_truncated"] >= 3 and window.profile["coverage"]["complete"] is False


def test_a_name_longer_than_a_path_may_be(opener):
    """The kernel refuses it (ENAMETOOLONG), and it is cut at 4,095 bytes: with a mark."""
    name = b"/" + b"x" * 4090 + b".key" + b"y" * 100
    with traced(pids=[opener.pid]) as window:
        opener.open(b"/", name, 3)
        window.settle()
    for found in process(window.profile, opener.pid)["files"]:
        assert found["result"] == "ENAMETOOLONG" and found["path_truncated"] is True and found["count"] == 3


def program(place, name):
    path = os.fsencode(place) + b"/" + name
    shutil.copy("/bin/sleep", path)
    return path


ODD_ARGUMENTS = [b"600", b"", b"new\nline", b"\xff\xfe", b"'\"\\", bytes(range(1, 32)), "\u20ac".encode(), b"{{ x }}", b""]


@pytest.mark.parametrize("name", [b"new\nline", b"\xff\xfe\x80", b"it's \"x\"", b"n" * 255, b"a) S 1 (b", "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc".encode()])
def test_programs_and_arguments(place, name):
    """Present before the window, and begun inside it: the same texts."""
    path = program(place, name)
    code = [path, *ODD_ARGUMENTS[:1]]
    with subprocess.Popen(code) as before:
        try:
            with traced(pids=[before.pid, os.getpid()]) as window:
                done = subprocess.Popen([b"/bin/true", *ODD_ARGUMENTS])
                done.wait()
                with subprocess.Popen(code) as inside:
                    window.settle()
                    inside.kill()
        finally:
            before.kill()
    for pid in (before.pid, inside.pid):
        entry = images(window.profile, pid)[-1]
        text, escaped = to_text(name[:15])
        assert (entry["name"], entry.get("name_escaped", False)) == (text, escaped)
        text, escaped = to_text(path)
        assert (entry["exe"], entry.get("exe_escaped", False)) == (text, escaped)
        assert entry["cmdline"] == [text, "600"] and "cmdline_truncated" not in entry
    entry = images(window.profile, done.pid)[-1]
    assert entry["cmdline"] == ["/bin/true"] + [to_text(argument)[0] for argument in ODD_ARGUMENTS]
    assert entry["cmdline_escaped"] is True and "cmdline_truncated" not in entry and "exe_escaped" not in entry


@pytest.mark.parametrize("alive", [True, False])
def test_a_command_line_of_100_kib(alive):
    arguments = ["600" if alive else "0"] + ["0.%099d" % number for number in range(1000)]
    with traced(pids=[os.getpid()]) as window:
        with subprocess.Popen(["/bin/sleep", *arguments], env=environment()) as child:
            window.settle()
            child.kill()
    entry = images(window.profile, child.pid)[-1]
    assert entry["cmdline_truncated"] is True
    reported = entry["cmdline"]
    assert reported[:-1] == (["/bin/sleep"] + arguments)[:len(reported) - 1] and (["/bin/sleep"] + arguments)[len(reported) - 1].startswith(reported[-1])
    assert sum(map(len, reported)) > (32000 if alive else 3900)


@pytest.mark.parametrize("size, cut", [(4095, False), (4096, False), (4097, True)])
def test_where_a_command_line_is_cut(size, cut):
    """The kernel side takes 4,096 bytes, NULs included."""
    argument = "x" * (size - len("/bin/true") - 2)
    with traced(pids=[os.getpid()]) as window:
        with subprocess.Popen(["/bin/true", argument]) as child:
            child.wait()
        window.settle()
    entry = images(window.profile, child.pid)[-1]
    if cut:
        assert entry["cmdline_truncated"] is True and argument.startswith(entry["cmdline"][1])
    else:
        assert entry["cmdline"] == ["/bin/true", argument] and "cmdline_truncated" not in entry


@pytest.mark.parametrize("parts", [[b"d%d" % number for number in range(60)], [b"%02d" % number + b"x" * 248 for number in range(20)]], ids=["deep", "long"])
def test_a_program_beyond_what_can_be_walked(place, parts):
    """A link of /proc can't name it either where it is longer than a page; no window ends by that."""
    with open("/bin/sleep", "rb") as stream:
        make_deep(place, parts, b"deep-sleep", stream.read())
    where = str(place)[1:] + "".join("/" + part.decode() for part in parts)
    with talking("in_deep_folder.py", "execute", "deep-sleep", cwd="/") as before, talking("in_deep_folder.py", "execute", "deep-sleep", cwd="/") as inside:
        before.tell(where)
        before.hear()
        until(lambda: b"deep-sleep" in pathlib.Path("/proc/%d/comm" % before.pid).read_bytes())
        try:
            for engine in ("auto", "procfs"):
                with traced(pids=[before.pid, inside.pid], engine=engine) as window:
                    if engine == "auto":
                        inside.tell(where)
                        inside.hear()
                    window.settle()
                    window.settle()
                if engine == "auto":
                    entry = images(window.profile, inside.pid)[-1]
                    assert entry["exe"].startswith(".../") and entry["exe"].endswith("/deep-sleep") and entry["exe_truncated"] is True
                assert images(window.profile, before.pid)[-1]["name"] == "deep-sleep"
            assert ask("snapshot", pids=[before.pid]).document
        finally:
            os.kill(before.pid, 9)
            os.kill(inside.pid, 9)


def find_libcrypto():
    known = run("/sbin/ldconfig", "-p").stdout
    return next(line.rpartition(" => ")[2] for line in known.splitlines() if "libcrypto.so" in line)


@pytest.mark.parametrize("folder", [b"new\nline", b"\xff\xfe", b"it's \"x\" \\012", b"n" * 255])
def test_libraries(place, folder):
    """The mapping's record escapes nothing, /proc/PID/maps a newline: both are one path."""
    where = os.fsencode(place) + b"/" + folder
    os.mkdir(where)
    path = where + b"/libcrypto.so.3"
    shutil.copy(find_libcrypto(), path)
    text, escaped = to_text(path)
    with talking("load_by_bytes.py") as loader:
        with traced(pids=[loader.pid]) as window:
            loader.tell(path.hex())
            loader.hear()
            window.settle()
        for profile, how in ((window.profile, "loaded"), (ask("snapshot", pids=[loader.pid]).document, "present")):
            found, = [library for library in process(profile, loader.pid)["libraries"] if library["path"] == text]
            assert (found["name"], found["how"], found.get("path_escaped", False), found["deleted"]) == ("libcrypto", how, escaped, False)
            assert found["version"] and found["build_id"]


def test_a_library_that_perf_can_not_name(place):
    """Its path is longer than a page: counted, not passed over."""
    parts = [b"%02d" % number + b"x" * 248 for number in range(20)]
    with open(find_libcrypto(), "rb") as stream:
        make_deep(place, parts, b"libcrypto.so.3", stream.read())
    with talking("in_deep_folder.py", "load", "libcrypto.so.3", cwd="/") as loader:
        with traced(pids=[loader.pid]) as window:
            loader.tell(str(place)[1:] + "".join("/" + part.decode() for part in parts))
            loader.hear()
            window.settle()
    assert window.profile["coverage"]["lost"]["unnamed_mappings"] >= 1 and window.profile["coverage"]["complete"] is False


def test_an_open_that_a_signal_interrupts(tmp_path):
    """The kernel restarts it and no program sees the number it has for that; nor does the schema."""
    os.mkfifo(tmp_path / "pipe.key")
    with talking("interrupted_open.py", tmp_path / "pipe.key") as waiting:
        with traced(pids=[waiting.pid]) as window:
            waiting.tell()
            window.wait()
    results = {item["result"] for item in files(process(window.profile, waiting.pid), tmp_path / "pipe.key")}
    assert results == {"errno_512"}
