# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``modules`` of host_crypto: whether the kernel enforces module signatures, and how the loaded modules are signed.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import zlib

from .._formats.der import CONTEXT_0, INTEGER, SEQUENCE, DerError, algorithm, children, expect, item, oid_at, whole
from .._formats.distinguished_name import name_text
from .._formats.oids import DIGESTS, KEY_ALGORITHMS, SIGNATURE_ALGORITHMS

_ENFORCED = "/sys/module/module/parameters/sig_enforce"  # kernel/module/signing.c
_LOCKDOWN = "/sys/kernel/security/lockdown"  # security/lockdown/lockdown.c: the level in force is in brackets
_LOADED = "/proc/modules"
_CONFIGS = ("/proc/config.gz", "/boot/config-%s", "/lib/modules/%s/config", "/usr/lib/modules/%s/config")
_SETTING = re.compile(rb'^CONFIG_(MODULE_SIG_HASH|MODULE_SIG_FORCE|MODULE_SIG|MODULES)=(?:"([^"\n]*)"|(\w+))$', re.MULTILINE)
_MAX_CONFIG = 4 << 20  # bytes, decompressed
_MAX_LIST = 4 << 20  # bytes of /proc/modules
_MAX_DEPENDENCIES = 8 << 20  # bytes of modules.dep

_MAX_LOADED = 2000
_MAX_UNSIGNED = 50
_SAMPLE_SIZE = 5  # modules whose signature is read: a kernel's own modules are signed alike, and others show in their taint
_MAX_CANDIDATES = 200  # loaded modules looked up in modules.dep
_MAX_MODULE = 8 << 20  # bytes of a module, decompressed
_MAX_COMPRESSED = 2 << 20  # bytes
_MAX_LZMA_MEMORY = 64 << 20  # bytes

# include/linux/module_signature.h: struct module_signature, then the magic; id_type 2 is PKCS#7
_MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2
_MAX_SIGNATURE = 65536  # bytes read at the end of a module


def read_modules(reader, release):
    """Read the part ``modules``.

    :arg reader: `Reader`.
    :arg release: str, the running kernel's release.
    :returns: dict: signature_enforced, lockdown, loaded (count), unsigned (names), config, signatures, unreadable.
    """
    enforced, lockdown = reader.read_line(_ENFORCED), reader.read_line(_LOCKDOWN)
    level = re.search(rb"\[(\w+)\]", lockdown or b"")
    names = _loaded(reader)
    part = {"signature_enforced": None if enforced is None else enforced in (b"Y", b"1"), "loaded": len(names)}
    reader.put_text(part, "lockdown", level.group(1) if level else None)
    part["unsigned"] = _unsigned(reader, names)
    part["config"] = _config(reader, release)
    part["signatures"] = _signatures(reader, names, release)
    part["unreadable"] = reader.unreadable()
    return part


def _loaded(reader):
    """The names of the loaded modules: list of str, sorted."""
    data = reader.read(_LOADED, _MAX_LIST) or b""
    names = sorted(name.decode("latin-1") for name in (line.split(b" ", 1)[0] for line in data.splitlines()) if re.match(rb"\w+\Z", name))
    if len(names) > _MAX_LOADED:
        reader.add_unreadable(_LOADED, "%d modules; only the first %d were checked" % (len(names), _MAX_LOADED))
    return names[:_MAX_LOADED]


def _unsigned(reader, names):
    """The modules without a valid signature: those with taint E (Documentation/admin-guide/tainted-kernels.rst)."""
    unsigned = [name for name in names if b"E" in (reader.read_line("/sys/module/%s/taint" % name) or b"")]
    if len(unsigned) > _MAX_UNSIGNED:
        reader.add_unreadable("/sys/module", "%d modules without a valid signature; only %d are listed" % (len(unsigned), _MAX_UNSIGNED))
    return unsigned[:_MAX_UNSIGNED]


def _config(reader, release):
    """The kernel's build configuration.

    :arg reader: `Reader`.
    :arg release: str, the running kernel's release.
    :returns: dict: modules, module_sig, module_sig_force (bool), path, module_sig_hash; None where no configuration can be read.
    """
    for pattern in _CONFIGS:
        path = pattern % release if "%s" in pattern else pattern
        data = reader.read(path, _MAX_CONFIG)
        if data is None:
            continue
        if path.endswith(".gz"):
            try:
                data = zlib.decompressobj(31).decompress(data, _MAX_CONFIG)
            except zlib.error:
                reader.add_unreadable(path, "not a gzip file")
                continue
        values = {match.group(1): match.group(2) or match.group(3) for match in _SETTING.finditer(data)}
        config = {"modules": b"MODULES" in values, "module_sig": b"MODULE_SIG" in values, "module_sig_force": b"MODULE_SIG_FORCE" in values}
        reader.put_text(config, "path", path)
        reader.put_text(config, "module_sig_hash", values.get(b"MODULE_SIG_HASH"))
        return config
    return None


