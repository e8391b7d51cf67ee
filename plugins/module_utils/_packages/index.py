# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package owns a path, from the databases of dpkg, rpm and apk.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat

from .._text import to_text
from .rpm import RpmDatabase, RpmError
from .rpm_bdb import BdbDatabase
from .rpm_ndb import NdbDatabase

# Where the databases are: dpkg(1) FILES; rpm macros.in: _dbpath, and its places in Fedora 36, openSUSE and rpm-ostree; apk-tools
# src/database.c (Alpine 3.23 moves lib/apk to usr/lib/apk).
_DPKG = b"var/lib/dpkg"
_RPM = (b"usr/lib/sysimage/rpm", b"var/lib/rpm", b"usr/share/rpm")
_APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")

# Bounds. The largest real ones: a list of 5 MB (linux-headers), a status file of 10 MB, 4000 packages.
_MAX_FILE = 64 << 20
_MAX_PACKAGES = 50000
# Bytes of a list that are cut into lines at once.
_PIECE = 1 << 16

# The top folders that a merged /usr replaces by links (file-hierarchy(7)).
_MERGED = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32")


class PackageIndex:
    """The packages below one root directory. Nothing is read before the first question, and what was asked is remembered."""

    def __init__(self, root=b"/"):
        """:arg root: bytes, ``/`` or a container's root (``/proc/PID/root``). Below the latter no symbolic link is followed."""
        self._root = root.rstrip(b"/") + b"/"
        self._strict = self._root != b"/"
        self._known = {}
        self._rpm = None
        self._rpm_fd = -1
        self._problems = []

    @property
    def problem(self):
        """Why some owners may be missing (str): a database that is there but cannot be read; or None. Valid after a question."""
        return "; ".join(self._problems) or None

    def close(self):
        """Close the databases. May be called twice."""
        if self._rpm_fd >= 0:
            os.close(self._rpm_fd)
            self._rpm_fd = -1
        self._rpm = None

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.close()

    def owner(self, path):
        """The package that owns a path: owners() for a single one."""
        return self.owners([path])[path]

    def owners(self, paths):
        """The packages that own paths. Ask for many at once: dpkg's lists are read through for each call.

        :arg paths: iterable of bytes, absolute below the root, symbolic links followed (as in /proc/PID/maps).
        :returns: dict path -> ``{"manager": "dpkg | rpm | apk", "name": str, "version": str or None}`` or None.
        """
        paths = list(paths)
        wanted = {}
        for path in paths:
            if path not in self._known:
                self._known[path] = None
                if path.startswith(b"/") and b"\n" not in path:
                    wanted[path] = self._spellings(path)
        for manager in (self._ask_dpkg, self._ask_rpm, self._ask_apk):
            wanted = {path: names for path, names in wanted.items() if self._known[path] is None}
            if wanted:
                try:
                    manager(wanted)
                except OSError as error:
                    self._note("%s: %s" % (manager.__name__.rpartition("_")[2], error.strerror))
        return {path: self._known[path] for path in paths}

    def _note(self, text):
        if text not in self._problems:
            self._problems.append(text)

    def _spellings(self, path):
        """The path, and how a package from before or after the merge of /usr may spell it."""
        names = [path]
        parts = path.split(b"/")
        if parts[1] == b"usr" and len(parts) > 3 and parts[2] in _MERGED and self._is_link(parts[2]):
            names.append(b"/" + b"/".join(parts[2:]))
        elif parts[1] in _MERGED and self._is_link(parts[1]):
            names.append(b"/usr" + path)
        if b"/sbin/" in path or b"/bin/" in path:  # Fedora 42 makes /usr/sbin a link to bin
            if parts[1:3] in ([b"usr", b"bin"], [b"usr", b"sbin"]) and self._is_link(b"usr/sbin"):
                other = b"bin" if parts[2] == b"sbin" else b"sbin"
                names.append(b"/usr/" + other + b"/" + b"/".join(parts[3:]))
        return names

    def _is_link(self, name):
        return os.path.islink(self._root + name)

    def _open(self, name):
        """A descriptor of a regular file or a folder below the root, or None where there is none or it is reached by a link."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            if not self._strict:
                return os.open(self._root + name, flags | os.O_NOFOLLOW)
            folder = os.open(self._root, flags | os.O_DIRECTORY)
            for part in name.split(b"/"):
                try:
                    following = os.open(part, flags | os.O_NOFOLLOW, dir_fd=folder)
                finally:
                    os.close(folder)
                folder = following
            return folder
        except OSError:  # not there, a link (ELOOP), or not permitted
            return None

    def _read(self, name, folder=None):
        """The content of a regular file, at most 64 MiB, or None."""
        if folder is None:
            fd = self._open(name)
        else:
            try:
                fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW, dir_fd=folder)
            except OSError:
                fd = None
        if fd is None:
            return None
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                return None
            if state.st_size > _MAX_FILE:
                self._note("%s is larger than %d bytes" % (to_text(name)[0], _MAX_FILE))
                return None
            return os.pread(fd, state.st_size, 0)
        finally:
            os.close(fd)

    def _ask_dpkg(self, wanted):
        info = self._open(_DPKG + b"/info")
        if info is not None:
            try:
                names = sorted(name for name in os.listdir(info) if name.endswith(".list"))[:_MAX_PACKAGES]
                self._ask_lists(wanted, info, names)
            finally:
                os.close(info)
        distroless = self._open(_DPKG + b"/status.d")
        if distroless is not None:
            try:
                self._ask_distroless(wanted, distroless)
            finally:
                os.close(distroless)

    def _ask_lists(self, wanted, info, names):
        moved, takers = self._diversions()
        sought = {}  # a line of a list: [(path asked for, package whose line does not count)]
        for path, spellings in wanted.items():
            for spelling in spellings:
                origin, taker = moved.get(spelling, (spelling, None))
                sought.setdefault(origin, []).append((path, taker))
        claims = {}
        for name in names:
            content = self._read(os.fsencode(name), info)
            if not content:
                continue
            package = os.fsencode(name[:-5])
            for line in _lines_among(content, sought):
                for path, taker in sought[line]:
                    others = taker is None and takers.get(line, package.split(b":")[0]) != package.split(b":")[0]
                    if path not in claims and taker != package.split(b":")[0] and not others:
                        claims[path] = package
        if claims:
            status = b"\n" + (self._read(_DPKG + b"/status") or b"")
            for path, package in claims.items():
                self._known[path] = _dpkg_package(status, package)

    def _diversions(self):
        """dpkg-divert(1): a package's file has been moved so that another package's can be in its place.

        :returns: ``(moved, takers)``: where the file is now -> (its name in the lists, the package that took the place); its name
            in the lists -> that package. A diversion of the administrator's own has the package ``:``.
        """
        lines = (self._read(_DPKG + b"/diversions") or b"").split(b"\n")
        moved, takers = {}, {}
        for number in range(0, len(lines) - 2, 3):
            origin, now, taker = lines[number:number + 3]
            moved[now] = (origin, taker)
            takers[origin] = taker
        return moved, takers

    def _ask_distroless(self, wanted, folder):
        """Images made without dpkg keep one status file and one md5sums for each package in status.d."""
        for name in sorted(os.listdir(folder))[:_MAX_PACKAGES]:
            if not name.endswith(".md5sums"):
                continue
            content = b"\n" + (self._read(os.fsencode(name), folder) or b"")
            for path, spellings in wanted.items():
                if self._known[path] is None and any(b"  " + spelling[1:] + b"\n" in content for spelling in spellings):
                    status = b"\n" + (self._read(os.fsencode(name[:-8]), folder) or b"")
                    self._known[path] = _dpkg_package(status, os.fsencode(name[:-8]))

    def _ask_rpm(self, wanted):
        if self._rpm is None:
            self._rpm = self._open_rpm()
        if not self._rpm:
            return
        found = {}
        try:
            self._rpm.owners({spelling for spellings in wanted.values() for spelling in spellings}, found)
        except RpmError as error:
            self._note("rpm: the database is damaged or was just being written: %s" % error)
        for path, spellings in wanted.items():
            self._known[path] = next((found[spelling] for spelling in spellings if spelling in found), None)

    def _open_rpm(self):
        """The database, or False where there is none that can be read."""
        for name, reader in ((b"rpmdb.sqlite", RpmDatabase), (b"Packages.db", NdbDatabase), (b"Packages", BdbDatabase)):
            for folder in _RPM:
                fd = self._open(folder + b"/" + name)
                if fd is None:
                    continue
                try:
                    database = reader(fd)
                    self._rpm_fd = fd
                    return database
                except (RpmError, OSError) as error:
                    os.close(fd)
                    self._note("rpm: %s/%s: %s" % (folder.decode(), name.decode(), error))
        return False

    def _ask_apk(self, wanted):
        for name in _APK:
            content = self._read(name)
            if content:
                content = b"\n\n" + content + b"\n\n"
                for path, spellings in wanted.items():
                    for spelling in spellings:
                        self._known[path] = self._known[path] or _apk_owner(content, spelling)


def _lines_among(content, sought):
    """Those of the sought lines that are in content. A search for each is the quicker way for a few."""
    if len(sought) > 8:
        found, begin = set(), 0
        while begin < len(content):  # piece by piece: there are lists of megabytes, and a line by itself takes twice its size
            end = content.find(b"\n", begin + _PIECE)
            end = end if end >= 0 else len(content)
            found.update(set(content[begin:end].split(b"\n")).intersection(sought))
            begin = end + 1
        return found
    content = b"\n" + content
    return [line for line in sought if b"\n" + line + b"\n" in content]


def _dpkg_package(status, package):
    """The owner, from the status file (bytes, beginning with a newline), of a package (bytes, ``name`` or ``name:architecture``)."""
    name, _colon, architecture = package.partition(b":")
    head, kind = b"\nPackage: %s\n" % name, b"\nArchitecture: %s\n" % architecture
    version = None
    at = status.find(head)
    while at >= 0:
        end = status.find(b"\n\n", at + 1)
        stanza = status[at:end if end >= 0 else len(status)] + b"\n"
        if version is None or kind in stanza:
            version = _field(stanza, b"\nVersion: ") or version
        at = status.find(head, at + 1)
    return {"manager": "dpkg", "name": to_text(name)[0], "version": version}


def _apk_owner(content, path):
    """The owner of a path in apk's text database, or None: P is the package, V its version, F a folder, R a file in it.

    apk-tools src/database.c: apk_db_fdb_write.
    """
    folder, _slash, base = path[1:].rpartition(b"/")
    head, line = b"\nF:%s\n" % folder, b"\nR:%s\n" % base
    at = content.find(head)
    while at >= 0:
        end = content.find(b"\n\n", at + 1)
        following = content.find(b"\nF:", at + 1, end + 1)
        if line in content[at:(end if following < 0 else following) + 1]:
            stanza = content[content.rfind(b"\n\n", 0, at) + 1:at + 1]
            name, version = _field(stanza, b"\nP:"), _field(stanza, b"\nV:")
            return {"manager": "apk", "name": name, "version": version} if name else None
        at = content.find(head, at + 1)
    return None


def _field(stanza, key):
    """The text (str) of a line that begins with key, or None."""
    begin = stanza.find(key)
    return to_text(stanza[begin + len(key):stanza.index(b"\n", begin + 1)])[0] if begin >= 0 else None
