# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of crypto libraries: recognises a library by its file name, and reads project and version from its content.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections
import functools
import os
import re

Library = collections.namedtuple("Library", "name family file_name directory version file_version source")
Library.__doc__ = """One entry of the catalogue.

name: str, as profiles name the library;
family: str, the project it belongs to;
file_name: compiled bytes pattern for the whole base name;
directory: compiled bytes pattern for the whole folder it must be in, or None;
version: compiled bytes pattern whose group 1 is the release in the file's read-only data, or None;
file_version: "release" where the digits after .so are the release, "interface" where they number the ABI, None where they say neither;
source: str, where the name and the version text come from."""


# The version after .so may carry letters (RHEL: libcrypto.so.1.0.2k); auditwheel puts "-" and the beginning of a SHA-256 before
# .so (auditwheel src/auditwheel/repair.py, copylib); some builds put the version there (libcrypt-2.36.so).
_TAIL = rb"(?:-[0-9a-f]{8,64}|-[0-9][0-9._]*)?\.so(?:\.[0-9]+[a-z]*)*"
_PYTHON_TAIL = rb"(?:\.(?:cpython|pypy|abi3|graalpy)[-0-9a-z_]*)?\.so"

# openssl include/openssl/opensslv.h.in, OPENSSL_VERSION_TEXT: its version and date
OPENSSL_VERSION = re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]*(?:[-+][0-9A-Za-z.+-]+)?)(?: +FIPS)? +(?:\d{1,2} [A-Z][a-z]{2} \d{4}|xx XXX xxxx)")
_OPENSSL_FORKS = (  # aws-lc include/openssl/opensslv.h; boringssl include/openssl/opensslv.h; libressl include/openssl/opensslv.h
    ("AWS-LC", re.compile(rb"compatible; AWS-LC (\d+\.\d+\.\d+)\)")),
    ("BoringSSL", re.compile(rb"compatible; (BoringSSL)\)")),
    ("LibreSSL", re.compile(rb"LibreSSL (\d+\.\d+\.\d+)")),
)
# The literal text that each pattern begins with. bytes.find is faster than the pattern, which runs only where the text occurs.
_LITERALS = {"OpenSSL": b"OpenSSL ", "AWS-LC": b"compatible; AWS-LC", "BoringSSL": b"compatible; BoringSSL", "LibreSSL": b"LibreSSL "}

_ENGINES = rb"(?:engines-[0-9][0-9._]*|openssl[^/]*/engines)"
_MODULES = rb"ossl-modules"


def _library(name, family, stems, version=None, file_version="interface", source="", directory=None, tail=_TAIL):
    return Library(name, family, re.compile(rb"(?:" + stems + rb")" + tail),
                   re.compile(rb"(?:.*/)?" + directory, re.DOTALL) if directory else None,
                   re.compile(version) if version else None, file_version, source)


