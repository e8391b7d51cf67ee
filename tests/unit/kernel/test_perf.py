# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading perf's ring of mappings, from a made-up buffer: records across its end, lost records, build ids."""

from __future__ import annotations

import errno
import mmap
import os
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import perf
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import LibraryMapped
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.library_load import LibraryLoadProbe
from hypothesis import given, settings
from hypothesis import strategies as st

SIZE = 4096
BUILD_ID = bytes(range(20))
LIBRARY = b"/usr/lib/libcrypto.so.3"


class Ring:
    """A buffer as perf_event_open(2) lays it out, and its reader."""

    def __init__(self, start=0):
        self.memory = mmap.mmap(-1, mmap.PAGESIZE + SIZE)
        self.buffer = object.__new__(perf._CpuBuffer)
        self.buffer._map, self.buffer._size, self.buffer.fd = self.memory, SIZE, os.open(os.devnull, os.O_RDONLY)
        struct.pack_into("<QQ", self.memory, 1024, start, start)
        self.reader = object.__new__(perf.MappingReader)
        self.reader._buffers, self.reader.lost, self.reader.build_ids = [self.buffer], 0, True

    def write(self, kind, misc, body):
        head, = struct.unpack_from("<Q", self.memory, 1024)
        record = struct.pack("<IHH", kind, misc, 8 + len(body)) + body
        for number, byte in enumerate(record):
            self.memory[mmap.PAGESIZE + (head + number) % SIZE] = byte
        struct.pack_into("<Q", self.memory, 1024, head + len(record))

    def positions(self):
        return struct.unpack_from("<QQ", self.memory, 1024)


def padded(path):
    return path + b"\0" * (8 - len(path) % 8)


def mapping(path=LIBRARY, pid=77, time=1000, build_id=BUILD_ID):
    if build_id is None:
        identity = struct.pack("<IIQQ", 8, 1, 4242, 0)
    else:
        identity = struct.pack("<BBH20s", len(build_id), 0, 0, build_id)
    return struct.pack("<IIQQQ24sII", pid, pid, 0x7F0000000000, 4096, 0, identity, 5, 2) + padded(path) + struct.pack("<Q", time)


def test_mapping_with_build_id():
    ring = Ring()
    ring.write(10, 1 << 14, mapping())
    assert ring.reader.read() == [LibraryMapped(1000, 77, LIBRARY, BUILD_ID.hex(), None, None)]
    assert ring.reader.read() == [] and ring.positions()[0] == ring.positions()[1]


def test_mapping_of_a_file_without_build_id():
    ring = Ring()
    ring.write(10, 2, mapping(build_id=None))
    assert ring.reader.read() == [LibraryMapped(1000, 77, LIBRARY, None, os.makedev(8, 1), 4242)]


def test_short_build_ids():
    """md5 and Go have shorter ones."""
    ring = Ring()
    ring.write(10, 1 << 14, mapping(build_id=b"\xab" * 16))
    assert ring.reader.read()[0].build_id == "ab" * 16


@pytest.mark.parametrize("path", [b"/a", b"/1234567", b"/123456", b"/new\nline \xff", b"/" + b"x" * 4000, b"/lib.so (deleted)", b"//anon"])
def test_paths(path):
    ring = Ring()
    ring.write(10, 1 << 14, mapping(path))
    assert ring.reader.read()[0].path == path


def test_lost_records_are_counted():
    ring = Ring()
    ring.write(2, 0, struct.pack("<QQ", 1, 5) + struct.pack("<Q", 1000))
    ring.write(10, 1 << 14, mapping())
    ring.write(2, 0, struct.pack("<QQ", 1, 7) + struct.pack("<Q", 1001))
    assert len(ring.reader.read()) == 1 and ring.reader.lost == 12
    probe = LibraryLoadProbe()
    probe._reader = ring.reader
    assert probe.losses() == {"perf_records": 12}
    probe.close()
    assert probe.losses() == {"perf_records": 12}, "what was lost is known after the window too"


