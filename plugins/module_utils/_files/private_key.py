# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Algorithm, size and encryption of a private key, by the bytes before its secret part.

The functions take a source, `FileBytes` or `Base64Bytes` of _files/secret_safe_reads.py. They read headers, algorithm identifiers and public
numbers only; the tests record every read to prove it. A limit is the offset in bytes behind which no element may end.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from .._formats import oids
from .._formats.certificate import curve_facts
from .._formats.der import CONTEXT_0, INTEGER, OCTET_STRING, SEQUENCE, DerError, algorithm, children, expect, header, integer, item

_MAX_IDENTIFIER = 4096  # bytes of an AlgorithmIdentifier; DSA parameters of 15360 bits still fit
_MIN_BITS, _MAX_BITS = 256, 65536  # of an RSA, DSA or DH modulus; anything else is not one
_MAX_EXPONENT = 8  # bytes of publicExponent; a longer number in its place is the q of a DSA key
_MAX_CIPHER_NAME = 32  # characters
_CIPHER_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
UNLIMITED = 1 << 40  # limit where the length of the structure is not known beforehand


class KeyHead(NamedTuple):
    """The public beginning of a private key.

    :ivar facts: dict, JSON-ready.
    :ivar public: int, bytes from the beginning that are known to be public.
    :ivar total: int, bytes of the whole structure.
    """

    facts: dict
    public: int
    total: int


def _expect(source, offset, limit, tag):
    """Read the header at an offset, which must have this tag. :returns: `Item`. :raises DerError: it has not, or passes the limit."""
    found = header(source.read, offset, limit)
    if found.tag != tag:
        raise DerError("unexpected tag")
    return found


def _version(source, offset, limit):
    """Read a version of one byte. :returns: tuple of int: value, offset behind it. :raises DerError: it is malformed."""
    found = _expect(source, offset, limit, INTEGER)
    if found.end - found.start != 1:
        raise DerError("not a version")
    value = source.read(found.start, 1)
    if not value:
        raise DerError("no version")
    return value[0], found.end


def _modulus(source, offset, limit):
    """Read the first two bytes of the INTEGER at offset.

    :returns: tuple: bits (int), `Item`.
    :raises DerError: it can't be a modulus.
    """
    found = _expect(source, offset, limit, INTEGER)
    length = found.end - found.start
    first = source.read(found.start, min(2, length))
    if len(first) < 2 or first[0] >= 0x80:
        raise DerError("not a modulus")
    bits = (length - 2) * 8 + int.from_bytes(first, "big").bit_length()
    if not _MIN_BITS <= bits <= _MAX_BITS or first[0] == 0 and first[1] < 0x80:
        raise DerError("not a modulus")
    return bits, found


def _identifier(source, offset, limit):
    """Read the AlgorithmIdentifier at offset. :returns: tuple: bytes, offset behind it (int). :raises DerError: malformed or too long."""
    outer = _expect(source, offset, limit, SEQUENCE)
    if outer.end - outer.begin > _MAX_IDENTIFIER:
        raise DerError("algorithm identifier too long")
    return source.read(outer.begin, outer.end - outer.begin), outer.end


def _octet_string_follows(source, offset):
    # The tag only: the length is not needed, and in base64 its last character may already contain bits of the key.
    if source.read(offset, 1) != bytes((OCTET_STRING,)):
        raise DerError("no OCTET STRING")


def pkcs8(source, limit=UNLIMITED):
    """Read an unencrypted PKCS #8 key (RFC 5208; RFC 5958 OneAsymmetricKey).

    :arg source: `FileBytes` or `Base64Bytes`.
    :arg limit: int, bytes that the structure may have at most.
    :returns: `KeyHead`; facts are algorithm, key_bits, curve, encrypted (False).
    :raises DerError: it is malformed.
    """
    outer = _expect(source, 0, limit, SEQUENCE)
    version, offset = _version(source, outer.start, outer.end)
    if version > 1:
        raise DerError("not PKCS #8")
    identifier, behind = _identifier(source, offset, outer.end)
    dotted, parameters, whole = algorithm(identifier, 0, len(identifier))
    _octet_string_follows(source, behind)
    name = oids.KEY_ALGORITHMS.get(dotted, dotted)
    facts = {"algorithm": name, "key_bits": oids.FIXED_BITS.get(name), "encrypted": False}
    public = behind
    if name in ("EC", "SM2") and parameters is not None:
        facts["curve"], facts["key_bits"] = curve_facts(identifier, parameters)
    elif name in ("DSA", "DH") and parameters is not None and parameters.tag == SEQUENCE:
        facts["key_bits"] = integer(identifier, expect(identifier, parameters.start, parameters.end, INTEGER)).bit_length()
    elif name.startswith("RSA"):
        inner = _expect(source, behind, outer.end, OCTET_STRING)
        key = _expect(source, inner.start, inner.end, SEQUENCE)
        facts["key_bits"], modulus = _modulus(source, _version(source, key.start, key.end)[1], key.end)
        public = modulus.end
    return KeyHead(facts, public, outer.end)


