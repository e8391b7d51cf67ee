# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUKS headers built as the specifications have them. Real ones are in the integration tests."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.luks import LuksError, read_luks
from hypothesis import given, settings, strategies

SIZE = 0x4000
SECRET = b"\xee" * 32  # salts and digests; the reader of LUKS1 has no business with them
DOCUMENT = {
    "keyslots": {
        "0": {"type": "luks2", "key_size": 64, "af": {"type": "luks1", "stripes": 4000, "hash": "sha256"},
              "area": {"type": "raw", "encryption": "aes-xts-plain64", "key_size": 64, "offset": "32768", "size": "258048"},
              "kdf": {"type": "argon2id", "time": 5, "memory": 1048576, "cpus": 4, "salt": "c2FsdA=="}},
        "3": {"type": "luks2", "key_size": 64, "area": {"encryption": "aes-xts-plain64", "key_size": 64},
              "kdf": {"type": "pbkdf2", "hash": "sha512", "iterations": 1000000, "salt": "c2FsdA=="}},
        "4": {"type": "reencrypt", "mode": "reencrypt"}},
    "tokens": {"0": {"type": "systemd-tpm2", "keyslots": ["3"]}},
    "segments": {"0": {"type": "crypt", "offset": "16777216", "size": "dynamic", "encryption": "aes-xts-plain64", "sector_size": 512}},
    "digests": {"0": {"type": "pbkdf2", "hash": "sha256", "iterations": 1000, "salt": "c2FsdA==", "digest": "ZGlnZXN0"}},
    "config": {"json_size": "12288", "keyslots_size": "16744448", "requirements": {"mandatory": ["online-reencrypt"]}}}


def luks1(slots=((0xAC71F3, 200000),), name=b"aes"):
    head = struct.pack(">6sH32s32s32sII", b"LUKS\xba\xbe", 1, name, b"xts-plain64", b"sha256", 4096, 64)
    head += SECRET[:20] + SECRET + struct.pack(">I40s", 1000, b"uuid")
    slots = list(slots) + [(0xDEAD, 0)] * (8 - len(slots))
    return head + b"".join(struct.pack(">II32sII", state, iterations, SECRET, 8, 4000) for state, iterations in slots)


def luks2(document=DOCUMENT, size=SIZE, magic=b"LUKS\xba\xbe", checksum=b"sha256"):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = struct.pack(">6sHQQ48s32s64s40s48sQ184x64s", magic, 2, size, 7, b"", checksum, SECRET, b"uuid", b"", 0, b"")
    whole = bytearray((head + bytes(4096 - len(head)) + text).ljust(size, b"\0"))
    whole[448:480] = hashlib.sha256(whole).digest()
    return bytes(whole)


def read(data):
    return read_luks(lambda offset, length: data[offset:offset + length])


def test_version_1():
    result = read(luks1(((0xAC71F3, 200000), (0xDEAD, 0), (0xAC71F3, 3000))))
    assert (result["version"], result["cipher"], result["key_bits"], result["hash"]) == (1, "aes-xts-plain64", 512, "sha256")
    assert [(slot["slot"], slot["kdf"], slot["kdf_hash"], slot["iterations"], slot["key_bits"]) for slot in result["slots"]] == [
        (0, "pbkdf2", "sha256", 200000, 512), (2, "pbkdf2", "sha256", 3000, 512)]


def test_salts_and_digests_of_version_1_are_not_read():
    data = luks1()
    seen = bytearray()

    def pread(offset, length):
        seen.extend(data[offset:offset + length])
        return data[offset:offset + length]
    read_luks(pread)
    assert SECRET[:1] not in seen


def test_version_2():
    result = read(luks2())
    assert (result["version"], result["cipher"], result["key_bits"], result["hash"], result["integrity"]) == (2, "aes-xts-plain64", 512, "sha256", None)
    assert result["tokens"] == ["systemd-tpm2"] and result["requirements"] == ["online-reencrypt"] and "damaged" not in result
    assert result["slots"] == [
        {"slot": 0, "kdf": "argon2id", "kdf_hash": None, "iterations": None, "time": 5, "memory_kib": 1048576, "parallelism": 4,
         "cipher": "aes-xts-plain64", "key_bits": 512},
        {"slot": 3, "kdf": "pbkdf2", "kdf_hash": "sha512", "iterations": 1000000, "time": None, "memory_kib": None, "parallelism": None,
         "cipher": "aes-xts-plain64", "key_bits": 512}]
    assert "salt" not in repr(result) and "ZGlnZXN0" not in repr(result)


@pytest.mark.parametrize("cut", [8, 100, 500, 4100])
def test_the_second_header_where_the_first_is_damaged(cut):
    first = bytearray(luks2())
    first[cut:cut + 40] = b"\xff" * 40
    result = read(bytes(first) + luks2(magic=b"SKUL\xba\xbe"))
    assert result["damaged"] is True and result["slots"][0]["kdf"] == "argon2id"


@pytest.mark.parametrize("data, reason", [
    (luks1(name=b"\xff"), "not printable"), (luks1(((7, 7),)), "neither active"), (luks1()[:300], "cut short"),
    (luks2()[:4096], "cut short"), (luks2(size=12345), "known size"), (luks2(checksum=b"none"), "does not support"),
    (luks2(b"[" * 5000), "JSON"), (luks2(b"[]x"), "JSON"), (luks2(b"\xff\xfe"), "JSON"),
    (luks2(b" " * 300000, size=0x80000), "longer than"), (b"LUKS\xba\xbe\0\x09", "version 9"),
])
def test_broken_headers(data, reason):
    with pytest.raises(LuksError, match=reason):
        read(data)


@pytest.mark.parametrize("data", [b"", b"LUKS", bytes(600), b"SKUL\xba\xbe\0\x02" + bytes(600)])
def test_no_header(data):
    assert read(data) is None


@pytest.mark.parametrize("document", [
    b"[]", b"{}", b"7", b'{"keyslots": 1, "segments": [], "digests": null, "tokens": "x", "config": {"requirements": []}}',
    b'{"keyslots": {"0": {"type": "luks2", "key_size": -1, "kdf": {"type": 7, "iterations": ' + b"9" * 6000 + b', "time": true, "memory": 1e999}}}}',
    b'{"keyslots": {"\xc2\xb2": {"type": "luks2"}, "1": {"type": "luks2", "kdf": {"type": "a\\u001b[2J"}}}}',
])
def test_json_of_another_form(document):
    result = read(luks2(document))
    assert result["version"] == 2 and result["cipher"] is None
    assert all(value is None for slot in result["slots"] for name, value in slot.items() if name != "slot")


@settings(max_examples=300, deadline=None)
@given(strategies.sampled_from([luks1(), luks2()]), strategies.lists(strategies.tuples(strategies.integers(6, 1500), strategies.binary(min_size=1, max_size=9)), max_size=6))
def test_any_octets(data, changes):
    data = bytearray(data)
    for offset, octets in changes:
        data[offset:offset + len(octets)] = octets
    try:
        result = read(bytes(data))
    except LuksError:
        return
    assert result["version"] in (1, 2)
