# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes databases of rpm's Berkeley DB backend. No current rpm writes them any more, so Berkeley DB itself does, through Perl's DB_File."""

from __future__ import annotations

import sqlite3
import struct
import subprocess

from ansible_collections.cryptofleet.audit.plugins.module_utils._packages.rpm_header import _BASENAMES, Header

_WRITER = r"""
use DB_File; use Fcntl;
my ($path, $page_size, $order) = @ARGV;
$DB_HASH->{bsize} = $page_size; $DB_HASH->{lorder} = $order;
tie(my %database, "DB_File", $path, O_RDWR | O_CREAT, 0644, $DB_HASH) or die "$path: $!";
while (my $line = <STDIN>) {
    my ($key, $value) = split ' ', $line;
    if (length $value) { $database{pack "H*", $key} = pack "H*", $value } else { delete $database{pack "H*", $key} }
}
untie %database;
"""
_VERSION = r"%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n"
_ORDERS = {"<": "1234", ">": "4321"}


def headers_of(database):
    """The package headers in an rpmdb.sqlite: list of bytes."""
    connection = sqlite3.connect(str(database))
    try:
        return [header for (header,) in connection.execute("SELECT blob FROM Packages")]
    finally:
        connection.close()


def write_hash(path, entries, page_size=4096, order="<"):
    """Write a Berkeley DB hash, or add to one.

    :arg path: pathlib.Path.
    :arg entries: iterable of ``(key, value)``, bytes, in this order; a value of None deletes the key.
    :arg page_size: int, bytes.
    :arg order: str, byte order of the file, as struct writes it.
    """
    lines = "".join("%s %s\n" % (key.hex(), "" if value is None else value.hex()) for key, value in entries)
    subprocess.run(["perl", "-e", _WRITER, str(path), str(page_size), _ORDERS[order]], check=True, input=lines.encode())


def write_database(folder, headers, page_size=4096, order="<", removed=()):
    """Write Packages, and Basenames, the index through which rpm finds the owner of a path.

    :arg folder: pathlib.Path, created here.
    :arg headers: list of bytes, in the order of installation.
    :arg page_size: int, bytes.
    :arg order: str, byte order of the file, as struct writes it.
    :arg removed: list of bytes, headers of packages installed earlier. Half of them are removed before headers are added, half afterwards.
    """
    folder.mkdir(parents=True)
    key = struct.Struct(order + "I").pack
    first = len(removed) + 1
    entries = [(key(0), key(len(removed) + len(headers)))] + [(key(number), header) for number, header in enumerate(removed, 1)]
    entries += [(key(number), None) for number in range(1, first, 2)]
    entries += [(key(number), header) for number, header in enumerate(headers, first)]
    entries += [(key(number), None) for number in range(2, first, 2)]
    write_hash(folder / "Packages", entries, page_size, order)
    places = {}
    for number, header in enumerate(headers, first):
        for index, name in enumerate(Header(header).texts(_BASENAMES)):
            places[name] = places.get(name, b"") + key(number) + key(index)
    write_hash(folder / "Basenames", places.items(), page_size, order)


def owners_by_rpm(folder, paths):
    """rpm's own answer: dict path -> list of ``name version`` of the packages that own it."""
    owners = {}
    for path in paths:
        answer = subprocess.run(["rpm", "--dbpath", str(folder), "--define", "_db_backend bdb_ro", "-qf", "--qf", _VERSION,
                                 path.decode()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        owners[path] = answer.stdout.decode().splitlines() if answer.returncode == 0 else []
    return owners
