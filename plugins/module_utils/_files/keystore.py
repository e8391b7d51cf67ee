# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key stores, which hold several keys: PKCS #12, JKS, JCEKS, BKS and Kerberos keytabs. Keys in them are counted, and skipped unread.

Every function takes `FileBytes`. Those for JKS, BKS and keytabs return None where the file only begins like one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._formats import oids
from .._formats.certificate import certificate_facts
from .._formats.der import CONTEXT_0, INTEGER, OCTET_STRING, SEQUENCE, DerError, algorithm, expect, header, oid_text
from .private_key import encryption_facts, kdf_facts, read_count

_MAX_ENTRIES = 5000
_MAX_CHAIN = 100  # certificates of one key
_MAX_SAFES = 50  # SafeContents of a PKCS #12 file
_MAX_CERTIFICATE = 1 << 16  # bytes
_MAX_TAIL = 1024  # bytes of MacData (RFC 7292, 4), about 150 in practice; and of an AlgorithmIdentifier

JKS, JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"  # JavaKeyStore.java and JceKeyStore.java of OpenJDK
_JKS_DIGEST = 20  # bytes of the SHA-1 at the end, the same sources
_PRIVATE_KEY, _TRUSTED_CERTIFICATE, _SECRET_KEY = 1, 2, 3  # entry tags, the same sources

_KEY_BAG, _SHROUDED_BAG, _CERT_BAG, _SECRET_BAG = ("1.2.840.113549.1.12.10.1." + number for number in "1235")  # RFC 7292, 4.2
_PKCS7_ARC = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # 1.2.840.113549.1.7, RFC 5652; data is its 1, signedData its 2

# IANA, Kerberos Encryption Type Numbers.
_ENCTYPES = {
    1: "des-cbc-crc", 2: "des-cbc-md4", 3: "des-cbc-md5", 16: "des3-cbc-sha1", 17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", 23: "rc4-hmac", 24: "rc4-hmac-exp", 25: "camellia128-cts-cmac",
    26: "camellia256-cts-cmac",
}


def _number(source, offset, length):
    """Read a big-endian number of length bytes at offset.

    :returns: int; -1 where the file ends before.
    """
    data = source.read(offset, length)
    return int.from_bytes(data, "big") if len(data) == length else -1


def jks(source):
    """Read a JKS or JCEKS key store: magic, version, count, then entries (OpenJDK's JavaKeyStore.java, engineLoad).

    :arg source: `FileBytes`.
    :returns: dict, or None where it is malformed: version, entries, private_keys, certificates (trusted ones), secret_keys, certificate (facts
        of the first one). truncated is True where counting stopped: a secret key of JCEKS is a serialized object of unknown length.
    """
    version, count = _number(source, 4, 4), _number(source, 8, 4)
    if version not in (1, 2) or count < 0:
        return None
    facts = {"version": version, "entries": count, "private_keys": 0, "certificates": 0, "secret_keys": 0}
    offset = 12
    for number in range(min(count, _MAX_ENTRIES)):
        tag = _number(source, offset, 4)
        alias = _number(source, offset + 4, 2)
        offset += 6 + max(alias, 0) + 8  # the date has 8 bytes
        if tag == _SECRET_KEY:
            facts["secret_keys"] += 1
            facts["truncated"] = True
            return facts
        if alias < 0 or tag not in (_PRIVATE_KEY, _TRUSTED_CERTIFICATE):
            return None
        chain = 1
        if tag == _PRIVATE_KEY:
            facts["private_keys"] += 1
            offset += 4 + max(_number(source, offset, 4), 0)
            chain = _number(source, offset, 4)
            offset += 4
        else:
            facts["certificates"] += 1
        if not 0 <= chain <= _MAX_CHAIN:
            return None
        for link in range(chain):
            offset += 2 + max(_number(source, offset, 2), 0) if version == 2 else 0
            length = _number(source, offset, 4)
            if length < 0:
                return None
            if "certificate" not in facts and length <= _MAX_CERTIFICATE:
                facts["certificate"] = _certificate(source.read(offset + 4, length))
            offset += 4 + length
        if offset > source.size:
            return None
    if count > _MAX_ENTRIES:
        facts["truncated"] = True
    elif offset + _JKS_DIGEST != source.size:
        return None
    return facts