_NSS = rb"Version: NSS (\d+\.\d+(?:\.\d+)?)"
CATALOGUE = (
    _library("libcrypto", "OpenSSL", rb"libcrypto", OPENSSL_VERSION.pattern, source="openssl VERSION.dat, include/openssl/opensslv.h.in"),
    _library("libssl", "OpenSSL", rb"libssl", OPENSSL_VERSION.pattern,
             source="openssl; since 1.1 it has no version of its own: see libcrypto"),
    _library("libtls", "LibreSSL", rb"libtls", rb"LibreSSL (\d+\.\d+\.\d+)", source="libressl libtls"),
    _library("oqsprovider", "liboqs", rb"oqsprovider", source="open-quantum-safe/oqs-provider"),
    _library("openssl-provider", "OpenSSL provider", rb"fips|legacy", rb"\0(3\.\d{1,2}\.\d{1,3}(?:-[0-9a-z.]+)?)\0", None,
             "openssl providers/legacyprov.c, providers/fips/fipsprov.c: OSSL_PROV_PARAM_VERSION", _MODULES),
    _library("openssl-provider", "OpenSSL provider", rb"[^/]+?", None, None, "openssl Configure: MODULESDIR", _MODULES),
    _library("openssl-engine", "OpenSSL engine", rb"[^/]+?", None, None, "openssl Configure: ENGINESDIR", _ENGINES),
    _library("qatengine", "Intel QAT", rb"(?:lib)?qat(?:engine|provider)", source="intel/QAT_Engine"),
    _library("libqat", "Intel QAT", rb"lib(?:qat|usdm|qat_s|usdm_drv_s)", source="intel/qatlib"),
    _library("libgnutls", "GnuTLS", rb"libgnutls", rb"Enabled GnuTLS (\d+\.\d+\.\d+[0-9a-z]*)", source="gnutls lib/global.c"),
    _library("libssl3", "NSS", rb"libssl3", _NSS, None, "nss lib/ssl/sslver.c", tail=rb"\.so"),
    _library("libnss3", "NSS", rb"libnss3", _NSS, None, "nss lib/nss/nssver.c", tail=rb"\.so"),
    _library("libsmime3", "NSS", rb"libsmime3", _NSS, None, "nss lib/smime/smimever.c", tail=rb"\.so"),
    _library("libsoftokn3", "NSS", rb"libsoftokn3", _NSS, None, "nss lib/softoken/softkver.c", tail=rb"\.so"),
    _library("libfreebl3", "NSS", rb"libfreebl(?:3|priv3|_[0-9A-Za-z_]+)", _NSS, None, "nss lib/freebl/freeblver.c", tail=rb"\.so"),
    _library("libnssutil3", "NSS", rb"libnssutil3", _NSS, None, "nss lib/util/utilver.c", tail=rb"\.so"),
    _library("libnssckbi", "NSS", rb"libnss(?:ckbi|dbm3|sysinit)", _NSS, None, "nss lib/ckfw/builtins", tail=rb"\.so"),
    _library("libsodium", "libsodium", rb"libsodium", rb"\0(1\.0\.\d{1,3})\0", source="libsodium src/libsodium/sodium/version.c"),
    _library("libmbedcrypto", "Mbed TLS", rb"libmbedcrypto|libtfpsacrypto", rb"[Mm]bed TLS (\d+\.\d+\.\d+)", "release",
             "mbedtls include/mbedtls/version.h; CMakeLists.txt: VERSION"),
    _library("libmbedtls", "Mbed TLS", rb"libmbedtls", rb"[Mm]bed TLS (\d+\.\d+\.\d+)", "release",
             "mbedtls library/CMakeLists.txt"),
    _library("libmbedx509", "Mbed TLS", rb"libmbedx509", rb"[Mm]bed TLS (\d+\.\d+\.\d+)", "release",
             "mbedtls library/CMakeLists.txt"),
    _library("libgcrypt", "Libgcrypt", rb"libgcrypt", rb"This is Libgcrypt (\d+\.\d+\.\d+[-0-9a-z]*)",
             source="libgcrypt compat/compat.c"),
    _library("libnettle", "Nettle", rb"libnettle", source="nettle configure.ac: LIBNETTLE_MAJOR; the release is not in the file"),
    _library("libhogweed", "Nettle", rb"libhogweed", source="nettle configure.ac: LIBHOGWEED_MAJOR"),
    _library("libwolfssl", "wolfSSL", rb"lib(?:wolfssl|wolfcrypt|cyassl)", rb"(?:\0|wolfSSL )([345]\.\d{1,2}\.\d{1,2})\0",
             source="wolfssl/version.h, src/ssl.c: wolfSSL_OpenSSL_version"),
    _library("libs2n", "s2n-tls", rb"libs2n", source="aws/s2n-tls"),
    _library("libbotan", "Botan", rb"libbotan(?:-[0-9]+)?", rb"Botan (\d+\.\d+\.\d+) ", source="botan src/lib/utils/version.cpp"),
    _library("libcryptopp", "Crypto++", rb"libcrypto(?:\+\+|pp)", None, "release", "cryptopp GNUmakefile: LIB_VER"),
    _library("liboqs", "liboqs", rb"liboqs", None, "release", "open-quantum-safe/liboqs CMakeLists.txt: VERSION"),
    _library("libp11-kit", "p11-kit", rb"libp11-kit|p11-kit-(?:proxy|trust|client)", source="p11-kit"),
    _library("opensc", "OpenSC", rb"(?:onepin-)?opensc-pkcs11|libopensc|pkcs11-spy|libsmm-local", rb"\0(0\.\d{2}\.\d{1,2})\0",
             source="OpenSC src/libopensc/ctx.c: sc_get_version"),
    _library("softhsm", "SoftHSM", rb"libsofthsm2?", source="softhsm/SoftHSMv2"),
    _library("opencryptoki", "openCryptoki", rb"libopencryptoki|PKCS11_API", source="opencryptoki/opencryptoki"),
    _library("tpm2-pkcs11", "TPM2 software stack", rb"libtpm2_pkcs11", source="tpm2-software/tpm2-pkcs11"),
    _library("pkcs11-module", "PKCS #11 module",
             rb"libykcs11|libCryptoki2(?:_64)?|libcknfast|libcloudhsm_pkcs11|libeToken|libpkcs11-helper",
             source="YubiKey, Luna, nShield, CloudHSM, SafeNet: vendors' manuals"),
    _library("pkcs11-module", "PKCS #11 module", rb"[^/]+?", None, None, "p11-kit: P11_MODULE_PATH is LIBDIR/pkcs11",
             rb"lib[^/]*/(?:[^/]+/)?pkcs11"),
    _library("libtss2", "TPM2 software stack", rb"libtss2-(?:esys|sys|mu|fapi|policy|rc|tctildr|tcti-[a-z0-9-]+)",
             source="tpm2-tss Makefile.am"),
    _library("libtspi", "TrouSerS", rb"libtspi", source="TrouSerS (TPM 1.2)"),
    _library("libssh", "libssh", rb"libssh(?:-gcrypt|_threads)?", rb"libssh_(\d+\.\d+\.\d+)",
             source="libssh include/libssh/libssh_version.h.cmake"),
    _library("libssh2", "libssh2", rb"libssh2", rb"libssh2_(\d+\.\d+\.\d+)",
             source="libssh2 include/libssh2.h: LIBSSH2_SSH_BANNER"),
    _library("libk5crypto", "Kerberos", rb"libk5crypto", source="krb5 src/lib/crypto; the release is in libkrb5"),
    _library("libkrb5", "Kerberos", rb"libkrb5", rb"KRB5_BRAND: krb5-([0-9.]+)",
             source="krb5 src/patchlevel.h, src/lib/krb5/krb/brand.c"),
    _library("libgssapi", "Kerberos", rb"libgssapi(?:_krb5)?|libgssrpc", source="krb5 src/lib/gssapi; heimdal lib/gssapi"),
    _library("libhcrypto", "Kerberos", rb"libhcrypto", rb"Heimdal [^\0]{0,40}version (\d+\.\d+\.\d+)",
             source="heimdal lib/hcrypto/engine.c"),
    _library("libshishi", "Kerberos", rb"libshishi", source="GNU Shishi"),
    _library("libkcapi", "libkcapi", rb"libkcapi", None, "release", "libkcapi configure.ac"),
    _library("libgpgme", "GPGME", rb"libgpgme(?:-pthread|pp)?", rb"This is GPGME (\d+\.\d+\.\d+)", source="gpgme src/version.c"),
    _library("libassuan", "Libassuan", rb"libassuan", rb"This is Libassuan (\d+\.\d+\.\d+)",
             source="libassuan src/version.c (talks to gpg-agent)"),
    _library("librnp", "RNP", rb"librnp", None, "release", "rnpgp/rnp"),
    _library("libsequoia", "Sequoia", rb"libsequoia_[a-z_]+", source="sequoia-pgp"),
    _library("libmcrypt", "mcrypt", rb"libmcrypt", rb"\0(2\.[45]\.\d{1,2})\0", source="mcrypt configure.in"),
    _library("libmhash", "mhash", rb"libmhash", source="mhash"),
    _library("libtomcrypt", "LibTomCrypt", rb"libtomcrypt", rb"LibTomCrypt (\d+\.\d+\.\d+)",
             source="libtomcrypt src/misc/crypt/crypt.c"),
    _library("libcrypt", "libcrypt", rb"libcrypt", source="glibc crypt, besser82/libxcrypt (password hashing)"),
    _library("libcryptsetup", "cryptsetup", rb"libcryptsetup", rb"\0(2\.\d{1,2}\.\d{1,2})\0",
             source="cryptsetup configure.ac (LUKS)"),
    _library("libxmlsec", "XMLSec", rb"libxmlsec1(?:-[a-z]+)?", None, "release", "lsh123/xmlsec configure.ac"),
    _library("libargon2", "Argon2", rb"libargon2", source="P-H-C/phc-winner-argon2"),
    _library("libscrypt", "scrypt", rb"libscrypt(?:-kdf)?", source="technion/libscrypt, Tarsnap/scrypt"),
    _library("libb2", "BLAKE2", rb"libb2", source="BLAKE2/libb2"),
    _library("libbearssl", "BearSSL", rb"libbearssl", source="bearssl.org"),
    _library("librustls", "rustls", rb"librustls(?:_ffi)?", source="rustls/rustls-ffi"),
    _library("libgmssl", "GmSSL", rb"libgmssl", source="guanzhi/GmSSL"),
    _library("libolm", "Olm", rb"libolm", None, "release", "matrix-org/olm"),
    _library("libsignal", "Signal protocol", rb"libsignal(?:-protocol-c|_jni|_client)", source="signalapp"),
    _library("libsrtp", "libsrtp", rb"libsrtp2?", source="cisco/libsrtp"),
    _library("libaws-c-cal", "AWS CAL", rb"libaws-c-cal", source="awslabs/aws-c-cal"),
    _library("libica", "libica", rb"libica(?:-cex)?", None, "release", "opencryptoki/libica (IBM Z)"),
    _library("libipsec-mb", "Intel crypto", rb"libIPSec_MB|libisal_crypto|libippcp|libcrypto_mb",
             source="intel/intel-ipsec-mb, isa-l_crypto, cryptography-primitives"),
    _library("libstrongswan", "strongSwan", rb"libstrongswan(?:-[a-z0-9-]+)?|libtpmtss|libcharon", source="strongSwan"),
    _library("libj2pkcs11", "JVM", rb"libj2pkcs11|libsunec|libj2gss|libj2pcsc", None, None,
             "openjdk src/jdk.crypto.cryptoki, jdk.crypto.ec", tail=rb"\.so"),
    _library("conscrypt", "BoringSSL", rb"lib(?:conscrypt_[a-z]+_jni|netty_tcnative)[-_0-9A-Za-z]*", None, None,
             "google/conscrypt, netty-tcnative", tail=rb"\.so"),
    _library("corretto-crypto", "AWS-LC", rb"libamazonCorrettoCryptoProvider[-_0-9A-Za-z]*", None, None,
             "corretto/amazon-corretto-crypto-provider"),
    _library("python-ssl", "Python", rb"_ssl|_hashlib", OPENSSL_VERSION.pattern, None, "cpython Modules/_ssl.c, Modules/_hashopenssl.c",
             tail=_PYTHON_TAIL),
    _library("python-cryptography", "pyca/cryptography", rb"_rust|_openssl", OPENSSL_VERSION.pattern, None, "pyca/cryptography",
             rb"cryptography/hazmat/bindings",
             _PYTHON_TAIL),
    _library("python-grpc", "BoringSSL", rb"cygrpc", None, None, "grpc/grpc src/python/grpcio", tail=_PYTHON_TAIL),
    _library("ruby-openssl", "Ruby", rb"openssl", OPENSSL_VERSION.pattern, None, "ruby/openssl", rb"ruby/.*", rb"\.so"),
    _library("perl-ssleay", "Perl", rb"SSLeay", OPENSSL_VERSION.pattern, None, "Net-SSLeay", rb"Net/SSLeay", rb"\.so"),
    _library("erlang-crypto", "Erlang", rb"crypto(?:_callback)?", OPENSSL_VERSION.pattern, None, "erlang/otp lib/crypto",
             rb"crypto-[0-9.]+/priv/lib", rb"\.so"),
)

