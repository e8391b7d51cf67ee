# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of libraries other than OpenSSL, compared with installed libraries: every name is exported, every jump between two is known."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines import libbpf
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats import elf as elf_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import function as function_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import places as places_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.families import FAMILIES, family_of
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.library_functions import MBEDTLS_3, OTHERS
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.openssl import OPENSSL
from ansible_collections.cryptofleet.audit.plugins.module_utils._libraries import catalogue

FOLDER = "/usr/lib/x86_64-linux-gnu/"
FILES = {"GnuTLS": ["libgnutls.so.30"], "Libgcrypt": ["libgcrypt.so.20"], "libsodium": ["libsodium.so.23"], "Nettle": ["libnettle.so.8"],
         "Hogweed": ["libhogweed.so.6"], "NSS": ["libnss3.so", "libssl3.so"], "wolfSSL": ["libwolfssl.so.35"], "Mbed TLS": ["libmbedcrypto.so.7"]}
# Functions of later releases than Debian 12's, or of other builds
LATER = {"gnutls_privkey_derive_secret", "crypto_kdf_hkdf_sha256_extract", "crypto_kdf_hkdf_sha256_expand", "crypto_kdf_hkdf_sha512_extract",
         "crypto_kdf_hkdf_sha512_expand", "mbedtls_aria_setkey_enc", "mbedtls_aria_setkey_dec", "mbedtls_pkcs5_pbkdf2_hmac_ext",
         "psa_aead_encrypt_setup", "psa_aead_decrypt_setup"}
INSTALLED = [family for family in OTHERS if family.name in FILES]


def family_named(name):
    return next(family for family in FAMILIES if family.name == name)


@pytest.mark.parametrize("family", INSTALLED, ids=lambda family: family.name)
def test_every_function_is_exported(family):
    names = {function.name for function in family.functions}
    assert len(names) == len(family.functions), "a name is a row once"
    found = set()
    for name in FILES[family.name]:
        with open(FOLDER + name, "rb") as stream, elf_module.ElfFile.open(stream.fileno()) as elf:
            found |= set(elf.symbols(tuple(names)))
            places = places_module.function_places(elf, family)
            assert len(places) == len(set(elf.symbols(tuple(names))))
            assert places_module.family_in(elf, family) is family
    assert names - found == names & LATER


def test_no_row_feeds_an_operation():
    """What runs for every block or record is never probed."""
    for family in OTHERS:
        for function in family.functions:
            assert not re.search(r"_(update|Update|record_\w+|DigestOp|CipherOp)$|random|Random|RNG|rnd", function.name), function.name


def jumps(path, names):
    """Function -> those of names whose code holds a jump to it."""
    output = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    found, current = {}, None
    for line in output.splitlines():
        begin = re.match(r"[0-9a-f]+ <([^@>]*)[^>]*>:", line)
        if begin:
            current = begin.group(1) if begin.group(1) in names else None
        elif current:
            target = re.search(r"\tj\w+\s+[0-9a-f]+ <([^@>+]*)(?:@[^>+]*)?>", line)
            if target and target.group(1) in names and target.group(1) != current:
                found.setdefault(target.group(1), set()).add(current)
    return found


@pytest.mark.parametrize("family", INSTALLED, ids=lambda family: family.name)
def test_every_jump_between_rows_is_known(family):
    names = {function.name for function in family.functions}
    assert all({target, *wrappers.split()} <= names for target, wrappers in family.wrappers.items())
    for name in FILES[family.name]:
        for target, wrappers in jumps(FOLDER + name, names).items():
            assert wrappers <= set(family.wrappers.get(target, "").split()), target


