# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the probed functions are in a file, and what the kernel side has to know of each.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

from .._formats.elf import ElfError
from .._kernel import events
from .._libraries import catalogue
from .families import family_of, first_number
from .function import (
    CIPHER,
    CIPHER_3,
    CIPHER_CONTEXT,
    DIGEST,
    DIGEST_3,
    FIELD,
    FIELD_TEXT,
    FIRST_FIELD,
    FIRST_FIELD_TEXT,
    MD_CONTEXT,
    MD_INFO,
    NONE,
    PKEY_CTX,
)
from .library_functions import MBEDTLS_3
from .openssl import OPENSSL
from .x86_prologue import ENTRY, cheap_place

# e_machine, ELF gABI
_X86_64 = 62

_MBEDTLS = (family_of("libmbedcrypto"), MBEDTLS_3)

# Where an executable carries OpenSSL, its own code lies in the same segment: OpenSSL's part is about where these are.
_SPREAD = ("OPENSSL_init_crypto", "CRYPTO_malloc", "ERR_clear_error", "BN_new", "X509_new", "ASN1_item_d2i", "PKCS7_sign", "CMS_sign",
           "RAND_bytes", "EC_KEY_new", "DH_new", "RSA_new", "SSL_new", "SSL_CTX_new", "OSSL_PROVIDER_load", "X509V3_EXT_print", "UI_new",
           "PKCS12_parse", "OCSP_REQUEST_new", "TS_REQ_new", "BIO_new", "EVP_PKEY_new", "EVP_CIPHER_CTX_new", "EVP_MD_CTX_new")

# The row of the tracer's own function that is measured: a typical one, a cipher by its structure, which is argument 1.
MEASURED = events.FUNCTION.pack(0, 0, events.MEASURED_FUNCTION, CIPHER, 1, 0, 0, 0, 0, 0, 0, events.ALL_FUNCTIONS - 1, 0, 0)


class FunctionPlace(NamedTuple):
    """One function: file offset to attach at, whether the kernel emulates the instruction there, and the values of its struct function."""

    offset: int
    emulated: bool
    values: Tuple[int, ...]

    def row(self, counted):
        """Its struct function (bytes). counted: int, where its calls are counted."""
        return events.FUNCTION.pack(*self.values[:-2], counted, *self.values[-2:])


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
    project, version = catalogue.embedded_openssl(elf) or ("OpenSSL", None)
    old = project in ("LibreSSL", "BoringSSL", "AWS-LC") or (version or "3").startswith(("0.", "1."))
    layout = {PKEY_CTX: (FIRST_FIELD, 0) if old else (FIELD_TEXT, 24)}  # EVP_PKEY_CTX: pmeth->pkey_id; keytype
    if (version or "").startswith("3."):
        layout.update({CIPHER: (CIPHER_3, 0), DIGEST: (DIGEST_3, 0)})
    return old, layout


def _mbedtls_version(elf):
    """``(major, minor)`` of a file's release, or None."""
    version = catalogue.version_of(elf, catalogue.recognise(b"/libmbedcrypto.so"))
    return tuple(map(int, version.split(".")[:2])) if version else None


def family_in(elf, family):
    """The Family whose numbers a file has, among those of the same libraries. family: that of its name."""
    return MBEDTLS_3 if family in _MBEDTLS and (_mbedtls_version(elf) or (3, 0)) >= (3, 0) else family


def _mbedtls_layout(elf):
    """As _openssl_layout's: md_wrap.h, cipher.h of 2.7 to 2.16, of 2.28 and of 3.6. Others are not known: no algorithm is better than a wrong one."""
    version = _mbedtls_version(elf) or (0, 0)
    if version == (2, 28):  # mbedtls_md_info_t: name, type
        return {MD_CONTEXT: (FIRST_FIELD, 8), MD_INFO: (FIELD, 8), CIPHER_CONTEXT: (FIRST_FIELD, 0)}
    if (2, 7) <= version <= (2, 16):
        return {MD_CONTEXT: (FIRST_FIELD, 0), MD_INFO: (FIELD, 0), CIPHER_CONTEXT: (FIRST_FIELD, 0)}
    if version == (3, 6):  # mbedtls_cipher_info_t: name
        return {MD_CONTEXT: (FIRST_FIELD, 0), MD_INFO: (FIELD, 0), CIPHER_CONTEXT: (FIRST_FIELD_TEXT, 0)}
    return {MD_CONTEXT: (NONE, 0), MD_INFO: (NONE, 0), CIPHER_CONTEXT: (NONE, 0)}


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
    old, layout = _openssl_layout(elf) if family is OPENSSL else (True, _mbedtls_layout(elf) if family in _MBEDTLS else {})
    first = first_number(family)
    places = {}
    for row, function in enumerate(family.functions):
        if function.name not in functions or (function.before_3 and not old):
            continue
        offset, size = functions[function.name]
        within = cheap_place(elf.read(offset, size), function.wanted_arguments()) if elf.machine == _X86_64 else ENTRY
        place = offset + within.offset
        shape, field = layout.get(function.shape, (function.shape, function.offset))
        values = (low - place, high - place, first + row, shape, function.argument, function.digest_shape, function.digest_argument,
                  function.direction_argument, function.bits_argument, within.stack, field, *family.wrapper_bits(function.name))
        places[row] = FunctionPlace(place, within.emulated, values)
    return places
