# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command on this machine's userland under another kernel.

The guest is emulated (TCG): a /dev/kvm may exist on a machine whose back end boots no distribution kernel, so it is never used.
Its / is the given root over virtiofs, read-only under a tmpfs overlay. One folder is shared for writing: what the command prints, its exit code
and any file it leaves in $GUEST_RESULTS come back through it, apart from the console, which carries only the kernel's and init's words.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import initramfs
from debian_suites import KernelTestError
from kernels import Kernel

VIRTIOFSD = (Path("/usr/libexec/virtiofsd"), Path("/usr/lib/qemu/virtiofsd"), Path("/usr/lib/virtiofsd"))
POLL_SECONDS = 0.05
# a guest that writes nothing for this long before its init runs won't come up any more; a normal boot takes 2-10 s
BOOT_TIMEOUT = 120.0
BOOTS = 3


@dataclass(frozen=True)
class Machine:
    """How qemu emulates an architecture."""

    qemu: str
    arguments: tuple[str, ...]
    console: str
    kernel_arguments: str = ""


MACHINES = {
    "x86_64": Machine("qemu-system-x86_64", ("-cpu", "max"), "ttyS0", "tsc=reliable"),
    "aarch64": Machine("qemu-system-aarch64", ("-M", "virt,gic-version=3", "-cpu", "cortex-a72"), "ttyAMA0"),
}


@dataclass(frozen=True)
class Job:
    """What to run in a guest, and on what."""

    kernel: Kernel
    command: list[str]
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    # further folders of this machine, read-only: (folder, where the guest sees it)
    shares: tuple[tuple[Path, Path], ...] = ()
    timeout: float = 900.0
    memory_mib: int = 2048
    cpus: int = 2
    tracefs: bool = False


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    boot_seconds: float
    command_seconds: float
    dmesg: str


class GuestError(KernelTestError):
    """The guest did not get as far as an exit code."""


class BootError(GuestError):
    """It did not even get as far as the command: whatever failed, nothing of this project had run."""


def host_arch() -> str:
    return platform.machine()


def check_host(arch: str) -> None:
    """Fails with what is missing on this machine."""
    machine = MACHINES[arch]
    if shutil.which(machine.qemu) is None:
        raise KernelTestError(f"{machine.qemu} is not installed (package qemu-system-{'x86' if arch == 'x86_64' else 'arm'})")
    if os.geteuid() != 0:
        raise KernelTestError("kernel tests run as root: virtiofsd shares / with the guest")
    _virtiofsd()


def run(job: Job, results: Path, on_output: Callable[[str], None], stop: threading.Event | None = None) -> Outcome:
    """Boot, run the command, power off. Files that the command leaves in $GUEST_RESULTS are in `results` afterwards.

    An emulated kernel sometimes dies while it boots: then it is booted again.
    """
    check_host(job.kernel.arch)
    for _ in range(BOOTS - 1):
        try:
            return _run_once(job, results, on_output, stop)
        except BootError as error:
            on_output(f"booted again: {error}")
    return _run_once(job, results, on_output, stop)


def _run_once(job: Job, results: Path, on_output: Callable[[str], None], stop: threading.Event | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="cryptofleet-guest-") as name:
        folder = Path(name)
        exchange = _exchange(job, folder)
        with contextlib.ExitStack() as stack:
            shares = {"root": job.root, "exchange": exchange, **{tag: source for tag, source, _ in _tagged(job)}}
            sockets = {tag: stack.enter_context(_served(folder, tag, source)) for tag, source in shares.items()}
            console = folder / "console"
            qemu = stack.enter_context(_process([*_qemu_command(job, folder, console), *_share_arguments(sockets)], folder / "qemu.log"))
            outcome = _watch(job, qemu, exchange, console, on_output, stop or threading.Event())
        shutil.copytree(exchange / "results", results, dirs_exist_ok=True)
        return outcome


# --- before the boot ------------------------------------------------------------------------------------------------------------

def _exchange(job: Job, folder: Path) -> Path:
    exchange = folder / "exchange"
    (exchange / "results").mkdir(parents=True)
    shutil.copy(_busybox(job.root), exchange / "busybox")
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb",
                   "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "GUEST_RESULTS": f"{initramfs.EXCHANGE}/results", **job.environment}
    modules = job.kernel.modules.parent if job.root == Path("/") else None
    script = initramfs.stage2(initramfs.Session(
        command=job.command, environment=environment, directory=job.directory, tracefs=job.tracefs,
        shares=[(tag, str(mountpoint)) for tag, _, mountpoint in _tagged(job)], modules=str(modules) if modules else None))
    (exchange / "init").write_text(script, encoding="utf-8")
    packed = initramfs.build(_busybox(job.root), job.kernel.needed_modules(initramfs.MODULES))
    (folder / "initramfs").write_bytes(packed)
    return exchange


