# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the object identifiers in keys, certificates and key stores: tables of dotted identifier -> name.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

_PKCS1 = "1.2.840.113549.1.1."  # RFC 8017, appendix C
_X962 = "1.2.840.10045."  # RFC 5480
_NIST_SIG = "2.16.840.1.101.3.4.3."  # NIST Computer Security Objects Register, sigAlgs
_NIST_KEM = "2.16.840.1.101.3.4.4."  # the same, kems

# FIPS 204 (ML-DSA) and FIPS 205 (SLH-DSA): the same identifier names the key and the signature (RFC 9881, RFC 9909).
_POST_QUANTUM_SIGNATURES = {_NIST_SIG + str(17 + index): "ML-DSA-" + size for index, size in enumerate(("44", "65", "87"))}
_POST_QUANTUM_SIGNATURES.update({_NIST_SIG + str(32 + index): "HashML-DSA-" + size for index, size in enumerate(("44", "65", "87"))})
_POST_QUANTUM_SIGNATURES.update({
    _NIST_SIG + str(20 + index): "SLH-DSA-" + name
    for index, name in enumerate(family + "-" + size for family in ("SHA2", "SHAKE") for size in ("128s", "128f", "192s", "192f", "256s", "256f"))
})
_POST_QUANTUM_SIGNATURES["1.2.840.113549.1.9.16.3.17"] = "HSS/LMS"  # RFC 9708

# RFC 8410: one identifier for key and signature. Bits are those of the encoded public key (RFC 8032, RFC 7748).
_EDWARDS = {"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448"}
FIXED_BITS = {"Ed25519": 256, "Ed448": 456, "X25519": 256, "X448": 448}

KEY_ALGORITHMS = {
    _PKCS1 + "1": "RSA",
    _PKCS1 + "7": "RSA-OAEP",
    _PKCS1 + "10": "RSA-PSS",
    _X962 + "2.1": "EC",
    "1.3.132.1.12": "EC",  # id-ecDH, RFC 5480 2.1.2
    "1.2.840.10040.4.1": "DSA",  # RFC 3279, 2.3.2
    "1.2.840.113549.1.3.1": "DH",  # PKCS #3
    "1.2.840.10046.2.1": "DH",  # X9.42, RFC 3279, 2.3.3
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.2.156.10197.1.301": "SM2",  # GM/T 0006
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012-256",  # RFC 9215
    "1.2.643.7.1.1.1.2": "GOST R 34.10-2012-512",
    _NIST_KEM + "1": "ML-KEM-512",  # RFC 9935
    _NIST_KEM + "2": "ML-KEM-768",
    _NIST_KEM + "3": "ML-KEM-1024",
}
KEY_ALGORITHMS.update(_EDWARDS)
KEY_ALGORITHMS.update(_POST_QUANTUM_SIGNATURES)

