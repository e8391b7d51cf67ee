# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests run that this machine does not have: Debian packages, unpacked and not installed. A root of another architecture; an older libbpf."""

from __future__ import annotations

import shutil
from pathlib import Path

from debian_suites import Apt, cache_folder, locked
from kernels import DEBIAN_ARCH

# what the checks run in a guest, and what the tracer needs there; their dependencies come along
PACKAGES = ["base-files", "base-passwd", "bpftool", "busybox-static", "coreutils", "curl", "dash", "kmod", "libbpf1", "libc-bin", "mount", "openssl",
            "python3", "util-linux"]
SUITE = "bookworm"
OLD_LIBBPF = ("bullseye", "libbpf0")  # libbpf 0.3, what hosts with Linux 5.10 have


def userland(arch: str, refresh: bool = False) -> Path:
    """The root folder; fetched the first time."""
    folder = cache_folder() / arch / f"userland-{SUITE}"
    with locked(folder.parent):
        if folder.is_dir() and not refresh:
            return folder
        apt = Apt(folder.parent / "apt-userland", DEBIAN_ARCH[arch], suites=(SUITE,), security_suites=(f"{SUITE}-security",))
        print(f"fetching a {SUITE} userland for {arch}")
        apt.update()
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        _merge_usr(fresh)
        apt.unpack(apt.closure(PACKAGES), fresh)
        _finish(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return folder


def old_libbpf(arch: str, refresh: bool = False) -> Path:
    """A folder with libbpf.so.0, the library that came with the oldest kernel; fetched the first time."""
    suite, package = OLD_LIBBPF
    folder = cache_folder() / arch / f"{package}-{suite}"
    with locked(folder.parent):
        if not folder.is_dir() or refresh:
            apt = Apt(folder.parent / f"apt-{suite}", DEBIAN_ARCH[arch], suites=(suite,), security_suites=(f"{suite}-security",))
            print(f"fetching {package} of {suite} for {arch}")
            apt.update()
            fresh = folder.with_name(folder.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            # it alone: what it depends on, libelf and zlib, is there for libbpf1 as well
            apt.unpack([found for found in apt.closure([package]) if found.name == package], fresh)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
    return next(folder.glob("usr/lib/*/libbpf.so.0")).parent


def _merge_usr(root: Path) -> None:
    """Before unpacking, so that files of /bin and /lib land below /usr, as on an installed system."""
    for name in ("bin", "lib", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


def _finish(root: Path) -> None:
    """What maintainer scripts would have made, as far as the checks need it."""
    shell = root / "usr" / "bin" / "sh"
    if not shell.exists():
        shell.symlink_to("dash")
    masters = root / "usr" / "share" / "base-passwd"
    shutil.copy(masters / "passwd.master", root / "etc" / "passwd")
    shutil.copy(masters / "group.master", root / "etc" / "group")
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
    for name in ("dev", "proc", "run", "sys", "tmp", "var/tmp", "root"):
        (root / name).mkdir(parents=True, exist_ok=True)