def _certificate(data):
    try:
        return certificate_facts(data)
    except DerError:
        return None


def bks(source):
    """Read the head of a BouncyCastle BKS key store (BcKeyStoreSpi.java, engineStore): version, salt of 20 bytes, iterations, entries.

    :arg source: `FileBytes`.
    :returns: dict: version, iterations; None where it is malformed.
    """
    version, salt, iterations = _number(source, 0, 4), _number(source, 4, 4), _number(source, 28, 4)
    if version not in (1, 2) or salt != 20 or not 1024 <= iterations < 2048 or source.size < 53:  # 1024 + 10 random bits; 20 of HMAC
        return None
    if _number(source, 32, 1) > 4:  # 0 end, 1 certificate, 2 key, 3 secret, 4 sealed
        return None
    return {"version": version, "iterations": iterations}


def keytab(source):
    """Read a Kerberos keytab, version 0x502 (MIT Kerberos documentation, 'Keytab file format').

    :arg source: `FileBytes`.
    :returns: dict: entries, encryption_types (dict of name -> count), truncated where there are more entries than the limit; no principal
        names. None where the records don't fit the file.
    """
    offset = 2
    counts = {}
    entries = 0
    while offset + 4 <= source.size:
        if entries == _MAX_ENTRIES:
            return {"entries": entries, "encryption_types": counts, "truncated": True}
        length = _number(source, offset, 4)
        offset += 4
        if length <= 0:
            if length == 0 and entries:
                break  # the rest is unused space
            return None
        if length >= 1 << 31:  # a hole: its length is negative
            offset += (1 << 32) - length
            continue
        end = offset + length
        place = offset + 2
        for component in range(min(_number(source, offset, 2), 32) + 1):  # realm, then components
            place += 2 + max(_number(source, place, 2), 0)
        kind = _number(source, place + 9, 2)  # behind name type, timestamp, key version
        if end > source.size or kind < 0 or place + 13 + max(_number(source, place + 11, 2), 0) > end:
            return None
        name = _ENCTYPES.get(kind, str(kind))
        counts[name] = counts.get(name, 0) + 1
        entries += 1
        offset = end
    return {"entries": entries, "encryption_types": counts} if entries or source.size == 2 else None


def pkcs12(source):
    """Read a PKCS #12 key store: a PFX (RFC 7292, 4) that is the whole file.

    :arg source: `FileBytes`.
    :returns: dict: mac (see `_mac`; None without one), private_keys (count), encrypted, encryption of the first key (see `encryption_facts`),
        certificate_encryption, or certificates (count) where these are not encrypted, secret_keys. Empty for the indefinite lengths (BER)
        that NSS writes.
    :raises DerError: it is malformed.
    """
    front = source.read(0, 20)
    if front[:2] == b"\x30\x80":
        if front[2:17] == b"\x02\x01\x03\x30\x80\x06\x09" + _PKCS7_ARC and front[17:18] in (b"\x01", b"\x02"):
            return {}
        raise DerError("not PKCS #12")
    read = source.read
    outer = header(read, 0, source.size)
    version = header(read, outer.start, outer.end)
    if outer.tag != SEQUENCE or outer.end != source.size or read(version.begin, 3) != b"\x02\x01\x03":
        raise DerError("not PKCS #12")
    dotted, safe, content = _content(source, version.end, outer.end)
    if dotted not in ("data", "signedData"):
        raise DerError("not PKCS #12")
    facts = {"mac": None, "private_keys": 0, "encrypted": False}
    if safe.end < outer.end:
        facts["mac"] = _mac(read(safe.end, min(outer.end - safe.end, _MAX_TAIL)))
    if dotted == "data":
        _safes(source, _into(source, content), facts)
    return facts


