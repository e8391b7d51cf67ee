# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a file its functions are probed, and what the kernel side has to know of each.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from .._formats.elf import ElfError
from .._kernel import events
from .families import first_number
from .family import Release
from .function import BY_RELEASE, CIPHER, NONE, Function
from .x86_prologue import ENTRY, cheap_offset

# e_machine, ELF gABI
_X86_64 = 62

# struct function has 32 bits for the distance to the ends of the code. Code that calls itself relatively is no larger: the small code
# model of x86-64 ends at 2 GB, a branch of AArch64 reaches 128 MB.
_FARTHEST = 2 ** 31 - 1

# Where an executable carries OpenSSL, its own code lies in the same segment: OpenSSL's part is about where these are.
_SPREAD = ("OPENSSL_init_crypto", "CRYPTO_malloc", "ERR_clear_error", "BN_new", "X509_new", "ASN1_item_d2i", "PKCS7_sign", "CMS_sign",
           "RAND_bytes", "EC_KEY_new", "DH_new", "RSA_new", "SSL_new", "SSL_CTX_new", "OSSL_PROVIDER_load", "X509V3_EXT_print", "UI_new",
           "PKCS12_parse", "OCSP_REQUEST_new", "TS_REQ_new", "BIO_new", "EVP_PKEY_new", "EVP_CIPHER_CTX_new", "EVP_MD_CTX_new")

# The tracer's own function that is measured: a typical one, a cipher by its structure, which is argument 1.
MEASURED = events.FunctionRecord(
    text_low=0, text_high=0, tail_callers_low=0, tail_callers_high=0, library=0, id=events.MEASURED_FUNCTION,
    calls=events.ALL_FUNCTIONS - 1, stack=0, offset=0, shape=CIPHER, argument=1, digest_shape=NONE, digest_argument=0,
    direction_argument=0, bits_argument=0, tail_caller=0)


class AttachPoint(NamedTuple):
    """Where one function of a file is probed.

    function: Function.
    offset: int, in the file.
    emulated: bool, whether the kernel emulates the instruction there; else it single-steps it.
    record: FunctionRecord, in which ``library`` and ``calls`` are not set yet.
    """

    function: Function
    offset: int
    emulated: bool
    record: events.FunctionRecord


def family_in(elf, family):
    """The Family whose numbers a file (ElfFile) has, by its release. family: that of its name."""
    return family.variant(elf) if family.variant else family


def attach_points(elf, family):
    """What of a Family's functions a file exports.

    :arg elf: ElfFile.
    :arg family: Family.
    :returns: list of AttachPoint, in the order of the family; empty where it exports none.
    :raises ElfError: it can't be read.
    """
    symbols = elf.symbols(tuple(function.name for function in family.functions))
    if not symbols:
        return []
    low, high = _code_range(elf, symbols)
    release = family.release(elf) if family.release else Release({})
    tail_callers = family.tail_callers()
    points = []
    for number, function in enumerate(family.functions, first_number(family)):
        if function.name not in symbols or function.name in release.left_out:
            continue
        entry, size = symbols[function.name]
        within = cheap_offset(elf.read(entry, size), function.wanted_arguments()) if elf.machine == _X86_64 else ENTRY
        offset = entry + within.offset
        if max(offset - low, high - offset) > _FARTHEST:
            raise ElfError("its code is larger than 2 GB")
        shape, field = release.structures[function.structure] if function.shape == BY_RELEASE else (function.shape, function.offset)
        callers = sum(1 << tail_callers[name] for name in family.tail_calls.get(function.name, ()))
        points.append(AttachPoint(function, offset, within.emulated, events.FunctionRecord(
            text_low=low - offset, text_high=high - offset,
            tail_callers_low=callers & 0xFFFFFFFFFFFFFFFF, tail_callers_high=callers >> 64, tail_caller=tail_callers.get(function.name, 0),
            library=0, id=number, calls=0, stack=within.stack, offset=field,
            shape=shape, argument=function.argument, digest_shape=function.digest_shape, digest_argument=function.digest_argument,
            direction_argument=function.direction_argument, bits_argument=function.bits_argument)))
    return points


def _code_range(elf, symbols):
    """Where the library's own code is.

    :arg elf: ElfFile.
    :arg symbols: dict of name -> (file offset, size) of the probed functions found in it.
    :returns: ``(low, high)`` of file offsets, counted as if the executable segment were the only one.
    :raises ElfError: there is none.
    """
    if elf.soname is None:
        found = list(symbols.values()) + list(elf.symbols(_SPREAD).values())
        return min(offset for offset, _size in found), max(offset + size for offset, size in found)
    first = next(iter(symbols.values()))[0]
    for offset, _vaddr, size in elf.text_segments():
        if offset <= first < offset + size:
            return offset, offset + size
    raise ElfError("the functions are in no executable segment")
