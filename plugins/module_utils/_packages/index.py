# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package owns a path: reads the databases of dpkg, rpm and apk below a root directory.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import stat

from .._text import to_text
from .rpm_bdb import BdbDatabase
from .rpm_header import RpmError
from .rpm_ndb import NdbDatabase
from .rpm_sqlite import RpmSqliteDatabase

# Where the databases are: dpkg(1) FILES; rpm macros.in: _dbpath, and its values in Fedora 36, openSUSE and rpm-ostree; apk-tools
# src/database.c (Alpine 3.23 moves lib/apk to usr/lib/apk).
_DPKG = b"var/lib/dpkg"
_RPM = (b"usr/lib/sysimage/rpm", b"var/lib/rpm", b"usr/share/rpm")
_APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")

# Limits. The largest real ones: a list of 5 MB (linux-headers), a status file of 10 MB, 4000 packages.
_MAX_FILE = 64 << 20
_MAX_PACKAGES = 50000
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # O_NONBLOCK: nor is a lease waited for, fcntl(2)
# Bytes of a list that are split into lines at a time.
_CHUNK = 1 << 16

# The top-level folders that a merged /usr replaces by symbolic links (file-hierarchy(7)).
_MERGED = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32")


class PackageIndex:
    """The packages below one root directory. Nothing is read before the first query; answers are cached."""

    def __init__(self, root=b"/"):
        """:arg root: bytes, ``/`` or a container's root (``/proc/PID/root``). Below the latter no symbolic link is followed."""
        self._root = root.rstrip(b"/") + b"/"
        self._is_container = self._root != b"/"
        self._known = {}  # path -> owner or None
        self._rpm = None  # the database once it was looked for; False where there is none
        self._rpm_fd = -1
        self._problems = []

    @property
    def problem(self):
        """Why some owners may be missing: str where a database exists but cannot be read, else None. Valid after a query."""
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
        """The package that owns a path (bytes): dict as owners() has it, or None."""
        return self.owners([path])[path]

    def owners(self, paths):
        """The packages that own paths. Ask for many at once: each call reads all of dpkg's lists.

        :arg paths: iterable of bytes, absolute below the root, symbolic links resolved (as in /proc/PID/maps).
        :returns: dict path -> ``{"manager": "dpkg | rpm | apk", "name": str, "version": str or None}`` or None.
        """
        paths = list(paths)
        wanted = {}
        for path in paths:
            if path not in self._known:
                self._known[path] = None
                if path.startswith(b"/") and b"\n" not in path:
                    wanted[path] = self._spellings(path)
        for manager, query in (("dpkg", self._query_dpkg), ("rpm", self._query_rpm), ("apk", self._query_apk)):
            wanted = {path: names for path, names in wanted.items() if self._known[path] is None}
            if wanted:
                try:
                    query(wanted)
                except OSError as error:
                    self._note("%s: %s" % (manager, error.strerror))
        return {path: self._known[path] for path in paths}

    def _note(self, text):
        """Add a problem (str) once."""
        if text not in self._problems:
            self._problems.append(text)

    def _spellings(self, path):
        """How packages may spell a path: as it is, and as before or after the merge of /usr. List of bytes."""
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
        """Open a file or folder below the root.

        :arg name: bytes, relative to the root.
        :returns: int, descriptor; None where it does not exist, is not permitted, or (in a container) is behind a symbolic link.
        """
        try:
            if not self._is_container:
                return os.open(self._root + name, _OPEN | os.O_NOFOLLOW)
            folder = os.open(self._root, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
            *parents, last = name.split(b"/")
            for part in parents:
                try:
                    below = os.open(part, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                finally:
                    os.close(folder)
                folder = below
        except OSError:  # does not exist, a symbolic link, or not permitted
            return None
        try:
            return self._open_in(last, folder)
        finally:
            os.close(folder)

    def _open_in(self, name, folder):
        """Open a file or folder in an open folder. Arguments and result as _open()'s; folder: int, descriptor.

        A container's file is opened only once it is known to be no device, FIFO or socket, because opening one of these can have effects: the
        container's device cgroup does not bind this process. Of the host's own, O_NONBLOCK keeps a FIFO from blocking.
        """
        try:
            if not self._is_container:
                return os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=folder)
            handle = os.open(name, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
            try:
                mode = os.fstat(handle).st_mode
                if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                    return os.open("/proc/self/fd/%d" % handle, _OPEN)
                if not stat.S_ISLNK(mode):
                    self._note("%s is not a regular file and was not read" % to_text(name)[0])
            finally:
                os.close(handle)
        except OSError:  # does not exist, a symbolic link (ELOOP), or not permitted
            pass
        return None

    def _read(self, name, folder=None):
        """The content of a regular file.

        :arg name: bytes, relative to the root, or a name in folder.
        :arg folder: int, descriptor of an open folder, or None.
        :returns: bytes, or None where it can't be read or is larger than 64 MiB (which is noted as a problem).
        """
        fd = self._open(name) if folder is None else self._open_in(name, folder)
        if fd is None:
            return None
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                return None
            if state.st_size > _MAX_FILE:
                self._note("%s is larger than %d bytes and was not read" % (to_text(name)[0], _MAX_FILE))
                return None
            return os.pread(fd, state.st_size, 0)
        finally:
            os.close(fd)

    def _query_dpkg(self, wanted):
        """Look paths up in dpkg's database. :arg wanted: dict path -> its spellings, as in the other queries; answers go to self._known."""
        info = self._open(_DPKG + b"/info")
        if info is not None:
            try:
                names = sorted(name for name in os.listdir(info) if name.endswith(".list"))[:_MAX_PACKAGES]
                self._query_lists(wanted, info, names)
            finally:
                os.close(info)
        distroless = self._open(_DPKG + b"/status.d")
        if distroless is not None:
            try:
                self._query_distroless(wanted, distroless)
            finally:
                os.close(distroless)

    def _query_lists(self, wanted, info, names):
        """Look paths up in the lists of files of dpkg's packages.

        :arg info: int, descriptor of dpkg's info folder.
        :arg names: list of str, the lists in it.
        """
        diverted, diverters = self._diversions()
        sought = {}  # line of a list -> [(path asked for, package whose own such line does not count)]
        for path, spellings in wanted.items():
            for spelling in spellings:
                listed, diverter = diverted.get(spelling, (spelling, None))
                sought.setdefault(listed, []).append((path, diverter))
        claims = {}
        for name in names:
            content = self._read(os.fsencode(name), info)
            if not content:
                continue
            package = os.fsencode(name[:-5])
            bare_name = package.split(b":")[0]  # without the architecture
            for line in _lines_among(content, sought):
                for path, diverter in sought[line]:
                    was_diverted = diverter is None and diverters.get(line, bare_name) != bare_name
                    if path not in claims and diverter != bare_name and not was_diverted:
                        claims[path] = package
        if claims:
            status = b"\n" + (self._read(_DPKG + b"/status") or b"")
            for path, package in claims.items():
                self._known[path] = _dpkg_package(status, package)

    def _diversions(self):
        """Read dpkg's diversions: files of a package renamed so that another package can install its own under the name (dpkg-divert(1)).

        :returns: ``(diverted, diverters)``, two dicts of bytes: name on disk -> (name in the lists, package that diverted it); name
            in the lists -> that package. A local diversion, by the administrator, has the package ``:``.
        """
        lines = (self._read(_DPKG + b"/diversions") or b"").split(b"\n")
        diverted, diverters = {}, {}
        for number in range(0, len(lines) - 2, 3):
            listed, on_disk, diverter = lines[number:number + 3]
            diverted[on_disk] = (listed, diverter)
            diverters[listed] = diverter
        return diverted, diverters

    def _query_distroless(self, wanted, folder):
        """Look paths up in status.d, where distroless images keep a status file and an md5sums file for each package.

        :arg folder: int, descriptor of status.d.
        """
        for name in sorted(os.listdir(folder))[:_MAX_PACKAGES]:
            if not name.endswith(".md5sums"):
                continue
            content = b"\n" + (self._read(os.fsencode(name), folder) or b"")
            for path, spellings in wanted.items():
                if self._known[path] is None and any(b"  " + spelling[1:] + b"\n" in content for spelling in spellings):
                    status = b"\n" + (self._read(os.fsencode(name[:-8]), folder) or b"")
                    self._known[path] = _dpkg_package(status, os.fsencode(name[:-8]))

    def _query_rpm(self, wanted):
        """Look paths up in rpm's database."""
        if self._rpm is None:
            self._rpm = self._open_rpm()
        if not self._rpm:
            return
        found = {}
        try:
            self._rpm.owners({spelling for spellings in wanted.values() for spelling in spellings}, found)
        except RpmError as error:
            self._note("rpm: the database is damaged or was being written: %s" % error)
        for path, spellings in wanted.items():
            self._known[path] = next((found[spelling] for spelling in spellings if spelling in found), None)

    def _open_rpm(self):
        """Open the first database that can be read, of any of rpm's backends; False where there is none."""
        for name, reader in ((b"rpmdb.sqlite", RpmSqliteDatabase), (b"Packages.db", NdbDatabase), (b"Packages", BdbDatabase)):
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

    def _query_apk(self, wanted):
        """Look paths up in apk's database."""
        for name in _APK:
            content = self._read(name)
            if content:
                content = b"\n\n" + content + b"\n\n"
                for path, spellings in wanted.items():
                    for spelling in spellings:
                        self._known[path] = self._known[path] or _apk_owner(content, spelling)


def _lines_among(content, sought):
    """The sought lines that occur in content.

    :arg content: bytes, lines.
    :arg sought: dict or set of bytes, lines without their newline.
    :returns: iterable of bytes.
    """
    if len(sought) > 8:  # for a few lines, searching for each is faster
        found, begin = set(), 0
        while begin < len(content):  # in chunks: lists can be megabytes long, and split lines take twice their size in memory
            end = content.find(b"\n", begin + _CHUNK)
            end = end if end >= 0 else len(content)
            found.update(set(content[begin:end].split(b"\n")).intersection(sought))
            begin = end + 1
        return found
    content = b"\n" + content
    return [line for line in sought if b"\n" + line + b"\n" in content]


def _dpkg_package(status, package):
    """The owner entry of a package, with its version from a status file.

    :arg status: bytes, the file's content with a newline before it.
    :arg package: bytes, ``name`` or ``name:architecture``.
    :returns: dict as PackageIndex.owners() has it.
    """
    name, _colon, architecture = package.partition(b":")
    head, kind = b"\nPackage: %s\n" % name, b"\nArchitecture: %s\n" % architecture
    version = None
    at = status.find(head)
    while at >= 0:
        end = status.find(b"\n\n", at + 1)
        end = end if end >= 0 else len(status)
        stanza = status[at:end] + b"\n"
        if version is None or kind in stanza:
            version = _field(stanza, b"\nVersion: ") or version
        at = status.find(head, end)  # a crafted stanza that repeats the field is read once
    return {"manager": "dpkg", "name": to_text(name)[0], "version": version}


def _apk_owner(content, path):
    """The owner of a path according to apk's text database.

    Its fields (apk-tools src/database.c: apk_db_fdb_write): P is the package, V its version, F a folder, R a file in that folder.

    :arg content: bytes, the database with two newlines before and behind it.
    :arg path: bytes, absolute.
    :returns: dict as PackageIndex.owners() has it, or None.
    """
    folder, _slash, base = path[1:].rpartition(b"/")
    head, line = b"\nF:%s\n" % folder, b"\nR:%s\n" % base
    at = content.find(head)
    while at >= 0:
        # The folder's files end at the next folder or with the stanza. In this order, a long stanza of many folders costs linear time.
        next_folder = content.find(b"\nF:", at + 1)
        limit = next_folder if next_folder >= 0 else len(content)
        stanza_end = content.find(b"\n\n", at + 1, limit + 1)
        if line in content[at:(stanza_end if stanza_end >= 0 else limit) + 1]:
            stanza = content[content.rfind(b"\n\n", 0, at) + 1:at + 1]
            name, version = _field(stanza, b"\nP:"), _field(stanza, b"\nV:")
            return {"manager": "apk", "name": name, "version": version} if name else None
        at = content.find(head, at + 1)
    return None


def _field(stanza, key):
    """The value (str) of the first line in a stanza that begins with key, or None."""
    begin = stanza.find(key)
    return to_text(stanza[begin + len(key):stanza.index(b"\n", begin + 1)])[0] if begin >= 0 else None
