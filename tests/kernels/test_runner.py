# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's own tests: what can be tested without a guest or a network."""

from __future__ import annotations

import gzip
import signal
import subprocess
import time
from pathlib import Path

import guest
import initramfs
import pytest
from debian_suites import Apt, KernelTestError, Package, machine_mirror
from kernels import Kernel, KernelStore
from report import KernelReport, failures, table


def _sources(folder: Path, name: str, text: str) -> Path:
    path = folder / "sources.list.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def test_mirror_from_deb822_sources(tmp_path: Path) -> None:
    etc = _sources(tmp_path, "a.sources", "Types: deb\n# a note\nURIs: http://mirror.test/debian\nSuites: bookworm\n bookworm-updates\n"
                   "Components: main\n\nTypes: deb\nURIs: http://mirror.test/debian-security\nSuites: bookworm-security\nComponents: main\n")
    assert machine_mirror(etc).main == "http://mirror.test/debian"
    assert machine_mirror(etc).security == "http://mirror.test/debian-security"


def test_mirror_from_one_line_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("# deb http://old.test/debian sid main\ndeb [signed-by=/k.gpg arch=amd64] http://m.test/debian/ trixie main\n",
                                           encoding="utf-8")
    assert machine_mirror(tmp_path).main == "http://m.test/debian/"
    assert machine_mirror(tmp_path).security == "http://m.test/debian-security"


def test_other_and_disabled_sources_are_no_mirror(tmp_path: Path) -> None:
    _sources(tmp_path, "a.sources", "Enabled: no\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\nComponents: main\n")
    _sources(tmp_path, "b.list", "deb http://other.test/nodesource stable main\n")
    with pytest.raises(KernelTestError, match="no Debian mirror is configured"):
        machine_mirror(tmp_path)


class _Lists(Apt):
    """An apt with these kernel packages."""

    def __init__(self, versions: dict[str, str]) -> None:
        super().__init__(Path("nowhere"), "amd64")
        self._versions = versions

    def names(self, prefix: str) -> list[str]:
        return [name for name in self._versions if name.startswith(prefix)]

    def show(self, names: list[str]) -> list[Package]:
        return [Package(name, self._versions[name], "") for name in names]


