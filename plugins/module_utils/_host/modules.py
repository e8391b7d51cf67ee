# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of kernel modules: whether the kernel insists on them, and how the modules at hand are signed. Part of host_crypto.

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
_MAX_CONFIG = 4 << 20

_MAX_LOADED = 2000
_SAMPLE = 5  # modules whose signature is looked at: those of one kernel are signed alike, and others stand out in their taint
_TRIED = 200  # of modules.dep's lines that name a loaded module
_MAX_MODULE = 8 << 20  # octets of a module, unpacked
_MAX_PACKED = 2 << 20
_MAX_UNPACKING = 64 << 20  # octets of memory

# include/linux/module_signature.h: struct module_signature, then the magic; id_type 2 is PKCS#7
_MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2
_MAX_SIGNATURE = 65536


def read_modules(reader, release):
    """The part ``modules``: signature_enforced, lockdown, loaded, unsigned, config, signatures, unreadable.

    :arg reader: `Reader`. :arg release: str, the running kernel's release.
    """
    enforced, lockdown = reader.word(_ENFORCED), reader.word(_LOCKDOWN)
    level = re.search(rb"\[(\w+)\]", lockdown or b"")
    names = _loaded(reader)
    told = {"signature_enforced": None if enforced is None else enforced in (b"Y", b"1"), "loaded": len(names)}
    reader.put(told, "lockdown", level.group(1) if level else None)
    told["unsigned"] = _unsigned(reader, names)
    told["config"] = _config(reader, release)
    told["signatures"] = _signatures(reader, names, release)
    told["unreadable"] = reader.unreadable()
    return told


def _loaded(reader):
    data = reader.read(_LOADED, 4 << 20) or b""
    names = sorted(name.decode("latin-1") for name in (line.split(b" ", 1)[0] for line in data.splitlines()) if re.match(rb"\w+\Z", name))
    if len(names) > _MAX_LOADED:
        reader.problem(_LOADED, "%d modules: those after the first %d were not looked at" % (len(names), _MAX_LOADED))
    return names[:_MAX_LOADED]


def _unsigned(reader, names):
    """Loaded modules the kernel found without a valid signature: taint E (Documentation/admin-guide/tainted-kernels.rst)."""
    found = [name for name in names if b"E" in (reader.word("/sys/module/%s/taint" % name) or b"")]
    if len(found) > 50:
        reader.problem("/sys/module", "%d modules without a valid signature: 50 are listed" % len(found))
    return found[:50]


def _config(reader, release):
    """What the kernel was built with: {path, module_sig, module_sig_force, module_sig_hash}; null where its configuration is not there."""
    for pattern in _CONFIGS:
        path = pattern % release if "%s" in pattern else pattern
        data = reader.read(path, _MAX_CONFIG)
        if data is None:
            continue
        if path.endswith(".gz"):
            try:
                data = zlib.decompressobj(31).decompress(data, _MAX_CONFIG)
            except zlib.error:
                reader.problem(path, "not a gzip file")
                continue
        values = {match.group(1): match.group(2) or match.group(3) for match in _SETTING.finditer(data)}
        told = {"modules": b"MODULES" in values, "module_sig": b"MODULE_SIG" in values, "module_sig_force": b"MODULE_SIG_FORCE" in values}
        reader.put(told, "path", path)
        reader.put(told, "module_sig_hash", values.get(b"MODULE_SIG_HASH"))
        return told
    return None


def _signatures(reader, names, release):
    """Signatures of the first few loaded modules that have a file."""
    if not names:
        return []
    folder = "/lib/modules/%s/" % release
    wanted, told = set(names), []
    lines = (reader.read(folder + "modules.dep", 8 << 20) or b"").splitlines()
    paths = {}
    for line in lines:
        path = line.partition(b":")[0].decode("latin-1")
        name = path.rpartition("/")[2].partition(".")[0].replace("-", "_")
        if name in wanted and len(paths) < _TRIED and not path.startswith("/") and ".." not in path:
            paths[name] = folder + path
    for name in sorted(paths)[:_SAMPLE]:
        entry = {"module": name, "signed": None, "hash": None, "signature_algorithm": None, "signer": None}
        reader.put(entry, "path", paths[name])
        data = _unpacked(reader, paths[name])
        if data is not None:
            try:
                entry.update(signature_facts(data))
            except DerError:
                reader.problem(paths[name], "its signature is not one of a known form")
        told.append(entry)
    return told


def _unpacked(reader, path):
    """The octets of a module's file; None where they can't be had, which is noted."""
    if path.endswith(".zst"):
        reader.problem(path, "packed with zstd, which Python's standard library can't read")
        return None
    limit = _MAX_MODULE if path.endswith(".ko") else _MAX_PACKED
    with reader.opened(path) as fd:
        if fd is None:
            return None
        if os.fstat(fd).st_size > limit:
            reader.problem(path, "larger than %d octets: not looked at" % limit)
            return None
        if path.endswith(".ko"):
            size = os.fstat(fd).st_size  # the signature is at the end
            return os.pread(fd, _MAX_SIGNATURE, max(0, size - _MAX_SIGNATURE))
        packed = os.pread(fd, limit, 0)
    try:
        if path.endswith(".xz"):
            data = lzma.LZMADecompressor(memlimit=_MAX_UNPACKING).decompress(packed, _MAX_MODULE + 1)
        else:
            data = zlib.decompressobj(31).decompress(packed, _MAX_MODULE + 1)
    except (lzma.LZMAError, zlib.error, EOFError):
        reader.problem(path, "can't be unpacked")
        return None
    if len(data) > _MAX_MODULE:
        reader.problem(path, "larger than %d octets unpacked: not looked at" % _MAX_MODULE)
        return None
    return data[-_MAX_SIGNATURE:]


def signature_facts(data):
    """Facts of the signature at the end of a module.

    :arg data: bytes, the module or its end.
    :returns: dict: signed; where it is, hash, signature_algorithm and signer (its issuer's name and serial number, or its key id in hex).
    :raises DerError: a signature of another form.
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
    """The first SignerInfo of PKCS #7 SignedData (RFC 5652, 5.1 and 5.3). :raises DerError:"""
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