def encrypted_pkcs8(source, limit=UNLIMITED):
    """Read an EncryptedPrivateKeyInfo (RFC 5958, 3); arguments as for `pkcs8`.

    :returns: `KeyHead`; facts are algorithm (None), key_bits (None), encrypted (True), encryption (see `encryption_facts`).
    :raises DerError: it is malformed.
    """
    outer = _expect(source, 0, limit, SEQUENCE)
    identifier, behind = _identifier(source, outer.start, outer.end)
    encryption = encryption_facts(identifier)
    _octet_string_follows(source, behind)
    return KeyHead({"algorithm": None, "key_bits": None, "encrypted": True, "encryption": encryption}, behind, outer.end)


def encryption_facts(identifier):
    """Read the AlgorithmIdentifier of a password-based encryption scheme (RFC 8018, appendix A).

    :arg identifier: bytes.
    :returns: dict: scheme, and where given kdf, prf, iterations, scrypt_n, cipher.
    :raises DerError: it is malformed, or the scheme is unknown.
    """
    dotted, parameters, whole = algorithm(identifier, 0, len(identifier))
    if dotted in oids.PBE_SCHEMES:
        facts = {"scheme": oids.PBE_SCHEMES[dotted]}
        if parameters is not None and parameters.tag == SEQUENCE:
            salt = item(identifier, parameters.start, parameters.end)
            facts["iterations"] = read_count(identifier, expect(identifier, salt.end, parameters.end, INTEGER))
        return facts
    if dotted != oids.PBES2 or parameters is None or parameters.tag != SEQUENCE:
        raise DerError("not a password-based scheme")
    facts = {"scheme": "PBES2"}
    kdf, inner, whole = algorithm(identifier, parameters.start, parameters.end)
    cipher = algorithm(identifier, whole.end, parameters.end)[0]
    facts["cipher"] = oids.CIPHERS.get(cipher, cipher)
    facts.update(kdf_facts(identifier, kdf, inner))
    return facts


def kdf_facts(identifier, dotted, parameters):
    """Read the parameters of PBKDF2 (RFC 8018, A.2) or scrypt (RFC 7914, 7).

    :arg identifier: bytes.
    :arg dotted: str, object identifier of the key derivation function.
    :arg parameters: `Item` of identifier, or None.
    :returns: dict: kdf, and where given prf, iterations, scrypt_n.
    :raises DerError: it is malformed.
    """
    facts = {"kdf": {oids.PBKDF2: "PBKDF2", oids.SCRYPT: "scrypt"}.get(dotted, dotted)}
    if parameters is None or parameters.tag != SEQUENCE:
        return facts
    parts = list(children(identifier, parameters, 5))
    if dotted == oids.PBKDF2 and len(parts) > 1 and parts[1].tag == INTEGER:
        facts["iterations"] = read_count(identifier, parts[1])
        facts["prf"] = "HMAC-SHA-1"  # the default of RFC 8018, A.2
        if parts[-1].tag == SEQUENCE:
            prf = algorithm(identifier, parts[-1].begin, parts[-1].end)[0]
            facts["prf"] = oids.PRFS.get(prf, prf)
    elif dotted == oids.SCRYPT and len(parts) > 1 and parts[1].tag == INTEGER:
        facts["scrypt_n"] = read_count(identifier, parts[1])
    return facts


def read_count(data, found):
    """The value of a count: a non-negative INTEGER of at most 8 bytes, the `Item` found of data. :raises DerError: it is something else."""
    value = integer(data, found)
    if not 0 <= value < 1 << 63:
        raise DerError("not a count")
    return value


def rsa(source, limit=UNLIMITED):
    """Read an RSAPrivateKey (RFC 8017, A.1.2); arguments as for `pkcs8`. :returns: `KeyHead`. :raises DerError: it is malformed."""
    outer = _expect(source, 0, limit, SEQUENCE)
    version, offset = _version(source, outer.start, outer.end)
    bits, modulus = _modulus(source, offset, outer.end)
    if version > 1:
        raise DerError("not an RSA key")
    return KeyHead({"algorithm": "RSA", "key_bits": bits, "encrypted": False}, modulus.end, outer.end)


def dsa(source, limit=UNLIMITED):
    """Read OpenSSL's DSA key, {0, p, q, g, y, x} (dsa(1ssl), 'traditional' format); arguments as for `pkcs8`.

    :returns: `KeyHead`.
    :raises DerError: it is malformed.
    """
    head = rsa(source, limit)
    head.facts["algorithm"] = "DSA"
    return head


def rsa_or_dsa(source, limit):
    """Read an RSA or DSA key in DER: after the first large number, RSA has a short exponent and DSA has q.

    :arg source: `FileBytes`, which reads the third number without the second.
    :arg limit: int, bytes.
    :returns: `KeyHead`.
    :raises DerError: it is malformed.
    """
    head = rsa(source, limit)
    third = _expect(source, head.public, head.total, INTEGER)
    if third.end >= head.total:
        raise DerError("nothing after the public numbers")
    if third.end - third.start > _MAX_EXPONENT:
        head.facts["algorithm"] = "DSA"
    return head


