# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of libraries, compared with installed ones: every name is exported, every jump between two is known."""

from __future__ import annotations

import re
import subprocess
from types import ModuleType, SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines import libbpf
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats import elf as elf_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import families as families_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import family as family_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import function as function_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.attach_points import attach_points, family_in
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.families import FAMILIES, FUNCTIONS, family_of, file_names
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.mbedtls import MBEDTLS_2, MBEDTLS_3
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.openssl import OPENSSL
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events
from ansible_collections.cryptofleet.audit.plugins.module_utils._libraries import catalogue

FOLDER = "/usr/lib/x86_64-linux-gnu/"
FILES = {"GnuTLS": ["libgnutls.so.30"], "Libgcrypt": ["libgcrypt.so.20"], "libsodium": ["libsodium.so.23"], "Nettle": ["libnettle.so.8"],
         "Hogweed": ["libhogweed.so.6"], "NSS": ["libnss3.so", "libssl3.so"], "wolfSSL": ["libwolfssl.so.35"], "Mbed TLS": ["libmbedcrypto.so.7"]}
# Functions of later releases than Debian 12's, or of other builds
LATER = {"gnutls_privkey_derive_secret", "crypto_kdf_hkdf_sha256_extract", "crypto_kdf_hkdf_sha256_expand", "crypto_kdf_hkdf_sha512_extract",
         "crypto_kdf_hkdf_sha512_expand", "mbedtls_aria_setkey_enc", "mbedtls_aria_setkey_dec", "mbedtls_pkcs5_pbkdf2_hmac_ext",
         "psa_aead_encrypt_setup", "psa_aead_decrypt_setup"}
OTHERS = FAMILIES[1:]
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
            points = attach_points(elf, family)
            assert {point.function.name for point in points} == set(elf.symbols(tuple(names)))
            assert all(FUNCTIONS[point.record.id] is point.function for point in points)
            assert family_in(elf, family) is family
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
    assert all({target, *callers} <= names for target, callers in family.tail_calls.items())
    for name in FILES[family.name]:
        for target, callers in jumps(FOLDER + name, names).items():
            assert callers <= set(family.tail_calls.get(target, ())), target


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


def test_tail_callers_have_numbers_that_a_bit_map_has_room_for():
    for family in FAMILIES:
        numbers = family.tail_callers()
        assert sorted(numbers.values()) == list(range(1, len(numbers) + 1)) and len(numbers) < 128
    with open(FOLDER + "libsodium.so.23", "rb") as stream, elf_module.ElfFile.open(stream.fileno()) as elf:
        records = {point.function.name: point.record for point in attach_points(elf, family_named("libsodium"))}
    number = records["crypto_hash"].tail_caller
    record = records["crypto_hash_sha512"]
    assert number and record.tail_callers_low | record.tail_callers_high << 64 == 1 << number
    assert (record.tail_caller, records["crypto_hash"].tail_callers_low, records["crypto_hash"].tail_callers_high) == (0, 0, 0)


