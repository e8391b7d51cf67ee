# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM files: text with ``-----BEGIN label-----`` blocks (RFC 7468), classified by their blocks.

Blocks of public data are read whole. Of a private key only the beginning is read; its DER header has the length, and reading continues behind
it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import time

from .._formats import certificate as x509
from .._formats.der import DerError
from .._formats.ssh_keys import openssh_private_facts
from . import private_key as private
from .openpgp import armored_private_facts, armored_public_facts
from .secret_safe_reads import BEGIN, END, Base64Bytes, TextCursor

MAX_CERTIFICATES = 500  # parsed of one file
_MAX_BETWEEN = 1 << 16  # bytes of text between two blocks
_LINE_WIDTH = 64  # characters, RFC 7468, 2: generators MUST wrap so; assumed where the public characters end before the first line does
_OPENVPN_BITS = 2048  # openvpn(8), --genkey secret
_KEY_END = b"PRIVATE KEY-----"
_PGP_PUBLIC, _PGP_PRIVATE = b"PGP PUBLIC KEY BLOCK", b"PGP PRIVATE KEY BLOCK"  # RFC 9580, 6.2.1
_OPENVPN = b"OpenVPN Static key V1"  # openvpn(8), --genkey

# Label (RFC 7468; openssl-format-options and PEM_STRING_* of OpenSSL's pem.h) -> (kind, format, parser of its DER).
_PUBLIC = {
    b"CERTIFICATE": ("certificate", "PEM", x509.certificate_facts),
    b"X509 CERTIFICATE": ("certificate", "PEM", x509.certificate_facts),
    b"TRUSTED CERTIFICATE": ("certificate", "PEM", lambda data: x509.certificate_facts(data, trailing=True)),
    b"CERTIFICATE REQUEST": ("csr", "PEM", x509.request_facts),
    b"NEW CERTIFICATE REQUEST": ("csr", "PEM", x509.request_facts),
    b"X509 CRL": ("crl", "PEM", x509.revocation_facts),
    b"PKCS7": ("signed_data", "PKCS#7", x509.signed_data_facts),
    b"PKCS #7 SIGNED DATA": ("signed_data", "PKCS#7", x509.signed_data_facts),
    b"CMS": ("signed_data", "PKCS#7", x509.signed_data_facts),
    b"PUBLIC KEY": ("public_key", "PEM", x509.public_key_facts),
    b"RSA PUBLIC KEY": ("public_key", "PEM", x509.rsa_public_key_facts),
    b"DH PARAMETERS": ("parameters", "PEM", x509.dh_parameters_facts),
    b"X9.42 DH PARAMETERS": ("parameters", "PEM", x509.dh_parameters_facts),
    b"DSA PARAMETERS": ("parameters", "PEM", x509.dsa_parameters_facts),
    b"EC PARAMETERS": ("parameters", "PEM", x509.ec_parameters_facts),
}
# Label of a private key -> (parser of its beginning, algorithm that the label names).
_PRIVATE = {
    b"PRIVATE KEY": (private.pkcs8, None),
    b"ENCRYPTED PRIVATE KEY": (private.encrypted_pkcs8, None),
    b"RSA PRIVATE KEY": (private.rsa, "RSA"),
    b"EC PRIVATE KEY": (private.sec1, "EC"),
    b"DSA PRIVATE KEY": (private.dsa, "DSA"),
}
# The kind of a file with blocks of several kinds: the first of these.
_PRECEDENCE = ("private_key", "certificate", "csr", "crl", "signed_data", "public_key", "parameters")