def _signatures(reader, names, release):
    """The signatures of a sample of the loaded modules: the first of those that have a file.

    :arg reader: `Reader`.
    :arg names: list of str, the loaded modules.
    :arg release: str, the running kernel's release.
    :returns: list of dict: module, path, signed, hash, signature_algorithm, signer; None for each that could not be read.
    """
    if not names:
        return []
    directory = "/lib/modules/%s/" % release
    loaded, entries = set(names), []
    lines = (reader.read(directory + "modules.dep", _MAX_DEPENDENCIES) or b"").splitlines()
    paths = {}
    for line in lines:
        path = line.partition(b":")[0].decode("latin-1")
        name = path.rpartition("/")[2].partition(".")[0].replace("-", "_")
        if name in loaded and len(paths) < _MAX_CANDIDATES and not path.startswith("/") and ".." not in path:
            paths[name] = directory + path
    for name in sorted(paths)[:_SAMPLE_SIZE]:
        entry = {"module": name, "signed": None, "hash": None, "signature_algorithm": None, "signer": None}
        reader.put_text(entry, "path", paths[name])
        data = _end_of_module(reader, paths[name])
        if data is not None:
            try:
                entry.update(signature_facts(data))
            except DerError:
                reader.add_unreadable(paths[name], "its signature has an unknown form")
        entries.append(entry)
    return entries


def _end_of_module(reader, path):
    """Read the end of a module, where its signature is.

    :arg reader: `Reader`.
    :arg path: str, a module; one that does not end in .ko is decompressed.
    :returns: bytes, at most `_MAX_SIGNATURE`; None where the module can't be read, which is noted in ``unreadable``.
    """
    if path.endswith(".zst"):
        reader.add_unreadable(path, "compressed with zstd, which Python's standard library can't decompress")
        return None
    limit = _MAX_MODULE if path.endswith(".ko") else _MAX_COMPRESSED
    with reader.open_file(path) as fd:
        if fd is None:
            return None
        size = os.fstat(fd).st_size
        if size > limit:
            reader.add_unreadable(path, "skipped: larger than %d bytes" % limit)
            return None
        if path.endswith(".ko"):
            return os.pread(fd, _MAX_SIGNATURE, max(0, size - _MAX_SIGNATURE))
        compressed = os.pread(fd, limit, 0)
    try:
        if path.endswith(".xz"):
            data = lzma.LZMADecompressor(memlimit=_MAX_LZMA_MEMORY).decompress(compressed, _MAX_MODULE + 1)
        else:
            data = zlib.decompressobj(31).decompress(compressed, _MAX_MODULE + 1)
    except (lzma.LZMAError, zlib.error, EOFError):
        reader.add_unreadable(path, "can't be decompressed")
        return None
    if len(data) > _MAX_MODULE:
        reader.add_unreadable(path, "skipped: larger than %d bytes when decompressed" % _MAX_MODULE)
        return None
    return data[-_MAX_SIGNATURE:]


def signature_facts(data):
    """Read the signature at the end of a module.

    :arg data: bytes, the module or its end.
    :returns: dict: signed; where it is True also hash, signature_algorithm and signer (name of its issuer and serial number, or its key id in
        hex).
    :raises DerError: the signature has another form than PKCS #7.
    """
    if not data.endswith(_MAGIC):
        return {"signed": False}
    end = len(data) - len(_MAGIC) - _TRAILER.size
    if end < 0:
        raise DerError("trailer cut short")
    _algorithm, _hash, kind, _signer, _key_id, length = _TRAILER.unpack_from(data, end)
    if kind != _PKCS7 or length > end:
        raise DerError("not PKCS #7")
    return dict(_signer_facts(data[end - length:end]), signed=True)


def _signer_facts(data):
    """Read the first SignerInfo of PKCS #7 SignedData (RFC 5652, 5.1 and 5.3).

    :arg data: bytes, a ContentInfo.
    :returns: dict: hash, signature_algorithm, signer (str, at most 512 characters).
    :raises DerError: it is malformed or has no signer.
    """
    outer = whole(data)
    content = expect(data, oid_at(data, outer.start, outer.end)[1].end, outer.end, CONTEXT_0)
    parts = list(children(data, expect(data, content.start, content.end, SEQUENCE), 8))
    signers = list(children(data, parts[-1], 8)) if parts else []
    if not signers:
        raise DerError("no signer")
    signer = signers[0]
    version = expect(data, signer.start, signer.end, INTEGER)
    identifier = item(data, version.end, signer.end)
    hashed, _parameters, found = algorithm(data, identifier.end, signer.end)
    following = item(data, found.end, signer.end)
    signed_by = algorithm(data, following.end if following.tag == CONTEXT_0 else following.begin, signer.end)[0]
    if identifier.tag == SEQUENCE:
        name = expect(data, identifier.start, identifier.end, SEQUENCE)
        serial = expect(data, name.end, identifier.end, INTEGER)
        who = "%s, serial %s" % (name_text(data, name)[0], data[serial.start:serial.end][:32].hex())
    else:
        who = "key id %s" % data[identifier.start:identifier.end][:64].hex()
    return {"hash": DIGESTS.get(hashed, hashed), "signature_algorithm": KEY_ALGORITHMS.get(signed_by) or SIGNATURE_ALGORITHMS.get(signed_by, signed_by),
            "signer": who[:512]}