def _content(source, offset, limit):
    """Read the ContentInfo at an offset that ends within limit.

    :returns: tuple: content type (str), `Item` of the ContentInfo, `Item` of its [0].
    :raises DerError: it is malformed.
    """
    outer = header(source.read, offset, limit)
    name = header(source.read, outer.start, outer.end)
    if outer.tag != SEQUENCE or name.end - name.start > 16:
        raise DerError("not a ContentInfo")
    dotted = oid_text(source.read(name.start, name.end - name.start))
    content = header(source.read, name.end, outer.end)
    if content.tag != CONTEXT_0:
        raise DerError("not a ContentInfo")
    return oids.CONTENT_TYPES.get(dotted, dotted), outer, content


def _into(source, content):
    """Read the headers down to the SEQUENCE in the OCTET STRING in content, an `Item`.

    :returns: `Item` of the SEQUENCE.
    :raises DerError: it is malformed.
    """
    string = header(source.read, content.start, content.end)
    sequence = header(source.read, string.start, string.end)
    if string.tag != OCTET_STRING or sequence.tag != SEQUENCE:
        raise DerError("not a SafeContents")
    return sequence


def _safes(source, sequence, facts):
    """Add the contents of an AuthenticatedSafe (RFC 7292, 4.1), the `Item` sequence, to facts. :raises DerError: it is malformed."""
    offset = sequence.start
    for _safe in range(_MAX_SAFES):
        if offset >= sequence.end:
            break
        kind, outer, content = _content(source, offset, sequence.end)
        if kind == "data":
            _bags(source, _into(source, content), facts)
        elif kind == "encryptedData":
            facts["encrypted"] = True
            inner = header(source.read, content.start, content.end)
            version = header(source.read, inner.start, inner.end)
            sealed = header(source.read, version.end, inner.end)
            name = header(source.read, sealed.start, sealed.end)
            facts.setdefault("certificate_encryption", _encryption(source, name.end, sealed.end))
        offset = outer.end


def _bags(source, sequence, facts):
    """Add the SafeBags (RFC 7292, 4.2) of SafeContents, the `Item` sequence, to facts. :raises DerError: it is malformed."""
    offset = sequence.start
    for number in range(_MAX_ENTRIES):
        if offset >= sequence.end:
            break
        kind, outer, content = _content(source, offset, sequence.end)
        if kind in (_KEY_BAG, _SHROUDED_BAG):
            facts["private_keys"] += 1
        if kind == _SHROUDED_BAG:
            facts["encrypted"] = True
            inner = header(source.read, content.start, content.end)
            facts.setdefault("encryption", _encryption(source, inner.start, inner.end))
        elif kind == _CERT_BAG:
            facts["certificates"] = facts.get("certificates", 0) + 1
        elif kind == _SECRET_BAG:
            facts["secret_keys"] = facts.get("secret_keys", 0) + 1
        offset = outer.end


def _encryption(source, offset, limit):
    """`encryption_facts` of the AlgorithmIdentifier at an offset that ends within limit. :raises DerError: it is malformed or too long."""
    outer = header(source.read, offset, limit)
    if outer.end - outer.begin > _MAX_TAIL:
        raise DerError("algorithm identifier too long")
    return encryption_facts(source.read(outer.begin, outer.end - outer.begin))


def _mac(data):
    """Read MacData (RFC 7292, 4; RFC 9579 for PBMAC1).

    :arg data: bytes.
    :returns: dict: scheme; digest and iterations, or for PBMAC1 kdf, prf and iterations.
    :raises DerError: it is malformed.
    """
    outer = expect(data, 0, len(data), SEQUENCE)
    info = expect(data, outer.start, outer.end, SEQUENCE)
    dotted, parameters, whole = algorithm(data, info.start, info.end)
    if dotted == oids.PBMAC1 and parameters is not None and parameters.tag == SEQUENCE:
        kdf, inner, whole = algorithm(data, parameters.start, parameters.end)
        return dict({"scheme": "PBMAC1"}, **kdf_facts(data, kdf, inner))
    salt = expect(data, info.end, outer.end, OCTET_STRING)
    iterations = read_count(data, expect(data, salt.end, outer.end, INTEGER)) if salt.end < outer.end else 1
    return {"scheme": "PKCS#12 KDF", "digest": oids.DIGESTS.get(dotted, dotted), "iterations": iterations}