class _Blocks:
    """The blocks of one file, summed up."""

    def __init__(self):
        self.first = {}  # kind -> (format, facts) of its first block
        self.counts = {}  # kind -> count
        self.bundle = {}  # (key_algorithm, key_bits, signature_algorithm) -> count
        self.not_after = []  # of the certificates
        self.malformed = 0

    def add(self, kind, format_name, facts):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if facts is None:
            self.malformed += 1
            facts = {}
        elif kind == "certificate":
            key = (facts["key_algorithm"], facts["key_bits"], facts["signature_algorithm"])
            self.bundle[key] = self.bundle.get(key, 0) + 1
            self.not_after.append(facts["not_after"])
        if kind not in self.first or not self.first[kind][1]:
            self.first[kind] = (format_name, facts)

    def bundle_facts(self):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        names = ("key_algorithm", "key_bits", "signature_algorithm", "count")
        rows = sorted(self.bundle.items(), key=lambda row: (row[0][0], row[0][1] or 0, row[0][2]))
        return {
            "count": self.counts["certificate"],
            "algorithms": [dict(zip(names, key + (count,))) for key, count in rows],
            "earliest_not_after": min(self.not_after) if self.not_after else None,
            "expired": sum(1 for moment in self.not_after if moment < now),
        }

    def summary(self, truncated):
        kind = next(kind for kind in _PRECEDENCE if kind in self.counts)
        format_name, facts = self.first[kind]
        facts = dict(facts)
        also = sorted(other for other in self.counts if other != kind)
        if kind == "private_key":
            if self.counts[kind] > 1:
                facts["private_keys"] = self.counts[kind]
            if "certificate" in self.counts:
                facts["certificate"] = self.first["certificate"][1]
                facts["certificates"] = self.counts["certificate"]
        elif kind == "certificate" and self.counts[kind] > 1:
            kind = "certificate_bundle"
            facts.update(self.bundle_facts())
        elif self.counts[kind] > 1:
            facts["count"] = self.counts[kind]
        if also:
            facts["also"] = also
        if self.malformed:
            facts["malformed"] = self.malformed
        if truncated:
            facts["truncated"] = True
        return kind, format_name, facts


def classify(source, offset=0, max_text=0):
    """Classify a text file by its PEM blocks.

    :arg source: `FileBytes`.
    :arg offset: int, where to begin: behind a byte order mark.
    :arg max_text: int, bytes of text allowed before the first block. After text, at least one block must parse.
    :returns: tuple: kind (str), format (str), facts (dict); None where there is no block of a known kind. Facts of several certificates are
        those of the first, with count, algorithms, earliest_not_after and expired (now). malformed counts the blocks that could not be parsed;
        truncated is True where the file continues behind the bytes read.
    :raises OSError: the file can't be read.
    """
    cursor = TextCursor(source, offset)
    blocks = _Blocks()
    limit = max_text
    proceed = True
    while proceed and cursor.find_begin(limit) and blocks.counts.get("certificate", 0) < MAX_CERTIFICATES:
        begin = cursor.offset
        label = cursor.label()
        proceed = label is not None and _block(source, cursor, label, blocks)
        if begin > offset and sum(blocks.counts.values()) == blocks.malformed:
            return None
        limit = _MAX_BETWEEN
    if not blocks.counts:
        return None
    return blocks.summary(cursor.offset + len(cursor.buffered) < source.size)


def _block(source, cursor, label, blocks):
    """Add the block whose body is at the cursor to blocks, a `_Blocks`.

    :returns: bool, whether reading can continue behind it.
    """
    if label in _PUBLIC:
        return _public_block(source, cursor, label, blocks)
    if label in _PRIVATE:
        return _private_block(source, cursor, label, blocks)
    if label == b"OPENSSH PRIVATE KEY":
        blocks.add("private_key", "OpenSSH", openssh_private_facts(Base64Bytes(cursor)))
        _skip_if_last(source, cursor)
    elif label == _PGP_PRIVATE:
        blocks.add("private_key", "PGP", armored_private_facts(cursor))
        cursor.offset = source.size
    elif label == _OPENVPN:
        blocks.add("private_key", "OpenVPN", {"algorithm": "OpenVPN static key", "key_bits": _OPENVPN_BITS, "encrypted": False})
        cursor.offset = source.size
    elif label == _PGP_PUBLIC:
        body, complete = cursor.body(label)
        found = armored_public_facts(body)
        blocks.add("public_key", "PGP", found)
        return complete
    elif label in (b"PGP SIGNATURE", b"PGP SIGNED MESSAGE"):
        blocks.add("signed_data", "PGP", {})
        cursor.offset = source.size
    elif label.endswith(b"PRIVATE KEY"):
        blocks.add("private_key", "PEM", {"algorithm": None, "key_bits": None, "encrypted": None, "label": label.decode("ascii", "replace")})
        _skip_if_last(source, cursor)
    return False


