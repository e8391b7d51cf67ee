# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest boots into: busybox, the kernel's modules for the shares, and the two scripts that bring the machine up."""

from __future__ import annotations

import gzip
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

# built into some kernels, modules of others
MODULES = ["virtio_pci", "virtiofs", "overlay"]

# Where the guest sees the folder it shares with its runner: scripts in, output and results out.
EXCHANGE = "/run/guest"

# The kernel's first process. It puts a throw-away tmpfs over the read-only root share and moves the result to /, so that paths as the
# kernel sees them are the ones a real machine has; a mere chroot would show them as /newroot/...
STAGE1 = f"""#!/bin/busybox sh
bb=/bin/busybox
stop() {{ echo "guest: $1"; $bb poweroff -f; }}
$bb mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  [ ! -e "$module" ] || $bb insmod "$module" || echo "guest: insmod $module failed"
done
$bb mount -t virtiofs -o ro root /lower || stop "the root share can't be mounted"
$bb mount -t tmpfs -o size=75% upper /upper || stop "no tmpfs"
$bb mkdir /upper/data /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /newroot || stop "no overlay"
$bb mount -t tmpfs -o mode=755 run /newroot/run || stop "the root share has no /run"
$bb mkdir /newroot{EXCHANGE}
$bb mount -t virtiofs exchange /newroot{EXCHANGE} || stop "the exchange share can't be mounted"
echo "guest: starting {EXCHANGE}/init"
exec $bb switch_root /newroot {EXCHANGE}/busybox sh {EXCHANGE}/init
"""


@dataclass(frozen=True)
class Session:
    """Parameters of the second script."""

    command: list[str]
    environment: dict[str, str]
    directory: str
    shares: list[tuple[str, str]]
    modules: str | None
    tracefs: bool


def stage2(session: Session) -> str:
    """The script that process 1 runs on the machine's userland: mounts what systemd would, then the command, then powers off."""
    mounts = ["mount -t proc -o nosuid,nodev,noexec proc /proc", "mount -t sysfs sysfs /sys", "mount -t devtmpfs dev /dev",
              "mkdir -p /dev/pts /dev/shm", "mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts",
              "mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm", "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
              "mount -t bpf -o mode=700 bpf /sys/fs/bpf", "mount -t securityfs securityfs /sys/kernel/security"]
    if session.tracefs:
        mounts.append("mount -t tracefs tracefs /sys/kernel/tracing")
    for tag, mountpoint in session.shares:
        mounts += [f"mkdir -p {shlex.quote(mountpoint)}", f"mount -t virtiofs -o ro {tag} {shlex.quote(mountpoint)}"]
    if session.modules:
        mounts += ["mkdir -p /lib/modules", f"mount -o bind {shlex.quote(session.modules)} /lib/modules"]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(session.environment.items())]
    return "\n".join([
        f"bb={EXCHANGE}/busybox",
        *(f"$bb {line} || echo {shlex.quote('guest: failed: ' + line)}" for line in mounts),
        "[ -e /dev/fd ] || { $bb ln -s /proc/self/fd /dev/fd; $bb ln -s fd/0 /dev/stdin; $bb ln -s fd/1 /dev/stdout; $bb ln -s fd/2 /dev/stderr; }",
        "$bb ip link set lo up",
        *exports,
        f"cd {shlex.quote(session.directory)} || exit 1",
        f": > {EXCHANGE}/booted",
        # dmesg is emptied so that what is left afterwards came with the command
        f"$bb dmesg -c > {EXCHANGE}/dmesg-boot",
        # by env, with its path: busybox's shell takes its own applets before the machine's programs
        f"/usr/bin/env {shlex.join(session.command)} > {EXCHANGE}/output 2>&1 < /dev/null",
        f"echo $? > {EXCHANGE}/exit-code.new",
        f"$bb dmesg > {EXCHANGE}/dmesg",
        f"$bb mv {EXCHANGE}/exit-code.new {EXCHANGE}/exit-code",
        "$bb sync",
        "$bb poweroff -f",
        ""])


def build(busybox: Path, modules: list[tuple[str, bytes]]) -> bytes:
    """The initramfs: a cpio archive in the `newc` format the kernel reads, gzipped."""
    archive = _Cpio()
    for folder in ("bin", "dev", "lower", "modules", "newroot", "upper"):
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, STAGE1.encode("utf-8"))
    for number, (name, content) in enumerate(modules):
        # the shell's glob sorts by name: the number keeps the order of their dependencies
        archive.add(f"modules/{number:02}-{name}", stat.S_IFREG | 0o644, content)
    return gzip.compress(archive.finish(), compresslevel=1)


class _Cpio:
    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        self._inode += 1
        encoded = name.encode("ascii") + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device (major, minor), special device (major, minor), length of the name, checksum
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        header = b"070701" + "".join(f"{field:08x}" for field in fields).encode("ascii")
        self._parts += [_padded(header + encoded), _padded(content)]

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
