# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ElfFile` on this machine's own files, on files built here, and on damaged ones."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats import elf as elf_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats.elf import ElfError, ElfFile
from ansible_collections.cryptofleet.audit.tests.unit.support.made_files import NODE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOURCE = """
int alpha(int x) { return x + 1; }
int beta_1(int x) { return x + 2; }
int beta_2(int x) { return x + 3; }
int variable = 7;
__attribute__((visibility("hidden"))) int hidden(int x) { return x; }
static int local(int x) { return x; }
extern int elsewhere(int);
int caller(int x) { return elsewhere(x) + local(x) + hidden(x); }
__asm__(".symver beta_1, beta@V_1");
__asm__(".symver beta_2, beta@@V_2");
"""
VERSIONS = "V_1 { global: alpha; beta; caller; variable; local: *; };\nV_2 { global: beta; } V_1;\n"


def loaded(name):
    """The path of a library this process can load, or skip the test."""
    soname = ctypes.util.find_library(name)
    if soname is None:
        pytest.skip("no lib" + name)
    ctypes.CDLL(soname)
    with open("/proc/self/maps") as stream:
        for line in stream:
            if "/" + soname in line or "/lib%s." % name in line:
                return line.split(None, 5)[5].strip()
    pytest.skip("lib%s is not mapped" % name)
    return None


def tool(*command):
    if shutil.which(command[0]) is None:
        pytest.skip("no " + command[0])
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, universal_newlines=True, env=dict(os.environ, LC_ALL="C")).stdout


