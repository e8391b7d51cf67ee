# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of Debian's suites, through an apt configuration of our own.

The machine's apt is left as it is: our lists, our status file and our downloads live in the cache folder. Only the mirror is the
machine's, read from its sources at run time, and its apt.conf and auth.conf parts (proxy, credentials), which apt reads by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports")
SECURITY_SUITES = ("bullseye-security", "bookworm-security", "trixie-security")


class KernelTestError(Exception):
    """Something the tester has to know and can act on; the message says what."""


@dataclass(frozen=True)
class Mirror:
    main: str
    security: str


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    depends: str


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "cryptofleet-audit" / "kernels"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One user of a cache folder at a time; others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --- the machine's mirror -------------------------------------------------------------------------------------------------------

def machine_mirror(etc_apt: Path = Path("/etc/apt")) -> Mirror:
    """The Debian mirror this machine is configured with."""
    entries = [entry for path in _source_files(etc_apt) for entry in _source_entries(path)]
    ours = [(uri, suite) for uri, suite in entries if "debian" in urlsplit(uri).path.lower()]
    security = next((uri for uri, suite in ours if _is_security(suite)), None)
    main = next((uri for uri, suite in ours if not _is_security(suite)), None)
    if main is None:
        raise KernelTestError(f"no Debian mirror is configured in {etc_apt}/sources.list or {etc_apt}/sources.list.d: "
                              "test kernels come from Debian's suites")
    return Mirror(main=main, security=security or main.rstrip("/") + "-security")


def _is_security(suite: str) -> bool:
    return suite.endswith(("-security", "/updates"))


def _source_files(etc_apt: Path) -> list[Path]:
    parts = etc_apt / "sources.list.d"
    found = [etc_apt / "sources.list", *sorted(parts.glob("*.sources")), *sorted(parts.glob("*.list"))]
    return [path for path in found if path.is_file()]


def _source_entries(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return _deb822_entries(text) if path.suffix == ".sources" else _one_line_entries(text)


def _deb822_entries(text: str) -> list[tuple[str, str]]:
    entries = []
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", unfolded, re.MULTILINE))
        if fields.get("Enabled", "yes").strip().lower() in ("no", "false"):
            continue
        if "deb" in fields.get("Types", "").split():
            entries += [(uri, suite) for uri in fields.get("URIs", "").split() for suite in fields.get("Suites", "").split()]
    return entries


def _one_line_entries(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^deb[ \t]+(?:\[[^]]*\][ \t]+)?(\S+)[ \t]+(\S+)", text, re.MULTILINE)


# --- our own apt ----------------------------------------------------------------------------------------------------------------

class Apt:
    """apt for one architecture, with its state under `folder`."""

    def __init__(self, folder: Path, arch: str, suites: tuple[str, ...] = SUITES, security_suites: tuple[str, ...] = SECURITY_SUITES) -> None:
        self.folder = folder
        self.arch = arch
        self._suites = suites
        self._security_suites = security_suites
        self.warnings: list[str] = []

    def update(self) -> None:
        """Fetch and verify the package lists. A suite the mirror no longer has is a warning: the others still count."""
        _need_tools("apt-get", "apt-cache", "dpkg")
        self._write_configuration(machine_mirror())
        result = self._run("apt-get", "update")
        self.warnings = [line for line in result.stderr.splitlines() if line.startswith(("E:", "W:"))]
        if not any(self.folder.glob("lists/*Packages*")):
            raise KernelTestError("apt could not fetch a package list:\n" + "\n".join(self.warnings or [result.stderr.strip()]))

    def names(self, prefix: str) -> list[str]:
        return sorted(self._checked("apt-cache", "pkgnames", prefix).split())

    def show(self, names: list[str]) -> list[Package]:
        """Every version of each package in the lists."""
        if not names:
            return []
        found = []
        for stanza in self._checked("apt-cache", "show", *names).split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Depends): (.*)$", stanza, re.MULTILINE))
            if fields:
                found.append(Package(fields["Package"], fields["Version"], fields.get("Depends", "")))
        return found

    def closure(self, names: list[str]) -> list[Package]:
        """These packages and all they depend on, on a machine that has none."""
        output = self._checked("apt-get", "install", "--simulate", "--no-install-recommends", *names)
        return [Package(name, version, "") for name, version in re.findall(r"^Inst (\S+) \((\S+) ", output, re.MULTILINE)]

    def unpack(self, packages: list[Package], target: Path) -> None:
        """Download (apt checks each file against the signed lists) and unpack into `target`."""
        downloads = self.folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir()
        self._checked("apt-get", "download", *(f"{p.name}={p.version}" for p in packages), cwd=downloads)
        target.mkdir(parents=True, exist_ok=True)
        for archive in sorted(downloads.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(archive), str(target)], check=True)
        shutil.rmtree(downloads)

    def _write_configuration(self, mirror: Mirror) -> None:
        if not KEYRING.is_file():
            raise KernelTestError(f"{KEYRING} is missing: install debian-archive-keyring, kernels are not taken unverified")
        for sub in ("lists/partial", "archives/partial", "none"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "debian.sources").write_text("\n".join(
            f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\nSigned-By: {KEYRING}\n"
            for uri, suites in ((mirror.main, self._suites), (mirror.security, self._security_suites))), encoding="utf-8")
        (self.folder / "apt.conf").write_text(self._configuration(), encoding="utf-8")

    def _configuration(self) -> str:
        here = self.folder
        settings = {
            "Dir::State": here,
            "Dir::State::status": here / "status",
            "Dir::Cache": here,
            # named, because container images switch the caches off and every apt-cache call then parses all lists again
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": here / "debian.sources",
            "Dir::Etc::sourceparts": here / "none",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": here / "none",
            "APT::Architecture": self.arch,
            "Acquire::Languages": "none",
            # a suite past its support keeps its old kernels, which are what we want, and an expired Release file; its signature is still checked
            "Acquire::Check-Valid-Until": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            # the cache may lie below a home directory that apt's own user may not enter
            "APT::Sandbox::User": "root",
        }
        lines = ["#clear APT::Architectures;", f'APT::Architectures {{ "{self.arch}"; }};']
        lines += [f'{key} "{value}";' for key, value in settings.items()]
        return "\n".join(lines) + "\n"

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return subprocess.run(command, cwd=cwd, env=environment, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def _checked(self, *command: str, cwd: Path | None = None) -> str:
        result = self._run(*command, cwd=cwd)
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines()
            raise KernelTestError(f"{' '.join(command[:3])} ... failed:\n" + "\n".join(lines[-6:]))
        return result.stdout


def _need_tools(*names: str) -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise KernelTestError(f"not installed: {', '.join(missing)}: test kernels are taken with apt, on a Debian machine")
