# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of private key this is, from the octets before its secret part.

The functions take `octets`, an object with ``get(offset, length)`` and ``prefix(length)`` (`FileOctets` or `Base64Octets` of
_files/careful_reads.py). They ask for headers, algorithm identifiers and public numbers only; tests record every read to prove it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from .._formats import oids
from .._formats.certificate import curve_facts
from .._formats.der import CONTEXT_0, INTEGER, OCTET_STRING, SEQUENCE, DerError, algorithm, children, expect, header, integer, item

_MAX_IDENTIFIER = 4096  # octets of an AlgorithmIdentifier; DSA parameters of 15360 bits still fit
_MIN_BITS, _MAX_BITS = 256, 65536  # of an RSA, DSA or DH modulus; anything else is not one
_MAX_EXPONENT_OCTETS = 8  # publicExponent; what is longer in its place is the q of a DSA key
UNLIMITED = 1 << 40  # limit where the whole length is not known beforehand


class KeyHead(NamedTuple):
    """facts: dict. public: octets from the beginning known to be public. total: octets of the whole structure, or None."""

    facts: dict
    public: int
    total: int


def _expect(octets, offset, limit, tag):
    found = header(octets.get, offset, limit)
    if found.tag != tag:
        raise DerError("unexpected tag")
    return found


def _version(octets, offset, limit):
    """A version of one octet. :returns: ``(value, offset behind it)``. :raises DerError:"""
    found = _expect(octets, offset, limit, INTEGER)
    if found.end - found.start != 1:
        raise DerError("not a version")
    value = octets.get(found.start, 1)
    if not value:
        raise DerError("no version")
    return value[0], found.end


def _modulus(octets, offset, limit):
    """The INTEGER at offset, of which the first two octets are read. :returns: ``(bits, Item)``. :raises DerError:"""
    found = _expect(octets, offset, limit, INTEGER)
    length = found.end - found.start
    first = octets.get(found.start, min(2, length))
    if len(first) < 2 or first[0] >= 0x80:
        raise DerError("not a modulus")
    bits = (length - 2) * 8 + int.from_bytes(first, "big").bit_length()
    if not _MIN_BITS <= bits <= _MAX_BITS or first[0] == 0 and first[1] < 0x80:
        raise DerError("not a modulus")
    return bits, found


def _identifier(octets, offset, limit):
    """The bytes of the AlgorithmIdentifier at offset. :returns: ``(bytes, offset behind it)``. :raises DerError:"""
    outer = _expect(octets, offset, limit, SEQUENCE)
    if outer.end - outer.begin > _MAX_IDENTIFIER:
        raise DerError("algorithm identifier too long")
    return octets.get(outer.begin, outer.end - outer.begin), outer.end


def _octet_string_follows(octets, offset):
    # The tag alone: the length is not needed, and in base64 its last character may already hold bits of the key.
    if octets.get(offset, 1) != bytes((OCTET_STRING,)):
        raise DerError("no OCTET STRING")


def pkcs8(octets, limit=UNLIMITED):
    """An unencrypted PKCS #8 key (RFC 5208; RFC 5958 OneAsymmetricKey).

    :arg limit: octets the structure may have at most.
    :returns: `KeyHead`; facts are algorithm, key_bits, curve, encrypted False.
    :raises DerError:
    """
    outer = _expect(octets, 0, limit, SEQUENCE)
    version, offset = _version(octets, outer.start, outer.end)
    if version > 1:
        raise DerError("not PKCS #8")
    identifier, behind = _identifier(octets, offset, outer.end)
    dotted, parameters, whole = algorithm(identifier, 0, len(identifier))
    _octet_string_follows(octets, behind)
    name = oids.KEY_ALGORITHMS.get(dotted, dotted)
    facts = {"algorithm": name, "key_bits": oids.FIXED_BITS.get(name), "encrypted": False}
    public = behind
    if name in ("EC", "SM2") and parameters is not None:
        facts["curve"], facts["key_bits"] = curve_facts(identifier, parameters)
    elif name in ("DSA", "DH") and parameters is not None and parameters.tag == SEQUENCE:
        facts["key_bits"] = integer(identifier, expect(identifier, parameters.start, parameters.end, INTEGER)).bit_length()
    elif name.startswith("RSA"):
        inner = _expect(octets, behind, outer.end, OCTET_STRING)
        key = _expect(octets, inner.start, inner.end, SEQUENCE)
        facts["key_bits"], modulus = _modulus(octets, _version(octets, key.start, key.end)[1], key.end)
        public = modulus.end
    return KeyHead(facts, public, outer.end)