@pytest.mark.parametrize("family", INSTALLED, ids=lambda family: family.name)
def test_nothing_that_ends_a_digest_begins_another_by_a_row(family):
    """It would count twice: once for the digest, once for the next, which may never come."""
    rows = {function.name for function in family.functions}
    for name in FILES[family.name]:
        sizes = {}
        symbols = subprocess.run(["nm", "-D", "-S", "--defined-only", FOLDER + name], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
        for line in symbols.splitlines():
            fields = line.split()
            if len(fields) == 4 and fields[2] in "Tti":
                sizes[fields[3].partition("@")[0]] = int(fields[0], 16), int(fields[1], 16)
        output = subprocess.run(["objdump", "-d", "--no-show-raw-insn", FOLDER + name], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
        current = None
        for line in output.splitlines():
            begin = re.match(r"[0-9a-f]+ <([^@>]*)[^>]*>:", line)
            if begin:
                current = begin.group(1)
            jump = re.match(r"\s*([0-9a-f]+):\tj\w+\s+[0-9a-f]+ <([^@>+]*)(?:@[^>+]*)?>", line)
            if jump and jump.group(2) in rows and current in sizes and current not in rows:
                address, size = sizes[current]
                inside = address <= int(jump.group(1), 16) < address + size  # what follows is of a function without a name
                ends = re.compile(r"(?i)final|(?<!verify)_digest|update|output")
                assert not (inside and ends.search(current)) or ends.search(jump.group(2)), (current, jump.group(2))


def test_bits_of_jumps():
    family = family_named("libsodium")
    rows = [function.name for function in family.functions]
    low, high = family.wrapper_bits("crypto_hash_sha512")
    assert [row for row in range(128) if (low | high << 64) >> row & 1] == [rows.index("crypto_hash")]
    assert family.wrapper_bits("crypto_hash") == (0, 0)


def test_the_linker_s_cache_is_searched_for_every_library():
    names = {"libnss3": "libnss3.so", "libssl3": "libssl3.so"}
    for family in OTHERS:
        for library in family.libraries:
            assert re.match(libbpf._OTHER_FILES, names.get(library, library + ".so.1").encode())
            assert family_of(catalogue.recognise(b"/usr/lib/" + names.get(library, library + ".so.1").encode()).name) is family
    assert not re.match(libbpf._OTHER_FILES, b"libcrypto.so.3") and family_of("libcrypto") is OPENSSL and family_of("libssh") is None


@pytest.mark.parametrize("version, family, places", [
    ("2.16.9", "Mbed TLS", [(function_module.FIRST_FIELD, 0), (function_module.FIELD, 0), (function_module.FIRST_FIELD, 0)]),
    ("2.28.3", "Mbed TLS", [(function_module.FIRST_FIELD, 8), (function_module.FIELD, 8), (function_module.FIRST_FIELD, 0)]),
    ("2.20.0", "Mbed TLS", [(function_module.NONE, 0)] * 3), ("3.4.1", "Mbed TLS 3", [(function_module.NONE, 0)] * 3),
    ("3.6.2", "Mbed TLS 3", [(function_module.FIRST_FIELD, 0), (function_module.FIELD, 0), (function_module.FIRST_FIELD_TEXT, 0)]),
    (None, "Mbed TLS 3", [(function_module.NONE, 0)] * 3)])
def test_where_a_release_of_mbedtls_has_its_numbers(monkeypatch, version, family, places):
    """Of a release whose structures are not known no algorithm is told."""
    monkeypatch.setattr(catalogue, "version_of", lambda elf, library: version)
    layout = places_module._mbedtls_layout(None)
    assert [layout[shape] for shape in (function_module.MD_CONTEXT, function_module.MD_INFO, function_module.CIPHER_CONTEXT)] == places
    assert places_module.family_in(None, family_of("libmbedcrypto")).name == family
    assert places_module.family_in(None, OPENSSL) is OPENSSL


def test_mbedtls_3_has_numbers_of_its_own():
    two, three = family_of("libmbedcrypto"), MBEDTLS_3
    assert [function.name for function in two.functions] == [function.name for function in three.functions]
    tables = {table for function in three.functions for table in (function.table, function.digest_table)}
    assert "mbedtls3_md" in tables and "mbedtls_md" not in tables


@pytest.mark.parametrize("family, name, fields", [
    ("GnuTLS", "gnutls_privkey_sign_data", ("sign", function_module.FIELD, 0, 4, "gnutls_pk", function_module.NID, 1, "gnutls_mac")),
    ("GnuTLS", "gnutls_pbkdf2", ("derive", function_module.NID, 0, 0, "gnutls_mac", function_module.NONE, 0, None)),
    ("Libgcrypt", "gcry_pk_sign", ("sign", function_module.TEXT, 2, 19, "text", function_module.NONE, 0, None)),
    ("Libgcrypt", "gcry_cipher_open", ("cipher", function_module.NID, 1, 0, "gcry_cipher_open", function_module.NID, 2, None)),
    ("Mbed TLS", "mbedtls_pk_sign", ("sign", function_module.FIRST_FIELD, 0, 0, "mbedtls_pk", function_module.NID, 1, "mbedtls_md")),
    ("Nettle", "nettle_hmac_set_key", ("mac", function_module.FIELD_TEXT, 3, 0, "name", function_module.NONE, 0, None))])
def test_words_of_a_line(family, name, fields):
    found = next(function for function in family_named(family).functions if function.name == name)
    assert (found.operation, found.shape, found.argument, found.offset, found.table, found.digest_shape, found.digest_argument, found.digest_table) == fields


def test_sizes_and_directions_of_a_line():
    found = next(function for function in family_named("wolfSSL").functions if function.name == "wc_AesSetKey")
    assert (found.algorithm, found.bits_argument, found.in_bytes, found.direction_argument, found.encrypts_at_0) == ("AES", 2, True, 4, True)
    assert found.wanted_arguments() == {2, 4}
    found = next(function for function in family_named("Mbed TLS").functions if function.name == "mbedtls_cipher_setkey")
    assert (found.bits_argument, found.in_bytes, found.direction_argument, found.encrypts_at_0) == (2, False, 3, False)
