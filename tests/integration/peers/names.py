# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of each stack for versions, cipher suites and groups, as the names IANA has."""

from __future__ import annotations

import functools
import re

from ..support.programs import run, tool

# Names that OpenSSL (and with it nginx, Python, node), GnuTLS and Java have for groups of the IANA registry "TLS Supported Groups".
_GROUPS = {
    "p-256": "secp256r1", "prime256v1": "secp256r1", "secp256r1": "secp256r1", "p-384": "secp384r1", "secp384r1": "secp384r1", "p-521": "secp521r1",
    "secp521r1": "secp521r1", "x25519": "x25519", "ecdh_x25519": "x25519", "x448": "x448", "ecdh_x448": "x448", "x25519mlkem768": "X25519MLKEM768",
    "secp256r1mlkem768": "SecP256r1MLKEM768", "secp384r1mlkem1024": "SecP384r1MLKEM1024", "curvep256": "secp256r1", "curvep384": "secp384r1",
    "curvep521": "secp521r1", "ffdhe2048": "ffdhe2048", "ffdhe3072": "ffdhe3072",
}
# What OpenSSL 3.0 takes for -groups and its configuration.
OPENSSL_GROUPS = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "x25519": "X25519", "x448": "X448"}


def version(text):
    """"TLSv1.3", "TLSv1" and "DTLSv1.2" as "TLS 1.3", "TLS 1.0" and "DTLS 1.2"."""
    protocol, number = re.fullmatch(r"(D?TLS) ?v?(1(?:\.\d)?)", text).groups()
    return "%s %s" % (protocol, number if "." in number else number + ".0")


def group(text):
    """A group in the words of any stack; a name that is not known fails."""
    return _GROUPS[text.lower()] if text else None


@functools.lru_cache(maxsize=None)
def _suites():
    """What openssl itself says: {its name or IANA's: (IANA's name, code)}."""
    found = {}
    of_13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"
    for line in run(tool("openssl", "openssl"), "ciphers", "-V", "-stdname", "-ciphersuites", of_13, "ALL:COMPLEMENTOFALL:@SECLEVEL=0").stdout.splitlines():
        code, standard, own = re.match(r"\s*(0x\w\w,0x\w\w) - (\S+)\s+- (\S+) ", line).groups()
        found[own] = found[standard] = standard, "0x" + code.replace("0x", "").replace(",", "").lower()
    return found


def cipher_suite(text):
    """IANA's name of a cipher suite that OpenSSL, GnuTLS or IANA names."""
    if text.startswith("GNUTLS_"):
        rest = text[len("GNUTLS_"):]
        plain = "TLS_" + rest
        return plain if plain in _suites() else "TLS_" + re.sub(r"_(AES|CHACHA20|CAMELLIA|3DES)", r"_WITH_\1", rest, count=1)
    return _suites()[text][0]


def cipher_suite_code(name):
    """"0x1302" of IANA's name, as openssl has it."""
    return _suites()[name][1]
