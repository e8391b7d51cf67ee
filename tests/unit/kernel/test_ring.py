# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of ring buffers, against a file that is written as the kernel writes the pages of one."""

from __future__ import annotations

import mmap
import os
import random
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import ring as ring_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import syscalls

SIZE = mmap.PAGESIZE
DATA = 2 * mmap.PAGESIZE  # behind the pages of the two positions


class Writer:
    """What bpf_ringbuf_reserve(), submit and discard of kernel/bpf/ringbuf.c leave in the pages."""

    def __init__(self, fd):
        self.fd = fd
        self.position = 0

    def consumed(self):
        return struct.unpack("=Q", os.pread(self.fd, 8, 0))[0]

    def reserve(self, content, flags=0):
        """Returns where its header is, or None where there is no room."""
        length = 8 + (len(content) + 7) // 8 * 8
        if self.position + length - self.consumed() > SIZE - 1:
            return None
        at = self.position
        self._put(at, struct.pack("=II", len(content) | flags, 0) + content)
        self.position += length
        os.pwrite(self.fd, struct.pack("=Q", self.position), mmap.PAGESIZE)
        return at

    def finish(self, at, length, flags=0):
        self._put(at, struct.pack("=I", length | flags))

    def _put(self, position, octets):
        start = position % SIZE
        os.pwrite(self.fd, octets[:SIZE - start], DATA + start)
        os.pwrite(self.fd, octets[SIZE - start:], DATA)


@pytest.fixture
def ring(monkeypatch):
    """``(Ring, Writer)`` of one file."""
    def create(size):
        fd = os.memfd_create("ring")
        os.truncate(fd, DATA + size)
        return fd

    monkeypatch.setattr(syscalls, "create_ring", create)
    made = ring_module.Ring(SIZE)
    yield made, Writer(made.fd)
    made.close()


def test_records_come_once_and_their_room_is_given_back(ring):
    reader, writer = ring
    assert reader.read() == []
    writer.reserve(b"one")
    writer.reserve(b"")
    writer.reserve(b"three..." * 5)
    assert writer.consumed() == 0
    assert reader.read() == [b"one", b"", b"three..." * 5]
    assert writer.consumed() == writer.position
    assert reader.read() == []


def test_what_is_not_written_yet_holds_up_what_is_behind_it(ring):
    reader, writer = ring
    writer.reserve(b"first")
    busy = writer.reserve(b"second", ring_module._BUSY)
    writer.reserve(b"third")
    assert reader.read() == [b"first"] and reader.read() == []
    assert writer.consumed() == busy
    writer.finish(busy, 6)
    assert reader.read() == [b"second", b"third"]


def test_what_was_discarded_is_passed_over(ring):
    reader, writer = ring
    writer.reserve(b"gone", ring_module._DISCARDED)
    writer.reserve(b"here")
    assert reader.read() == [b"here"] and writer.consumed() == writer.position


def test_every_record_comes_whole_round_and_round(ring):
    reader, writer = ring
    chance = random.Random(20261122)
    sent, came = [], []
    for _each in range(5000):
        content = chance.randbytes(chance.randrange(700))
        flags = ring_module._DISCARDED if chance.random() < 0.1 else 0
        if writer.reserve(content, flags) is not None and not flags:
            sent.append(content)
        if chance.random() < 0.2:
            came += reader.read()
    assert came + reader.read() == sent and len(sent) > 2000


def test_a_ring_that_cannot_be_mapped_is_an_error_with_words(monkeypatch, ring):
    def refuse(*_arguments, **_options):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ring_module.mmap, "mmap", refuse)
    with pytest.raises(AuditError, match="ring buffer can't be mapped: Cannot allocate memory"):
        ring[0].read()


def test_closing_twice_is_well(ring):
    ring[0].read()
    ring[0].close()
    ring[0].close()
