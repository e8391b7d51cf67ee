# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""IANA's names of the numbers in TLS: versions, cipher suites, groups, signature schemes, alerts.

Names are those of the IANA registries "TLS Parameters" as of 2025-06, without the suffix ``_RESERVED`` that IANA gives to what is no longer used.
Used when a profile is written, not for each handshake; each table is parsed when it is first used.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from . import tls_cipher_suites as suites

# RFC 8446 4.2.1 and its predecessors; RFC 9147 5.3; 0x0100 is what DTLS was before RFC 4347 and what AnyConnect still says; TLCP: GB/T 38636-2020 6.3.2
_VERSIONS = {
    0x0002: "SSL 2.0", 0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3",
    0x0100: "DTLS 0.9", 0xFEFF: "DTLS 1.0", 0xFEFD: "DTLS 1.2", 0xFEFC: "DTLS 1.3", 0x0101: "TLCP 1.1"}
_LAST_DRAFT = 28  # of RFC 8446: drafts are 0x7f00 plus their number

# Lines as in _wire.tls_cipher_suites: the first code, then names of consecutive codes.
# IANA "TLS Supported Groups" (tls-parameters-8): RFC 8422, RFC 8446, RFC 8734, RFC 9189, RFC 8998, RFC 7919, draft-ietf-tls-mlkem,
# draft-ietf-tls-ecdhe-mlkem, draft-yang-tls-hybrid-sm2-mlkem, draft-tls-westerbaan-xyber768d00, draft-kwiatkowski-tls-ecdhe-kyber
_GROUPS = """
    0x0001 sect163k1 sect163r1 sect163r2 sect193r1 sect193r2 sect233k1 sect233r1 sect239k1 sect283k1 sect283r1 sect409k1 sect409r1 sect571k1 sect571r1
    0x000F secp160k1 secp160r1 secp160r2 secp192k1 secp192r1 secp224k1 secp224r1 secp256k1 secp256r1 secp384r1 secp521r1
    0x001A brainpoolP256r1 brainpoolP384r1 brainpoolP512r1 x25519 x448 brainpoolP256r1tls13 brainpoolP384r1tls13 brainpoolP512r1tls13
    0x0022 GC256A GC256B GC256C GC256D GC512A GC512B GC512C curveSM2
    0x0100 ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192
    0x0200 MLKEM512 MLKEM768 MLKEM1024
    0x11EB SecP256r1MLKEM768 X25519MLKEM768 SecP384r1MLKEM1024 curveSM2MLKEM768
    0x6399 X25519Kyber768Draft00 SecP256r1Kyber768Draft00
    0xFF01 arbitrary_explicit_prime_curves arbitrary_explicit_char2_curves
"""
# Never registered, but deployed by Chrome (2019) and by Cloudflare (2022)
_UNREGISTERED_GROUPS = """
    0x4138 CECPQ2
    0xFE30 X25519Kyber512Draft00
"""

# IANA "TLS SignatureScheme": RFC 8446, RFC 8998, RFC 9367, RFC 9189, RFC 8734, draft-davidben-tls13-pkcs1, draft-wang-tls-raw-public-key-with-ibc,
# draft-ietf-tls-mldsa, draft-reddy-tls-slhdsa
_SIGNATURE_SCHEMES = """
    0x0201 rsa_pkcs1_sha1
    0x0203 ecdsa_sha1
    0x0401 rsa_pkcs1_sha256
    0x0403 ecdsa_secp256r1_sha256
    0x0420 rsa_pkcs1_sha256_legacy
    0x0501 rsa_pkcs1_sha384
    0x0503 ecdsa_secp384r1_sha384
    0x0520 rsa_pkcs1_sha384_legacy
    0x0601 rsa_pkcs1_sha512
    0x0603 ecdsa_secp521r1_sha512
    0x0620 rsa_pkcs1_sha512_legacy
    0x0704 eccsi_sha256 iso_ibs1 iso_ibs2 iso_chinese_ibs sm2sig_sm3
    0x0709 gostr34102012_256a gostr34102012_256b gostr34102012_256c gostr34102012_256d gostr34102012_512a gostr34102012_512b gostr34102012_512c
    0x0804 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384 rsa_pss_rsae_sha512 ed25519 ed448 rsa_pss_pss_sha256 rsa_pss_pss_sha384 rsa_pss_pss_sha512
    0x081A ecdsa_brainpoolP256r1tls13_sha256 ecdsa_brainpoolP384r1tls13_sha384 ecdsa_brainpoolP512r1tls13_sha512
    0x0840 gostr34102012_256 gostr34102012_512
    0x0904 mldsa44 mldsa65 mldsa87
    0x0911 slhdsa_sha2_128s slhdsa_sha2_128f slhdsa_sha2_192s slhdsa_sha2_192f slhdsa_sha2_256s slhdsa_sha2_256f
    0x0917 slhdsa_shake_128s slhdsa_shake_128f slhdsa_shake_192s slhdsa_shake_192f slhdsa_shake_256s slhdsa_shake_256f
"""
# Further codes of TLS 1.2: a hash and a signature algorithm (RFC 5246, 7.4.1.4.1; IANA tls-parameters-18 and -16)
_HASHES = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_SIGNATURES = {1: "rsa_pkcs1", 2: "dsa", 3: "ecdsa"}

