# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens files through io_uring by its system calls alone (io_uring_enter(2), include/uapi/linux/io_uring.h).

``ring_opens.py SCENARIO [ARGUMENT...]``, in the folder of the files. A scenario is a function of this file.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys

# the same on every architecture
_SETUP, _ENTER, _REGISTER = 425, 426, 427
OPENAT, OPENAT2 = 18, 28
ASYNC = 1 << 4  # IOSQE_ASYNC: a worker does it
SQPOLL = 1 << 1  # IORING_SETUP_SQPOLL: a thread of the kernel takes what is asked for

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number, *arguments):
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "io_uring system call %d" % number)
    return result


class Ring:
    """A ring that is asked for one thing after the other."""

    def __init__(self, flags=0):
        parameters = ctypes.create_string_buffer(struct.pack("<III", 0, 0, flags) + bytes(108), 120)
        self.flags, self.fd = flags, _call(_SETUP, ctypes.c_uint(1), parameters)
        numbers = struct.unpack("<30I", parameters.raw)
        self.tail, self.array = numbers[11], numbers[16]
        self.done, self.results = numbers[20], numbers[25]
        size = max(self.array + 4 * numbers[0], self.results + 16 * numbers[1])
        self.ring = mmap.mmap(self.fd, size, mmap.MAP_SHARED)
        self.entries = mmap.mmap(self.fd, 64 * numbers[0], mmap.MAP_SHARED, offset=0x10000000)
        self.asked, self.places = 0, numbers[1]

    def make_slots(self, number):
        """Empty places for files of the ring's own."""
        _call(_REGISTER, ctypes.c_uint(self.fd), ctypes.c_uint(2), struct.pack("<%di" % number, *[-1] * number), ctypes.c_uint(number))

    def ask(self, entry):
        """Submit one entry (64 bytes), wait, and return its result (int)."""
        self.entries[:64] = entry
        struct.pack_into("<I", self.ring, self.array, 0)
        self.asked += 1
        struct.pack_into("<I", self.ring, self.tail, self.asked)
        how = ctypes.c_uint(3 if self.flags & SQPOLL else 1)  # wake the thread; wait for one result
        _call(_ENTER, ctypes.c_uint(self.fd), ctypes.c_uint(1), ctypes.c_uint(1), how, None, ctypes.c_long(0))
        seen, = struct.unpack_from("<I", self.ring, self.done)
        struct.pack_into("<I", self.ring, self.done, seen + 1)
        return struct.unpack_from("<i", self.ring, self.results + 16 * (seen % self.places) + 8)[0]


def ring_open(ring, name, flags=0, by=OPENAT, directory=-100, how=0, slot=0):
    """Open a file and close it again; slot, from 1: put it into the ring's own. Returns its descriptor, or -errno."""
    text = ctypes.create_string_buffer(os.fsencode(name))
    asked = ctypes.create_string_buffer(struct.pack("<QQQ", flags, 0, 0), 24)
    second, length, open_flags = (ctypes.addressof(asked), 24, 0) if by == OPENAT2 else (0, 0, flags)
    entry = struct.pack("<BBHiQQIIQHHI", by, how, 0, directory, second, ctypes.addressof(text), length, open_flags, 0, 0, 0, slot)
    result = ring.ask(entry.ljust(64, b"\0"))
    if result >= 0 and not slot:
        os.close(result)
    return result


# --- scenarios ------------------------------------------------------------------------------------------------------------------

def inline():
    ring = Ring()
    for _each in range(7):
        ring_open(ring, "site.key")
    ring_open(ring, "site.key", by=OPENAT2)


def worker():
    ring = Ring()
    for _each in range(5):
        ring_open(ring, "site.key", how=ASYNC)
    ring_open(ring, "made.pem", os.O_CREAT | os.O_WRONLY)


def polled():
    ring = Ring(SQPOLL)
    for _each in range(3):
        ring_open(ring, "site.key", os.O_NOATIME)


def directory():
    ring, at = Ring(), os.open("sub", os.O_RDONLY)
    os.chdir("/")
    ring_open(ring, "../site.key", directory=at)


def refused():
    ring = Ring()
    for _each in range(3):
        ring_open(ring, "none.key")
    ring_open(ring, "none.key", how=ASYNC)
    ring_open(ring, "none.txt")


def slot():
    ring = Ring()
    ring.make_slots(1)
    assert [ring_open(ring, "site.key", slot=1) for _each in range(2)] == [0, 0]


def mixed():
    """``mixed FILE NUMBER``: in each way. The first open is of the usual kind, so that the process is known where the others can't be seen."""
    name, number = sys.argv[2:]
    open(name, "rb").close()
    ring = Ring()
    for each in range(int(number)):
        if ring_open(ring, name, by=OPENAT2 if each % 2 else OPENAT, how=0 if each % 5 else ASYNC) < 0:
            sys.exit("not opened")


globals()[sys.argv[1]]()
