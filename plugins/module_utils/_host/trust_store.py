# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``trust_store`` of host_crypto: the system's root certificates, and which of them are weak or have expired.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import os
import re

from .._files.secret_safe_reads import PROBE_SIZE, FileBytes, TextCursor
from .._formats.certificate import certificate_facts
from .._formats.der import DerError

# Where distributions keep the bundle; src/crypto/x509/root_linux.go of Go has the same list with its reasons.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
           "/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/pki/tls/cacert.pem")
_MAX_BUNDLE = 8 << 20  # bytes
_MAX_ROOTS = 3000
_MAX_LISTED = 50  # of each list
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")

_MIN_RSA_BITS = 2048  # NIST SP 800-131A Rev. 2, table 2
_MIN_CURVE_BITS = 224  # the same table
_KEY_PREFIXES = ("RSA", "DSA", "EC")  # of an entry of `weaknesses` about the key, which is always the first
_BROKEN_HASH = re.compile(r"md[245]|sha-?1(?![0-9])", re.IGNORECASE)


def read_trust_store(reader, now):
    """Read the part ``trust_store``.

    :arg reader: `Reader`.
    :arg now: str, UTC as ``2026-01-31T12:00:00Z``, the time that decides which roots have expired.
    :returns: dict: bundles, unreadable. bundles: list of {path, roots, malformed, key_types, weak, weak_keys, weak_roots, expired,
        expired_roots, as_of}, one for each file.
    """
    bundles, known = [], set()
    for path in BUNDLES:
        identity = reader.identity(path)
        if identity in known:
            continue
        known.add(identity)
        with reader.open_file(path) as fd:
            if fd is not None:
                bundles.append(_bundle(reader, path, fd, now))
    return {"bundles": bundles, "unreadable": reader.unreadable()}


def _bundle(reader, path, fd, now):
    """The entry of a bundle; see `read_trust_store`.

    :arg path: str, the bundle.
    :arg fd: int, a descriptor of it.
    """
    counts, weak, expired = {}, [], []
    number = malformed = 0
    try:
        for body in _bodies(reader, path, fd):
            number += 1
            try:
                facts = certificate_facts(binascii.a2b_base64(body), trailing=True)
            except (DerError, binascii.Error):
                malformed += 1
                continue
            kind = "%s %s" % (facts["key_algorithm"], facts.get("curve") or facts["key_bits"] or "?")
            counts[kind] = counts.get(kind, 0) + 1
            reasons = weaknesses(facts)
            if reasons:
                weak.append(_entry(reader, facts, reasons))
            if facts["not_after"] < now:
                expired.append(_entry(reader, facts, reasons))
    except OSError as error:
        reader.add_unreadable(path, error)
    for name, roots in (("weak", weak), ("expired", expired)):
        if len(roots) > _MAX_LISTED:
            reader.add_unreadable(path, "%d %s roots; only %d are listed" % (len(roots), name, _MAX_LISTED))
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MAX_LISTED]
    entry = {"roots": number, "malformed": malformed, "as_of": now, "key_types": [], "weak": len(weak),
             "weak_keys": sum(map(_is_weak_key, weak)), "expired": len(expired), "weak_roots": _sorted(weak), "expired_roots": _sorted(expired)}
    for kind, count in kept:
        key_type = {"count": count}
        reader.put_text(key_type, "key_type", kind)
        entry["key_types"].append(key_type)
    reader.put_text(entry, "path", path)
    return entry


def _bodies(reader, path, fd):
    """Yield the base64 text (bytes) of each certificate in a bundle. Reading stops before a private key."""
    source = FileBytes(fd, os.pread(fd, PROBE_SIZE, 0), _MAX_BUNDLE)
    cursor = TextCursor(source)
    for _root in range(_MAX_ROOTS):
        if not cursor.find_begin(_MAX_BUNDLE):
            if cursor.offset + len(cursor.buffered) < source.size:
                reader.add_unreadable(path, "not read from byte %d on: not a list of certificates" % cursor.offset)
            return
        label = cursor.label()
        if label not in _LABELS:
            reader.add_unreadable(path, "not read from byte %d on: not a certificate" % cursor.offset)
            return
        body, complete = cursor.body(label)
        if not complete:
            reader.add_unreadable(path, "a certificate has no END line")
        yield body
    reader.add_unreadable(path, "more than %d roots; the rest were skipped" % _MAX_ROOTS)


def weaknesses(facts):
    """The weaknesses of a certificate.

    :arg facts: dict of `certificate_facts`.
    :returns: list of str, such as ``RSA key of 1024 bits``; the one about the key first.
    """
    found = []
    name, bits = facts["key_algorithm"], facts["key_bits"] or 0
    if name.startswith("RSA") and bits < _MIN_RSA_BITS:
        found.append("RSA key of %d bits" % bits)
    elif name == "DSA":
        found.append("DSA key")
    elif name == "EC" and 0 < bits < _MIN_CURVE_BITS:
        found.append("EC key of %d bits" % bits)
    signature = facts["signature_algorithm"]
    if _BROKEN_HASH.search(signature):
        found.append("signature %s" % signature)
    elif _BROKEN_HASH.search(facts.get("signature_hash", "")):
        found.append("signature %s with %s" % (signature, facts["signature_hash"]))
    return found


def _entry(reader, facts, reasons):
    entry = {"weaknesses": reasons, "key_algorithm": facts["key_algorithm"], "key_bits": facts["key_bits"], "self_signed": facts["self_signed"],
             "signature_algorithm": facts["signature_algorithm"], "not_after": facts["not_after"], "fingerprint_sha256": facts["fingerprint_sha256"]}
    reader.put_text(entry, "subject", facts["subject"] or "(no subject)")
    return entry


def _is_weak_key(entry):
    return bool(entry["weaknesses"]) and entry["weaknesses"][0].startswith(_KEY_PREFIXES)


def _sorted(entries):
    """Sort entries of roots and cut the list; those with a weak key come first, so that they are kept."""
    return sorted(entries, key=lambda entry: (not _is_weak_key(entry), entry["subject"], entry["fingerprint_sha256"]))[:_MAX_LISTED]
