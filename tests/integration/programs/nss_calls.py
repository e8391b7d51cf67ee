# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of NSS, so often that its counts can be checked: ``nss_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import DATA, IV, OUT, P, f, ref, times

U = ctypes.c_ulong


class Item(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class Parameters(ctypes.Structure):
    _fields_ = [("bits", ctypes.c_int), ("exponent", U)]


def new(mechanism, size):
    return P(f("PK11_KeyGen", slot, U(mechanism), None, size, None))


def some(number, name, *arguments):
    """Calls whose answer is a pointer."""
    for _count in range(number):
        assert f(name, *arguments), name


def digests():
    some(1000, "HASH_Create", 4)
    times(900, "PK11_HashBuf", 191, OUT, DATA, 32)
    some(3, "PK11_CreateDigestContext", 193)


def contexts():
    key, iv = new(0x1080, 32), Item(0, IV[:16], 16)
    some(100, "PK11_CreateContextBySymKey", U(0x1082), U(0x104), key, ref(iv))
    some(90, "PK11_CreateContextBySymKey", U(0x1085), U(0x105), key, ref(iv))
    secret, none = new(0x350, 20), Item(0, None, 0)
    some(80, "PK11_CreateContextBySymKey", U(0x251), U(0x108), secret, ref(none))


def signatures():
    public = P()
    private = P(f("PK11_GenerateKeyPair", slot, U(0), ref(Parameters(2048, 65537)), ref(public), 0, 0, None))
    assert private
    signature = Item(0, None, 0)
    for _count in range(10):
        assert not f("SEC_SignData", ref(signature), DATA, 32, private, 194)
    for _count in range(5):
        assert not f("VFY_VerifyDataDirect", DATA, 32, public, ref(signature), 16, 191, None, None)


assert not f("NSS_NoDB_Init", b".")
slot = P(f("PK11_GetInternalKeySlot"))
globals()[sys.argv[2]]()
