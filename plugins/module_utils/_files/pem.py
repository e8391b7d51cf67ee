# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files made of ``-----BEGIN label-----`` blocks (RFC 7468): what blocks they hold, and the facts of these.

Blocks of public data are read whole. Of a private key's block the beginning is read; its length is told by the DER header, and reading
goes on behind it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import time

from .._formats import certificate as x509
from .._formats.der import DerError
from .._formats.ssh_keys import openssh_private_facts
from . import private_key as private
from .careful_reads import BEGIN, END, Base64Octets, TextCursor
from .openpgp import armored_private_facts, armored_public_facts

MAX_CERTIFICATES = 500  # parsed of one file
_BETWEEN = 1 << 16  # octets of text looked through from one block to the next
_LINE_WIDTH = 64  # RFC 7468, 2: generators MUST wrap so; used where the width can't be seen in public characters
_KEY_END = b"PRIVATE KEY-----"
_PGP_PUBLIC, _PGP_PRIVATE = b"PGP PUBLIC KEY BLOCK", b"PGP PRIVATE KEY BLOCK"  # RFC 9580, 6.2.1
_OPENVPN = b"OpenVPN Static key V1"  # openvpn(8), --genkey

# Label (RFC 7468; openssl-format-options and PEM_STRING_* of OpenSSL's pem.h) -> (kind, format, reader of its DER).
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
# The same for private keys, with the algorithm the label itself tells.
_PRIVATE = {
    b"PRIVATE KEY": (private.pkcs8, None),
    b"ENCRYPTED PRIVATE KEY": (private.encrypted_pkcs8, None),
    b"RSA PRIVATE KEY": (private.rsa, "RSA"),
    b"EC PRIVATE KEY": (private.sec1, "EC"),
    b"DSA PRIVATE KEY": (private.dsa, "DSA"),
}
# Where a file holds several kinds, the first of these names it.
_PRECEDENCE = ("private_key", "certificate", "csr", "crl", "signed_data", "public_key", "parameters")


class _Findings:
    """What the blocks of one file amount to."""

    def __init__(self):
        self.first = {}  # kind -> (format, facts) of its first block
        self.counts = {}
        self.bundle = {}  # (key_algorithm, key_bits, signature_algorithm) -> count
        self.not_after = []
        self.malformed = 0

    def add(self, kind, form, facts):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if facts is None:
            self.malformed += 1
            facts = {}
        elif kind == "certificate":
            key = (facts["key_algorithm"], facts["key_bits"], facts["signature_algorithm"])
            self.bundle[key] = self.bundle.get(key, 0) + 1
            self.not_after.append(facts["not_after"])
        if kind not in self.first or not self.first[kind][1]:
            self.first[kind] = (form, facts)

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
        form, facts = self.first[kind]
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
        return kind, form, facts


def classify(octets, offset=0, leading=0):
    """Read the blocks of a text file.

    :arg octets: `FileOctets`.
    :arg offset: where to begin (behind a byte order mark).
    :arg leading: octets of text allowed before the first block; then at least one block must parse.
    :returns: ``(kind, format, facts)``, or None where there is no block of a known kind. Of several certificates the facts are those of
        the first, with count, algorithms, earliest_not_after and expired (now). malformed counts the blocks that could not be
        parsed; truncated is True where the file goes on behind what was read.
    :raises OSError:
    """
    cursor = TextCursor(octets, offset)
    findings = _Findings()
    limit = leading
    more = True
    while more and cursor.find_begin(limit) and findings.counts.get("certificate", 0) < MAX_CERTIFICATES:
        begin = cursor.offset
        label = cursor.label()
        more = label is not None and _block(octets, cursor, label, findings)
        if begin > offset and sum(findings.counts.values()) == findings.malformed:
            return None
        limit = _BETWEEN
    if not findings.counts:
        return None
    return findings.summary(cursor.offset + len(cursor.held) < octets.size)


