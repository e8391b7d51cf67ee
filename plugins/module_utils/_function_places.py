# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the probed functions are in a file, and what the kernel side has to know of each.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from . import _events, _libraries
from ._elf import ElfError
from ._families import first_number
from ._functions import (CIPHER, CIPHER_3, DIGEST, DIGEST_3, FIELD_TEXT, FIRST_FIELD, PKEY_CTX)
from ._x86_prologue import ENTRY, cheap_place

# e_machine, ELF gABI
_X86_64 = 62

# Where an executable carries OpenSSL, its own code lies in the same segment: OpenSSL's part is about where these are.
_SPREAD = ("OPENSSL_init_crypto", "CRYPTO_malloc", "ERR_clear_error", "BN_new", "X509_new", "ASN1_item_d2i", "PKCS7_sign", "CMS_sign",
           "RAND_bytes", "EC_KEY_new", "DH_new", "RSA_new", "SSL_new", "SSL_CTX_new", "OSSL_PROVIDER_load", "X509V3_EXT_print", "UI_new",
           "PKCS12_parse", "OCSP_REQUEST_new", "TS_REQ_new", "BIO_new", "EVP_PKEY_new", "EVP_CIPHER_CTX_new", "EVP_MD_CTX_new")

# The row of the tracer's own function that is measured: a typical one, a cipher by its structure, which is argument 1.
MEASURED = _events.FUNCTION.pack(0, 0, _events.MEASURED_FUNCTION, CIPHER, 1, 0, 0, 0, 0, 0, 0, 0, 0)


class FunctionPlace(NamedTuple):
    """One function: file offset to attach at, whether the kernel emulates the instruction there, and its struct function."""

    offset: int
    emulated: bool
    row: bytes


def code_range(elf, functions):
    """Where the library's own code is.

    :arg functions: dict of name -> (file offset, size) of the probed functions found in it.
    :returns: ``(low, high)`` of file offsets, counted as if the executable segment were the only one.
    """
    segments = elf.text_segments()
    if elf.soname is None:
        found = list(functions.values()) + list(elf.symbols(_SPREAD).values())
        return min(offset for offset, _size in found), max(offset + size for offset, size in found)
    first = next(iter(functions.values()))[0]
    for offset, _vaddr, size in segments:
        if offset <= first < offset + size:
            return offset, offset + size
    raise ElfError("the functions are in no executable segment")


def _openssl_layout(elf):
    """``(whether it is older than 3.0 or a fork of that, dict of shape -> (shape, offset) that stand in for others in this file)``."""
    project, version = _libraries.embedded_openssl(elf) or ("OpenSSL", None)
    old = project in ("LibreSSL", "BoringSSL", "AWS-LC") or (version or "3").startswith(("0.", "1."))
    layout = {PKEY_CTX: (FIRST_FIELD, 0) if old else (FIELD_TEXT, 24)}  # EVP_PKEY_CTX: pmeth->pkey_id; keytype
    if (version or "").startswith("3."):
        layout.update({CIPHER: (CIPHER_3, 0), DIGEST: (DIGEST_3, 0)})
    return old, layout


def function_places(elf, family):
    """What of a Family's functions a file exports.

    :arg elf: ElfFile. :arg family: Family.
    :returns: dict of row -> FunctionPlace, empty where it exports none.
    :raises ElfError: it can't be read.
    """
    functions = elf.symbols(tuple(function.name for function in family.functions))
    if not functions:
        return {}
    low, high = code_range(elf, functions)
    old, layout = _openssl_layout(elf) if family.name == "OpenSSL" else (True, {})
    first = first_number(family)
    places = {}
    for row, function in enumerate(family.functions):
        if function.name not in functions or (function.before_3 and not old):
            continue
        offset, size = functions[function.name]
        within = cheap_place(elf.read(offset, size), function.wanted_arguments()) if elf.machine == _X86_64 else ENTRY
        place = offset + within.offset
        shape, field = layout.get(function.shape, (function.shape, function.offset))
        described = _events.FUNCTION.pack(low - place, high - place, first + row, shape, function.argument, function.digest_shape,
                                          function.digest_argument, function.direction_argument, function.bits_argument,
                                          within.stack, field, *family.wrapper_bits(function.name))
        places[row] = FunctionPlace(place, within.emulated, described)
    return places