def _tagged(job: Job) -> list[tuple[str, Path, Path]]:
    return [(f"share{number}", source, mountpoint) for number, (source, mountpoint) in enumerate(job.shares)]


def _busybox(root: Path) -> Path:
    for path in (root / "bin" / "busybox", root / "usr" / "bin" / "busybox"):
        if path.is_file():
            return path
    raise KernelTestError(f"no busybox in {root} (package busybox-static)")


def _virtiofsd() -> Path:
    for path in VIRTIOFSD:
        if path.is_file():
            return path
    raise KernelTestError("virtiofsd is not installed (package qemu-system-common in Debian 12, virtiofsd since)")


def _qemu_command(job: Job, folder: Path, console: Path) -> list[str]:
    machine = MACHINES[job.kernel.arch]
    memory = f"{job.memory_mib}M"
    # `earlyprintk` and a full log would cost a second of emulated serial port: warnings are enough to say why a kernel stopped
    arguments = f"console={machine.console} loglevel=5 panic=-1 mitigations=off {machine.kernel_arguments}"
    return [machine.qemu, *machine.arguments, "-accel", "tcg,thread=multi", "-smp", str(job.cpus), "-m", memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{console}",
            # vhost-user needs the guest's memory shared with virtiofsd
            "-object", f"memory-backend-memfd,id=memory,size={memory},share=on", "-machine", "memory-backend=memory",
            "-kernel", str(job.kernel.image), "-initrd", str(folder / "initramfs"), "-append", arguments]


def _share_arguments(sockets: dict[str, Path]) -> list[str]:
    arguments = []
    for tag, socket in sockets.items():
        arguments += ["-chardev", f"socket,id={tag},path={socket}", "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
    return arguments


# --- processes ------------------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def _served(folder: Path, tag: str, source: Path) -> Iterator[Path]:
    """virtiofsd for one share, until the block ends."""
    socket = folder / f"{tag}.socket"
    log = folder / f"{tag}.log"
    # only the guest writes to the exchange folder while it runs, yet its runner reads along: no write may stay in a cache
    cache = "auto" if tag == "exchange" else "always"
    command = [str(_virtiofsd()), f"--socket-path={socket}", "-o", f"source={source}", "-o", f"cache={cache}", "-o", "sandbox=chroot"]
    with _process(command, log) as process:
        deadline = time.monotonic() + 10
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise KernelTestError(f"virtiofsd did not start for {source}:\n{_tail(log)}")
            time.sleep(POLL_SECONDS)
        yield socket


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, which is gone when the block ends, however it ends."""
    with open(log, "wb") as output:
        # setpriv: should this runner be killed, the kernel ends what it started
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _watch(job: Job, qemu: subprocess.Popen[bytes], exchange: Path, console: Path, on_output: Callable[[str], None],
           stop: threading.Event) -> Outcome:
    started = time.monotonic()
    booted: float | None = None
    output = _Follower(exchange / "output", on_output)
    while qemu.poll() is None:
        now = time.monotonic()
        if booted is None and (exchange / "booted").exists():
            booted = now
        output.forward()
        if booted is None and now - started > BOOT_TIMEOUT:
            raise BootError(f"kernel {job.kernel.release} did not reach its init in {BOOT_TIMEOUT:.0f} s{_last_words(console)}")
        if now - started > job.timeout:
            raise GuestError(f"the command did not end in {job.timeout:.0f} s under kernel {job.kernel.release}{_last_words(console)}")
        if stop.is_set():
            raise GuestError("stopped")
        time.sleep(POLL_SECONDS)
    output.forward(last=True)
    ended = time.monotonic()
    code = exchange / "exit-code"
    if not code.exists():
        detail = _tail(console.with_name("qemu.log"))
        kind = GuestError if (exchange / "booted").exists() else BootError
        raise kind(f"kernel {job.kernel.release} went down before the command ended{_last_words(console)}" + (f"\n{detail}" if detail else ""))
    booted = booted if booted is not None else ended
    dmesg = (exchange / "dmesg").read_text(encoding="utf-8", errors="replace")
    return Outcome(int(code.read_text(encoding="ascii")), booted - started, ended - booted, dmesg)


class _Follower:
    """Hands on what is appended to a file, by whole lines, and the rest at the end."""

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path = path
        self._on_line = on_line
        self._position = 0
        self._rest = b""

    def forward(self, last: bool = False) -> None:
        if not self._path.exists():
            return
        with open(self._path, "rb") as handle:
            handle.seek(self._position)
            fresh = handle.read()
        self._position += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        if last and self._rest:
            lines.append(self._rest)
        for line in lines:
            self._on_line(line.decode("utf-8", errors="replace"))


def _last_words(console: Path) -> str:
    return f"; the end of its console:\n{_tail(console) or '(nothing)'}"


def _tail(path: Path, lines: int = 30) -> str:
    if not path.exists():
        return ""
    text = path.read_bytes().decode("utf-8", errors="replace").replace("\r", "")
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])
