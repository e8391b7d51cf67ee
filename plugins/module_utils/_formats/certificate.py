# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of X.509 certificates, requests, revocation lists, public keys, parameters and PKCS #7 in DER.

All of it is public data. Every function that ends in ``_facts`` takes bytes, returns a JSON-ready dict and raises only `DerError`.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib

from . import oids
from .der import (
    BIT_STRING,
    BOOLEAN,
    CONTEXT_0,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    DerError,
    algorithm,
    children,
    expect,
    integer,
    item,
    oid_at,
    oid_text,
    utc_text,
    whole,
)
from .distinguished_name import general_name, name_text

MAX_SAN = 100  # entries of a subjectAltName; more are marked by san_truncated
_MAX_REVOKED = 100000  # entries of a CRL counted; 1 MiB holds about 28000 of the shortest
_SUBJECT_ALT_NAME = "2.5.29.17"  # RFC 5280, 4.2.1.6
_BASIC_CONSTRAINTS = "2.5.29.19"  # RFC 5280, 4.2.1.9
_PSS_DEFAULT_HASH = "SHA-1"  # RFC 4055, 3.1: what an absent hashAlgorithm means
_MIN_RSA_BITS, _MAX_RSA_BITS = 256, 65536  # a number outside of this range is no modulus
_MAX_EXPONENT_BITS = 64
_MAX_FIELD_BITS = 4096  # the largest binary field in use has 571
_MAX_EXTENSIONS = 200  # of one certificate; the next two likewise of one structure
_MAX_DIGESTS = 100
_MAX_SIGNED = 10000  # certificates, and signers
_ANY_LENGTH = 1 << 33  # bytes, more than a length of 4 bytes can encode
_MAX_SERIAL = 64  # bytes; RFC 5280, 4.1.2.2 allows 20


def put_name(facts, key, data, found):
    """Set ``facts[key]`` to the RFC 4514 text of a Name, and ``key_truncated`` where it is truncated.

    :arg facts: dict to change.
    :arg key: str.
    :arg data: bytes.
    :arg found: `Item` of data, the Name.
    :raises DerError: it is malformed.
    """
    facts[key], truncated = name_text(data, found)
    if truncated:
        facts[key + "_truncated"] = True


def _signature(facts, data, offset, limit):
    """Add signature_algorithm, and signature_hash of RSASSA-PSS, by the AlgorithmIdentifier at an offset. :returns: `Item` of it."""
    dotted, parameters, outer = algorithm(data, offset, limit)
    facts["signature_algorithm"] = oids.SIGNATURE_ALGORITHMS.get(dotted, dotted)
    if facts["signature_algorithm"] == "RSASSA-PSS":
        facts["signature_hash"] = _PSS_DEFAULT_HASH
        if parameters is not None and parameters.tag == SEQUENCE:
            for part in children(data, parameters, 4):
                if part.tag == CONTEXT_0:
                    hashed = algorithm(data, part.start, part.end)[0]
                    facts["signature_hash"] = oids.DIGESTS.get(hashed, hashed)
    return outer


def curve_facts(data, parameters):
    """Read ECParameters (RFC 5480, 2.1.1; explicit ones: RFC 3279, 2.3.5).

    :arg data: bytes.
    :arg parameters: `Item` of data.
    :returns: tuple: curve (str or None; 'explicit' for explicit parameters), bits of its field (int or None).
    :raises DerError: they are malformed.
    """
    if parameters.tag == OID:
        dotted = oid_text(data[parameters.start:parameters.end])
        return oids.CURVES.get(dotted, (dotted, None))
    if parameters.tag == SEQUENCE:
        version = expect(data, parameters.start, parameters.end, INTEGER)
        field = expect(data, version.end, parameters.end, SEQUENCE)
        kind = oid_at(data, field.start, field.end)[1]
        size = item(data, kind.end, field.end)
        if size.tag == INTEGER:  # prime field
            return "explicit", integer(data, size).bit_length()
        if size.tag == SEQUENCE:  # characteristic two: m comes first
            degree = integer(data, expect(data, size.start, size.end, INTEGER))
            return "explicit", degree if 0 < degree <= _MAX_FIELD_BITS else None
    return None, None


