# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUKS headers: the algorithms that encrypt a volume, and the key derivation of each key slot.

LUKS1: "LUKS On-Disk Format Specification", version 1.2.3, section 2. LUKS2: "LUKS2 On-Disk Format Specification", version 1.1.4,
sections 2 and 3 (both of the cryptsetup project). The key material of the slots lies behind the headers and is never read.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import json
import struct

MAGIC = b"LUKS\xba\xbe"
_SECOND_MAGIC = b"SKUL\xba\xbe"

# LUKS1, bytes: magic 6, version 2, cipher name 32, cipher mode 32, hash 32, payload offset 4, key length 4, digest 20, its salt 32 (neither is
# read), its iterations 4, UUID 40, then 8 slots of 48: state 4, iterations 4, salt 32, offset of key material 4, stripes 4.
_V1_HEAD = struct.Struct(">6sH32s32s32sII")
_V1_SLOTS, _V1_SLOT_SIZE, _V1_SLOT_COUNT = 208, 48, 8
_V1_SLOT = struct.Struct(">II")
_V1_ACTIVE, _V1_INACTIVE = 0x00AC71F3, 0x0000DEAD

# LUKS2, bytes: magic 6, version 2, header size 8, sequence number 8, label 48, checksum algorithm 32, salt 64, UUID 40, subsystem 48, offset 8,
# padding 184, checksum 64 at 448; the JSON area begins at 4096.
_V2_HEAD = struct.Struct(">6sHQQ48s32s")
_V2_JSON, _V2_CHECKSUM, _V2_CHECKSUM_SIZE = 4096, 448, 64
_V2_SIZES = tuple(0x4000 << shift for shift in range(9))  # 2.1, table 1: allowed sizes of a header, bytes
_MAX_SLOTS = 32  # LUKS2_KEYSLOTS_MAX of lib/luks2/luks2.h
_MAX_TEXT = 100  # characters of a string
_MAX_JSON = 256 << 10  # bytes; cryptsetup writes some 16 KiB for 32 key slots
_MAX_DIGITS = 20  # of an integer
_MAX_KEY_SIZE = 1 << 20  # bytes


class LuksError(ValueError):
    """The header is malformed or of an unknown form; the message says why."""


def read_luks(pread):
    """Read the LUKS header of a device.

    :arg pread: callable (int offset, int length) -> bytes, reads the device; fewer bytes at its end.
    :returns: dict, or None where the device has no LUKS header. version: 1 or 2; cipher, hash (of the digest that checks the volume key),
        integrity: str or None; key_bits: int or None; requirements, tokens: list of str; slots: list of {slot, kdf, kdf_hash, iterations,
        time, memory_kib, parallelism, cipher, key_bits}; damaged: True, only where the second header replaces a damaged first one.
    :raises LuksError: the header is malformed or of an unknown version.
    """
    head = pread(0, 8)
    if head[:6] != MAGIC or len(head) < 8:
        return None
    version = head[6] << 8 | head[7]
    if version == 1:
        return _version_1(pread)
    if version == 2:
        return _version_2(pread)
    raise LuksError("unknown version %d" % version)


def _slot(number, **facts):
    """An entry of slots: number and facts, None for the facts that are not given."""
    return dict({"slot": number, "kdf": None, "kdf_hash": None, "iterations": None, "time": None, "memory_kib": None, "parallelism": None,
                 "cipher": None, "key_bits": None}, **facts)


def _version_1(pread):
    """Read a LUKS1 header; see `read_luks`."""
    head = pread(0, _V1_HEAD.size)
    if len(head) < _V1_HEAD.size:
        raise LuksError("header cut short")
    _magic, _version, name, mode, digest, _payload, key_size = _V1_HEAD.unpack(head)
    cipher = "%s-%s" % (_name(name), _name(mode))
    digest, slots = _name(digest), []
    for number in range(_V1_SLOT_COUNT):
        raw = pread(_V1_SLOTS + number * _V1_SLOT_SIZE, _V1_SLOT.size)
        if len(raw) < _V1_SLOT.size:
            raise LuksError("header cut short")
        state, iterations = _V1_SLOT.unpack(raw)
        if state == _V1_ACTIVE:
            slots.append(_slot(number, kdf="pbkdf2", kdf_hash=digest, iterations=iterations, cipher=cipher, key_bits=key_size * 8))
        elif state != _V1_INACTIVE:
            raise LuksError("key slot %d is neither active nor inactive" % number)
    return {"version": 1, "cipher": cipher, "key_bits": key_size * 8, "hash": digest, "integrity": None, "requirements": [], "slots": slots,
            "tokens": []}


def _name(raw):
    """Decode a NUL-padded name of an algorithm.

    :arg raw: bytes.
    :returns: str.
    :raises LuksError: it is empty or not printable ASCII.
    """
    text = raw.split(b"\0")[0]
    if not text or not all(0x21 <= byte < 0x7F for byte in text):
        raise LuksError("the name of an algorithm is not printable ASCII")
    return text.decode("ascii")