_NUMBERS = re.compile(rb"\.so((?:\.[0-9]+[a-z]*)+)$")

# Limits: bytes of a file that are searched, and at a time. libcrypto is 5 MB; the read-only data of node is 40 MB.
_MAX_SEARCH = 64 << 20
_CHUNK = 1 << 20
_OVERLAP = 256  # longer than any version text

# Exported by an executable that carries its own OpenSSL for its add-ons (node, some builds of nginx and Python).
_OPENSSL_API = ("EVP_EncryptInit_ex", "EVP_DigestInit_ex", "EVP_CIPHER_CTX_new", "SSL_new", "SSL_do_handshake")


@functools.lru_cache(maxsize=8192)
def recognise(path):
    """Which crypto library a file is, by its base name and, where that is ambiguous, by its folder.

    :arg path: bytes, absolute, without the kernel's " (deleted)".
    :returns: Library, or None. For a provider, an engine or a PKCS #11 module that is recognised by its folder only, name is the
        file's own name without ``.so``.
    """
    folder, _slash, base = path.rpartition(b"/")
    if b".so" not in base:
        return None
    for library in CATALOGUE:
        if not library.file_name.fullmatch(base):
            continue
        if library.directory is None:
            return library
        if library.directory.fullmatch(folder):
            if library.name in ("openssl-provider", "openssl-engine", "pkcs11-module"):
                return library._replace(name=base.split(b".so", 1)[0].decode("utf-8", "backslashreplace"))
            return library
    return None