def key_facts(data, found):
    """Read a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).

    :arg data: bytes.
    :arg found: `Item` of data.
    :returns: dict: key_algorithm, key_bits, and curve of an EC key.
    :raises DerError: it is malformed.
    """
    dotted, parameters, outer = algorithm(data, found.start, found.end)
    key = expect(data, outer.end, found.end, BIT_STRING)
    if key.end != found.end or key.end - key.start < 1:
        raise DerError("not a public key")
    name = oids.KEY_ALGORITHMS.get(dotted, dotted)
    facts = {"key_algorithm": name, "key_bits": oids.FIXED_BITS.get(name)}
    if name.startswith("RSA"):
        modulus = expect(data, expect(data, key.start + 1, key.end, SEQUENCE).start, key.end, INTEGER)
        facts["key_bits"] = integer(data, modulus).bit_length()
    elif name in ("EC", "SM2") and parameters is not None:
        facts["curve"], facts["key_bits"] = curve_facts(data, parameters)
    elif name in ("DSA", "DH") and parameters is not None and parameters.tag == SEQUENCE:
        facts["key_bits"] = integer(data, expect(data, parameters.start, parameters.end, INTEGER)).bit_length()
    return facts


def _signed(data, trailing=False):
    """Check a signed structure, ``SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }``.

    :arg data: bytes.
    :arg trailing: bool, whether bytes may follow it.
    :returns: tuple of `Item`: tbs, the whole SEQUENCE.
    :raises DerError: it is malformed.
    """
    outer = expect(data, 0, len(data), SEQUENCE) if trailing else whole(data)
    tbs = expect(data, outer.start, outer.end, SEQUENCE)
    signature = algorithm(data, tbs.end, outer.end)[2]
    if expect(data, signature.end, outer.end, BIT_STRING).end != outer.end:
        raise DerError("bytes left over after the signature")
    return tbs, outer


def certificate_facts(data, trailing=False):
    """Read an X.509 certificate (RFC 5280, 4.1).

    :arg data: bytes.
    :arg trailing: bool, whether bytes may follow it (OpenSSL's TRUSTED CERTIFICATE appends its trust settings).
    :returns: dict: subject, issuer, serial (hex), key_algorithm, key_bits, curve, signature_algorithm, signature_hash (PSS only),
        not_before, not_after, fingerprint_sha256, self_signed (issuer equals subject), is_ca, san (list of str).
    :raises DerError: it is malformed.
    """
    tbs, outer = _signed(data, trailing)
    offset = tbs.start
    version = item(data, offset, tbs.end)
    if version.tag == CONTEXT_0:
        offset = version.end
    serial = expect(data, offset, tbs.end, INTEGER)
    if serial.end - serial.start > _MAX_SERIAL:
        raise DerError("serial number too long")
    facts = {"serial": "%x" % integer(data, serial)}
    signature = _signature(facts, data, serial.end, tbs.end)
    issuer = expect(data, signature.end, tbs.end, SEQUENCE)
    validity = expect(data, issuer.end, tbs.end, SEQUENCE)
    before = item(data, validity.start, validity.end)
    after = item(data, before.end, validity.end)
    subject = expect(data, validity.end, tbs.end, SEQUENCE)
    key = expect(data, subject.end, tbs.end, SEQUENCE)
    put_name(facts, "issuer", data, issuer)
    put_name(facts, "subject", data, subject)
    facts.update(key_facts(data, key))
    facts["not_before"] = utc_text(data, before)
    facts["not_after"] = utc_text(data, after)
    facts["fingerprint_sha256"] = hashlib.sha256(data[:outer.end]).hexdigest()
    facts["self_signed"] = data[issuer.begin:issuer.end] == data[subject.begin:subject.end]
    facts["is_ca"] = False
    facts["san"] = []
    offset = key.end
    while offset < tbs.end:
        part = item(data, offset, tbs.end)
        if part.tag == CONTEXT_0 + 3:
            _extensions(facts, data, expect(data, part.start, part.end, SEQUENCE))
        offset = part.end
    return facts


