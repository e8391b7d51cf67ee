# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognition of crypto libraries by name, and versions read from real and from made-up files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats.elf import ElfError, ElfFile
from ansible_collections.cryptofleet.audit.plugins.module_utils._libraries.catalogue import (
    CATALOGUE,
    embedded_openssl,
    exports_openssl,
    identify,
    recognise,
    version_of,
)
from ansible_collections.cryptofleet.audit.tests.unit.support.made_files import NODE

KNOWN = [
    ("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "libcrypto", "OpenSSL"),
    ("/usr/lib64/libcrypto.so.1.0.2k", "libcrypto", "OpenSSL"),
    ("/usr/lib64/libssl.so.10", "libssl", "OpenSSL"),
    ("/opt/x/libssl-81ffa89e.so.1.1", "libssl", "OpenSSL"),
    ("/venv/psycopg2_binary.libs/libcrypto-3a1b2c3d.so.3", "libcrypto", "OpenSSL"),
    ("libssl.so", "libssl", "OpenSSL"),
    ("/lib/libtls.so.26.0.1", "libtls", "LibreSSL"),
    ("/usr/lib64/libssl3.so", "libssl3", "NSS"),
    ("/usr/lib64/libnss3.so", "libnss3", "NSS"),
    ("/usr/lib64/libfreeblpriv3.so", "libfreebl3", "NSS"),
    ("/usr/lib64/libsoftokn3.so", "libsoftokn3", "NSS"),
    ("/usr/lib/libgnutls.so.30.34.3", "libgnutls", "GnuTLS"),
    ("/usr/lib/libnettle.so.8.6", "libnettle", "Nettle"),
    ("/usr/lib/libhogweed-1f2e3d4c.so.6.6", "libhogweed", "Nettle"),
    ("/usr/lib/libmbedcrypto.so.2.28.3", "libmbedcrypto", "Mbed TLS"),
    ("/usr/lib/libcrypto++.so.8.7.0", "libcryptopp", "Crypto++"),
    ("/usr/lib/libbotan-2.so.19.19.3", "libbotan", "Botan"),
    ("/usr/lib/libtss2-esys.so.0.0.0", "libtss2", "TPM2 software stack"),
    ("/usr/lib/libtss2-tcti-device.so.0", "libtss2", "TPM2 software stack"),
    ("/lib/x86_64-linux-gnu/libcrypt.so.1.1.0", "libcrypt", "libcrypt"),
    ("/lib64/libcrypt-2.28.so", "libcrypt", "libcrypt"),
    ("/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", "legacy", "OpenSSL provider"),
    ("/usr/lib64/ossl-modules/fips.so", "fips", "OpenSSL provider"),
    ("/usr/lib64/ossl-modules/oqsprovider.so", "oqsprovider", "liboqs"),
    ("/usr/lib/x86_64-linux-gnu/engines-3/padlock.so", "padlock", "OpenSSL engine"),
    ("/usr/lib/x86_64-linux-gnu/engines-1.1/afalg.so", "afalg", "OpenSSL engine"),
    ("/usr/lib/x86_64-linux-gnu/openssl-1.0.0/engines/libgost.so", "libgost", "OpenSSL engine"),
    ("/usr/lib/x86_64-linux-gnu/pkcs11/opensc-pkcs11.so", "opensc", "OpenSC"),
    ("/usr/lib64/pkcs11/vendor.so", "vendor", "PKCS #11 module"),
    ("/usr/lib/softhsm/libsofthsm2.so", "softhsm", "SoftHSM"),
    ("/usr/lib64/p11-kit-proxy.so", "libp11-kit", "p11-kit"),
    ("/usr/lib/libgssapi_krb5.so.2.2", "libgssapi", "Kerberos"),
    ("/usr/lib/libssh.so.4.9.6", "libssh", "libssh"),
    ("/usr/lib/libssh2.so.1.0.1", "libssh2", "libssh2"),
    ("/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "python-ssl", "Python"),
    ("/usr/lib64/python3.6/lib-dynload/_hashlib.cpython-36m-x86_64-linux-gnu.so", "python-ssl", "Python"),
    ("/v/lib/python3/site-packages/cryptography/hazmat/bindings/_rust.abi3.so", "python-cryptography", "pyca/cryptography"),
    ("/usr/lib/jvm/java-17/lib/libj2pkcs11.so", "libj2pkcs11", "JVM"),
    ("/tmp/libnetty_tcnative_linux_x86_6412345678901.so", "conscrypt", "BoringSSL"),
]
UNKNOWN = [
    "/opt/libssl/bin/program", "/opt/libssl/libc.so.6", "/opt/libcrypto.so.3/readme", "/usr/lib/libcurl.so.4.8.0", "/usr/lib/libcurl-gnutls.so.4",
    "/usr/lib/libcap.so.2", "/lib/libnss_files.so.2", "/lib/libnss_systemd.so.2", "/usr/lib/libgnutls-dane.so.0", "/usr/lib/libksba.so.8",
    "/usr/lib/libnpth.so.0", "/usr/lib/libxxhash.so.0", "/usr/lib/libntirpc.so.4", "/usr/lib/libseccomp.so.2", "/usr/lib/jvm/x/lib/server/libjvm.so",
    "/home/x/_rust.abi3.so", "/usr/lib/python3/_openssl.abi3.so", "/usr/lib/legacy.so", "/x/libssl.sock", "/x/libssl.so.3 (deleted)", "/x/mylibssl.so.3",
    "/x/libssl3.so.3x.txt", "", "/", "/x/.so", "/usr/lib/ruby.so",
]


@pytest.mark.parametrize("path, name, family", KNOWN)
def test_known(path, name, family):
    library = recognise(path.encode())
    assert (library.name, library.family) == (name, family)


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown(path):
    assert recognise(path.encode()) is None


def test_every_entry_says_where_it_comes_from():
    assert all(library.source and library.name and library.family for library in CATALOGUE)


# The text each family has in its file, as its own source prints it.
TEXTS = [
    ("libcrypto.so.3", b"OpenSSL 3.0.17 1 Jul 2025", "OpenSSL", "3.0.17"),
    ("libcrypto.so.1.1.1k", b"OpenSSL 1.1.1k  FIPS 25 Mar 2021", "OpenSSL", "1.1.1k"),
    ("libcrypto.so.10", b"OpenSSL 1.0.2k-fips  26 Jan 2017", "OpenSSL", "1.0.2k-fips"),
    ("libcrypto.so.81.3", b"OpenSSL 3.1.4+quic 24 Oct 2023", "OpenSSL", "3.1.4+quic"),
    ("libcrypto.so", b"OpenSSL 1.1.1 (compatible; AWS-LC 1.18.0)", "AWS-LC", "1.18.0"),
    ("libcrypto.so", b"OpenSSL 1.1.1 (compatible; BoringSSL)", "BoringSSL", None),
    ("libcrypto.so.50", b"LibreSSL 3.6.1", "LibreSSL", "3.6.1"),
    ("libcrypto.so.3", b"since OpenSSL 1.0.1 or so", "OpenSSL", "interface 3"),
    ("libgnutls.so.30.34.3", b"Enabled GnuTLS 3.7.9 logging...\n", "GnuTLS", "3.7.9"),
    ("libnettle.so.8.6", b"", "Nettle", "interface 8.6"),
    ("libmbedtls.so.2.28.3", b"", "Mbed TLS", "2.28.3"),
    ("libsodium.so.23.3.0", b"1.0.18", "libsodium", "1.0.18"),
    ("libnss3.so", b"Version: NSS 3.87.1 \0", "NSS", "3.87.1"),
    ("libssh2.so.1.0.1", b"SSH-2.0-libssh2_1.10.0", "libssh2", "1.10.0"),
]


@pytest.mark.parametrize("name, text, family, version", TEXTS)
@pytest.mark.parametrize("before", [1, (1 << 20) - 8, 3 << 20])
def test_version_texts(tmp_path, name, text, family, version, before):
    path = tmp_path / name
    path.write_bytes(b"\0" * before + text + b"\0")
    fd = os.open(str(path), os.O_RDONLY)
    try:
        assert identify(fd, recognise(name.encode()), os.fsencode(str(path))) == (family, version)
        assert version_of(fd, recognise(name.encode()), os.fsencode(str(path))) == version
    finally:
        os.close(fd)


def test_search_is_bounded(tmp_path):
    path = tmp_path / "libcrypto.so.3"
    with open(str(path), "wb") as stream:
        stream.truncate(1 << 40)
        stream.seek(1 << 39)
        stream.write(b"OpenSSL 3.0.17 1 Jul 2025")
    fd = os.open(str(path), os.O_RDONLY)
    try:
        assert identify(fd, recognise(b"libcrypto.so.3"), None) == ("OpenSSL", None)
    finally:
        os.close(fd)


def installed():
    """The real paths of the crypto libraries installed on this machine."""
    folder = os.path.join("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "")
    for place in {folder, "/usr/lib64"}:
        if os.path.isdir(place):
            for name in sorted(os.listdir(place)):
                path = os.path.realpath(os.path.join(place, name))
                if os.path.isfile(path) and recognise(os.fsencode(path)):
                    yield path


def test_versions_are_the_packages():
    """What the file says agrees with what dpkg says of the package, for every library here that has a release in it."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("no dpkg")
    compared = 0
    for path in sorted(set(installed())):
        try:
            elf = ElfFile.open(path)
        except ElfError:  # a linker script
            continue
        with elf:
            version = version_of(elf, recognise(os.fsencode(path)), os.fsencode(path))
        if version is None or version.startswith("interface"):
            continue
        answer = subprocess.run(["dpkg-query", "-S", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
        if answer.returncode or "," in answer.stdout:
            continue
        package = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", answer.stdout.rsplit(": ", 1)[0]], stdout=subprocess.PIPE, check=True,
                                 universal_newlines=True).stdout
        # Heimdal's library says 7.8.0 where Debian packages a snapshot after 7.8
        assert version in package or version[:-2] + ".git" in package, path
        compared += 1
    if not compared:
        pytest.skip("no such library here")


def test_node():
    expected = subprocess.run([NODE, "-p", "process.versions.openssl"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout.strip()
    with ElfFile.open(NODE) as elf:
        assert exports_openssl(elf)
        assert embedded_openssl(elf) == ("OpenSSL", expected.split("+")[0])


@pytest.mark.parametrize("program", ["ls", "curl", "openssl"])
def test_programs_without_their_own_openssl(program):
    path = shutil.which(program)
    if path is None:
        pytest.skip("no " + program)
    with ElfFile.open(path) as elf:
        assert not exports_openssl(elf)
        assert embedded_openssl(elf) is None