def made_up(functions):
    """A library of so many functions, as a Family and as an ElfFile: each of the second half may end in a jump to one of the first."""
    names = ["f%d" % number for number in range(functions)]
    rows = family_module.functions("digest SHA256: %s" % " ".join(names))
    calls = {names[number]: [names[number + functions // 2]] for number in range(min(functions // 2, 127))}
    symbols = {name: (4096 + 16 * number, 16) for number, name in enumerate(names)}
    elf = SimpleNamespace(machine=0, soname=b"libmade_up.so", symbols=lambda wanted: {name: symbols[name] for name in wanted if name in symbols},
                          text_segments=lambda: [(4096, 4096, 16 * functions)])
    return family_module.Family("made up", (), rows, calls, {}), elf


def test_a_library_may_have_more_functions_than_a_byte_counts(monkeypatch):
    family, elf = made_up(300)
    monkeypatch.setattr(families_module, "FAMILIES", (*FAMILIES, family))
    points = attach_points(elf, family)
    assert [point.function.name for point in points] == ["f%d" % number for number in range(300)]
    assert [point.offset for point in points] == [4096 + 16 * number for number in range(300)]
    assert [point.record.id for point in points] == list(range(len(FUNCTIONS), len(FUNCTIONS) + 300))
    assert [point.record.tail_caller for point in points] == [0] * 150 + list(range(1, 128)) + [0] * 23
    assert [point.record.tail_callers_low | point.record.tail_callers_high << 64 for point in points] == [1 << bit for bit in range(1, 128)] + [0] * 173
    assert all(len(point.record.pack()) == events.FUNCTION.size for point in points)


def test_code_that_is_farther_than_a_jump_reaches_is_refused(monkeypatch):
    family, elf = made_up(2)
    monkeypatch.setattr(families_module, "FAMILIES", (family,))
    elf.text_segments = lambda: [(0, 0, 2 ** 31 + 4096)]
    with pytest.raises(elf_module.ElfError, match="larger than 2 GB"):
        attach_points(elf, family)


def test_the_linker_s_cache_is_searched_for_every_library():
    names = {"libnss3": b"libnss3.so", "libssl3": b"libssl3.so"}
    for family in OTHERS:
        for library in family.libraries:
            name = names.get(library, b"%s.so.1" % library.encode())
            assert re.match(file_names(OTHERS), name) and re.match(libbpf._OTHER_FILES, name)
            assert family_of(catalogue.recognise(b"/usr/lib/" + name).name) is family
    assert re.match(libbpf._OTHER_FILES, b"libtfpsacrypto.so.1"), "Mbed TLS 4"
    assert not re.match(libbpf._OTHER_FILES, b"libcrypto.so.3") and family_of("libcrypto") is OPENSSL and family_of("libssh") is None


@pytest.mark.parametrize("version, family, structures", [
    ("2.16.9", "Mbed TLS", [(function_module.FIRST_FIELD, 0), (function_module.FIELD, 0), (function_module.FIRST_FIELD, 0)]),
    ("2.28.3", "Mbed TLS", [(function_module.FIRST_FIELD, 8), (function_module.FIELD, 8), (function_module.FIRST_FIELD, 0)]),
    ("2.20.0", "Mbed TLS", [(function_module.NONE, 0)] * 3), ("3.4.1", "Mbed TLS 3", [(function_module.NONE, 0)] * 3),
    ("3.6.2", "Mbed TLS 3", [(function_module.FIRST_FIELD, 0), (function_module.FIELD, 0), (function_module.FIRST_FIELD_TEXT, 0)]),
    (None, "Mbed TLS 3", [(function_module.NONE, 0)] * 3)])
def test_where_a_release_of_mbedtls_has_its_numbers(monkeypatch, version, family, structures):
    """Of a release whose structures are not known no algorithm is named."""
    monkeypatch.setattr(catalogue, "version_of", lambda elf, library: version)
    found = MBEDTLS_2.release(None).structures
    assert [found[name] for name in ("mbedtls_md_context_t", "mbedtls_md_info_t", "mbedtls_cipher_context_t")] == structures
    assert family_in(None, MBEDTLS_2).name == family and MBEDTLS_3.release is MBEDTLS_2.release
    assert family_in(None, OPENSSL) is OPENSSL


def test_mbedtls_3_has_numbers_of_its_own():
    assert family_of("libmbedcrypto") is MBEDTLS_2
    assert [function.name for function in MBEDTLS_2.functions] == [function.name for function in MBEDTLS_3.functions]
    tables = {table for function in MBEDTLS_3.functions for table in (function.table, function.digest_table)}
    assert "mbedtls3_md" in tables and "mbedtls_md" not in tables


@pytest.mark.parametrize("family, name, fields", [
    ("GnuTLS", "gnutls_privkey_sign_data", ("sign", function_module.FIELD, 0, 4, "gnutls_pk", function_module.NID, 1, "gnutls_mac")),
    ("GnuTLS", "gnutls_pbkdf2", ("derive", function_module.NID, 0, 0, "gnutls_mac", function_module.NONE, 0, None)),
    ("Libgcrypt", "gcry_pk_sign", ("sign", function_module.TEXT, 2, 19, "sexp", function_module.NONE, 0, None)),
    ("Libgcrypt", "gcry_cipher_open", ("cipher", function_module.NID, 1, 0, "gcry_cipher_open", function_module.NID, 2, None)),
    ("Mbed TLS", "mbedtls_pk_sign", ("sign", function_module.FIRST_FIELD, 0, 0, "mbedtls_pk", function_module.NID, 1, "mbedtls_md")),
    ("OpenSSL", "EVP_DigestSignInit", ("sign", function_module.FIELD, 4, 0, "nid", function_module.DIGEST, 2, "nid")),
    ("OpenSSL", "EVP_DigestSignInit_ex", ("sign", function_module.FIELD, 5, 0, "nid", function_module.TEXT, 2, None)),
    ("OpenSSL", "EVP_MAC_init", ("mac", function_module.FIRST_FIELD_TEXT, 0, 16, None, function_module.NONE, 0, None)),
    ("OpenSSL", "RSA_sign", ("sign", function_module.NONE, 0, 0, None, function_module.NID, 0, "nid")),
    ("OpenSSL", "EVP_EncryptInit_ex", ("encrypt", function_module.BY_RELEASE, 1, 0, "nid", function_module.NONE, 0, None)),
    ("Nettle", "nettle_hmac_set_key", ("mac", function_module.FIELD_TEXT, 3, 0, None, function_module.NONE, 0, None))])
def test_the_algorithm_of_a_row(family, name, fields):
    found = next(function for function in family_named(family).functions if function.name == name)
    assert (found.operation, found.shape, found.argument, found.offset, found.table, found.digest_shape, found.digest_argument, found.digest_table) == fields


def test_sizes_and_directions_of_a_row():
    found = next(function for function in family_named("wolfSSL").functions if function.name == "wc_AesSetKey")
    assert (found.algorithm, found.bits_argument, found.in_bytes, found.direction_argument, found.encrypts_at_0) == ("AES", 2, True, 4, True)
    assert found.wanted_arguments() == {2, 4}
    found = next(function for function in family_named("Mbed TLS").functions if function.name == "mbedtls_cipher_setkey")
    assert (found.bits_argument, found.in_bytes, found.direction_argument, found.encrypts_at_0) == (2, False, 3, False)
    found = next(function for function in OPENSSL.functions if function.name == "EVP_CipherInit_ex")
    assert found.wanted_arguments() == {0, 1, 5}, "the cipher may be that of the context"


FOUND = r"\{\w+ (arg[0-5](\+\d+|(\[0\])?\[\d+\])?|\w+\(arg[0-5]\)|arg[0-5] arg[0-5])\}"
ROW = r"[a-z_]+ ([A-Za-z0-9_-]+|[A-Z0-9-]*%s(-[A-Z0-9-]+)?|EVP_BytesToKey-%s)(\[-%s\])?( (bits|bytes|encrypt_if|decrypt_if)=arg[1-5])*: \w+( +\w+)*" % (FOUND, FOUND, FOUND)
MODULES = tuple(module for module in vars(families_module).values() if isinstance(module, ModuleType) and hasattr(module, "FAMILIES"))
TEXTS = [text for module in MODULES for name, text in vars(module).items() if type(text) is str and "\n# " in text]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.split("\n")[1][:30])
def test_every_row_is_of_the_notation(text):
    """The parser, which runs on every host, takes that for granted."""
    for line in family_module._lines(text):
        assert re.fullmatch(ROW, line), line
        # what names.algorithm() can't join: a second part behind a pattern, or behind a text
        assert not re.search(r"[A-Z-]\{.*\[-\{", line) and not re.search(r"\{text [^}]*\}\[-\{", line), line


def test_no_two_libraries_have_tables_of_one_name():
    owners = {}
    for family in FAMILIES + (MBEDTLS_3,):
        for table in family.algorithms:
            owners.setdefault(table, set()).add(family.name.replace(" 3", "").replace("Hogweed", "Nettle"))
    assert {table: names for table, names in owners.items() if len(names) > 1} == {}


def test_every_library_has_rows():
    assert len(TEXTS) == len(MODULES) + 1, "Nettle has Hogweed beside it"
    assert sum(len(family_module.functions(text)) for text in TEXTS) == len(FUNCTIONS) - len(MBEDTLS_3.functions)


def test_every_structure_of_a_row_is_known_in_each_release(monkeypatch):
    for family in FAMILIES:
        wanted = {function.structure for function in family.functions} - {None}
        for version in ("1.1.1w", "2.16.9", "3.0.2", "3.6.1", None):
            monkeypatch.setattr(catalogue, "embedded_openssl", lambda elf, version=version: ("OpenSSL", version))
            monkeypatch.setattr(catalogue, "version_of", lambda elf, library, version=version: version)
            assert not wanted or wanted <= set(family.release(None).structures)