# Bytes of a private key in SEC 1 form, which are those of its curve's order (RFC 5915, 3) -> bits of the curves with such keys.
_EC_BITS = {14: 112, 16: 128, 20: 160, 21: 163, 24: 192, 28: 224, 29: 233, 30: 239, 32: 256, 36: 283, 40: 320, 48: 384, 52: 409, 64: 512,
            66: 521, 72: 571}
# (bytes of the key, bytes of the curve's object identifier) -> curve, where only one curve in use has both.
_EC_CURVES = {(24, 8): "prime192v1", (32, 8): "prime256v1", (48, 5): "secp384r1", (66, 5): "secp521r1", (32, 5): "secp256k1"}


def sec1(source, limit=UNLIMITED):
    """Read an ECPrivateKey (RFC 5915, 3): {1, OCTET STRING key, [0] parameters, [1] public key}; arguments as for `pkcs8`.

    The curve is encoded behind the secret, so it is derived from the lengths before the secret. In base64 the last length byte shares a
    character with the secret; its bits in the character before are enough.

    :returns: `KeyHead`; facts are algorithm, key_bits, encrypted, and curve with curve_by 'length' where only one curve fits.
    :raises DerError: it is malformed.
    """
    outer = _expect(source, 0, limit, SEQUENCE)
    if source.read(outer.start, 4) != b"\x02\x01\x01\x04":
        raise DerError("not an EC key")
    secret = outer.start + 5
    front, missing = source.prefix(secret)
    if len(front) < secret:
        raise DerError("EC key cut short")
    facts = {"algorithm": "EC", "key_bits": None, "encrypted": False}
    lowest = front[-1]
    for length, bits in sorted(_EC_BITS.items()):
        if lowest <= length < lowest + (1 << missing):
            for name in _identifier_lengths(outer.end - secret - length, length):
                facts["key_bits"] = bits
                if (length, name) in _EC_CURVES:
                    facts["curve"] = _EC_CURVES[length, name]
                    facts["curve_by"] = "length"
    if facts["key_bits"] is None:
        if missing or not lowest <= outer.end - secret:
            raise DerError("unknown length of an EC key")
        facts["key_bits"] = lowest * 8
    return KeyHead(facts, outer.start, outer.end)


def _identifier_lengths(rest, length):
    """Yield the possible lengths of the curve's identifier, in bytes; 0 without parameters.

    :arg rest: int, bytes behind the key.
    :arg length: int, bytes of the key.
    """
    point = 2 * length + 2  # BIT STRING: unused bits, 04, x, y (RFC 5480, 2.2)
    string = point + (2 if point < 128 else 3)
    tagged = string + (2 if string < 128 else 3)
    for public in (0, tagged):
        for name in (0, 5, 7, 8, 9, 10):
            if rest == public + (name + 4 if name else 0):
                yield name


def proc_type_facts(cursor, algorithm_name):
    """Read the RFC 1421 headers of an encrypted key.

    :arg cursor: `TextCursor` behind 'Proc'.
    :arg algorithm_name: str, the algorithm of the PEM label, or None.
    :returns: dict: algorithm, key_bits, encrypted, encryption. The cipher is read from the DEK-Info line, up to the comma before the IV.
    """
    facts = {"algorithm": algorithm_name, "key_bits": None, "encrypted": True}
    for expected in (b"-Type: 4,ENCRYPTED", b"DEK-Info: "):
        if not cursor.fill(len(expected)) or cursor.buffered[:len(expected)] != expected:
            return facts
        cursor.skip(len(expected))
        if expected[:1] == b"-" and not cursor.end_of_line():
            return facts
    length = 0
    while length < _MAX_CIPHER_NAME and cursor.fill(length + 1) and cursor.buffered[length] in _CIPHER_CHARACTERS:
        length += 1
    if cursor.buffered[length:length + 1] == b",":
        facts["encryption"] = {"scheme": "RFC 1421", "cipher": cursor.buffered[:length].decode("ascii"), "kdf": "EVP_BytesToKey", "prf": "MD5", "iterations": 1}
    return facts


def is_bcfks(source, limit):
    """Whether this is a BouncyCastle FIPS key store (BCFKS): {{PBES2 identifier, OCTET STRING}, integrity check}.

    :arg source: `FileBytes`.
    :arg limit: int, bytes of the file.
    :returns: bool.
    :raises DerError: it is malformed.
    """
    outer = _expect(source, 0, limit, SEQUENCE)
    store = _expect(source, outer.start, outer.end, SEQUENCE)
    identifier, behind = _identifier(source, store.start, store.end)
    if encryption_facts(identifier)["scheme"] != "PBES2":
        return False
    sealed = _expect(source, behind, store.end, OCTET_STRING)
    check = header(source.read, store.end, outer.end)
    return sealed.end == store.end and check.end == outer.end and check.tag in (SEQUENCE, CONTEXT_0)