def _extensions(facts, data, sequence):
    """Set is_ca and san by the extensions (RFC 5280, 4.1.2.9) in sequence, an `Item` of data. :raises DerError: they are malformed."""
    for extension in children(data, sequence, _MAX_EXTENSIONS):
        dotted, name = oid_at(data, extension.start, extension.end)
        value = item(data, name.end, extension.end)
        if value.tag == BOOLEAN:  # critical
            value = item(data, value.end, extension.end)
        if value.tag != OCTET_STRING:
            raise DerError("not an extension")
        if dotted == _BASIC_CONSTRAINTS:
            inner = expect(data, value.start, value.end, SEQUENCE)
            if inner.start < inner.end:
                first = item(data, inner.start, inner.end)
                facts["is_ca"] = first.tag == BOOLEAN and data[first.start:first.end] not in (b"", b"\0")
        elif dotted == _SUBJECT_ALT_NAME:
            for entry in children(data, expect(data, value.start, value.end, SEQUENCE), 1 << 20):
                if len(facts["san"]) == MAX_SAN:
                    facts["san_truncated"] = True
                    break
                facts["san"].append(general_name(data, entry))


def request_facts(data):
    """Read a PKCS #10 request (RFC 2986, 4).

    :arg data: bytes.
    :returns: dict: subject, key_algorithm, key_bits, curve, signature_algorithm.
    :raises DerError: it is malformed.
    """
    tbs = _signed(data)[0]
    version = expect(data, tbs.start, tbs.end, INTEGER)
    subject = expect(data, version.end, tbs.end, SEQUENCE)
    key = expect(data, subject.end, tbs.end, SEQUENCE)
    if integer(data, version) != 0 or key.end < tbs.end and item(data, key.end, tbs.end).tag != CONTEXT_0:
        raise DerError("not a request")
    facts = {}
    put_name(facts, "subject", data, subject)
    facts.update(key_facts(data, key))
    _signature(facts, data, tbs.end, len(data))
    return facts


def revocation_facts(data, partial=False):
    """Read a certificate revocation list (RFC 5280, 5.1).

    :arg data: bytes.
    :arg partial: bool, whether data is only its beginning; then revoked is None and truncated is True.
    :returns: dict: issuer, signature_algorithm, this_update, next_update, revoked (count of entries).
    :raises DerError: it is malformed.
    """
    outer = expect(data, 0, _ANY_LENGTH, SEQUENCE) if partial else whole(data)
    tbs = expect(data, outer.start, outer.end, SEQUENCE)
    if not partial:
        _signed(data)
    first = item(data, tbs.start, tbs.end)
    facts = {}
    signature = _signature(facts, data, first.end if first.tag == INTEGER else first.begin, tbs.end)
    issuer = expect(data, signature.end, tbs.end, SEQUENCE)
    put_name(facts, "issuer", data, issuer)
    this_update = item(data, issuer.end, tbs.end)
    facts["this_update"] = utc_text(data, this_update)
    facts["next_update"] = None
    facts["revoked"] = 0
    offset = this_update.end
    if offset < tbs.end:
        found = item(data, offset, tbs.end)
        if found.tag not in (SEQUENCE, CONTEXT_0):
            facts["next_update"] = utc_text(data, found)
            offset = found.end
    if partial:
        facts.update(revoked=None, truncated=True)
    elif offset < tbs.end:
        found = item(data, offset, tbs.end)
        if found.tag == SEQUENCE:
            facts["revoked"] = sum(1 for entry in children(data, found, _MAX_REVOKED))
    return facts


def public_key_facts(data):
    """Read a SubjectPublicKeyInfo.

    :arg data: bytes.
    :returns: dict: algorithm, key_bits, and curve of an EC key.
    :raises DerError: it is malformed.
    """
    facts = key_facts(data, whole(data))
    facts["algorithm"] = facts.pop("key_algorithm")
    return facts


def rsa_public_key_facts(data):
    """Read an RSAPublicKey (RFC 8017, A.1.1).

    :arg data: bytes.
    :returns: dict: algorithm, key_bits.
    :raises DerError: it is malformed, or the numbers can't be a modulus and its exponent.
    """
    values = [integer(data, part) for part in children(data, whole(data), 2) if part.tag == INTEGER]
    if len(values) != 2 or not values[0] & values[1] & 1 or values[1] < 3 or values[1].bit_length() > _MAX_EXPONENT_BITS:
        raise DerError("not an RSA public key")
    if not _MIN_RSA_BITS <= values[0].bit_length() <= _MAX_RSA_BITS:
        raise DerError("not an RSA modulus")
    return {"algorithm": "RSA", "key_bits": values[0].bit_length()}