def encrypted_pkcs8(octets, limit=UNLIMITED):
    """An EncryptedPrivateKeyInfo (RFC 5958, 3).

    :returns: `KeyHead`; facts are algorithm None, key_bits None, encrypted True, encryption (see `encryption_facts`).
    :raises DerError:
    """
    outer = _expect(octets, 0, limit, SEQUENCE)
    identifier, behind = _identifier(octets, outer.start, outer.end)
    encryption = encryption_facts(identifier)
    _octet_string_follows(octets, behind)
    return KeyHead({"algorithm": None, "key_bits": None, "encrypted": True, "encryption": encryption}, behind, outer.end)


def encryption_facts(identifier):
    """What a password-based AlgorithmIdentifier says (RFC 8018, appendix A).

    :arg identifier: its bytes.
    :returns: dict: scheme, and where given kdf, prf, iterations, scrypt_n, cipher.
    :raises DerError: also where the scheme is none of those known.
    """
    dotted, parameters, whole = algorithm(identifier, 0, len(identifier))
    if dotted in oids.PBE_SCHEMES:
        facts = {"scheme": oids.PBE_SCHEMES[dotted]}
        if parameters is not None and parameters.tag == SEQUENCE:
            salt = item(identifier, parameters.start, parameters.end)
            facts["iterations"] = small(identifier, expect(identifier, salt.end, parameters.end, INTEGER))
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
    """PBKDF2 (RFC 8018, A.2) or scrypt (RFC 7914, 7) parameters: kdf, prf, iterations, scrypt_n. :raises DerError:"""
    facts = {"kdf": {oids.PBKDF2: "PBKDF2", oids.SCRYPT: "scrypt"}.get(dotted, dotted)}
    if parameters is None or parameters.tag != SEQUENCE:
        return facts
    parts = list(children(identifier, parameters, 5))
    if dotted == oids.PBKDF2 and len(parts) > 1 and parts[1].tag == INTEGER:
        facts["iterations"] = small(identifier, parts[1])
        facts["prf"] = "HMAC-SHA-1"  # the default of RFC 8018, A.2
        if parts[-1].tag == SEQUENCE:
            prf = algorithm(identifier, parts[-1].begin, parts[-1].end)[0]
            facts["prf"] = oids.PRFS.get(prf, prf)
    elif dotted == oids.SCRYPT and len(parts) > 1 and parts[1].tag == INTEGER:
        facts["scrypt_n"] = small(identifier, parts[1])
    return facts


def small(data, found):
    """A count: a non-negative INTEGER of at most 8 octets. :raises DerError:"""
    value = integer(data, found)
    if not 0 <= value < 1 << 63:
        raise DerError("not a count")
    return value


def rsa(octets, limit=UNLIMITED):
    """An RSAPrivateKey (RFC 8017, A.1.2). :returns: `KeyHead`. :raises DerError:"""
    outer = _expect(octets, 0, limit, SEQUENCE)
    version, offset = _version(octets, outer.start, outer.end)
    bits, modulus = _modulus(octets, offset, outer.end)
    if version > 1:
        raise DerError("not an RSA key")
    return KeyHead({"algorithm": "RSA", "key_bits": bits, "encrypted": False}, modulus.end, outer.end)


def dsa(octets, limit=UNLIMITED):
    """OpenSSL's DSA key, {0, p, q, g, y, x} (dsa(1ssl), 'traditional' format). :returns: `KeyHead`. :raises DerError:"""
    head = rsa(octets, limit)
    head.facts["algorithm"] = "DSA"
    return head