def _block(octets, cursor, label, findings):
    """Add the block whose body is at the cursor. :returns: whether reading can go on behind it."""
    if label in _PUBLIC:
        return _public_block(octets, cursor, label, findings)
    if label in _PRIVATE:
        return _private_block(octets, cursor, label, findings)
    if label == b"OPENSSH PRIVATE KEY":
        findings.add("private_key", "OpenSSH", openssh_private_facts(Base64Octets(cursor)))
        _pass_if_last(octets, cursor)
    elif label == _PGP_PRIVATE:
        findings.add("private_key", "PGP", armored_private_facts(cursor))
        cursor.offset = octets.size
    elif label == _OPENVPN:
        findings.add("private_key", "OpenVPN", {"algorithm": "OpenVPN static key", "key_bits": 2048, "encrypted": False})
        cursor.offset = octets.size
    elif label == _PGP_PUBLIC:
        body, complete = cursor.body(label)
        found = armored_public_facts(body)
        findings.add("public_key", "PGP", found)
        return complete
    elif label in (b"PGP SIGNATURE", b"PGP SIGNED MESSAGE"):
        findings.add("signed_data", "PGP", {})
        cursor.offset = octets.size
    elif label.endswith(b"PRIVATE KEY"):
        findings.add("private_key", "PEM", {"algorithm": None, "key_bits": None, "encrypted": None, "label": label.decode("ascii", "replace")})
        _pass_if_last(octets, cursor)
    return False


def _public_block(octets, cursor, label, findings):
    kind, form, read = _PUBLIC[label]
    body, complete = cursor.body(label)
    facts = None
    try:
        if complete:
            facts = read(binascii.a2b_base64(body))
        elif kind == "crl" and octets.allowance <= 0:
            characters = b"".join(body.split())
            facts = x509.revocation_facts(binascii.a2b_base64(characters[:len(characters) // 4 * 4]), partial=True)
    except (DerError, binascii.Error):
        facts = None
    findings.add(kind, form, facts)
    return complete or cursor.held.startswith(BEGIN)


def _private_block(octets, cursor, label, findings):
    read, algorithm = _PRIVATE[label]
    body = Base64Octets(cursor)
    if body.proc_type():
        findings.add("private_key", "PEM", private.proc_type_facts(cursor, algorithm))
        _pass_if_last(octets, cursor)
        return False
    try:
        head = read(body)
    except DerError:
        findings.add("private_key", "PEM", None)
        return False
    facts = head.facts
    parameters = findings.first.get("parameters")
    if algorithm == "EC" and parameters and parameters[1].get("algorithm") == "EC":  # written before the key by openssl ecparam -genkey
        facts.update(curve=parameters[1]["curve"], key_bits=parameters[1]["key_bits"])
        facts.pop("curve_by", None)
        findings.counts.pop("parameters", None)
        findings.first.pop("parameters", None)
    findings.add("private_key", "PEM", facts)
    return _pass_secret(octets, cursor, body, head, END + label + b"-----")


def _pass_secret(octets, cursor, body, head, closing):
    """Move behind the END line of a private key without reading its body.

    :returns: whether the END line was found there (or must be there, because the file ends just so).
    """
    body.get(0, min(head.public, _LINE_WIDTH))  # public, and usually long enough to show where lines end
    width = body.line_width or _LINE_WIDTH
    characters = -(-head.total // 3) * 4
    line_end = body.line_end if body.line_width else 1
    for size in (line_end, 2):
        end = body.begin + characters + -(-characters // width) * size
        if octets.size <= end + len(closing) + 2:
            if octets.size >= end + len(closing) - 2:
                cursor.held, cursor.offset = b"", octets.size
                return True
        if octets.get(end, 1) == b"-":
            cursor.held, cursor.offset = b"", end
            if cursor.fill(len(closing)) and cursor.held == closing:
                cursor.skip(len(closing))
                return True
            return False
    return False


def _pass_if_last(octets, cursor):
    """Move to the end of the file where its last line is the END line of a private key, of which only the end is read."""
    tail = octets.get(max(cursor.offset, octets.size - len(_KEY_END) - 2), len(_KEY_END) + 2)
    if tail.rstrip().endswith(_KEY_END):
        cursor.held, cursor.offset = b"", octets.size