def identify(elf, library, path=None):
    """Family and version of a library, from its content, else from the digits in its file name.

    :arg elf: ElfFile (its executable segments are not searched), or int, a descriptor of the file.
    :arg library: Library, from recognise().
    :arg path: bytes, the file's name with symbolic links resolved, as in /proc/PID/maps; or None.
    :returns: ``(family, version)``. family is str: the library's own, except that libcrypto and libssl may turn out to be a fork of
        OpenSSL, and a language binding with OpenSSL linked in is OpenSSL. version is str or None: the release; or ``interface`` and
        the digits of the file name, where only these are known and they are not the release.
    :raises OSError: reading fails.
    """
    if library.version is not None and library.version.pattern == OPENSSL_VERSION.pattern:
        found = embedded_openssl(elf)
        if found is not None:
            return found
    elif library.version is not None:
        found = _search(elf, [(library.family, library.version)])
        if found is not None:
            return library.family, found[1]
    elif library.family in ("BoringSSL", "AWS-LC"):
        found = _search(elf, _OPENSSL_FORKS[:2])
        if found is not None and found[0] == "AWS-LC":
            return found
    numbers = _NUMBERS.search(path) if path is not None and library.file_version is not None else None
    if numbers is None:
        return library.family, None
    digits = numbers.group(1)[1:].decode("ascii")
    if library.file_version == "release" and digits.count(".") >= 1:
        return library.family, digits
    return library.family, "interface " + digits