def _version_2(pread):
    """Read a LUKS2 header: the first one, or the second one where the first is damaged, as cryptsetup does; see `read_luks`."""
    size = None
    try:
        return _version_2_at(pread, 0, MAGIC)
    except LuksError as error:
        first_error = error
        head = pread(0, _V2_HEAD.size)
        size = _V2_HEAD.unpack(head)[2] if len(head) == _V2_HEAD.size else None
    for offset in (size,) if size in _V2_SIZES else _V2_SIZES:
        try:
            return dict(_version_2_at(pread, offset, _SECOND_MAGIC), damaged=True)
        except LuksError:
            continue
    raise first_error


def _version_2_at(pread, offset, magic):
    """Read the LUKS2 header at an offset and verify its checksum.

    :arg pread: as for `read_luks`.
    :arg offset: int, bytes.
    :arg magic: bytes that it must begin with.
    :returns: dict, as `read_luks`.
    :raises LuksError: there is no valid header.
    """
    binary = pread(offset, _V2_HEAD.size)
    if len(binary) < _V2_HEAD.size:
        raise LuksError("header cut short")
    found, _version, size, _sequence, _label, checksum = _V2_HEAD.unpack(binary)
    if found != magic or size not in _V2_SIZES:
        raise LuksError("not a LUKS2 header of a known size")
    header = bytearray(pread(offset, size))
    if len(header) < size:
        raise LuksError("header cut short")
    expected = bytes(header[_V2_CHECKSUM:_V2_CHECKSUM + _V2_CHECKSUM_SIZE])
    header[_V2_CHECKSUM:_V2_CHECKSUM + _V2_CHECKSUM_SIZE] = bytes(_V2_CHECKSUM_SIZE)  # computed over zeros in its place (2.1)
    try:
        digest = hashlib.new(_name(checksum), header).digest()
    except (ValueError, TypeError) as error:
        raise LuksError("Python does not support the algorithm of the header's checksum") from error
    if expected[:len(digest)] != digest:
        raise LuksError("the header's checksum is wrong")
    text = bytes(header[_V2_JSON:]).split(b"\0")[0]
    if len(text) > _MAX_JSON:
        raise LuksError("the header's JSON is longer than %d bytes" % _MAX_JSON)
    try:
        document = json.loads(text, parse_int=_bounded_integer)
    except (ValueError, RecursionError) as error:
        raise LuksError("the header's JSON is malformed") from error
    return _from_json(_object(document))


def _from_json(document):
    """The facts of a LUKS2 header by its JSON, a dict; see `read_luks`. Facts that differ between segments are None."""
    segments = [segment for segment in _values(document, "segments") if segment.get("type") == "crypt"]
    slots = [_slot_from_json(number, slot) for number, slot in _numbered(document, "keyslots") if slot.get("type") == "luks2"]
    digests = _values(document, "digests")
    requirements = _object(_object(document.get("config")).get("requirements")).get("mandatory")
    ciphers = {_text(segment.get("encryption")) for segment in segments}
    integrity = {_text(_object(segment.get("integrity")).get("type")) for segment in segments}
    sizes = {slot.pop("volume_key_bits") for slot in slots}
    return {"version": 2, "cipher": ciphers.pop() if len(ciphers) == 1 else None, "key_bits": sizes.pop() if len(sizes) == 1 else None,
            "hash": _text(digests[0].get("hash")) if digests else None, "integrity": integrity.pop() if len(integrity) == 1 else None,
            "requirements": sorted(filter(None, map(_text, requirements)))[:_MAX_SLOTS] if isinstance(requirements, list) else [],
            "slots": slots, "tokens": sorted(filter(None, (_text(token.get("type")) for token in _values(document, "tokens"))))}


def _slot_from_json(number, slot):
    kdf, area = _object(slot.get("kdf")), _object(slot.get("area"))
    return _slot(number, kdf=_text(kdf.get("type")), kdf_hash=_text(kdf.get("hash")), iterations=_number(kdf.get("iterations")),
                 time=_number(kdf.get("time")), memory_kib=_number(kdf.get("memory")), parallelism=_number(kdf.get("cpus")),
                 cipher=_text(area.get("encryption")), key_bits=_bits(area.get("key_size")), volume_key_bits=_bits(slot.get("key_size")))


def _bounded_integer(digits):
    """A JSON integer, or None where it is too long: int() takes quadratic time."""
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _object(value):
    """A value of the JSON as a dict, empty where it is something else. The next functions check likewise."""
    return value if isinstance(value, dict) else {}


def _numbered(document, name):
    """The members of a JSON object whose names are numbers: list of ``(int, dict)``, in their order, at most `_MAX_SLOTS`."""
    members = [(int(key), value) for key, value in _object(document.get(name)).items()
               if key.isascii() and key.isdigit() and len(key) < 4 and isinstance(value, dict)]
    return sorted(members, key=lambda pair: pair[0])[:_MAX_SLOTS]


def _values(document, name):
    return [value for _number_of_it, value in _numbered(document, name)]


def _text(value):
    return value[:_MAX_TEXT] if isinstance(value, str) and value.isprintable() and value else None


def _number(value):
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def _bits(value):
    number = _number(value)
    return None if number is None or number > _MAX_KEY_SIZE else number * 8
