# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks of Rust programs and extension modules: their crypto crates, from cargo-auditable's list, else from paths of source files.

Sources: rust-secure-code/cargo-auditable PARSING.md and cargo-auditable.schema.json (section .dep-v0: zlib, JSON); panic messages contain
the path of the source file, which is ``.../NAME-VERSION/src/FILE.rs`` for a crate of a registry (Cargo book, "Registry index").

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import json
import re
import zlib

from .stack import Stack, details, limited

_SECTION = b".dep-v0"
# Limits in bytes. The largest list known has 2,000 crates, 200 KiB of text.
_MAX_SECTION = 1 << 20
_MAX_JSON = 8 << 20

# Crates (crates.io) that are a TLS or SSH implementation, and the name of their stack. The order is that of the profile.
_STACKS = (
    ("rustls", "rustls"), ("s2n-tls", "s2n-tls"), ("s2n-tls-sys", "s2n-tls"), ("boring", "BoringSSL"), ("boring-sys", "BoringSSL"),
    ("boring2", "BoringSSL"), ("btls", "BoringSSL"), ("mbedtls", "Mbed TLS"), ("wolfssl-sys", "wolfSSL"), ("russh", "russh"), ("thrussh", "thrussh"),
)
# Named where there is none of these: crates of cryptography without a protocol.
_PRIMITIVES = ("aws-lc-rs", "aws-lc-fips-sys", "aws-lc-sys", "ring", "graviola", "libsodium-sys", "sequoia-openpgp", "pgp", "orion", "dryoc")
# Crates reported as parts of a stack, or through which OpenSSL is used. A library that is linked dynamically is among the process's libraries.
_PARTS = _PRIMITIVES + (
    "openssl", "openssl-sys", "openssl-src", "native-tls", "rustls-webpki", "webpki", "rustls-native-certs", "rustls-platform-verifier",
    "rustls-openssl", "rustls-post-quantum", "rustls-graviola", "rustls-cng-crypto", "rustls-symcrypt", "rustls-mbedcrypto-provider", "tokio-rustls",
    "tokio-native-tls", "tokio-boring", "hyper-rustls", "hyper-tls", "quinn", "quinn-proto", "s2n-quic", "quiche", "snow", "ssh2", "libssh2-sys",
    "aes", "aes-gcm", "chacha20", "chacha20poly1305", "rsa", "dsa", "p256", "p384", "p521", "k256", "ed25519-dalek", "curve25519-dalek", "x25519-dalek",
    "ml-kem", "ml-dsa", "sha1", "sha-1", "sha2", "sha3", "md-5", "md5", "des", "rc4", "blake2", "blake3", "hmac", "hkdf", "pbkdf2", "argon2", "scrypt",
    "bcrypt", "pkcs1", "pkcs8", "x509-cert", "x509-parser", "rcgen", "jsonwebtoken",
)
_NAMES = frozenset(_PARTS) | {crate for crate, _stack in _STACKS}

# What the path of a source file begins with. A separator is before it, or the end of another such path: Rust's texts have no terminator.
MARKS = (b"rustls-", b"ring-0.", b"aws-lc-", b"boring", b"openssl-", b"s2n-tls-", b"russh-")
_SOURCE = re.compile(rb"(?:(?<![-_0-9A-Za-z])|(?<=\.rs))(?P<name>[a-z][a-z0-9_-]*?)-"
                     rb"(?P<version>\d{1,5}\.\d{1,5}\.\d{1,5}(?:[-+][0-9A-Za-z.+-]{1,64}?)?)/(?:src|crates)/")
_BEFORE, _BEHIND = 4, 160  # bytes around a mark in which the pattern must match


def audit_data(elf):
    """The crates that cargo-auditable lists in a file.

    :arg elf: ElfFile.
    :returns: ``(crates, root)``: list of ``(name, version)``, and ``(name, version)`` of the program or None; all str. None where there is no such list.
    :raises OSError: reading fails.
    """
    section = next((section for section in elf.sections() if section.name == _SECTION), None)
    if section is None:
        return None
    try:
        packages = json.loads(zlib.decompressobj().decompress(elf.read(section.offset, min(section.size, _MAX_SECTION)), _MAX_JSON).decode("utf-8"))["packages"]
        crates = [(package["name"], package["version"], package.get("kind", "runtime"), package.get("root", False)) for package in packages]
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not all(isinstance(name, str) and isinstance(version, str) for name, version, _kind, _root in crates):
        return None
    root = next(((name, version) for name, version, _kind, is_root in crates if is_root is True), None)
    return [(name, version) for name, version, kind, _root in crates if kind == "runtime"], root


def crate_at(data, at):
    """The crate to whose source path a mark belongs: ``(name, version)`` of str, or None.

    :arg data: bytes or bytearray.
    :arg at: int, offset of one of MARKS.
    """
    begin = max(0, at - _BEFORE)
    match = _SOURCE.match(bytes(data[begin:at + _BEHIND]), at - begin)
    if match is None:
        return None
    name, version = match.group("name").decode("ascii"), match.group("version").decode("ascii")
    return (name, version) if name in _NAMES else None


def stacks(crates, root, how):
    """The stacks that crates implement.

    :arg crates: iterable of ``(name, version)``, str.
    :arg root: ``(name, version)`` of the program, or None.
    :arg how: AUDIT_DATA or MARKER, where the crates were found.
    :returns: list of Stack; empty where none of the crates implements cryptography itself.
    """
    crates = {(name, version) for name, version in crates if name in _NAMES}
    fips = "aws-lc-fips-sys" if any(name == "aws-lc-fips-sys" for name, _version in crates) else None
    found = []
    for stack in dict.fromkeys(stack for _crate, stack in _STACKS):
        versions = [version for crate, name in _STACKS if name == stack for own, version in sorted(crates) if own == crate]
        if versions:
            # a crate that wraps a C library has its own version, which is not the library's
            found.append((stack, versions[-1] if stack in ("rustls", "russh", "thrussh") else None))
    if not found:
        for primitive in _PRIMITIVES:
            versions = [version for name, version in sorted(crates) if name == primitive]
            if versions:
                found.append((primitive, versions[-1]))
                break
    return [Stack(name, limited(version), how, details(program=root, fips=fips, modules=crates)) for name, version in found]