def _public_block(source, cursor, label, blocks):
    kind, format_name, parse = _PUBLIC[label]
    body, complete = cursor.body(label)
    facts = None
    try:
        if complete:
            facts = parse(binascii.a2b_base64(body))
        elif kind == "crl" and source.remaining <= 0:
            characters = b"".join(body.split())
            facts = x509.revocation_facts(binascii.a2b_base64(characters[:len(characters) // 4 * 4]), partial=True)
    except (DerError, binascii.Error):
        facts = None
    blocks.add(kind, format_name, facts)
    return complete or cursor.buffered.startswith(BEGIN)


def _private_block(source, cursor, label, blocks):
    parse, algorithm = _PRIVATE[label]
    body = Base64Bytes(cursor)
    if body.proc_type():
        blocks.add("private_key", "PEM", private.proc_type_facts(cursor, algorithm))
        _skip_if_last(source, cursor)
        return False
    try:
        head = parse(body)
    except DerError:
        blocks.add("private_key", "PEM", None)
        return False
    facts = head.facts
    parameters = blocks.first.get("parameters")
    if algorithm == "EC" and parameters and parameters[1].get("algorithm") == "EC":  # written before the key by openssl ecparam -genkey
        facts.update(curve=parameters[1]["curve"], key_bits=parameters[1]["key_bits"])
        facts.pop("curve_by", None)
        blocks.counts.pop("parameters", None)
        blocks.first.pop("parameters", None)
    blocks.add("private_key", "PEM", facts)
    return _skip_secret(source, cursor, body, head, END + label + b"-----")


def _skip_secret(source, cursor, body, head, closing):
    """Move behind the END line of a private key without reading its body.

    :arg cursor: `TextCursor`.
    :arg body: `Base64Bytes` of the block.
    :arg head: `KeyHead`.
    :arg closing: bytes, the END line.
    :returns: bool, whether the END line was found where it is expected, or the file has just the size that it would have with it.
    """
    body.read(0, min(head.public, _LINE_WIDTH))  # public, and usually long enough to show the line width
    width = body.line_width or _LINE_WIDTH
    characters = -(-head.total // 3) * 4
    line_end = body.line_end if body.line_width else 1
    # Where the base64 ends if the lines are as short as they can be: between the expected end and here there may be secret characters.
    latest = 0 if body.line_width else body.begin + characters + -(-characters // max(1, body.characters_read())) * 2
    for size in (line_end, 2):
        end = body.begin + characters + -(-characters // width) * size
        if source.size <= end + len(closing) + 2:
            if source.size >= end + len(closing) - 2:
                cursor.buffered, cursor.offset = b"", source.size
                return True
        unread = latest - end if end < latest < end + len(closing) else 0  # bytes of the END line that are not compared
        if source.read(end + unread, 1) == closing[unread:unread + 1]:
            if source.read(end + unread, len(closing) - unread) == closing[unread:]:
                cursor.buffered, cursor.offset = b"", end + len(closing)
                return True
            return False
    return False


def _skip_if_last(source, cursor):
    """Move to the end of the file where its last line is the END line of a private key.

    Only the end of that line is read: its last character first, because a file without that line may end in secret characters.
    """
    end = source.size
    for _line_end in range(2):
        if source.read(end - 1, 1) in (b"\r", b"\n"):
            end -= 1
    start = end - len(_KEY_END)
    if start >= cursor.offset and source.read(end - 1, 1) == b"-" and source.read(start, len(_KEY_END)) == _KEY_END:
        cursor.buffered, cursor.offset = b"", source.size