@pytest.mark.parametrize(("series", "expected"), [
    ("6.1", ["6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-0.deb11.52-cloud-amd64"]),
    ("6.12", ["6.12.117+deb13-cloud-amd64"]),
    ("newest", ["7.10.4+deb13-cloud-amd64", "6.12.117+deb13-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64",
                "6.1.0-0.deb11.52-cloud-amd64"]),
    ("4.19", []),
])
def test_candidates_are_of_their_series_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, series: str, expected: list[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lists = _Lists({f"linux-image-{name}": version for name, version in {
        "6.1.0-9-cloud-amd64": "6.1.27-1", "6.1.0-56-cloud-amd64": "6.1.190-1", "6.1.0-0.deb11.52-cloud-amd64": "6.1.27-1~deb11u1",
        "6.1-cloud-amd64": "6.1.190-1", "6.1.0-56-rt-amd64": "6.1.190-1", "6.1.0-56-amd64": "6.1.190-1",
        "6.12.117+deb13-cloud-amd64": "6.12.117-1", "7.10.4+deb13-cloud-amd64": "7.10.4-1~bpo13+1",
        "6.12.117+deb13-cloud-amd64-dbg": "6.12.117-1"}.items()})
    found = KernelStore("x86_64", "cloud")._candidates(lists, series)
    assert [package.name.removeprefix("linux-image-") for package in found] == expected


def test_initramfs_is_an_archive_that_cpio_reads(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"program")
    archive = gzip.decompress(initramfs.build(busybox, [("fuse.ko", b"abc"), ("overlay.ko", b"defgh")]))
    assert archive.startswith(b"070701") and len(archive) % 4 == 0
    names = [b"bin/busybox", b"init", b"modules/00-fuse.ko", b"modules/01-overlay.ko", b"TRAILER!!!"]
    positions = [archive.index(name + b"\0") for name in names]
    assert positions == sorted(positions)


def test_stage2_quotes_what_it_is_given() -> None:
    script = initramfs.stage2(initramfs.Session(command=["sh", "-c", "echo 'a b'; exit 3"], environment={"A": "it's"}, directory="/a b",
                                                shares=[("share0", "/x y")], modules=None, tracefs=False))
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert "cd '/a b'" in script and "share0 '/x y'" in script and "tracefs" not in script


def test_output_is_handed_on_by_whole_lines(tmp_path: Path) -> None:
    lines: list[str] = []
    path = tmp_path / "output"
    follower = guest._Follower(path, lines.append)
    follower.forward()
    path.write_bytes(b"one\ntw")
    follower.forward()
    assert lines == ["one"]
    path.write_bytes(b"one\ntwo\n\xff")
    follower.forward(last=True)
    assert lines == ["one", "two", "\ufffd"]


def test_a_process_ends_with_its_whole_group(tmp_path: Path) -> None:
    with guest._process(["sh", "-c", "sleep 1000 & echo $!; wait"], tmp_path / "log") as process:
        while not (tmp_path / "log").read_bytes().endswith(b"\n"):
            assert process.poll() is None
        child = int((tmp_path / "log").read_bytes())
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    """False for a zombie too: whoever adopted it may not have waited for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] not in ("X", "Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_guest_that_dies_shows_the_end_of_its_console(tmp_path: Path) -> None:
    kernel = Kernel("6.1", "x86_64", "6.1.0-1-test", str(tmp_path))
    (tmp_path / "console").write_text("\n".join(f"line {number}" for number in range(50)), encoding="utf-8")
    with guest._process(["true"], tmp_path / "qemu.log") as process, pytest.raises(guest.GuestError) as raised:
        guest._watch(guest.Job(kernel, ["true"]), process, tmp_path, tmp_path / "console", print, guest.threading.Event())
    assert "line 49" in str(raised.value) and "line 20" in str(raised.value) and "line 19" not in str(raised.value)


@pytest.mark.parametrize(("booted", "kind"), [(False, guest.BootError), (True, guest.GuestError)])
def test_only_what_died_before_the_command_is_booted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, booted: bool, kind: type[Exception]) -> None:
    kernel = Kernel("6.1", "x86_64", "6.1.0-1-test", str(tmp_path))
    if booted:
        (tmp_path / "booted").touch()
    boots, said = [], []

    def once(job: guest.Job, *_: object) -> guest.Outcome:
        boots.append(job)
        with guest._process(["true"], tmp_path / "qemu.log") as process:
            return guest._watch(job, process, tmp_path, tmp_path / "console", print, guest.threading.Event())

    monkeypatch.setattr(guest, "_run_once", once)
    monkeypatch.setattr(guest, "check_host", lambda arch: None)
    with pytest.raises(guest.GuestError) as raised:
        guest.run(guest.Job(kernel, ["true"]), tmp_path / "results", said.append)
    assert raised.type is kind
    assert (len(boots), len(said)) == ((1, 0) if booted else (guest.BOOTS, guest.BOOTS - 1))


def test_report_counts_what_failed() -> None:
    report = KernelReport("6.1", "6.1.0-1-test")
    report.probes = [{"name": "process", "status": "attached", "hook": "tp_btf/x", "hits": 7}]
    report.read_dmesg("[ 1.0] all is well")
    report.read_dmesg("[ 1.0] BUG: unable to handle page fault")
    report.fail("a name", "this", {"that": 1})
    assert len(report.failed) == 2 and "FAILED 6.1.0-1-test: a name" in failures(report)
    assert "1 passed, 2 failed" in table([report]) and "tp_btf/x" in table([report])


def test_a_missing_result_is_a_failure(tmp_path: Path) -> None:
    report = KernelReport("6.1", "6.1.0-1-test")
    report.read_result(tmp_path)
    assert [check.name for check in report.failed] == ["the guest left a result"]