SIGNATURE_ALGORITHMS = {
    _PKCS1 + "2": "md2WithRSAEncryption",
    _PKCS1 + "4": "md5WithRSAEncryption",
    _PKCS1 + "5": "sha1WithRSAEncryption",
    _PKCS1 + "10": "RSASSA-PSS",
    _PKCS1 + "11": "sha256WithRSAEncryption",
    _PKCS1 + "12": "sha384WithRSAEncryption",
    _PKCS1 + "13": "sha512WithRSAEncryption",
    _PKCS1 + "14": "sha224WithRSAEncryption",
    _PKCS1 + "15": "sha512-224WithRSAEncryption",
    _PKCS1 + "16": "sha512-256WithRSAEncryption",
    "1.3.14.3.2.29": "sha1WithRSA",  # OIW, still met in old certificates
    _X962 + "4.1": "ecdsa-with-SHA1",
    _X962 + "4.3.1": "ecdsa-with-SHA224",
    _X962 + "4.3.2": "ecdsa-with-SHA256",
    _X962 + "4.3.3": "ecdsa-with-SHA384",
    _X962 + "4.3.4": "ecdsa-with-SHA512",
    "1.2.840.10040.4.3": "dsa-with-SHA1",  # RFC 3279
    _NIST_SIG + "1": "dsa-with-SHA224",  # RFC 5758
    _NIST_SIG + "2": "dsa-with-SHA256",
    _NIST_SIG + "3": "dsa-with-SHA384",
    _NIST_SIG + "4": "dsa-with-SHA512",
    _NIST_SIG + "9": "ecdsa-with-SHA3-224",
    _NIST_SIG + "10": "ecdsa-with-SHA3-256",
    _NIST_SIG + "11": "ecdsa-with-SHA3-384",
    _NIST_SIG + "12": "ecdsa-with-SHA3-512",
    _NIST_SIG + "13": "RSA-SHA3-224",
    _NIST_SIG + "14": "RSA-SHA3-256",
    _NIST_SIG + "15": "RSA-SHA3-384",
    _NIST_SIG + "16": "RSA-SHA3-512",
    "1.2.156.10197.1.501": "SM2-with-SM3",  # GM/T 0006
    "1.2.643.7.1.1.3.2": "GOST R 34.10-2012-256 with Streebog-256",  # RFC 9215
    "1.2.643.7.1.1.3.3": "GOST R 34.10-2012-512 with Streebog-512",
}
SIGNATURE_ALGORITHMS.update(_EDWARDS)
SIGNATURE_ALGORITHMS.update(_POST_QUANTUM_SIGNATURES)

# Dotted identifier -> (OpenSSL's name, bits of the field). RFC 5480, SEC 2, RFC 5639 (Brainpool), GM/T 0003 (SM2).
CURVES = {
    _X962 + "3.1.1": ("prime192v1", 192),
    _X962 + "3.1.7": ("prime256v1", 256),
    "1.3.132.0.33": ("secp224r1", 224),
    "1.3.132.0.34": ("secp384r1", 384),
    "1.3.132.0.35": ("secp521r1", 521),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.132.0.31": ("secp192k1", 192),
    "1.3.132.0.32": ("secp224k1", 224),
    "1.3.132.0.8": ("secp160r1", 160),
    "1.3.132.0.9": ("secp160k1", 160),
    "1.3.132.0.30": ("secp160r2", 160),
    "1.3.132.0.1": ("sect163k1", 163),
    "1.3.132.0.15": ("sect163r2", 163),
    "1.3.132.0.26": ("sect233k1", 233),
    "1.3.132.0.27": ("sect233r1", 233),
    "1.3.132.0.16": ("sect283k1", 283),
    "1.3.132.0.17": ("sect283r1", 283),
    "1.3.132.0.36": ("sect409k1", 409),
    "1.3.132.0.37": ("sect409r1", 409),
    "1.3.132.0.38": ("sect571k1", 571),
    "1.3.132.0.39": ("sect571r1", 571),
    "1.2.156.10197.1.301": ("SM2", 256),
}
for _index, _bits in enumerate((160, 192, 224, 256, 320, 384, 512)):
    CURVES["1.3.36.3.3.2.8.1.1.%d" % (2 * _index + 1)] = ("brainpoolP%dr1" % _bits, _bits)
    CURVES["1.3.36.3.3.2.8.1.1.%d" % (2 * _index + 2)] = ("brainpoolP%dt1" % _bits, _bits)

# RFC 8017 appendix C, RFC 8018 appendix C, NIST hashAlgs.
DIGESTS = {
    "1.2.840.113549.2.5": "MD5",
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
    "2.16.840.1.101.3.4.2.5": "SHA-512/224",
    "2.16.840.1.101.3.4.2.6": "SHA-512/256",
    "2.16.840.1.101.3.4.2.8": "SHA3-256",
    "2.16.840.1.101.3.4.2.9": "SHA3-384",
    "2.16.840.1.101.3.4.2.10": "SHA3-512",
    "1.2.156.10197.1.401": "SM3",
}

