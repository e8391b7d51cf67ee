# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an audit on the controller: names, atomic writing, reading.

A file appears whole or not at all. This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
import pathlib
import tempfile
import urllib.parse
import zlib

PROFILE_SUFFIX = ".json.gz"
STREAM_SUFFIX = ".jsonl.gz"

_LONGEST_NAME = 200


class StoreError(Exception):
    """A file could not be written or read. The text is for the user."""


def safe_name(host):
    """A host's name as a file name: no separator, no leading dot, never two hosts with one name.

    Everything but letters, digits and ``_ - .`` becomes %XX; a name too long for a file system ends in a digest instead.

    :arg host: str, its name in the inventory of Ansible.
    :returns: str.
    """
    name = urllib.parse.quote(host, safe="", errors="surrogateescape").replace("~", "%7E")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        name = name[:_LONGEST_NAME - 33] + "%-" + hashlib.sha256(os.fsencode(host)).hexdigest()[:31]
    return name


def host_of(name):
    """The host that a file name of ``safe_name`` stands for.

    :arg name: str, without its suffix.
    :returns: str; a name that was cut stays as it is.
    """
    return name if "%-" in name else urllib.parse.unquote(name, errors="surrogateescape")


def target_path(dest, host, suffix=PROFILE_SUFFIX):
    """Where a document goes: dest itself, or a file for the host in it where dest is a folder or ends in a separator.

    :arg dest: str, as the user gave it.
    :arg host: str, the host's name in the inventory of Ansible.
    :arg suffix: str, of a file in a folder.
    :returns: str.
    """
    if str(dest).endswith(os.sep) or os.path.isdir(dest):
        return os.path.join(dest, safe_name(host) + suffix)
    return str(dest)


def encode(document):
    """A document as bytes, the same for the same document: keys sorted, one line.

    :arg document: dict.
    :returns: bytes.
    """
    return (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode("ascii")


def write_bytes(path, content):
    """Write a file atomically, compressed where its name ends in .gz, and make missing folders.

    :arg path: str or Path.
    :arg content: bytes.
    :returns: dict with dest, sha256 and size of the file as it is on disk.
    :raises StoreError: it can't be written; nothing of this attempt is left.
    """
    if str(path).endswith(".gz"):
        content = gzip.compress(content, compresslevel=6, mtime=0)
    with atomic(path) as stream:
        stream.write(content)
    return {"dest": str(path), "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def check_writable(path):
    """Check for the folder, the permission and the space that writing a file needs, as far as that can be known before.

    :arg path: str or Path, the file.
    :raises StoreError: it can't be written.
    """
    path = pathlib.Path(path)
    try:
        _make_folder(path.parent)
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise StoreError("can't write %s: %s" % (path, error.strerror or error)) from error
    if path.is_dir():
        raise StoreError("can't write %s: it is a folder" % path)


@contextlib.contextmanager
def atomic(path):
    """A binary stream whose content becomes the file when the block ends well, and vanishes when it does not.

    :arg path: str or Path.
    :raises StoreError: it can't be written.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        _make_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(prefix="." + path.name[:60] + ".", suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError("can't write %s: %s" % (path, error.strerror or error)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _make_folder(folder):
    """Make folder and its missing parents, and make them last."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o750)
        _sync_folder(folder.parent)


def _sync_folder(folder):
    """Make a rename in folder last; some network file systems have no fsync of folders, and need none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def read_document(path):
    """Read a JSON object.

    :arg path: str or Path; decompressed where it ends in .gz.
    :returns: tuple of the document (dict) and of sha256 and size of the file (dict).
    :raises StoreError: it can't be read or holds no JSON object.
    """
    try:
        content = pathlib.Path(path).read_bytes()
        facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        if str(path).endswith(".gz"):
            content = gzip.decompress(content)
        document = json.loads(content)
    except OSError as error:  # gzip.BadGzipFile is one
        raise StoreError("can't be read: %s" % (error.strerror or error)) from error
    except (ValueError, EOFError, zlib.error) as error:
        raise StoreError("is not a whole JSON document: %s" % error) from error
    except RecursionError as error:
        raise StoreError("is nested too deeply to be a profile") from error
    if not isinstance(document, dict):
        raise StoreError("holds no JSON object")
    return document, facts
