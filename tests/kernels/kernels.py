# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels to test on: found by series in Debian's suites, unpacked into the cache.

Never pinned: security updates remove versions from the mirror, so the newest of a series that can be had is taken. What was resolved is
remembered, so a second call needs neither network nor apt.
"""

from __future__ import annotations

import functools
import json
import lzma
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from debian_suites import Apt, KernelTestError, Package, cache_folder, locked

SERIES = ("5.10", "6.1", "6.12", "6.18", "newest")
DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
RESOLVED_FOR_SECONDS = 7 * 86400
# a 404 means that the mirror is ahead of our lists: older ones are tried, but not without end
MAX_CANDIDATES = 4


@dataclass(frozen=True)
class Kernel:
    series: str
    arch: str
    release: str
    folder: str

    @property
    def modules_base(self) -> Path:
        return _modules_base(Path(self.folder))

    @property
    def modules(self) -> Path:
        return self.modules_base / "lib" / "modules" / self.release

    @property
    def image(self) -> Path:
        path = _image_in(Path(self.folder), self.release)
        if path is None:
            raise KernelTestError(f"no kernel image in {self.folder}: delete that folder and run again")
        return path

    def needed_modules(self, names: list[str]) -> list[tuple[str, bytes]]:
        """(file name, content) of what has to be inserted for these modules, in order; nothing for built-in ones."""
        found: dict[str, bytes] = {}
        for name in names:
            result = subprocess.run(["modprobe", "-d", str(self.modules_base), "-S", self.release, "--show-depends", name],
                                    capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise KernelTestError(f"kernel {self.release} has no module {name}: {result.stderr.strip()}")
            for path in re.findall(r"^insmod (\S+)", result.stdout, re.MULTILINE):
                file = Path(path)
                packed = file.suffix == ".xz"
                found.setdefault(file.stem if packed else file.name, lzma.decompress(file.read_bytes()) if packed else file.read_bytes())
        return list(found.items())


class KernelStore:
    """The kernels of one architecture and flavour, below the cache folder."""

    def __init__(self, arch: str = "x86_64", flavour: str = "cloud", log: Callable[[str], None] = print) -> None:
        self.arch = arch
        self.flavour = flavour
        self._log = log
        self._folder = cache_folder() / arch
        self._suffix = f"{flavour}-{DEBIAN_ARCH[arch]}" if flavour else DEBIAN_ARCH[arch]
        self._lists_are_fresh = False
        self._memory = self._folder / f"resolved-{self._suffix}.json"

    def resolve(self, series: str, refresh: bool = False) -> Kernel:
        """The newest kernel of a series (`6.12`, or `newest`) that can be had."""
        with locked(self._folder):
            known, age = self._remembered(series)
            if known and not refresh and age < RESOLVED_FOR_SECONDS:
                return known
            try:
                kernel = self._fetch(series, refresh)
            except KernelTestError as error:
                if known is None or refresh:
                    raise
                self._log(f"kernel {series}: the cached {known.release} is used, a look for a newer one failed: {error}")
                return known
            self._remember(kernel)
            return kernel

    def _remembered(self, series: str) -> tuple[Kernel | None, float]:
        entry = self._read_memory().get(series)
        if entry is None or not Path(entry["kernel"]["folder"]).is_dir():
            return None, 0.0
        return Kernel(**entry["kernel"]), time.time() - entry["at"]

    def _remember(self, kernel: Kernel) -> None:
        memory = self._read_memory()
        memory[kernel.series] = {"at": time.time(), "kernel": asdict(kernel)}
        fresh = self._memory.with_suffix(".new")
        fresh.write_text(json.dumps(memory, indent=1), encoding="utf-8")
        fresh.replace(self._memory)

    def _read_memory(self) -> dict[str, dict]:
        return json.loads(self._memory.read_text(encoding="utf-8")) if self._memory.exists() else {}

    def _fetch(self, series: str, refresh: bool) -> Kernel:
        apt = Apt(self._folder / "apt", DEBIAN_ARCH[self.arch])
        if not self._lists_are_fresh and (refresh or _age(apt.folder / "debian.sources") > RESOLVED_FOR_SECONDS):
            self._log("fetching Debian's package lists")
            apt.update()
            if apt.warnings:
                self._log("some package lists are as old as they were: " + apt.warnings[0])
        self._lists_are_fresh = True
        images = self._candidates(apt, series)
        if not images:
            raise KernelTestError(f"no kernel {series} ({self._suffix}) on this machine's Debian mirror"
                                  + "".join(f"\n  {line}" for line in apt.warnings))
        failures = []
        for image in images[:MAX_CANDIDATES]:
            release = image.name.removeprefix("linux-image-")
            try:
                return self._unpacked(apt, image, series, release)
            except KernelTestError as error:
                failures.append(f"{release}: {error}")
                self._log(f"kernel {release} can't be had, the next older one is tried")
        raise KernelTestError(f"no kernel {series} could be downloaded:\n" + "\n".join(failures))

    def _candidates(self, apt: Apt, series: str) -> list[Package]:
        """Kernel image packages of a series, newest first."""
        version = r"\d+\.\d+" if series == "newest" else re.escape(series)
        # `6.1.0-53-cloud-amd64` and `7.3.4+deb13-cloud-amd64`; the suffix alone would let `-rt-amd64` through for the plain flavour
        pattern = re.compile(rf"linux-image-{version}\.[0-9][0-9.+~deb-]*-{re.escape(self._suffix)}")
        names = [name for name in apt.names("linux-image-") if pattern.fullmatch(name)]
        return sorted(apt.show(names), key=functools.cmp_to_key(_compare_versions), reverse=True)

    def _unpacked(self, apt: Apt, image: Package, series: str, release: str) -> Kernel:
        folder = self._folder / release
        kernel = Kernel(series=series, arch=self.arch, release=release, folder=str(folder))
        if folder.is_dir():
            return kernel
        self._log(f"fetching kernel {release}")
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        apt.unpack(_image_parts(apt, image), fresh)
        shutil.rmtree(fresh / "usr" / "share", ignore_errors=True)
        _index_modules(fresh, release)
        if _image_in(fresh, release) is None:
            raise KernelTestError("the packages that the mirror has hold no kernel image")
        # named last: a folder without `.new` is whole
        fresh.rename(folder)
        return kernel


def _image_parts(apt: Apt, image: Package) -> list[Package]:
    """From 7.x on a kernel is split over linux-image, -binary, -modules and -base: its dependencies name them."""
    parts = {image.name: image}
    queue = [image]
    while queue:
        wanted = re.findall(r"(linux-(?:binary|modules|base)-\d\S*) \(= ([^)]+)\)", queue.pop().depends)
        for name, version in wanted:
            if name in parts:
                continue
            # some versions depend on a linux-base that holds nothing and was never published: what is missing shows after unpacking
            for package in apt.show([name] if apt.names(name) else []):
                if package.version == version:
                    parts[name] = package
                    queue.append(package)
    return list(parts.values())


def _modules_base(folder: Path) -> Path:
    """The folder to give to modprobe and depmod as their root: /lib/modules until 7.1, /usr/lib/modules since."""
    return folder if (folder / "lib" / "modules").is_dir() else folder / "usr"


def _image_in(folder: Path, release: str) -> Path | None:
    modules = _modules_base(folder) / "lib" / "modules" / release
    candidates = (folder / "boot" / f"vmlinuz-{release}", modules / "vmlinuz", modules / "vmlinuz.unsigned")
    return next((path for path in candidates if path.is_file()), None)


def _index_modules(folder: Path, release: str) -> None:
    base = _modules_base(folder)
    if not (base / "lib" / "modules" / release / "kernel").is_dir():
        raise KernelTestError(f"the packages that the mirror has hold no modules of {release}")
    result = subprocess.run(["depmod", "-b", str(base), release], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise KernelTestError(f"depmod failed: {result.stderr.strip()}")


def _compare_versions(left: Package, right: Package) -> int:
    if left.version == right.version:
        return 0
    newer = subprocess.run(["dpkg", "--compare-versions", left.version, "gt", right.version], check=False)
    return 1 if newer.returncode == 0 else -1


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime if path.exists() else float("inf")
