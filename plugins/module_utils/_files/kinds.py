# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an opened file is to an audit of cryptography: by its content first, by its name where the content can't tell.

No octet of the secret part of a private key is read; see _files/careful_reads.py for how, and the tests for the proof.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .._formats import ssh_keys
from .._formats.der import DerError
from . import der_files, keystore, names, openpgp, pem
from .careful_reads import PROBE, FileOctets, TextCursor
from .names import NAME_HINTS

__all__ = ("NAME_HINTS", "FileFacts", "classify", "classify_name")

_ALLOWANCE = (1 << 20) + 4096  # octets read of one file: 1 MiB, and what headers take
_LEADING = 1 << 14  # octets of text looked through before the first PEM block; openssl x509 -text writes some KiB
_BOM = b"\xef\xbb\xbf"

# How text that OpenSSL writes before a PEM block begins: x509, req, crl -text; pkcs12; s_client, pkcs7 -print_certs.
_LEADS = (
    b"Certificate:\n    Data:", b"Certificate Request:\n", b"Certificate Revocation List (CRL):\n", b"Bag Attributes", b"subject=", b"issuer=",
    b"DH Parameters: (",
)
_LEAD_STARTS = frozenset(lead[:PROBE] for lead in _LEADS)
_MAX_LEAD = max(map(len, _LEADS))
# openssl pkey -text (1.1.1 and 3): the first line of a key printed as text, and of a BIND key file (dnssec-keygen(8)).
_DUMP = re.compile(rb"(?:([A-Za-z0-9-]{1,20}) )?Private-Key:(?: \((\d{1,6}) bit(, \d+ primes)?.{0,20})?\Z")
_DUMP_STARTS = (b"Private", b"RSA Pri", b"DSA Pri", b"ED25519", b"ED448 P", b"X25519 ", b"X448 Pr", b"EC Priv", b"ML-DSA-", b"SLH-DSA", b"ML-KEM-")
_DNSSEC = re.compile(rb"Algorithm: \d{1,3} \(([A-Z0-9_-]{1,30})\)\Z")
# gpg-agent's canonical S-expressions: how they begin, whether they are encrypted, and the algorithm (libgcrypt manual).
_AGENT = {b"(21:pro": (b"(21:protected-private-key(", True), b"(11:pri": (b"(11:private-key(", False), b"(20:sha": (b"(20:shadowed-private-key(", None)}
_AGENT_ALGORITHMS = {b"3:rsa(": "RSA", b"3:dsa(": "DSA", b"3:elg(": "ElGamal", b"3:ecc(": "EC"}
_KEEPASS = (b"\x03\xd9\xa2\x9a\x65\xfb\x4b", b"\x03\xd9\xa2\x9a\x66\xfb\x4b", b"\x03\xd9\xa2\x9a\x67\xfb\x4b")  # KeePass, signatures 1 and 2


class FileFacts(NamedTuple):
    """What a file is.

    kind: certificate, certificate_bundle, private_key, public_key, keystore, csr, crl, signed_data, parameters, config, random,
    known_hosts, authorized_keys, or None. classified_by: 'content', 'name' or None. format: PEM, DER, OpenSSH, PKCS#12 and others, or None.
    facts: dict, JSON-ready.
    """

    kind: str
    classified_by: str
    format: str
    facts: dict


_NOTHING = FileFacts(None, None, None, {})


def classify(fd, name):
    """What an open file is.

    :arg fd: descriptor of a regular file, open for reading; its offset is not moved.
    :arg name: bytes of its path.
    :returns: `FileFacts`; nothing is raised for any content or name. A file that can't be read is told by its name.
    """
    try:
        head = os.pread(fd, PROBE, 0)
        reader = _READERS.get(head[:1])
        if reader is not None:
            found = reader(FileOctets(fd, head, _ALLOWANCE), head, name)
            if found is not None:
                return FileFacts(found[0], "content", found[1], found[2])
        if not head:
            return classify_name(name)
        unmarked = names.unmarked(name)
        if unmarked is None:
            return _NOTHING if reader is not None or not names.text_before_pem(name, False) else _leading_text(fd, head, name)
        if unmarked[1] == "OpenSSH":
            facts = _listed(FileOctets(fd, head, _ALLOWANCE))[0]
            if facts["count"]:
                return FileFacts(unmarked[0], "content", unmarked[1], facts)
        return FileFacts(unmarked[0], "name", unmarked[1], {})
    except OSError:
        return classify_name(name)


def classify_name(name):
    """What a file is by its name alone, where its content can't be had. :arg name: bytes of its path. :returns: `FileFacts`."""
    found = names.absent(name)
    return FileFacts(found[0], "name", found[1], {}) if found else _NOTHING


def _is_text(head):
    return not head.translate(None, b"\t\r\n" + bytes(range(0x20, 0x7F)))


def _leading_text(fd, head, name):
    if _is_text(head):
        found = pem.classify(FileOctets(fd, head, _ALLOWANCE), 0, _LEADING)
        if found:
            return FileFacts(found[0], "content", found[1], found[2])
    return _NOTHING


def _der(octets, head, name):
    if len(head) < PROBE:
        return None
    try:
        return der_files.classify(octets)
    except DerError:
        return None


def _dashes(octets, head, name):
    if head == b"-----BE":
        return pem.classify(octets)
    if head == b"---- BE":
        cursor = TextCursor(octets)
        label = ssh_keys.short_line(cursor, 64)
        if label == b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----":  # ssh.com's own format
            return "private_key", "SSH2", {"algorithm": None, "key_bits": None, "encrypted": None}
        if label == b"---- BEGIN SSH2 PUBLIC KEY ----":
            body = cursor.public_text().partition(b"---- END")[0]
            return "public_key", "RFC 4716", ssh_keys.rfc4716_facts(body) or {"malformed": 1}
    return None


