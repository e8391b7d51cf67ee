# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a binary file that begins like DER is. Headers decide first; only what they show to be public is then read whole.

The outermost element must be exactly as long as the file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._formats import certificate as x509
from .._formats import oids
from .._formats.der import BIT_STRING, CONTEXT_0, INTEGER, OCTET_STRING, OID, SEQUENCE, DerError, header, oid_text
from . import private_key as private
from .keystore import pkcs12

_MAX_READ = 1 << 20  # octets of a public structure read whole
_MAX_KEY = 1 << 14  # octets of a public key or of parameters; the largest known, of Classic McEliece, are not in use in files
_MIN_NUMBER = 32  # octets of the first INTEGER of a public key or of parameters


def classify(octets):
    """What the file is.

    :arg octets: `FileOctets` of a file whose first octet is 0x30 (SEQUENCE) or 0x06 (OBJECT IDENTIFIER).
    :returns: ``(kind, format, facts)``.
    :raises DerError: it is none of the known structures.
    :raises OSError:
    """
    get = octets.get
    front = get(0, 2)
    if front[:1] == b"\x06":
        return _parameters(octets, x509.ec_parameters_facts)
    if front == b"\x30\x80":  # BER with indefinite lengths
        if get(2, 1) == b"\x06":
            return "signed_data", "PKCS#7", x509.signed_data_facts(get(0, 32))
        return "keystore", "PKCS#12", pkcs12(octets)
    outer = header(get, 0, octets.size)
    if outer.tag != SEQUENCE or outer.end != octets.size:
        raise DerError("not the whole file")
    first = header(get, outer.start, outer.end)
    if first.tag == INTEGER:
        return _begins_with_integer(octets, outer, first)
    if first.tag == SEQUENCE:
        return _begins_with_sequence(octets, outer, first)
    if first.tag == OID:
        return _content_info(octets, outer, first)
    raise DerError("nothing known")


def _begins_with_integer(octets, outer, first):
    if first.end - first.start > _MIN_NUMBER:
        for kind, read in (("public_key", x509.rsa_public_key_facts), ("parameters", x509.dsa_parameters_facts), ("parameters", x509.dh_parameters_facts)):
            try:
                return kind, "DER", read(_all(octets, _MAX_KEY))
            except DerError:
                pass
        raise DerError("numbers of no known meaning")
    if first.end - first.start != 1:
        raise DerError("not a version")
    version = octets.get(first.start, 1)
    second = header(octets.get, first.end, outer.end)
    if version == b"\x03" and second.tag == SEQUENCE:
        return "keystore", "PKCS#12", pkcs12(octets)
    if version not in (b"\0", b"\1"):
        raise DerError("not a version")
    if second.tag == SEQUENCE:
        facts = private.pkcs8(octets, octets.size).facts
        if facts["algorithm"][0].isdigit():
            raise DerError("algorithm not known")
    elif second.tag == OCTET_STRING and version == b"\1":
        facts = private.sec1(octets, octets.size).facts
    else:
        facts = private.rsa_or_dsa(octets, octets.size).facts
    return "private_key", "DER", facts


def _begins_with_sequence(octets, outer, first):
    get = octets.get
    inner = header(get, first.start, first.end)
    second = header(get, first.end, outer.end)
    if inner.tag == OID:
        if second.tag == OCTET_STRING and second.end == outer.end:
            return "private_key", "DER", private.encrypted_pkcs8(octets, octets.size).facts
        if second.tag == BIT_STRING and second.end == outer.end:
            facts = x509.public_key_facts(_all(octets, _MAX_KEY))
            if facts["algorithm"][0].isdigit():
                raise DerError("algorithm not known")
            return "public_key", "DER", facts
        raise DerError("an algorithm of no key")
    if inner.tag == SEQUENCE:
        try:
            if private.is_bcfks(octets, octets.size):
                return "keystore", "BCFKS", {}
        except DerError:
            pass  # then only a version 1 CRL has a SEQUENCE here
    elif inner.tag not in (CONTEXT_0, INTEGER):
        raise DerError("nothing known")
    signature = header(get, second.end, outer.end)
    if second.tag != SEQUENCE or signature.tag != BIT_STRING or signature.end != outer.end:
        raise DerError("nothing signed")
    partial = octets.size > _MAX_READ
    data = get(0, _MAX_READ)
    if not partial and inner.tag != SEQUENCE:
        for kind, read in (("certificate", x509.certificate_facts), ("csr", x509.request_facts)):
            try:
                return kind, "DER", read(data)
            except DerError:
                pass
    return "crl", "DER", x509.revocation_facts(data, partial)


def _content_info(octets, outer, first):
    if first.end - first.start > 16:
        raise DerError("no content type")
    dotted = oid_text(octets.get(first.start, first.end - first.start))
    content = header(octets.get, first.end, outer.end)
    if dotted not in oids.CONTENT_TYPES or content.tag != CONTEXT_0 or content.end != outer.end:
        raise DerError("not PKCS #7")
    facts = {"content_type": oids.CONTENT_TYPES[dotted]}
    if facts["content_type"] == "signedData":
        if octets.size > _MAX_READ:
            facts["truncated"] = True
        else:
            facts = x509.signed_data_facts(_all(octets, _MAX_READ))
    elif facts["content_type"] == "data":
        raise DerError("data of no known meaning")
    return "signed_data", "PKCS#7", facts


def _parameters(octets, read):
    return "parameters", "DER", read(_all(octets, 64))


def _all(octets, most):
    """The whole file. :raises DerError: where it is longer than most octets, or shorter than it was."""
    if octets.size > most:
        raise DerError("too long")
    data = octets.get(0, octets.size)
    if len(data) != octets.size:
        raise DerError("the file changed")
    return data