def version_of(elf, library, path=None):
    """The version (str or None) that identify() finds. Arguments and errors as there."""
    return identify(elf, library, path)[1]


def exports_openssl(elf):
    """Whether an executable exports OpenSSL's functions itself, as node does.

    :arg elf: ElfFile.
    :returns: bool.
    :raises ElfError: the file is malformed.
    :raises OSError: reading fails.
    """
    return len(elf.symbols(_OPENSSL_API)) >= 3


def embedded_openssl(elf):
    """Family and version of the OpenSSL, or fork of it, that is linked into a file.

    A program that is linked with libcrypto dynamically contains the version text of the headers it was compiled with. That is no OpenSSL
    inside the file, so such a file gives None.

    :arg elf: ElfFile, or int, a descriptor of a file that is known not to be linked with libcrypto dynamically.
    :returns: ``(family, version)``, str and str or None (BoringSSL has no releases); or None where there is none.
    :raises OSError: reading fails.
    """
    if not isinstance(elf, int) and any(name.startswith((b"libcrypto.so", b"libcrypto-")) for name in elf.needed):
        if elf.soname is None or not elf.soname.startswith((b"libssl", b"libtls")):
            return None
    found = _search(elf, [("OpenSSL", OPENSSL_VERSION)] + list(_OPENSSL_FORKS))
    if found is None:
        return None
    return found[0], None if found[0] == "BoringSSL" else found[1]


def data_ranges(elf):
    """The parts of an ElfFile outside of its executable segments: list of ``(offset, end)``, in bytes of the file."""
    size = os.fstat(elf.fd).st_size
    ranges, at = [], 0
    for offset, _vaddr, length in sorted(elf.text_segments()):
        if offset > at:
            ranges.append((at, min(offset, size)))
        at = max(at, offset + length)
    if at < size:
        ranges.append((at, size))
    return ranges


def _search(elf, patterns):
    """Search a file for version texts.

    The whole file is searched unless the first pattern matches, because the order of patterns decides, not their place in the file. A fork
    of OpenSSL has the text "OpenSSL" too, but without a date, so it does not match the first.

    :arg elf: ElfFile, or int, a descriptor.
    :arg patterns: list of ``(family, pattern)``; group 1 of a pattern is the version.
    :returns: ``(family, version)`` of the first pattern in the list that matches, str; or None.
    :raises OSError: reading fails.
    """
    if isinstance(elf, int):
        fd, ranges = elf, [(0, os.fstat(elf).st_size)]
    else:
        fd, ranges = elf.fd, data_ranges(elf)
    left = _MAX_SEARCH
    found = {}
    for begin, end in ranges:
        while begin < end and left > 0:
            data = os.pread(fd, min(_CHUNK + _OVERLAP, end - begin), begin)
            if not data:
                break
            for family, pattern in patterns:
                if family not in found and (family not in _LITERALS or _LITERALS[family] in data):
                    match = pattern.search(data)
                    if match:
                        found[family] = match.group(1).decode("ascii")
            if patterns[0][0] in found:
                return patterns[0][0], found[patterns[0][0]]
            begin += _CHUNK
            left -= _CHUNK
    for family, _pattern in patterns:
        if family in found:
            return family, found[family]
    return None