def _text(octets, head, name):
    """Text that a PEM block may follow, where its first octets or the file's name suggest one; and the openings of other text formats."""
    if head in _LEAD_STARTS and octets.get(0, _MAX_LEAD).replace(b"\r\n", b"\n").startswith(_LEADS):
        return pem.classify(octets, 0, _LEADING)
    if head.startswith(_DUMP_STARTS):
        return _printed_key(octets)
    if head in ssh_keys.PUBLIC_STARTS:
        return _ssh_lines(octets, name)
    if head[:3] == b"|1|" or head in (b"@cert-a", b"@revoke"):  # known_hosts: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
        facts = _listed(octets)[0]
        return ("known_hosts", "OpenSSH", facts) if facts["count"] else None
    if head == b"PuTTY-U":
        facts = ssh_keys.putty_facts(TextCursor(octets))
        return ("private_key", "PuTTY", facts) if facts else None
    if head == b"SSH PRI" and octets.get(0, 33) == b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0":  # authfile.c of OpenSSH before 7.6
        return "private_key", "SSH1", {"algorithm": "RSA", "key_bits": None, "encrypted": None}
    if head in _AGENT:
        opening, encrypted = _AGENT[head]
        front = octets.get(0, len(opening) + 6)
        if front.startswith(opening):
            return "private_key", "PGP", {"algorithm": _AGENT_ALGORITHMS.get(front[len(opening):]), "key_bits": None, "encrypted": encrypted}
    elif head == b"SQLite " and names.last_component(name) in names.NSS_NAMES:
        return ("keystore", "NSS DB", {"database": "SQLite"}) if octets.get(0, 16) == b"SQLite format 3\0" else None
    elif names.text_before_pem(name, head[:1] in b"# \t\r\n") and _is_text(head):
        return pem.classify(octets, 0, _LEADING)
    return None


def _printed_key(octets):
    cursor = TextCursor(octets)
    line = ssh_keys.short_line(cursor, 64)
    match = _DUMP.match(line or b"")
    if match:
        algorithm, bits, primes = match.groups()
        algorithm = algorithm.decode("ascii") if algorithm else "RSA" if primes else None
        return "private_key", "text", {"algorithm": algorithm, "key_bits": int(bits) if bits else None, "encrypted": False}
    if line and line.startswith(b"Private-key-format: v1."):
        match = _DNSSEC.match(ssh_keys.short_line(cursor, 64) or b"")
        if match:
            return "private_key", "DNSSEC", {"algorithm": match.group(1).decode("ascii"), "key_bits": None, "encrypted": False}
    return None


def _listed(octets):
    """`list_facts` of the file; truncated is True where it goes on behind what was read. See `TextCursor.public_text`."""
    data = TextCursor(octets).public_text()
    facts, first = ssh_keys.list_facts(data)
    if octets.size > len(data):
        facts["truncated"] = True
    return facts, first


def _ssh_lines(octets, name):
    facts, first = _listed(octets)
    if not facts["count"]:
        return None
    unmarked = names.unmarked(name)
    if facts["count"] == 1 and not facts["other_lines"] and unmarked is None:
        return "public_key", "OpenSSH", first
    return unmarked[0] if unmarked else "authorized_keys", "OpenSSH", facts


def _byte_order_mark(octets, head, name):
    return pem.classify(octets, len(_BOM)) if head[:3] == _BOM and head[3:] == b"----" else None


def _java(octets, head, name):
    form = {keystore.JKS: "JKS", keystore.JCEKS: "JCEKS"}.get(head[:4])
    if form is None and head[0] in openpgp.STARTS:
        return _pgp(octets, head, name)
    facts = keystore.jks(octets) if form else None
    return ("keystore", form, facts) if facts else None


def _pgp(octets, head, name):
    found = openpgp.ring(octets)
    return (found[0], "PGP", found[1]) if found else None


def _zeros(octets, head, name):
    if head[:6] == b"\0\0\0\x20\x01\x01" and octets.get(8, 4) == b"KBXf":  # GnuPG's kbx/keybox-blob.c: header blob
        return "keystore", "PGP", {"database": "keybox"}
    if head[:4] == b"\0\x06\x15\x61" and names.last_component(name) in names.NSS_NAMES:  # Berkeley DB 1.85 hash
        return "keystore", "NSS DB", {"database": "Berkeley DB"}
    facts = keystore.bks(octets) if head in (b"\0\0\0\x01\0\0\0", b"\0\0\0\x02\0\0\0") else None
    return ("keystore", "BKS", facts) if facts else None


def _keytab(octets, head, name):
    facts = keystore.keytab(octets) if head[:2] == b"\x05\x02" else None
    return ("keystore", "Kerberos keytab", facts) if facts else None


def _keepass(octets, head, name):
    return ("keystore", "KeePass", {}) if head in _KEEPASS else None


# First octet of a file -> what looks further. Files that begin with any other octet cost the one read.
_READERS = {bytes((octet,)): _pgp for octet in openpgp.STARTS}
_READERS.update({bytes((octet,)): _text for octet in b"# \t\r\nCBsiDPREXMS|@e("})
_READERS.update({
    b"\x30": _der, b"\x06": _der, b"-": _dashes, b"\xef": _byte_order_mark, b"\xfe": _java, b"\xce": _java, b"\0": _zeros,
    b"\x05": _keytab, b"\x03": _keepass,
})
