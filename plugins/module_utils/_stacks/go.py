# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks of Go programs: the release of Go, the crypto packages that are linked in, and the build settings that affect them.

Sources: Go src/debug/buildinfo/buildinfo.go (both formats of the build information), src/runtime/debug/mod.go (the text of module
information), src/cmd/link/internal/ld/data.go (where it is placed), src/runtime/symtab.go (names of functions stay in a stripped
program: tracebacks need them).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import struct

from .._formats.elf import ElfError
from .stack import BUILD_INFO, Stack, details

_MAGIC = b"\xff Go buildinf:"
_ALIGN = 16
_HEADER = 32
_INLINE, _BIG_ENDIAN = 2, 1  # flags in byte 15

# Limits in bytes: what is searched for the build information where no section names it (the linker puts it first), and its texts.
_MAX_SEARCH = 1 << 20
_MAX_VERSION = 256
_MAX_MODULES = 2 << 20

# Modules that implement TLS or cryptography: path prefixes, each followed by the end or "/".
_CRYPTO_MODULES = (
    "golang.org/x/crypto", "filippo.io", "github.com/cloudflare/circl", "github.com/refraction-networking/utls", "github.com/bogdanfinn/utls",
    "github.com/quic-go", "github.com/lucas-clemente/quic-go", "github.com/marten-seemann", "github.com/pion/dtls",
    "github.com/ProtonMail/go-crypto", "github.com/golang-fips", "github.com/microsoft/go-crypto-openssl", "github.com/microsoft/go-crypto",
    "github.com/spacemonkeygo/openssl", "github.com/libp2p/go-openssl", "github.com/smallstep", "github.com/google/tink", "github.com/tink-crypto",
    "github.com/emmansun/gmsm", "github.com/tjfoc/gmsm", "github.com/open-quantum-safe/liboqs-go", "github.com/miekg/pkcs11",
    "github.com/ThalesIgnite/crypto11", "github.com/flynn/noise", "github.com/go-jose", "github.com/golang-jwt", "github.com/jedisct1/go-minisign",
    "golang.zx2c4.com/wireguard",
)
# Build settings that select or change the cryptography: Go doc/godebug.md, src/internal/buildcfg/exp.go, "go help environment".
_BUILD_SETTINGS = ("GOFIPS140", "GOEXPERIMENT", "CGO_ENABLED", "-tags")
_GODEBUG = ("fips140", "tls", "x509", "rsa", "crypto", "dataindependenttiming", "boring")
_FIPS_EXPERIMENTS = ("boringcrypto", "opensslcrypto", "systemcrypto", "cngcrypto", "darwincrypto")

# Functions that are in every program that links the package: (package, text to search for in the table of function names).
PACKAGES = (
    ("crypto/tls", b"crypto/tls.(*Conn)."),
    ("golang.org/x/crypto/ssh", b"golang.org/x/crypto/ssh.(*handshakeTransport)."),
    ("crypto/x509", b"crypto/x509.(*Certificate)."),
    ("crypto/aes", b"crypto/aes.NewCipher"),
    ("crypto/rsa", b"crypto/rsa.(*PrivateKey)."),
    ("crypto/ecdsa", b"crypto/ecdsa.(*PrivateKey)."),
    ("crypto/ed25519", b"crypto/ed25519.Sign"),
)
_STACKS = ("crypto/tls", "golang.org/x/crypto/ssh")


class BuildInfo:
    """The build information in a Go program.

    version: str, such as ``go1.22.1``; experiments: str, the experiments behind it (``go1.22.1 X:boringcrypto``), or empty;
    main: ``(path, version)`` of the main module, or None; modules: list of ``(path, version)`` of its dependencies, after replacement;
    settings: dict of str, the build settings. A version is None where it is empty.
    """

    def __init__(self, version, text):
        """:arg version: str. :arg text: str, the module information."""
        self.version, _blank, self.experiments = version.partition(" X:")
        self.main = None
        self.modules = []
        self.settings = {}
        for line in text.split("\n"):
            fields = line.split("\t")
            if fields[0] in ("mod", "dep") and len(fields) > 2:
                module = (fields[1], fields[2] or None)
                if fields[0] == "mod":
                    self.main = module
                else:
                    self.modules.append(module)
            elif fields[0] == "=>" and len(fields) > 2 and self.modules:  # go.mod replaces the module before by this one
                self.modules[-1] = (fields[1], fields[2] or None)
            elif fields[0] == "build" and len(fields) > 1:
                key, _equals, value = fields[1].partition("=")
                self.settings[key] = value.strip('"')


def build_info(elf):
    """The build information of a program.

    :arg elf: ElfFile.
    :returns: BuildInfo, or None where it is no Go program.
    :raises OSError: reading fails.
    """
    try:
        at = _find(elf)
        if at is None:
            return None
        header = elf.read(at, _HEADER)
        if header[15] & _INLINE:
            version, at = _inline(elf, at + _HEADER, _MAX_VERSION)
            text, _at = _inline(elf, at, _MAX_MODULES)
        else:
            version, text = _pointed(elf, header)
    except (ElfError, struct.error, IndexError):
        return None
    if not version.startswith((b"go", b"devel")):
        return None
    # 16 bytes of sentinel on both sides: src/cmd/go/internal/modload/build.go, infoStart and infoEnd
    text = text[16:-16] if len(text) >= 33 and text[-17:-16] == b"\n" else b""
    return BuildInfo(version.decode("utf-8", "replace"), text.decode("utf-8", "replace"))


