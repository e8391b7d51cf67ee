# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of TLS codes against what Wireshark and OpenSSL call them."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import tls_names as names

ALIASES = {  # of Wireshark, not of the registry
    0xCC13: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_DRAFT",
    0xCC14: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256_DRAFT",
    0xCC15: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256_DRAFT"}


@pytest.fixture(scope="module")
def wireshark():
    """field -> {code: what Wireshark calls it}; GREASE and ranges left out"""
    tables = {}
    printed = subprocess.run(["tshark", "-G", "values"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout
    for line in printed.splitlines():
        kind, field, code, name = (line.split("\t") + ["", "", ""])[:4]
        if kind == "V" and field.startswith("tls.") and "GREASE" not in name and code:
            tables.setdefault(field, {})[int(code, 0)] = name
    return tables


def test_every_cipher_suite_that_wireshark_knows(wireshark):
    theirs = {code: name for code, name in wireshark["tls.handshake.ciphersuite"].items() if name.startswith(("TLS_", "SSL_", "EC", "IB", "RSA_"))}
    assert len(theirs) > 390
    assert {code: names.cipher_suite_name(code) for code in theirs} == {**theirs, **ALIASES}


def test_every_cipher_suite_that_openssl_knows():
    printed = subprocess.run(["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], check=True, stdout=subprocess.PIPE, text=True)
    theirs = {}
    for line in printed.stdout.splitlines():
        code, _dash, name = line.split()[:3]
        high, low = code.split(",")
        theirs[int(high, 0) << 8 | int(low, 0)] = name
    assert len(theirs) > 100
    assert {code: names.cipher_suite_name(code) for code in theirs} == theirs


def test_every_registered_group_that_wireshark_knows(wireshark):
    # from 0x200 on it has what experiments of liboqs used before the codes were registered
    theirs = {code: name for code, name in wireshark["tls.handshake.extensions_supported_group"].items() if code < 0x200 or code >= 0xFF00}
    assert len(theirs) >= 38
    assert {code: names.group_name(code) for code in theirs} == theirs


def test_every_registered_signature_scheme_that_wireshark_knows(wireshark):
    theirs = {code: name for code, name in wireshark["tls.handshake.sig_hash_alg"].items() if code < 0xFE00}
    assert len(theirs) >= 17
    assert {code: names.signature_scheme_name(code) for code in theirs} == theirs


def test_every_alert_that_wireshark_knows(wireshark):
    theirs = {code: name.lower().replace(" ", "_") for code, name in wireshark["tls.alert_message.desc"].items() if code != 1}
    assert len(theirs) >= 35
    assert {code: names.alert_name(code) for code in theirs} == theirs


def test_every_version_that_wireshark_knows(wireshark):
    theirs = dict(wireshark["tls.handshake.version"])
    for code in (0x0100, 0x0101, 0xFB17, 0xFB1A):  # other names; and what Facebook had of its own
        del theirs[code]
    assert {code: names.version_name(code).replace("draft 2", "(draft 2").replace("draft 1", "(draft 1") for code in theirs} == {
        code: name.rstrip(")") for code, name in theirs.items()}


@pytest.mark.parametrize("question, code, name", [
    (names.version_name, 0x0304, "TLS 1.3"), (names.version_name, 0x7F1C, "TLS 1.3 draft 28"), (names.version_name, 0xFEFC, "DTLS 1.3"),
    (names.version_name, 0x0101, "TLCP 1.1"), (names.version_name, 0x7F1D, None), (names.version_name, 0x0305, None),
    # RFC 9846 and the registry: newer than the Wireshark of Debian 12
    (names.cipher_suite_name, 0x1306, "TLS_AEGIS_256_SHA512"), (names.cipher_suite_name, 0x1307, "TLS_AEGIS_128L_SHA256"),
    (names.cipher_suite_name, 0x1399, None), (names.cipher_suite_name, 0x1A1A, None),
    (names.group_name, 0x001F, "brainpoolP256r1tls13"), (names.group_name, 0x0022, "GC256A"), (names.group_name, 0x0028, "GC512C"),
    (names.group_name, 0x0029, "curveSM2"), (names.group_name, 0x0200, "MLKEM512"), (names.group_name, 0x0202, "MLKEM1024"),
    (names.group_name, 0x11EB, "SecP256r1MLKEM768"), (names.group_name, 0x11EC, "X25519MLKEM768"),
    (names.group_name, 0x11ED, "SecP384r1MLKEM1024"), (names.group_name, 0x11EE, "curveSM2MLKEM768"),
    (names.group_name, 0x6399, "X25519Kyber768Draft00"), (names.group_name, 0x0A0A, None),
    (names.signature_scheme_name, 0x0904, "mldsa44"), (names.signature_scheme_name, 0x0906, "mldsa87"),
    (names.signature_scheme_name, 0x0911, "slhdsa_sha2_128s"), (names.signature_scheme_name, 0x091C, "slhdsa_shake_256f"),
    (names.signature_scheme_name, 0x081A, "ecdsa_brainpoolP256r1tls13_sha256"), (names.signature_scheme_name, 0x070F, "gostr34102012_512c"),
    (names.signature_scheme_name, 0x0101, "rsa_pkcs1_md5"), (names.signature_scheme_name, 0x0402, "dsa_sha256"),
    (names.signature_scheme_name, 0x0303, "ecdsa_sha224"), (names.signature_scheme_name, 0x0404, None),
    (names.alert_name, 52, "too_many_cids_requested"), (names.alert_name, 117, "general_error"), (names.alert_name, 121, "ech_required"),
    (names.alert_name, 1, None)])
def test_a_name(question, code, name):
    assert question(code) == name
