# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classify a binary file that begins like DER: by its headers first; only data that they show to be public is then read whole.

The outermost element must be exactly as long as the file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._formats import certificate as x509
from .._formats import oids
from .._formats.der import BIT_STRING, CONTEXT_0, INTEGER, OCTET_STRING, OID, SEQUENCE, DerError, header, oid_text
from . import private_key as private
from .keystore import pkcs12

_MAX_READ = 1 << 20  # bytes of a public structure read whole
_MAX_KEY = 1 << 14  # bytes of a public key or of parameters; the largest known, of Classic McEliece, are not in use in files
_MAX_CURVE = 64  # bytes of EC parameters that name a curve
_MIN_NUMBER = 32  # bytes of the first INTEGER of a public key or of parameters


def classify(source):
    """Classify a file.

    :arg source: `FileBytes` of a file whose first byte is 0x30 (SEQUENCE) or 0x06 (OBJECT IDENTIFIER).
    :returns: tuple: kind (str), format (str), facts (dict).
    :raises DerError: it is none of the known structures.
    :raises OSError: the file can't be read.
    """
    read = source.read
    front = read(0, 2)
    if front[:1] == b"\x06":
        return _parameters(source, x509.ec_parameters_facts)
    if front == b"\x30\x80":  # BER with indefinite lengths
        if read(2, 1) == b"\x06":
            return "signed_data", "PKCS#7", x509.signed_data_facts(read(0, 32))
        return "keystore", "PKCS#12", pkcs12(source)
    outer = header(read, 0, source.size)
    if outer.tag != SEQUENCE or outer.end != source.size:
        raise DerError("not the whole file")
    first = header(read, outer.start, outer.end)
    if first.tag == INTEGER:
        return _begins_with_integer(source, outer, first)
    if first.tag == SEQUENCE:
        return _begins_with_sequence(source, outer, first)
    if first.tag == OID:
        return _content_info(source, outer, first)
    raise DerError("unknown structure")


def _begins_with_integer(source, outer, first):
    """Classify ``SEQUENCE { INTEGER, ... }``: outer and first are the two `Item`s. See `classify`; the next functions likewise."""
    if first.end - first.start > _MIN_NUMBER:
        for kind, parse in (("public_key", x509.rsa_public_key_facts), ("parameters", x509.dsa_parameters_facts), ("parameters", x509.dh_parameters_facts)):
            try:
                return kind, "DER", parse(_all(source, _MAX_KEY))
            except DerError:
                pass
        raise DerError("unknown numbers")
    if first.end - first.start != 1:
        raise DerError("not a version")
    version = source.read(first.start, 1)
    second = header(source.read, first.end, outer.end)
    if version == b"\x03" and second.tag == SEQUENCE:
        return "keystore", "PKCS#12", pkcs12(source)
    if version not in (b"\0", b"\1"):
        raise DerError("not a version")
    if second.tag == SEQUENCE:
        facts = private.pkcs8(source, source.size).facts
        if facts["algorithm"][0].isdigit():
            raise DerError("unknown algorithm")
    elif second.tag == OCTET_STRING and version == b"\1":
        facts = private.sec1(source, source.size).facts
    else:
        facts = private.rsa_or_dsa(source, source.size).facts
    return "private_key", "DER", facts


def _begins_with_sequence(source, outer, first):
    read = source.read
    inner = header(read, first.start, first.end)
    second = header(read, first.end, outer.end)
    if inner.tag == OID:
        if second.tag == OCTET_STRING and second.end == outer.end:
            return "private_key", "DER", private.encrypted_pkcs8(source, source.size).facts
        if second.tag == BIT_STRING and second.end == outer.end:
            facts = x509.public_key_facts(_all(source, _MAX_KEY))
            if facts["algorithm"][0].isdigit():
                raise DerError("unknown algorithm")
            return "public_key", "DER", facts
        raise DerError("an algorithm without a key")
    if inner.tag == SEQUENCE:
        try:
            if private.is_bcfks(source, source.size):
                return "keystore", "BCFKS", {}
        except DerError:
            pass  # then only a version 1 CRL has a SEQUENCE here
    elif inner.tag not in (CONTEXT_0, INTEGER):
        raise DerError("unknown structure")
    signature = header(read, second.end, outer.end)
    if second.tag != SEQUENCE or signature.tag != BIT_STRING or signature.end != outer.end:
        raise DerError("not a signed structure")
    partial = source.size > _MAX_READ
    data = read(0, _MAX_READ)
    if not partial and inner.tag != SEQUENCE:
        for kind, parse in (("certificate", x509.certificate_facts), ("csr", x509.request_facts)):
            try:
                return kind, "DER", parse(data)
            except DerError:
                pass
    return "crl", "DER", x509.revocation_facts(data, partial)


def _content_info(source, outer, first):
    if first.end - first.start > 16:
        raise DerError("not a content type")
    dotted = oid_text(source.read(first.start, first.end - first.start))
    content = header(source.read, first.end, outer.end)
    if dotted not in oids.CONTENT_TYPES or content.tag != CONTEXT_0 or content.end != outer.end:
        raise DerError("not PKCS #7")
    facts = {"content_type": oids.CONTENT_TYPES[dotted]}
    if facts["content_type"] == "signedData":
        if source.size > _MAX_READ:
            facts["truncated"] = True
        else:
            facts = x509.signed_data_facts(_all(source, _MAX_READ))
    elif facts["content_type"] == "data":
        raise DerError("data of an unknown type")
    return "signed_data", "PKCS#7", facts


def _parameters(source, parse):
    return "parameters", "DER", parse(_all(source, _MAX_CURVE))


def _all(source, limit):
    """Read the whole file.

    :arg source: `FileBytes`.
    :arg limit: int, bytes.
    :returns: bytes.
    :raises DerError: it is longer than limit, or was truncated meanwhile.
    """
    if source.size > limit:
        raise DerError("too long")
    data = source.read(0, source.size)
    if len(data) != source.size:
        raise DerError("the file was truncated")
    return data