def _find(elf):
    """The offset (int) of the build information in the file, or None."""
    places = [(section.offset, section.size) for section in elf.sections() if section.name == b".go.buildinfo"]
    if not places:
        places = [(offset, size) for offset, _vaddr, size in elf.writable_segments()]
    for begin, size in places[:1]:  # a crafted file can have 65,535 sections of this name
        data = elf.read(begin, min(size, _MAX_SEARCH))
        at = data.find(_MAGIC)
        while at >= 0 and at % _ALIGN:
            at = data.find(_MAGIC, at + 1)
        if at >= 0 and at + _HEADER <= len(data):
            return begin + at
    return None


def _inline(elf, at, most):
    """A text with its length before it, as a varint (Go src/encoding/binary/varint.go).

    :arg at: int, offset in the file.
    :arg most: int, the most bytes accepted.
    :returns: ``(text, offset behind it)``, bytes and int.
    :raises ElfError: it is longer, or cut.
    """
    data = elf.read(at, 10)
    length = shift = used = 0
    while True:
        byte = data[used]
        length |= (byte & 0x7F) << shift
        shift, used = shift + 7, used + 1
        if not byte & 0x80:
            break
    text = elf.read(at + used, min(length, most))
    if len(text) < length:
        raise ElfError("a text of %d bytes is too long or cut" % length)
    return text, at + used + length


def _pointed(elf, header):
    """Version and module information in the format before Go 1.18, pointers to Go strings (pointer, length): list of two bytes."""
    if header[14] not in (4, 8):
        raise ElfError("pointers of %d bytes" % header[14])
    layout = struct.Struct((">" if header[15] & _BIG_ENDIAN else "<") + ("II" if header[14] == 4 else "QQ"))
    texts = []
    for pointer, most in zip(layout.unpack_from(header, 16), (_MAX_VERSION, _MAX_MODULES)):
        if pointer == 0:
            texts.append(b"")
            continue
        place, length = layout.unpack(elf.read_address(pointer, layout.size))
        if length > most:
            raise ElfError("the text of %d bytes is too long" % length)
        texts.append(elf.read_address(place, length) if length else b"")
    return texts


def name_table(elf):
    """Where the names of functions are in a Go program: list of ``(offset, end)``; the whole file where no section says so.

    For a shared library, the C linker puts the table into the section of relocated data.

    :arg elf: ElfFile.
    """
    sections = elf.sections()
    for names in ((b".gopclntab", b".data.rel.ro.gopclntab"), (b".data.rel.ro",)):
        found = [(section.offset, section.offset + section.size) for section in sections if section.name in names]
        if found:
            return found
    return [(0, os.fstat(elf.fd).st_size)]


def stacks(info, packages):
    """The stacks of a Go program.

    :arg info: BuildInfo.
    :arg packages: set of str, those of PACKAGES that were found in it; None where its functions have no names.
    :returns: list of Stack; empty where it has no TLS, SSH or crypto package.
    """
    modules = [module for module in info.modules if (module[0] + "/").startswith(tuple(beginning + "/" for beginning in _CRYPTO_MODULES))]
    found = {"modules": modules + [(name, None) for name in sorted(packages or ())], "program": info.main, "fips": _fips(info), "settings": _settings(info)}
    named = [name for name in _STACKS if name in (packages or ())]
    if not named and (modules or packages):
        named = ["crypto"]
    version = info.version[2:] if info.version.startswith("go") else info.version
    return [Stack("Go %s" % name, version, BUILD_INFO, details(**found)) for name in named]


def _settings(info):
    """The settings of a BuildInfo that affect cryptography: list of ``(name, value)``, str."""
    chosen = [(name, info.settings[name]) for name in _BUILD_SETTINGS if info.settings.get(name)]
    if info.experiments and "GOEXPERIMENT" not in info.settings:
        chosen.append(("GOEXPERIMENT", info.experiments))
    for setting in info.settings.get("DefaultGODEBUG", "").split(","):
        name, _equals, value = setting.partition("=")
        if name.startswith(_GODEBUG):
            chosen.append(("GODEBUG " + name, value))
    return chosen


def _fips(info):
    """The FIPS 140 mode of a BuildInfo, as Go spells it: the FIPS module of Go 1.24 and later, or an experiment that replaces crypto. str or None."""
    words = []
    if info.settings.get("GOFIPS140", "off") != "off":
        words.append("GOFIPS140=" + info.settings["GOFIPS140"])
    for setting in info.settings.get("DefaultGODEBUG", "").split(","):
        if setting.startswith("fips140=") and setting != "fips140=off":
            words.append(setting)
    experiments = set((info.settings.get("GOEXPERIMENT", "") + "," + info.experiments).split(","))
    words += [name for name in _FIPS_EXPERIMENTS if name in experiments]
    return ", ".join(words) or None
