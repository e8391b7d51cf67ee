# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classify a file: by its content first, by its name where the content has no signature or can't be read.

No byte of the secret part of a private key is read: see _files/secret_safe_reads.py, and tests/unit/files/test_kinds_secrets.py for the proof.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .._formats import ssh_keys
from .._formats.der import DerError
from . import der_files, keystore, names, openpgp, pem
from .names import NAME_HINTS
from .secret_safe_reads import PROBE_SIZE, FileBytes, TextCursor

__all__ = ("NAME_HINTS", "FileFacts", "classify", "classify_name")

_MAX_READ = (1 << 20) + 4096  # bytes read of one file: 1 MiB of content, and headers
_MAX_TEXT = 1 << 14  # bytes of text before the first PEM block; openssl x509 -text writes some KiB
_BOM = b"\xef\xbb\xbf"

# The beginnings of text that OpenSSL writes before a PEM block: x509, req, crl -text; pkcs12; s_client, pkcs7 -print_certs.
_TEXT_PREFIXES = (
    b"Certificate:\n    Data:", b"Certificate Request:\n", b"Certificate Revocation List (CRL):\n", b"Bag Attributes", b"subject=", b"issuer=",
    b"DH Parameters: (",
)
_TEXT_STARTS = frozenset(lead[:PROBE_SIZE] for lead in _TEXT_PREFIXES)
_MAX_TEXT_PREFIX = max(map(len, _TEXT_PREFIXES))
# openssl pkey -text (1.1.1 and 3): the first line of a key printed as text, and of a BIND key file (dnssec-keygen(8)).
_PRINTED_KEY = re.compile(rb"(?:([A-Za-z0-9-]{1,20}) )?Private-Key:(?: \((\d{1,6}) bit(, \d+ primes)?.{0,20})?\Z")
_PRINTED_KEY_STARTS = (b"Private", b"RSA Pri", b"DSA Pri", b"ED25519", b"ED448 P", b"X25519 ", b"X448 Pr", b"EC Priv", b"ML-DSA-", b"SLH-DSA", b"ML-KEM-")
_DNSSEC = re.compile(rb"Algorithm: \d{1,3} \(([A-Z0-9_-]{1,30})\)\Z")
# gpg-agent's canonical S-expressions (libgcrypt manual): first 7 bytes -> (beginning, whether the key is encrypted); then the algorithm.
_AGENT_KEYS = {b"(21:pro": (b"(21:protected-private-key(", True), b"(11:pri": (b"(11:private-key(", False), b"(20:sha": (b"(20:shadowed-private-key(", None)}
_AGENT_ALGORITHMS = {b"3:rsa(": "RSA", b"3:dsa(": "DSA", b"3:elg(": "ElGamal", b"3:ecc(": "EC"}
# age (https://age-encryption.org/v1): an identity as age-keygen(1) writes it, and the first line of an encrypted file. The secret is behind the 1.
_AGE_IDENTITY = b"AGE-SECRET-KEY-1"
_AGE_COMMENTS = (b"# created: ", b"# public key: age1")
_AGE_HEADER = b"age-encryption.org/v1\n"
_KEEPASS = (b"\x03\xd9\xa2\x9a\x65\xfb\x4b", b"\x03\xd9\xa2\x9a\x66\xfb\x4b", b"\x03\xd9\xa2\x9a\x67\xfb\x4b")  # KeePass, signatures 1 and 2


class FileFacts(NamedTuple):
    """The classification of a file.

    :ivar kind: certificate, certificate_bundle, private_key, public_key, keystore, csr, crl, signed_data, parameters, config, random,
        known_hosts, authorized_keys, encrypted_data, or None.
    :ivar classified_by: 'content', 'name' or None.
    :ivar format: PEM, DER, OpenSSH, PKCS#12 and others, or None.
    :ivar facts: dict, JSON-ready.
    """

    kind: str
    classified_by: str
    format: str
    facts: dict


_UNKNOWN = FileFacts(None, None, None, {})


