# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crafted files: the search stays within its limits of time and memory, and raises nothing unexpected."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import time
import tracemalloc
import zlib
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats.elf import ElfError, ElfFile
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks import finder, go, java, markers, rust
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks.stack import MAX_MODULES, details
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MAGIC = b"\xff Go buildinf:"


def elf_of(folder, **sections):
    """A small ELF file with sections of given content, made by objcopy."""
    program = folder / "made"
    if not (folder / "base.o").exists():
        (folder / "base.c").write_text("int main(void) { return 0; }\n")
        subprocess.run(["gcc", "-o", folder / "base.o", folder / "base.c"], check=True)
    options = []
    for number, (name, content) in enumerate(sections.items()):
        (folder / str(number)).write_bytes(content)
        real = "." + name.replace("_", "-") if name == "dep_v0" else "." + name.replace("_", ".")
        options += ["--add-section", "%s=%s" % (real, folder / str(number)), "--set-section-flags", "%s=readonly,data" % real,
                    "--set-section-alignment", "%s=16" % real]
    subprocess.run(["objcopy", *options, folder / "base.o", program], check=True)
    return program


def search(program):
    with ElfFile.open(os.fsencode(program)) as elf:
        return finder.stacks_of(elf)


def inline(version, text):
    def varint(number):
        out = b""
        while number > 0x7F:
            out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
        return out + bytes([number])
    return MAGIC + b"\x08\x02" + bytes(16) + varint(len(version)) + version + varint(len(text)) + text


@pytest.mark.parametrize("blob", [
    MAGIC, MAGIC + b"\x08\x02" + bytes(16), MAGIC + b"\x08\x02" + bytes(16) + b"\xff" * 64, MAGIC + b"\x08\x02" + bytes(16) + b"\x06go1.20" + b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    MAGIC + b"\x08\x00" + struct.pack("<QQ", 0xFFFFFFFFFFFFFFFF, 1), MAGIC + b"\x03\x00" + bytes(16), MAGIC + b"\x08\x00" + struct.pack("<QQ", 0x400000, 0x400000),
    b"\0" + MAGIC + bytes(64), inline(b"not go", b""), inline(b"", b"")])
def test_crafted_build_information(tmp_path, blob):
    assert search(elf_of(tmp_path, go_buildinfo=blob)).stacks == ()


def test_only_the_first_of_many_sections_is_searched(tmp_path):
    program = elf_of(tmp_path, go_buildinfo=bytes(64))
    with ElfFile.open(os.fsencode(program)) as elf:
        section, = (section for section in elf.sections() if section.name == b".go.buildinfo")
        reads = []
        fake = SimpleNamespace(sections=lambda: [section] * 60000, read=lambda offset, size: reads.append(size) or elf.read(offset, size))
        assert go.build_info(fake) is None and len(reads) == 1


def test_build_information_of_absurd_length(tmp_path):
    text = b"s" * 16 + b"".join(b"dep\tgolang.org/x/crypto/%d\tv1\t\n" % number for number in range(50000)) + b"e" * 16
    program = elf_of(tmp_path, go_buildinfo=inline(b"go1.99", text))
    stack, = search(program).stacks
    assert stack.name == "Go crypto" and len(stack.details["modules"]) == MAX_MODULES


@given(st.binary(max_size=300))
def test_any_text_of_modules(text):
    info = go.BuildInfo("go1.20", text.decode("utf-8", "replace"))
    for stack in go.stacks(info, {"crypto/tls"}):
        json.dumps(stack.details)


@pytest.mark.parametrize("content", [
    b"", b"junk", zlib.compress(b"{}"), zlib.compress(b"[]"), zlib.compress(b'{"packages": 5}'), zlib.compress(b'{"packages": [5, null]}'),
    zlib.compress(b'{"packages": [{"name": 1, "version": "2"}]}'), zlib.compress(b"[" * 500000), zlib.compress(b'{"packages": [' + b"{}," * 5 + b"{}]}")[:-3],
    zlib.compress(b'{"packages": [{"name": {"a": 1}, "version": []}]}')])
def test_crafted_audit_data(tmp_path, content):
    program = elf_of(tmp_path, dep_v0=content)
    with ElfFile.open(os.fsencode(program)) as elf:
        assert rust.audit_data(elf) is None
    assert search(program).stacks == ()


def test_audit_data_that_grows_without_end(tmp_path):
    """A gigabyte of blanks in a megabyte: what is decompressed is bounded."""
    packer = zlib.compressobj(9)
    bomb = b"".join([packer.compress(b" " * (1 << 20)) for _number in range(900)] + [packer.flush()])
    program = elf_of(tmp_path, dep_v0=bomb)
    tracemalloc.start()
    assert search(program).stacks == ()
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_audit_data_without_build_dependencies(tmp_path):
    packages = [{"name": "app", "version": "1.0.0", "root": True}, {"name": "rustls", "version": "0.23.1", "source": "crates.io"},
                {"name": "ring", "version": "0.17.8", "kind": "build"}]
    stack, = search(elf_of(tmp_path, dep_v0=zlib.compress(json.dumps({"packages": packages}).encode()))).stacks
    assert (stack.name, stack.version) == ("rustls", "0.23.1")
    assert stack.details["modules"] == [{"name": "rustls", "version": "0.23.1"}] and stack.details["program"] == {"name": "app", "version": "1.0.0"}