def rsa_or_dsa(octets, limit):
    """`rsa` or `dsa`, told apart by what follows the first large number: a short exponent, or q. For files, where reads may skip.

    :raises DerError: also where neither follows.
    """
    head = rsa(octets, limit)
    third = _expect(octets, head.public, head.total, INTEGER)
    if third.end >= head.total:
        raise DerError("nothing after the public numbers")
    if third.end - third.start > _MAX_EXPONENT_OCTETS:
        head.facts["algorithm"] = "DSA"
    return head


# Octets of a private key in SEC 1 form: those of its curve's order (RFC 5915, 3), and the bits of the curves that have so many.
_EC_BITS = {14: 112, 16: 128, 20: 160, 21: 163, 24: 192, 28: 224, 29: 233, 30: 239, 32: 256, 36: 283, 40: 320, 48: 384, 52: 409, 64: 512,
            66: 521, 72: 571}
# (octets of the key, octets of the curve's object identifier): where only one curve in use has both.
_EC_CURVES = {(24, 8): "prime192v1", (32, 8): "prime256v1", (48, 5): "secp384r1", (66, 5): "secp521r1", (32, 5): "secp256k1"}


def sec1(octets, limit=UNLIMITED):
    """An ECPrivateKey (RFC 5915, 3): {1, OCTET STRING key, [0] parameters, [1] public key}.

    The curve is written behind the secret, so it is worked out from the lengths, which the octets before the secret tell. In base64
    the last of these shares a character with the secret; its bits that are in a character of their own are enough.

    :returns: `KeyHead`; facts are algorithm, key_bits, encrypted, and curve with curve_by 'length' where only one curve fits.
    :raises DerError:
    """
    outer = _expect(octets, 0, limit, SEQUENCE)
    if octets.get(outer.start, 4) != b"\x02\x01\x01\x04":
        raise DerError("not an EC key")
    secret = outer.start + 5
    front, missing = octets.prefix(secret)
    if len(front) < secret:
        raise DerError("no EC key")
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
            raise DerError("no known length of EC key")
        facts["key_bits"] = lowest * 8
    return KeyHead(facts, outer.start, outer.end)


def _identifier_lengths(rest, length):
    """Octets the curve's identifier can have where `rest` octets follow a key of `length` octets; 0: no parameters."""
    point = 2 * length + 2  # BIT STRING: unused bits, 04, x, y (RFC 5480, 2.2)
    string = point + (2 if point < 128 else 3)
    tagged = string + (2 if string < 128 else 3)
    for public in (0, tagged):
        for name in (0, 5, 7, 8, 9, 10):
            if rest == public + (name + 4 if name else 0):
                yield name


def proc_type_facts(cursor, algorithm_name):
    """Facts of a key whose PEM body has RFC 1421 headers; 'Proc' is behind the cursor (a `TextCursor`).

    :returns: facts; cipher is from the DEK-Info line, of which reading stops at the comma before the IV.
    """
    facts = {"algorithm": algorithm_name, "key_bits": None, "encrypted": True}
    for expected in (b"-Type: 4,ENCRYPTED", b"DEK-Info: "):
        if not cursor.fill(len(expected)) or cursor.held[:len(expected)] != expected:
            return facts
        cursor.skip(len(expected))
        if expected[:1] == b"-" and not cursor.end_of_line():
            return facts
    length = 0
    while length < 32 and cursor.fill(length + 1) and cursor.held[length] in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-":
        length += 1
    if cursor.held[length:length + 1] == b",":
        facts["encryption"] = {"scheme": "RFC 1421", "cipher": cursor.held[:length].decode("ascii"), "kdf": "EVP_BytesToKey", "prf": "MD5", "iterations": 1}
    return facts


def is_bcfks(octets, limit):
    """Whether this is a BouncyCastle FIPS key store (BCFKS): {{PBES2 identifier, OCTET STRING}, integrity check}. :raises DerError:"""
    outer = _expect(octets, 0, limit, SEQUENCE)
    store = _expect(octets, outer.start, outer.end, SEQUENCE)
    identifier, behind = _identifier(octets, store.start, store.end)
    if encryption_facts(identifier)["scheme"] != "PBES2":
        return False
    sealed = _expect(octets, behind, store.end, OCTET_STRING)
    check = header(octets.get, store.end, outer.end)
    return sealed.end == store.end and check.end == outer.end and check.tag in (SEQUENCE, CONTEXT_0)