# IANA "TLS Alerts" (tls-parameters-6)
_ALERTS = """
    0 close_notify
    10 unexpected_message
    20 bad_record_mac decryption_failed record_overflow
    30 decompression_failure
    40 handshake_failure no_certificate bad_certificate unsupported_certificate certificate_revoked certificate_expired certificate_unknown
    47 illegal_parameter unknown_ca access_denied decode_error decrypt_error too_many_cids_requested
    60 export_restriction
    70 protocol_version insufficient_security
    80 internal_error
    86 inappropriate_fallback
    90 user_canceled
    100 no_renegotiation
    109 missing_extension unsupported_extension certificate_unobtainable unrecognized_name bad_certificate_status_response bad_certificate_hash_value
    115 unknown_psk_identity certificate_required general_error
    120 no_application_protocol ech_required
"""


def _table(*texts):
    """Parse such lines. :returns: dict of int -> str."""
    names = {}
    for line in "".join(texts).split("\n"):
        if line:
            first, *following = line.split()
            names.update(enumerate(following, int(first, 0)))
    return names


class _Names:
    """A table that is parsed when it is first used: most runs use few of them."""

    def __init__(self, *texts):
        self._texts = texts
        self._names = None

    def get(self, code):
        if self._names is None:
            self._names = _table(*self._texts)
        return self._names.get(code)


_SUITE_NAMES = _Names(suites.REGISTERED, suites.UNREGISTERED)
_GROUP_NAMES = _Names(_GROUPS, _UNREGISTERED_GROUPS)
_SCHEME_NAMES = _Names(_SIGNATURE_SCHEMES)
_ALERT_NAMES = _Names(_ALERTS)


def version_name(code):
    """The name of a protocol version, such as ``TLS 1.3`` or ``TLS 1.3 draft 28``.

    :arg code: int, as in legacy_version or supported_versions.
    :returns: str, or None where it is unknown.
    """
    if code >> 8 == 0x7F and 1 <= code & 0xFF <= _LAST_DRAFT:
        return "TLS 1.3 draft %d" % (code & 0xFF)
    return _VERSIONS.get(code)


def cipher_suite_name(code):
    """The name of a cipher suite, such as ``TLS_AES_128_GCM_SHA256``.

    :arg code: int.
    :returns: str, or None where it is unknown.
    """
    return _SUITE_NAMES.get(code)


def group_name(code):
    """The name of a key exchange group, such as ``x25519`` or ``X25519MLKEM768``.

    :arg code: int.
    :returns: str, or None where it is unknown.
    """
    return _GROUP_NAMES.get(code)


def signature_scheme_name(code):
    """The name of a signature scheme, such as ``rsa_pss_rsae_sha256``.

    In TLS 1.2 the names of ECDSA schemes say nothing of the curve (RFC 8446, 4.2.3): ``ecdsa_secp256r1_sha256`` is ECDSA with SHA-256 there.

    :arg code: int.
    :returns: str, or None where it is unknown.
    """
    name = _SCHEME_NAMES.get(code)
    if name is None and code >> 8 in _HASHES and code & 0xFF in _SIGNATURES:
        name = "%s_%s" % (_SIGNATURES[code & 0xFF], _HASHES[code >> 8])
    return name


def alert_name(code):
    """The name of an alert, such as ``handshake_failure``.

    :arg code: int, its description byte.
    :returns: str, or None where it is unknown.
    """
    return _ALERT_NAMES.get(code)