def classify(fd, name):
    """Classify an open file. No content and no name raises an exception.

    :arg fd: int, descriptor of a regular file, open for reading; its offset does not change.
    :arg name: bytes, its path.
    :returns: `FileFacts`; by the name alone where the file can't be read.
    """
    try:
        head = os.pread(fd, PROBE_SIZE, 0)
        classifier = _CLASSIFIERS.get(head[:1])
        if classifier is not None:
            found = classifier(FileBytes(fd, head, _MAX_READ), head, name)
            if found is not None:
                return FileFacts(found[0], "content", found[1], found[2])
        if not head:
            return classify_name(name)
        named = names.without_magic(name)
        if named is None:
            return _UNKNOWN if classifier is not None or not names.allows_text_before_pem(name, False) else _classify_after_text(fd, head)
        if named[1] == "OpenSSH":
            facts = _list_facts(FileBytes(fd, head, _MAX_READ))[0]
            if facts["count"]:
                return FileFacts(named[0], "content", named[1], facts)
        return FileFacts(named[0], "name", named[1], {})
    except OSError:
        return classify_name(name)


def classify_name(name):
    """Classify a file that can't be read, by its name.

    :arg name: bytes, its path.
    :returns: `FileFacts`.
    """
    found = names.by_name_alone(name)
    return FileFacts(found[0], "name", found[1], {}) if found else _UNKNOWN


def _is_text(head):
    return not head.translate(None, b"\t\r\n" + bytes(range(0x20, 0x7F)))


def _classify_after_text(fd, head):
    """Classify a text file by its PEM blocks after other text. :returns: `FileFacts`."""
    if _is_text(head):
        found = pem.classify(FileBytes(fd, head, _MAX_READ), 0, _MAX_TEXT)
        if found:
            return FileFacts(found[0], "content", found[1], found[2])
    return _UNKNOWN


# The functions below classify a file that begins with certain bytes. They take the `FileBytes`, its first bytes and its path, and return
# (kind, format, facts), or None where it is not one of their formats.


def _classify_der(source, head, name):
    if len(head) < PROBE_SIZE:
        return None
    try:
        return der_files.classify(source)
    except DerError:
        return None


def _classify_dashes(source, head, name):
    if head == b"-----BE":
        return pem.classify(source)
    if head == b"---- BE":
        cursor = TextCursor(source)
        label = ssh_keys.short_line(cursor, 64)
        if label == b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----":  # ssh.com's own format
            return "private_key", "SSH2", {"algorithm": None, "key_bits": None, "encrypted": None}
        if label == b"---- BEGIN SSH2 PUBLIC KEY ----":
            body = cursor.public_text().partition(b"---- END")[0]
            return "public_key", "RFC 4716", ssh_keys.rfc4716_facts(body) or {"malformed": 1}
    return None


def _classify_text(source, head, name):
    """Text before a PEM block, where its first bytes or the file's name suggest one; and the other text formats."""
    if head in _TEXT_STARTS and source.read(0, _MAX_TEXT_PREFIX).replace(b"\r\n", b"\n").startswith(_TEXT_PREFIXES):
        return pem.classify(source, 0, _MAX_TEXT)
    if head.startswith(_PRINTED_KEY_STARTS):
        return _classify_printed_key(source)
    if head in ssh_keys.PUBLIC_STARTS:
        return _classify_ssh_lines(source, name)
    if head[:3] == b"|1|" or head in (b"@cert-a", b"@revoke"):  # known_hosts: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
        facts = _list_facts(source)[0]
        return ("known_hosts", "OpenSSH", facts) if facts["count"] else None
    if head == b"PuTTY-U":
        facts = ssh_keys.putty_facts(TextCursor(source))
        return ("private_key", "PuTTY", facts) if facts else None
    if head == b"SSH PRI" and source.read(0, 33) == b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0":  # authfile.c of OpenSSH before 7.6
        return "private_key", "SSH1", {"algorithm": "RSA", "key_bits": None, "encrypted": None}
    if head in (b"AGE-SEC", b"# creat"):
        facts = _age_identity(source)
        if facts:
            return "private_key", "age", facts
    if head == b"age-enc" and source.read(0, len(_AGE_HEADER)) == _AGE_HEADER:
        return "encrypted_data", "age", {}
    if head in _AGENT_KEYS:
        opening, encrypted = _AGENT_KEYS[head]
        front = source.read(0, len(opening) + 6)
        if front.startswith(opening):
            return "private_key", "PGP", {"algorithm": _AGENT_ALGORITHMS.get(front[len(opening):]), "key_bits": None, "encrypted": encrypted}
    elif head == b"SQLite " and names.base_name(name) in names.NSS_NAMES:
        return ("keystore", "NSS DB", {"database": "SQLite"}) if source.read(0, 16) == b"SQLite format 3\0" else None
    elif names.allows_text_before_pem(name, head[:1] in b"# \t\r\n") and _is_text(head):
        return pem.classify(source, 0, _MAX_TEXT)
    return None