@pytest.mark.parametrize("text", [
    b"tokio-rustls-0.26.0/src/lib.rs", b"rustls-0.23/src/lib.rs", b"rustls-0.23.1/lib.rs", b"spring-0.17.1/src/x.rs", b"OpenSSL 3.0.1", b"OpenSSL is a library",
    b"uses LibreSSL 3.8.2 or later", b"TLS-ECDHE-ECDSA-WITH-", b"see https://boringssl.googlesource.com/boringssl", b"/docs/boringssl/README"])
def test_texts_that_only_look_alike(tmp_path, text):
    found = search(elf_of(tmp_path, rodata_x=b"\0" + text + b" and more\0")).stacks
    assert [stack.name for stack in found] == []


@pytest.mark.parametrize("filling", [b"rustls-", b"OpenSSL ", b"boringssl", b"TLS-ECDHE-ECDSA-WITH-A", b"aws-lc-rs-0.0.0-", b"rustls-1.1.1-" + b"a" * 60])
def test_a_file_full_of_marks_costs_no_more_than_its_bound(tmp_path, filling):
    program = elf_of(tmp_path, rodata_x=filling * ((48 << 20) // len(filling)))
    began = time.thread_time()
    search(program)
    assert time.thread_time() - began < markers.MAX_SECONDS + 1.0


def test_a_sparse_giant_is_not_read_to_its_end(tmp_path):
    """Eight terabytes that take no room on disk."""
    program = tmp_path / "giant"
    data = bytearray(64 + 56)
    data[:64] = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    data[64:] = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, 8 << 40, 8 << 40, 4096)
    program.write_bytes(data)
    os.truncate(program, 8 << 40)
    began = time.thread_time()
    found = search(program)
    assert found.stacks == () and found.capped
    assert time.thread_time() - began < 3


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2 ** 32), st.sampled_from(["headers", "sections", "cut"]))
def test_damaged_programs(tmp_path, seed, kind):
    """A real program with some bytes changed where its structure is, or cut."""
    chance = random.Random(seed)
    source = elf_of(tmp_path, go_buildinfo=inline(b"go1.22.1", b"s" * 16 + b"mod\tx\tv1\t\ndep\tgolang.org/x/crypto\tv0.1.0\t\n" + b"e" * 16),
                    dep_v0=zlib.compress(b'{"packages": []}')) if not (tmp_path / "source").exists() else tmp_path / "source"
    if source.name != "source":
        source = source.rename(tmp_path / "source")
    data = bytearray(source.read_bytes())
    table = struct.unpack_from("<Q", data, 0x28)[0]
    if kind == "cut":
        del data[chance.randrange(len(data)):]
    else:
        begin, end = (0, 1024) if kind == "headers" else (table, len(data))
        for _number in range(chance.randrange(1, 12)):
            data[chance.randrange(begin, end)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    try:
        json.dumps([stack._asdict() for stack in search(damaged).stacks])
    except ElfError:
        pass


@pytest.mark.parametrize("offset, size", [(1 << 63, 4096), ((1 << 64) - 1, (1 << 64) - 1), (0, (1 << 64) - 1), (1 << 40, 1)])
def test_sections_outside_of_the_file(tmp_path, offset, size):
    program = elf_of(tmp_path, rodata_x=b"\0TLS-ECDHE-ECDSA-WITH-AES\0")
    data = bytearray(program.read_bytes())
    table, = struct.unpack_from("<Q", data, 0x28)
    count, = struct.unpack_from("<H", data, 0x3C)
    for number in range(count):
        struct.pack_into("<QQ", data, table + 64 * number + 24, offset, size)
    program.write_bytes(data)
    began = time.thread_time()
    assert {stack.name for stack in search(program).stacks} <= {"Mbed TLS"}
    assert time.thread_time() - began < 2


@given(st.binary(max_size=400), st.lists(st.binary(max_size=60), max_size=4))
def test_any_properties_and_command_lines(content, arguments):
    java._properties(content)
    java.jars(arguments, arguments)
    assert java.stack(b"/nowhere", b"/a/lib/server/libjvm.so", arguments, arguments).version is None


def test_a_class_path_of_one_long_name_costs_linear_time():
    began = time.thread_time()
    assert java.jars([b"netty-tcnative" + b"-a" * 16000], []) == set()
    assert time.thread_time() - began < 0.5


def test_details_are_bounded():
    long = "x" * 9999
    assert len(json.dumps(details(program=(long, long), vendor=long, fips=long))) < 20000
    found = details(settings=[("n" * 9999, "v" * 9999)] * 2, modules=[(str(number), None) for number in range(500)], providers=["p" * 9999] * 100,
                   disabled_algorithms="d" * 99999)
    assert len(json.dumps(found)) < 400000 and len(found["modules"]) == MAX_MODULES and len(found["settings"]) == 1