def dh_parameters_facts(data):
    """Read PKCS #3 DHParameters {p, g, l} or X9.42 ones {p, g, q, ...} (RFC 3279, 2.3.3).

    :arg data: bytes.
    :returns: dict: algorithm, key_bits.
    :raises DerError: they are malformed, or the numbers can't be a group.
    """
    parts = list(children(data, whole(data), 5))
    if len(parts) < 2 or any(part.tag != INTEGER for part in parts[:2]):
        raise DerError("not DH parameters")
    prime = integer(data, parts[0])
    if not prime & 1 or not _MIN_RSA_BITS <= prime.bit_length() <= _MAX_RSA_BITS or not 1 < integer(data, parts[1]) < prime:
        raise DerError("not a DH group")
    return {"algorithm": "DH", "key_bits": prime.bit_length()}


def dsa_parameters_facts(data):
    """Read Dss-Parms {p, q, g} (RFC 3279, 2.3.2).

    :arg data: bytes.
    :returns: dict: algorithm, key_bits.
    :raises DerError: they are malformed, or the numbers can't be such parameters.
    """
    values = [integer(data, part) for part in children(data, whole(data), 3) if part.tag == INTEGER]
    if len(values) != 3 or not values[0] & values[1] & 1 or not 160 <= values[1].bit_length() <= 512 <= values[0].bit_length():
        raise DerError("not DSA parameters")
    return {"algorithm": "DSA", "key_bits": values[0].bit_length()}


def ec_parameters_facts(data):
    """Read ECParameters.

    :arg data: bytes.
    :returns: dict: algorithm, curve, key_bits.
    :raises DerError: they are malformed, or the curve is unknown.
    """
    found = item(data, 0, len(data))
    curve, bits = curve_facts(data, found)
    if found.end != len(data) or bits is None:
        raise DerError("not EC parameters")
    return {"algorithm": "EC", "curve": curve, "key_bits": bits}


def signed_data_facts(data):
    """Read PKCS #7 / CMS (RFC 5652, 3 and 5.1).

    :arg data: bytes; the first 32 are enough where the lengths are indefinite (BER).
    :returns: dict: content_type; for signedData also certificates (count), signers (count), digests (list of str), and certificate (facts of
        the first one). Indefinite lengths give content_type only.
    :raises DerError: it is malformed.
    """
    if data[:2] == b"\x30\x80":
        dotted, name = oid_at(data, 2, len(data))
        if dotted not in oids.CONTENT_TYPES or data[name.end:name.end + 2] != b"\xa0\x80":
            raise DerError("not PKCS #7")
        return {"content_type": oids.CONTENT_TYPES[dotted]}
    outer = whole(data)
    dotted, name = oid_at(data, outer.start, outer.end)
    if dotted not in oids.CONTENT_TYPES:
        raise DerError("not PKCS #7")
    facts = {"content_type": oids.CONTENT_TYPES[dotted]}
    content = expect(data, name.end, outer.end, CONTEXT_0)
    if content.end != outer.end:
        raise DerError("bytes left over")
    if facts["content_type"] != "signedData":
        return facts
    facts.update(certificates=0, signers=0, digests=[])
    parts = list(children(data, expect(data, content.start, content.end, SEQUENCE), 6))
    if len(parts) < 4 or parts[0].tag != INTEGER or parts[1].tag != SET or parts[-1].tag != SET:
        raise DerError("not signedData")
    digests = {algorithm(data, part.begin, part.end)[0] for part in children(data, parts[1], _MAX_DIGESTS)}
    facts["digests"] = sorted(oids.DIGESTS.get(dotted, dotted) for dotted in digests)
    facts["signers"] = sum(1 for signer in children(data, parts[-1], _MAX_SIGNED))
    for part in parts[3:-1]:
        if part.tag == CONTEXT_0:
            for certificate in children(data, part, _MAX_SIGNED):
                facts["certificates"] += 1
                if facts["certificates"] == 1 and certificate.tag == SEQUENCE:
                    facts["certificate"] = certificate_facts(data[certificate.begin:certificate.end])
    return facts