def _age_identity(source):
    """Facts of an age identity, whose comments are read line by line and whose secret is not read; None for another file."""
    cursor = TextCursor(source)
    for comment in _AGE_COMMENTS if cursor.fill(1) and cursor.buffered == b"#" else ():
        if not cursor.fill(len(comment)) or not cursor.buffered.startswith(comment) or ssh_keys.short_line(cursor, 128) is None:
            return None
    cursor.fill(len(_AGE_IDENTITY))
    return {"algorithm": "X25519", "key_bits": 256, "encrypted": False} if cursor.buffered == _AGE_IDENTITY else None


def _classify_printed_key(source):
    cursor = TextCursor(source)
    line = ssh_keys.short_line(cursor, 64)
    match = _PRINTED_KEY.match(line or b"")
    if match:
        algorithm, bits, primes = match.groups()
        algorithm = algorithm.decode("ascii") if algorithm else "RSA" if primes else None
        return "private_key", "text", {"algorithm": algorithm, "key_bits": int(bits) if bits else None, "encrypted": False}
    if line and line.startswith(b"Private-key-format: v1."):
        match = _DNSSEC.match(ssh_keys.short_line(cursor, 64) or b"")
        if match:
            return "private_key", "DNSSEC", {"algorithm": match.group(1).decode("ascii"), "key_bits": None, "encrypted": False}
    return None


def _list_facts(source):
    """`ssh_keys.list_facts` of the file up to a private key or the limit; truncated is True where the file continues."""
    data = TextCursor(source).public_text()
    facts, first = ssh_keys.list_facts(data)
    if source.size > len(data):
        facts["truncated"] = True
    return facts, first


def _classify_ssh_lines(source, name):
    facts, first = _list_facts(source)
    if not facts["count"]:
        return None
    named = names.without_magic(name)
    if facts["count"] == 1 and not facts["other_lines"] and named is None:
        return "public_key", "OpenSSH", first
    return named[0] if named else "authorized_keys", "OpenSSH", facts


def _classify_byte_order_mark(source, head, name):
    return pem.classify(source, len(_BOM)) if head[:3] == _BOM and head[3:] == b"----" else None


def _classify_java(source, head, name):
    form = {keystore.JKS: "JKS", keystore.JCEKS: "JCEKS"}.get(head[:4])
    if form is None and head[0] in openpgp.STARTS:
        return _classify_pgp(source, head, name)
    facts = keystore.jks(source) if form else None
    return ("keystore", form, facts) if facts else None


def _classify_pgp(source, head, name):
    found = openpgp.key_ring(source)
    return (found[0], "PGP", found[1]) if found else None


def _classify_zeros(source, head, name):
    if head[:6] == b"\0\0\0\x20\x01\x01" and source.read(8, 4) == b"KBXf":  # GnuPG's kbx/keybox-blob.c: header blob
        return "keystore", "PGP", {"database": "keybox"}
    if head[:4] == b"\0\x06\x15\x61" and names.base_name(name) in names.NSS_NAMES:  # Berkeley DB 1.85 hash
        return "keystore", "NSS DB", {"database": "Berkeley DB"}
    facts = keystore.bks(source) if head in (b"\0\0\0\x01\0\0\0", b"\0\0\0\x02\0\0\0") else None
    return ("keystore", "BKS", facts) if facts else None


def _classify_keytab(source, head, name):
    facts = keystore.keytab(source) if head[:2] == b"\x05\x02" else None
    return ("keystore", "Kerberos keytab", facts) if facts else None


def _classify_keepass(source, head, name):
    return ("keystore", "KeePass", {}) if head in _KEEPASS else None


# First byte of a file -> its classifier. A file that begins with any other byte costs one read.
_CLASSIFIERS = {bytes((byte,)): _classify_pgp for byte in openpgp.STARTS}
_CLASSIFIERS.update({bytes((byte,)): _classify_text for byte in b"# \t\r\nAaCBsiDPREXMS|@e("})
_CLASSIFIERS.update({
    b"\x30": _classify_der, b"\x06": _classify_der, b"-": _classify_dashes, b"\xef": _classify_byte_order_mark,
    b"\xfe": _classify_java, b"\xce": _classify_java, b"\0": _classify_zeros,
    b"\x05": _classify_keytab, b"\x03": _classify_keepass,
})