def test_records_of_other_kinds_are_passed_over():
    ring = Ring()
    for kind in (1, 3, 4, 7, 12, 14, 16, 17, 99):
        ring.write(kind, 0, b"\0" * 16)
    ring.write(10, 1 << 14, mapping())
    assert len(ring.reader.read()) == 1


@pytest.mark.parametrize("left", range(8, 144, 8))
def test_a_record_across_the_end(left):
    """The ring's end may fall at any 8 bytes of a record."""
    ring = Ring(start=5 * SIZE - left)
    ring.write(10, 1 << 14, mapping())
    ring.write(10, 1 << 14, mapping(time=1001))
    assert [event.time for event in ring.reader.read()] == [1000, 1001]


@settings(deadline=None)
@given(st.integers(0, 2 ** 40).map(lambda number: number * 8), st.lists(st.binary(min_size=1, max_size=300).filter(lambda path: b"\0" not in path), max_size=8))
def test_any_records_at_any_place(start, paths):
    ring = Ring(start)
    for number, path in enumerate(paths):
        ring.write(10, 1 << 14, mapping(path, time=number))
    assert [(event.time, event.path) for event in ring.reader.read()] == list(enumerate(paths))
    assert ring.positions()[1] == ring.positions()[0]
    ring.reader.close()


def test_only_crypto_libraries_pass():
    ring = Ring()
    for path in (b"/usr/lib/libc.so.6", LIBRARY, LIBRARY + b" (deleted)", b"/usr/lib/libgnutls.so.30"):
        ring.write(10, 1 << 14, mapping(path))
    probe = LibraryLoadProbe()
    probe._reader = ring.reader
    assert [event.path for event in probe.read()] == [LIBRARY, LIBRARY + b" (deleted)", b"/usr/lib/libgnutls.so.30"]
    assert probe.hits() == 3


@pytest.fixture
def opening(monkeypatch):
    """MappingReader over a kernel that says what refuse(cpu, build_id) says."""
    opened = []

    class Buffer:
        def __init__(self, cpu, size, build_id):
            number = opening.refuse(cpu, build_id)
            if number:
                raise OSError(number, os.strerror(number))
            self.fd, self.size = cpu, size
            opened.append((cpu, size, build_id))

        def close(self):
            opened.remove((self.fd, self.size, self.build_id))

        build_id = True

    class Opening:
        cpus = [0, 1, 2, 5]
        refuse = staticmethod(lambda cpu, build_id: 0)

    opening = Opening()
    opening.opened = opened
    monkeypatch.setattr(perf, "_CpuBuffer", Buffer)
    monkeypatch.setattr(perf, "_online_cpus", lambda: opening.cpus)
    return opening


def test_one_buffer_for_each_cpu_within_bounds(opening):
    for count in (1, 4, 16, 64, 128):
        opening.opened.clear()
        opening.cpus = list(range(count))
        perf.MappingReader()
        sizes = {size for _cpu, size, _build_id in opening.opened}
        assert len(opening.opened) == count and len(sizes) == 1
        size = sizes.pop()
        assert 64 << 10 <= size <= 512 << 10 and size & (size - 1) == 0 and (size * count <= 8 << 20 or size == 64 << 10)


def test_a_kernel_without_build_ids(opening):
    opening.refuse = lambda cpu, build_id: errno.EINVAL if build_id else 0
    reader = perf.MappingReader()
    assert not reader.build_ids and len(opening.opened) == 4


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EINVAL])
def test_a_refusal_leaves_nothing_open(opening, number):
    opening.refuse = lambda cpu, build_id: number if cpu == 2 else 0
    with pytest.raises(OSError) as caught:
        perf.MappingReader()
    assert caught.value.errno == number and not opening.opened


@pytest.mark.parametrize("text, cpus", [("0\n", [0]), ("0-3\n", [0, 1, 2, 3]), ("0-1,4,6-7\n", [0, 1, 4, 6, 7])])
def test_online_cpus(monkeypatch, tmp_path, text, cpus):
    path = tmp_path / "online"
    path.write_text(text)
    monkeypatch.setattr("builtins.open", lambda _path, *args, _open=open: _open(path, *args))
    assert perf._online_cpus() == cpus
