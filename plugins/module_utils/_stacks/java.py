# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java virtual machines: the release of the JDK, its security providers, what it disables for TLS, and the provider jars a program has open.

Sources: openjdk make/ReleaseFile.gmk (the file "release"), src/java.base/share/conf/security/java.security (the properties and their
form), Java Security Standard Algorithm Names; Red Hat's patch for crypto-policies (security.useSystemPropertiesFile, fips.provider.N).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from . import rooted
from .stack import MARKER, RELEASE_FILE, Stack, details, limited

# lib/server/libjvm.so below the JDK's home; up to Java 8: jre/lib/ARCH/server/libjvm.so. OpenJ9: lib/default/libjvm.so, lib/j9vm/libjvm.so.
_LIBJVM = re.compile(rb"(?P<home>/.+?)(?:/jre)?/lib(?:/[a-z0-9_]+)?/(?:server|client|minimal|zero|default|j9vm)/libjvm\.so", re.DOTALL)
_SECURITY_FILES = (b"/conf/security/java.security", b"/jre/lib/security/java.security", b"/lib/security/java.security")
_CRYPTO_POLICIES = b"/etc/crypto-policies/back-ends/java.config"
# Limits of what is read, in bytes.
_MAX_RELEASE = 65536
_MAX_SECURITY = 1 << 20
_MAX_NAME = 255  # of a file: Linux include/uapi/linux/limits.h, NAME_MAX

_PROVIDER = re.compile(r"(?P<list>security|fips)\.provider\.(?P<number>[0-9]{1,3})")
_DISABLED = "jdk.tls.disabledAlgorithms"
_SYSTEM_FILE = "security.useSystemPropertiesFile"

# Jars that are providers of cryptography or TLS: BouncyCastle (bouncycastle.org, both its lines), Conscrypt, tcnative, wildfly-openssl, Corretto's.
_JAR = re.compile(rb"(?P<name>(?:bc(?:prov|pkix|tls|jsse|util|mail|pg|-fips|tls-fips|pkix-fips|util-fips)(?:-(?:debug-)?jdk[0-9a-z]+)?"
                  rb"|conscrypt-openjdk(?:-uber)?|netty-tcnative[a-z-]*|wildfly-openssl[a-z-]*|AmazonCorrettoCryptoProvider))"
                  rb"(?:-(?P<version>[0-9][0-9A-Za-z.]*))?(?:-[a-z0-9_]+)*\.jar")
# System properties on the command line that choose what TLS does: JSSE Reference Guide, "Customizing JSSE". Never one that can hold a password.
_PROPERTIES = re.compile(rb"-D(?P<name>jdk\.tls\.(?:client|server)\.(?:protocols|cipherSuites|SignatureSchemes)|jdk\.tls\.namedGroups"
                         rb"|https\.(?:protocols|cipherSuites)|java\.security\.properties|java\.security\.disableSystemPropertiesFile"
                         rb"|com\.redhat\.fips|jdk\.tls\.ephemeralDHKeySize"
                         rb"|org\.bouncycastle\.fips\.approved_only|com\.sun\.net\.ssl\.checkRevocation)=(?P<value>.*)", re.DOTALL)


def stack(root, libjvm, arguments, open_paths):
    """The stack of a Java virtual machine.

    :arg root: bytes, root directory of its mount namespace; empty for this process's own.
    :arg libjvm: bytes, the path of its mapped libjvm.so.
    :arg arguments: list of bytes, its command line.
    :arg open_paths: list of bytes, paths of the files that it has open.
    :returns: Stack, or None where the path is not that of a JDK.
    """
    place = _LIBJVM.fullmatch(libjvm)
    if place is None:
        return None
    home = place.group("home")
    release = _properties(rooted.read(root, home + b"/release", _MAX_RELEASE) or b"")
    security = {}
    for name in _SECURITY_FILES:
        content = rooted.read(root, home + name, _MAX_SECURITY)
        if content is not None:
            security = _properties(content)
            break
    if security.get(_SYSTEM_FILE) == "true":
        security.update(_properties(rooted.read(root, _CRYPTO_POLICIES, _MAX_SECURITY) or b""))
    settings = [(match.group("name").decode("ascii"), match.group("value").decode("utf-8", "replace"))
                for match in map(_PROPERTIES.fullmatch, arguments) if match]
    if _SYSTEM_FILE in security:
        settings.append((_SYSTEM_FILE, security[_SYSTEM_FILE]))
    version = release.get("JAVA_VERSION", "").strip('"') or None
    return Stack("Java JSSE", limited(version), RELEASE_FILE if version else MARKER,
                 details(vendor=release.get("IMPLEMENTOR", "").strip('"') or None, settings=settings, modules=jars(arguments, open_paths),
                         providers=_providers(security), disabled_algorithms=security.get(_DISABLED)))


def _providers(security):
    """The security providers of a java.security file, in order of preference: list of str.

    Red Hat's builds have a second list, for FIPS mode; its entries are marked.

    :arg security: dict of str, the file's properties.
    """
    found = []
    for key, value in security.items():
        match = _PROVIDER.fullmatch(key)
        if match and value:
            found.append((match.group("list") == "fips", int(match.group("number")), value))
    return ["%s (FIPS mode)" % value if fips else value for fips, _number, value in sorted(found)]


def jars(arguments, open_paths):
    """The provider jars in class paths on a command line and among open files.

    :arg arguments: list of bytes.
    :arg open_paths: list of bytes.
    :returns: set of ``(name, version)``, version str or None.
    """
    found = set()
    for text in list(arguments) + list(open_paths):
        for base in re.split(rb"[:/=]", text):
            match = _JAR.fullmatch(base) if len(base) <= _MAX_NAME else None
            if match:
                found.add((match.group("name").decode("ascii"), match.group("version").decode("ascii") if match.group("version") else None))
    return found


def _properties(content):
    """Parse a Java properties file (java.util.Properties.load) or a release file, which has the same form: dict of str."""
    found = {}
    logical = ""
    for line in content.decode("utf-8", "replace").splitlines():
        line = line.lstrip()
        if not logical and line.startswith(("#", "!")):
            continue
        if line.endswith("\\") and not line.endswith("\\\\"):
            logical += line[:-1]
            continue
        key, _equals, value = (logical + line).partition("=")
        logical = ""
        if key.strip():
            found[key.strip()] = value.strip()
    return found