@pytest.fixture(scope="module", params=["gnu", "sysv", "neither", "stripped", "32"])
def built(request, tmp_path_factory):
    """A small shared library with symbol versions: each kind of hash table, without section headers, and 32 bits."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.c").write_text(SOURCE)
    (folder / "a.map").write_text(VERSIONS)
    style = request.param if request.param in ("gnu", "sysv") else "gnu"
    path = str(folder / "liba.so")
    command = ["cc", "-shared", "-fPIC", "-nostdlib", "-o", path, str(folder / "a.c"), "-Wl,--hash-style=" + style, "-Wl,-soname,liba.so.1",
               "-Wl,--build-id=sha1", "-Wl,--version-script=%s" % (folder / "a.map")]
    if request.param == "32":
        command.append("-m32")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("the compiler has no such target")
    expected = {}
    for line in tool("nm", "-D", "--defined-only", "--with-symbol-versions", path).splitlines():
        address, kind, name = line.split()
        if kind == "T":
            expected[name] = int(address, 16)
    with open(path, "r+b") as stream:
        if request.param == "stripped":
            stream.seek(0x28)
            stream.write(b"\0" * 8)
        if request.param == "neither":
            data = bytearray(stream.read())
            at = data.index(struct.pack("<Q", 0x6FFFFEF5))
            data[at:at + 8] = struct.pack("<Q", 0x6FFFFF00)
            stream.seek(0)
            stream.write(data)
    return path, expected


def test_built_library(built):
    path, expected = built
    with ElfFile.open(path) as elf:
        assert elf.soname == b"liba.so.1"
        found = elf.symbols(["alpha", "beta", "caller", "variable", "hidden", "local", "elsewhere", "beta_1", "", "nothing"])
        assert set(found) == {"alpha", "beta", "caller"}
        ((offset, vaddr, size),) = elf.text_segments()
        for name, key in (("alpha", "alpha@@V_1"), ("beta", "beta@@V_2"), ("caller", "caller@@V_1")):
            place, length = found[name]
            assert place - offset + vaddr == expected[key]
            assert offset <= place < offset + size and length > 0


def test_every_function_of_libcrypto():
    path = loaded("crypto")
    expected = {}
    for line in tool("nm", "-D", "--defined-only", "-S", path).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "TW":
            expected[fields[3].split("@")[0]] = (int(fields[0], 16), int(fields[1], 16))
    with ElfFile.open(path) as elf:
        segments = elf.text_segments()

        def address(offset):
            return next(offset - begin + vaddr for begin, vaddr, size in segments if begin <= offset < begin + size)

        found = elf.symbols(sorted(expected))
        assert {name: (address(offset), size) for name, (offset, size) in found.items()} == expected
        assert len(found) > 1000
        assert b"libc." in elf.needed[0]
        assert elf.bits == 8 * struct.calcsize("P")
        assert elf.little_endian == (sys.byteorder == "little")


def test_build_id_like_readelf():
    path = loaded("crypto")
    lines = [line for line in tool("readelf", "-n", path).splitlines() if "Build ID" in line]
    with ElfFile.open(path) as elf:
        assert elf.build_id() == (lines[0].split()[-1] if lines else None)


def test_descriptor_stays_the_callers():
    fd = os.open(loaded("c"), os.O_RDONLY)
    try:
        with ElfFile.open(fd) as elf:
            assert elf.soname == b"libc.so.6"
        elf.close()
        assert os.pread(fd, 4, 0) == b"\x7fELF"
    finally:
        os.close(fd)


@pytest.mark.parametrize("program", ["node", "curl", "ls", "openssl"])
def test_executables(program):
    path = NODE if program == "node" else shutil.which(program)
    if path is None:
        pytest.skip("no " + program)
    with ElfFile.open(path) as elf:
        assert elf.symbols(["no_such_function"]) == {}
        assert elf.text_segments()
        assert any(b"libc." in name for name in elf.needed)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + b"\0" * 20, b"\x7fELF\x09\x01" + b"\0" * 60])
def test_not_elf(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ElfError):
        ElfFile.open(str(tmp_path / "x"))


def test_not_a_regular_file(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    for path in (tmp_path / "fifo", tmp_path, "/dev/null"):
        with pytest.raises(ElfError):
            ElfFile.open(str(path))
    with pytest.raises(FileNotFoundError):
        ElfFile.open(str(tmp_path / "nothing"))


def test_no_descriptor_is_lost(tmp_path):
    (tmp_path / "x").write_bytes(b"\x7fELF")
    before = len(os.listdir("/proc/self/fd"))
    for _number in range(10):
        with pytest.raises(ElfError):
            ElfFile.open(str(tmp_path / "x"))
    assert len(os.listdir("/proc/self/fd")) == before


def ask_everything(path):
    try:
        with ElfFile.open(path) as elf:
            elf.build_id()
            elf.text_segments()
            elf.symbols(["alpha", "beta", "SSL_read", "x"])
            elf.read(-1, 10)
            elf.read(1 << 63, 10)
    except ElfError:
        pass


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_elf_error_only(built, data):
    path = built[0]
    with open(path, "rb") as stream:
        content = bytearray(stream.read())
    for _number in range(data.draw(st.integers(1, 8))):
        # half of the damage goes to the headers and tables at the beginning
        at = data.draw(st.one_of(st.integers(0, min(2048, len(content) - 9)), st.integers(0, len(content) - 9)))
        junk = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8), st.just(b"\0" * 8)))
        content[at:at + len(junk)] = junk
    content = content[:data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    damaged = path + ".damaged"
    with open(damaged, "wb") as stream:
        stream.write(content)
    ask_everything(damaged)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), bits=st.sampled_from([1, 2]), order=st.sampled_from([1, 2]))
def test_arbitrary_bytes_give_elf_error_only(tmp_path, content, bits, order):
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF" + bytes([bits, order]) + content)
    ask_everything(str(path))


def big_endian_32():
    """A minimal big-endian 32-bit library: one loaded segment, DT_HASH, one function "f"."""
    strings, symbols, table, dynamic = 0x200, 0x210, 0x240, 0x260
    data = bytearray(0x300)
    data[:52] = b"\x7fELF\x01\x02\x01" + b"\0" * 9 + struct.pack(">HHIIIIIHHHHHH", 3, 8, 1, 0, 52, 0, 0, 52, 32, 2, 40, 0, 0)
    data[52:84] = struct.pack(">IIIIIIII", 1, 0, 0x1000, 0x1000, 0x300, 0x300, 5, 0x1000)
    data[84:116] = struct.pack(">IIIIIIII", 2, dynamic, 0x1000 + dynamic, 0, 48, 48, 6, 4)
    data[strings:strings + 3] = b"\0f\0"
    data[symbols + 16:symbols + 32] = struct.pack(">IIIBBH", 1, 0x1100, 4, 0x12, 0, 1)
    data[table:table + 20] = struct.pack(">IIIII", 1, 2, 1, 0, 0)
    entries = ((4, 0x1000 + table), (5, 0x1000 + strings), (6, 0x1000 + symbols), (10, 3), (0, 0))
    data[dynamic:dynamic + 40] = b"".join(struct.pack(">II", *entry) for entry in entries)
    return bytes(data)


def test_big_endian(tmp_path):
    (tmp_path / "x").write_bytes(big_endian_32())
    with ElfFile.open(str(tmp_path / "x")) as elf:
        assert (elf.bits, elf.machine, elf.little_endian) == (32, 8, False)
        assert elf.symbols(["f", "g"]) == {"f": (0x100, 4)}
        assert elf.build_id() is None


def test_a_cyclic_chain_ends(tmp_path):
    data = bytearray(big_endian_32())
    data[0x240:0x254] = struct.pack(">IIIII", 1, 2, 1, 0, 1)  # symbol 1 follows itself
    (tmp_path / "x").write_bytes(data)
    with ElfFile.open(str(tmp_path / "x")) as elf:
        assert elf.symbols(["g"]) == {}


def test_a_table_without_a_hash_is_scanned_for_the_names_only(tmp_path):
    """A crafted .dynsym: each of its names is one byte shorter than the one before, so that all together are much longer than the file."""
    data = bytearray(big_endian_32())
    count, strings = 8000, 0x400
    symbols = strings + 12000
    table = symbols + 16 * count
    data.extend(bytes(table + 40 - len(data)))
    data[strings:strings + 12000] = b"x" * 11996 + b"\0f\0\0"
    for number in range(count):
        struct.pack_into(">IIIBBH", data, symbols + 16 * number, 4000 + number, 0x1100, 4, 0x12, 0, 1)
    struct.pack_into(">IIIBBH", data, symbols + 16, 11997, 0x1100, 4, 0x12, 0, 1)
    struct.pack_into(">IIIIIIIIII", data, table, 0, 11, 2, 0, symbols, 16 * count, 0, 0, 0, 16)  # SHT_DYNSYM
    data[32:36] = struct.pack(">I", table)  # e_shoff
    data[46:52] = struct.pack(">HHH", 40, 1, 0)  # e_shentsize, e_shnum, e_shstrndx
    data[68:76] = struct.pack(">II", len(data), len(data))  # the loaded segment
    for number, (tag, value) in enumerate(((5, 0x1000 + strings), (6, 0x1000 + symbols), (10, 12000), (0, 0), (0, 0))):
        struct.pack_into(">II", data, 0x260 + 8 * number, tag, value)
    (tmp_path / "x").write_bytes(data)
    with ElfFile.open(str(tmp_path / "x")) as elf:
        tracemalloc.start()
        try:
            assert elf.symbols(["f", "g"]) == {"f": (0x100, 4)}
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


def test_crafted_tables_cost_a_bounded_time(tmp_path):
    data = bytearray(big_endian_32())
    data[0x240:0x254] = struct.pack(">IIIII", 1, 2, 1, 0, 1)  # one chain for all names, without an end
    (tmp_path / "x").write_bytes(data)
    began = time.monotonic()
    with ElfFile.open(str(tmp_path / "x")) as elf, pytest.raises(ElfError, match="too long"):
        elf.symbols(["name_%d" % number for number in range(1000)])
    assert time.monotonic() - began < 5
    headers = len(data)
    data[28:32] = struct.pack(">I", headers)  # e_phoff
    data[44:46] = struct.pack(">H", 200)  # e_phnum
    data += data[52:84] * 200
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ElfError, match="200 loaded segments"):
        ElfFile.open(str(tmp_path / "x"))


def test_hashes():
    # glibc's and the gABI's published examples
    assert elf_module.gnu_hash(b"") == 0x1505
    assert elf_module.gnu_hash(b"printf") == 0x156B2BB8
    assert elf_module.gnu_hash(b"syscall") == 0xBAC212A0
    assert elf_module.sysv_hash(b"printf") == 0x077905A6


def test_sections_are_those_of_readelf():
    for path in (os.path.realpath(sys.executable), "/bin/ls", loaded("c")):
        said = [line[6:].split() for line in tool("readelf", "-SW", path).splitlines() if line.startswith("  [") and "NOBITS" not in line and " NULL " not in line]
        expected = [(fields[0].encode(), int(fields[2], 16), int(fields[3], 16), int(fields[4], 16)) for fields in said if fields[0] != "Name"]
        with ElfFile.open(path) as elf:
            assert [(section.name, section.vaddr, section.offset, section.size) for section in elf.sections()] == expected
            text = next(section for section in elf.sections() if section.name == b".rodata")
            assert elf.read_address(text.vaddr, 64) == elf.read(text.offset, 64)
            data = next(section for section in elf.sections() if section.name == b".data")
            assert any(offset <= data.offset and data.offset + data.size <= offset + size for offset, _vaddr, size in elf.writable_segments())