# Pseudo-random functions of PBKDF2 (RFC 8018, appendix B.1).
PRFS = {
    "1.2.840.113549.2.7": "HMAC-SHA-1",
    "1.2.840.113549.2.8": "HMAC-SHA-224",
    "1.2.840.113549.2.9": "HMAC-SHA-256",
    "1.2.840.113549.2.10": "HMAC-SHA-384",
    "1.2.840.113549.2.11": "HMAC-SHA-512",
    "2.16.840.1.101.3.4.2.14": "HMAC-SHA3-256",
    "2.16.840.1.101.3.4.2.16": "HMAC-SHA3-512",
}

# Ciphers inside PBES2 (RFC 8018, appendix B.2; NIST aes).
CIPHERS = {
    "1.3.14.3.2.7": "DES-CBC",
    "1.2.840.113549.3.2": "RC2-CBC",
    "1.2.840.113549.3.7": "DES-EDE3-CBC",
    "2.16.840.1.101.3.4.1.2": "AES-128-CBC",
    "2.16.840.1.101.3.4.1.6": "AES-128-GCM",
    "2.16.840.1.101.3.4.1.22": "AES-192-CBC",
    "2.16.840.1.101.3.4.1.26": "AES-192-GCM",
    "2.16.840.1.101.3.4.1.42": "AES-256-CBC",
    "2.16.840.1.101.3.4.1.46": "AES-256-GCM",
    "2.16.840.1.101.3.4.1.47": "AES-256-CCM",
}

PBES2 = "1.2.840.113549.1.5.13"  # RFC 8018, A.4
PBKDF2 = "1.2.840.113549.1.5.12"  # RFC 8018, A.2
PBMAC1 = "1.2.840.113549.1.5.14"  # RFC 8018, A.5; RFC 9579 for PKCS #12
SCRYPT = "1.3.6.1.4.1.11591.4.11"  # RFC 7914, 7

# Password-based schemes with a fixed cipher: RFC 8018 A.3 (PBES1), RFC 7292 appendix C (PKCS #12).
PBE_SCHEMES = {
    "1.2.840.113549.1.5.1": "pbeWithMD2AndDES-CBC",
    "1.2.840.113549.1.5.3": "pbeWithMD5AndDES-CBC",
    "1.2.840.113549.1.5.10": "pbeWithSHA1AndDES-CBC",
    "1.2.840.113549.1.5.11": "pbeWithSHA1AndRC2-CBC",
    "1.2.840.113549.1.12.1.1": "pbeWithSHA1And128BitRC4",
    "1.2.840.113549.1.12.1.2": "pbeWithSHA1And40BitRC4",
    "1.2.840.113549.1.12.1.3": "pbeWithSHA1And3-KeyTripleDES-CBC",
    "1.2.840.113549.1.12.1.4": "pbeWithSHA1And2-KeyTripleDES-CBC",
    "1.2.840.113549.1.12.1.5": "pbeWithSHA1And128BitRC2-CBC",
    "1.2.840.113549.1.12.1.6": "pbeWithSHA1And40BitRC2-CBC",
}

# RFC 5652: content types of CMS, which PKCS #7 and PKCS #12 share.
CONTENT_TYPES = {
    "1.2.840.113549.1.7.1": "data",
    "1.2.840.113549.1.7.2": "signedData",
    "1.2.840.113549.1.7.3": "envelopedData",
    "1.2.840.113549.1.7.4": "signedAndEnvelopedData",
    "1.2.840.113549.1.7.5": "digestedData",
    "1.2.840.113549.1.7.6": "encryptedData",
    "1.2.840.113549.1.9.16.1.2": "authenticatedData",
    "1.2.840.113549.1.9.16.1.23": "authEnvelopedData",
}

# Attribute types of names: RFC 4514 section 3, then those OpenSSL has a short name for.
NAME_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "street",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
