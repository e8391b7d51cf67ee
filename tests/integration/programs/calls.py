# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a library's functions by name, for programs that call it a known number of times. Its path is their first argument."""

import ctypes
import sys

lib = ctypes.CDLL(sys.argv[1])
P, U64, Z = ctypes.c_void_p, ctypes.c_ulonglong, ctypes.c_size_t
ref = ctypes.byref
KEY, IV, DATA = b"k" * 64, b"i" * 32, b"d" * 32
OUT, SIZE, CTX = ctypes.create_string_buffer(8192), ctypes.c_ulong(8192), ctypes.create_string_buffer(16384)


def f(name, *arguments):
    function = getattr(lib, name)
    function.restype = P
    return function(*[P(each) if isinstance(each, int) and each > 0xFFFFFFFF else each for each in arguments])


def ok(name, *arguments):
    """f(), where 0 or a pointer is success."""
    answer = f(name, *arguments)
    assert not answer or answer > 0xFFFFFFFF, (name, answer)
    return answer


def times(number, name, *arguments):
    for _count in range(number):
        ok(name, *arguments)


def calls(number, name, *arguments):
    """times(), of functions whose answer says nothing."""
    for _count in range(number):
        f(name, *arguments)
