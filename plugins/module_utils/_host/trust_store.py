# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's trust store: how many roots it holds, and which of them are weak or have expired. Part of host_crypto.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import os
import re

from .._files.careful_reads import PROBE, FileOctets, TextCursor
from .._formats.certificate import certificate_facts
from .._formats.der import DerError

# Where distributions keep the bundle; src/crypto/x509/root_linux.go of Go has the same list with its reasons.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
           "/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/pki/tls/cacert.pem")
_MAX_BUNDLE = 8 << 20
_MAX_ROOTS = 3000
_MAX_LISTED = 50  # of each list
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")

_MIN_RSA_BITS = 2048  # NIST SP 800-131A Rev. 2, table 2
_MIN_CURVE_BITS = 224  # the same table
_KEY_PHRASES = ("RSA", "DSA", "EC")  # how a phrase of `weaknesses` begins that is about the key; it comes first
_BROKEN = re.compile(r"md[245]|sha-?1(?![0-9])", re.IGNORECASE)


def read_trust_store(reader, now):
    """The part ``trust_store``: bundles, unreadable.

    :arg reader: `Reader`. :arg now: str, the time of day as ``2026-01-31T12:00:00Z``: what expired is told as of it.
    :returns: dict; bundles: list of {path, roots, malformed, key_types, weak, weak_keys, weak_roots, expired, expired_roots, as_of}, one a file.
    """
    told, known = [], set()
    for path in BUNDLES:
        identity = reader.identity(path)
        if identity in known:
            continue
        known.add(identity)
        with reader.opened(path) as fd:
            if fd is not None:
                told.append(_bundle(reader, path, fd, now))
    return {"bundles": told, "unreadable": reader.unreadable()}


def _bundle(reader, path, fd, now):
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
        reader.problem(path, error)
    for name, found in (("weak", weak), ("expired", expired)):
        if len(found) > _MAX_LISTED:
            reader.problem(path, "%d %s roots: %d are listed" % (len(found), name, _MAX_LISTED))
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MAX_LISTED]
    entry = {"roots": number, "malformed": malformed, "as_of": now, "key_types": [], "weak": len(weak),
             "weak_keys": sum(map(_is_weak_key, weak)), "expired": len(expired), "weak_roots": _sorted(weak), "expired_roots": _sorted(expired)}
    for kind, count in kept:
        one = {"count": count}
        reader.put(one, "key_type", kind)
        entry["key_types"].append(one)
    reader.put(entry, "path", path)
    return entry


def _bodies(reader, path, fd):
    """Yield the base64 of each certificate in a bundle. A private key in it is not read: reading stops before it."""
    octets = FileOctets(fd, os.pread(fd, PROBE, 0), _MAX_BUNDLE)
    cursor = TextCursor(octets)
    for _root in range(_MAX_ROOTS):
        if not cursor.find_begin(_MAX_BUNDLE):
            if cursor.offset + len(cursor.held) < octets.size:
                reader.problem(path, "what follows octet %d was not read: it is no list of certificates" % cursor.offset)
            return
        label = cursor.label()
        if label not in _LABELS:
            reader.problem(path, "what follows octet %d was not read: it is no certificate" % cursor.offset)
            return
        body, complete = cursor.body(label)
        if not complete:
            reader.problem(path, "a certificate without an end")
        yield body
    reader.problem(path, "more than %d roots: the others were not looked at" % _MAX_ROOTS)


def weaknesses(facts):
    """What is weak in a certificate (facts of `certificate_facts`): list of phrases, empty where nothing is."""
    found = []
    name, bits = facts["key_algorithm"], facts["key_bits"] or 0
    if name.startswith("RSA") and bits < _MIN_RSA_BITS:
        found.append("RSA key of %d bits" % bits)
    elif name == "DSA":
        found.append("DSA key")
    elif name == "EC" and 0 < bits < _MIN_CURVE_BITS:
        found.append("EC key of %d bits" % bits)
    signature = facts["signature_algorithm"]
    if _BROKEN.search(signature):
        found.append("signature %s" % signature)
    elif _BROKEN.search(facts.get("signature_hash", "")):
        found.append("signature %s with %s" % (signature, facts["signature_hash"]))
    return found


def _entry(reader, facts, reasons):
    entry = {"weaknesses": reasons, "key_algorithm": facts["key_algorithm"], "key_bits": facts["key_bits"], "self_signed": facts["self_signed"],
             "signature_algorithm": facts["signature_algorithm"], "not_after": facts["not_after"], "fingerprint_sha256": facts["fingerprint_sha256"]}
    reader.put(entry, "subject", facts["subject"] or "(no subject)")
    return entry


def _is_weak_key(entry):
    return bool(entry["weaknesses"]) and entry["weaknesses"][0].startswith(_KEY_PHRASES)


def _sorted(entries):
    """Those with a weak key first, so that a long list is not cut there."""
    return sorted(entries, key=lambda entry: (not _is_weak_key(entry), entry["subject"], entry["fingerprint_sha256"]))[:_MAX_LISTED]
