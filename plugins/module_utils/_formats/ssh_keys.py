# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of OpenSSH, SSH2 (RFC 4716) and PuTTY, and the files that list public keys (authorized_keys, known_hosts).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import re

_MAX_BLOB = 1 << 14  # bytes of a public key; PROTOCOL.key of OpenSSH limits an RSA modulus to 16384 bits
_MAX_TEXT = _MAX_BLOB * 4 // 3  # characters of its base64
_MAX_LINE = 1 << 15  # bytes of a line that are searched for a key
_MAGIC = b"openssh-key-v1\0"  # PROTOCOL.key of OpenSSH, section 1

# Key types (RFC 4253 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f of OpenSSH) -> algorithm, bits, curve.
_TYPES = {
    b"ssh-rsa": ("RSA", None, None),
    b"ssh-dss": ("DSA", None, None),
    b"ssh-ed25519": ("Ed25519", 256, None),
    b"ssh-ed448": ("Ed448", 456, None),
    b"ecdsa-sha2-nistp256": ("EC", 256, "prime256v1"),
    b"ecdsa-sha2-nistp384": ("EC", 384, "secp384r1"),
    b"ecdsa-sha2-nistp521": ("EC", 521, "secp521r1"),
    b"sk-ssh-ed25519@openssh.com": ("Ed25519", 256, None),
    b"sk-ecdsa-sha2-nistp256@openssh.com": ("EC", 256, "prime256v1"),
}
_KEY = re.compile(
    rb"(?:\A|[ \t])((?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519|sk-ecdsa-sha2-nistp256)"
    rb"(?:-cert-v01)?(?:@openssh\.com)?)[ \t]+(AAAA[A-Za-z0-9+/]+={0,2})(?=\s|\Z)"
)
PUBLIC_STARTS = (b"ssh-rsa", b"ssh-dss", b"ssh-ed2", b"ssh-ed4", b"ecdsa-s", b"sk-ssh-", b"sk-ecds")  # first 7 bytes of a public key's line


def _string(data, offset):
    """Read the SSH string (RFC 4251, 5) at an offset of data.

    :returns: tuple: content (bytes), offset behind it (int); ``(None, offset)`` where data ends before it does.
    """
    end = offset + 4 + int.from_bytes(data[offset:offset + 4], "big")
    if len(data) < offset + 4 or end > len(data):
        return None, offset
    return data[offset + 4:end], end


def blob_facts(blob):
    """Read a public key blob (RFC 4253, 6.6).

    :arg blob: bytes.
    :returns: dict: algorithm, key_bits, key_type, and where given curve, ssh_certificate (True); None where its type is unknown.
    """
    key_type, offset = _string(blob, 0)
    if key_type is None:
        return None
    plain = key_type.replace(b"-cert-v01", b"")
    known = _TYPES.get(plain) or _TYPES.get(plain.replace(b"@openssh.com", b""))
    if known is None:
        return None
    facts = {"algorithm": known[0], "key_bits": known[1], "key_type": key_type.decode("ascii")}
    if known[2]:
        facts["curve"] = known[2]
    if b"-cert-v01" in key_type:
        offset = _string(blob, offset)[1]  # nonce
        facts["ssh_certificate"] = True
    if known[1] is None:
        number, offset = _string(blob, offset)
        if known[0] == "RSA" and number is not None:  # e comes before n; DSA's p is first
            number, offset = _string(blob, offset)
        if not number:
            return None
        facts["key_bits"] = int.from_bytes(number, "big").bit_length()
    return facts


def _decoded(text):
    """Decode base64, bytes. :returns: bytes, or None where it is malformed or too long."""
    if len(text) > _MAX_TEXT:
        return None
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return None


def line_facts(line):
    """Read the first public key in a line of authorized_keys, known_hosts or a .pub file.

    :arg line: bytes.
    :returns: dict, the facts of `blob_facts`; None where the line has no key.
    """
    match = _KEY.search(line[:_MAX_LINE])
    blob = _decoded(match.group(2)) if match else None
    facts = blob_facts(blob) if blob else None
    return facts if facts and facts["key_type"].encode() == match.group(1) else None


def list_facts(data):
    """Read authorized_keys (sshd(8)) or known_hosts: the types of the keys, but no host names, options or comments.

    :arg data: bytes, the content of the file.
    :returns: tuple: facts (dict), facts of the first key (dict or None). Facts are count, key_types (dict of type -> count), other_lines (number
        of lines that are neither a key, nor a comment, nor blank).
    """
    counts = {}
    other = 0
    first = None
    for line in data.split(b"\n"):
        line = line.strip()
        if not line or line[:1] == b"#":
            continue
        found = line_facts(line)
        if found is None:
            other += 1
        else:
            first = first or found
            counts[found["key_type"]] = counts.get(found["key_type"], 0) + 1
    return {"count": sum(counts.values()), "key_types": counts, "other_lines": other}, first


def rfc4716_facts(body):
    """Read the body of an SSH2 PUBLIC KEY block (RFC 4716, 3): header lines, then base64.

    :arg body: bytes.
    :returns: dict, the facts of `blob_facts`; None where it is malformed.
    """
    text = []
    continued = False
    for line in body.split(b"\n"):
        line = line.strip()
        if continued or b":" in line:
            continued = line.endswith(b"\\")
        else:
            text.append(line)
    blob = _decoded(b"".join(text))
    return blob_facts(blob) if blob else None


def openssh_private_facts(source):
    """Read an OpenSSH private key (PROTOCOL.key) up to its private section.

    :arg source: `Base64Bytes` of the PEM block (_files/secret_safe_reads.py).
    :returns: dict: algorithm, key_bits, curve, key_type, encrypted, encryption; None where it is malformed.
    """
    offset = len(_MAGIC)
    if source.read(0, offset) != _MAGIC:
        return None
    fields = []
    for limit in (64, 64, 256, None, _MAX_BLOB):
        size = source.read(offset, 4)
        offset += 4
        if len(size) < 4:
            return None
        length = int.from_bytes(size, "big")
        if limit is None:  # the number of keys, not a string
            if length != 1:
                return None
            continue
        if length > limit:
            return None
        fields.append(source.read(offset, length))
        if len(fields[-1]) < length:
            return None
        offset += length
    cipher, kdf, options, blob = fields
    facts = blob_facts(blob)
    if facts is None:
        return None
    facts["encrypted"] = cipher != b"none"
    if facts["encrypted"]:
        facts["encryption"] = {"cipher": cipher.decode("ascii", "replace"), "kdf": kdf.decode("ascii", "replace")}
        salt, end = _string(options, 0)
        if kdf == b"bcrypt" and salt is not None:
            facts["encryption"]["iterations"] = int.from_bytes(options[end:end + 4], "big")
    return facts


def putty_facts(cursor):
    """Read a PuTTY private key (PuTTY manual, appendix C) up to the end of its public key; the private lines are not read.

    :arg cursor: `TextCursor` at the beginning of the file (_files/secret_safe_reads.py).
    :returns: dict: algorithm, key_bits, curve, key_type, encrypted, encryption, version; None where it is malformed.
    """
    values = {}
    for name in (b"PuTTY-User-Key-File-", b"Encryption: ", b"Comment: ", b"Public-Lines: "):
        if not cursor.fill(len(name)) or cursor.buffered[:len(name)] != name:
            return None
        cursor.skip(len(name))
        values[name] = line = short_line(cursor)
        if line is None:
            return None
    version, colon, key_type = values[b"PuTTY-User-Key-File-"].partition(b": ")
    lines = values[b"Public-Lines: "]
    if version not in (b"1", b"2", b"3") or not lines.isdigit() or len(lines) > 3:
        return None
    text = b""
    for _line in range(int(lines)):
        text += short_line(cursor) or b""
        if len(text) > _MAX_TEXT:  # too long for `_decoded`; reading on takes 2 s a MiB
            break
    blob = _decoded(text)
    facts = (blob_facts(blob) if blob else None) or {"algorithm": None, "key_bits": None}
    facts["version"] = int(version)
    facts["encrypted"] = values[b"Encryption: "] != b"none"
    if facts["encrypted"]:
        facts["encryption"] = {"cipher": values[b"Encryption: "].decode("ascii", "replace")}
    return facts


def short_line(cursor, limit=1024):
    """Read the rest of a line byte by byte and move the cursor behind its end.

    :arg cursor: `TextCursor`.
    :arg limit: int, bytes at most.
    :returns: bytes; None where the line is longer, or at the end of the file.
    """
    length = 0
    while cursor.fill(length + 1):
        if cursor.buffered[length] in b"\r\n":
            line = cursor.buffered[:length]
            cursor.skip(length)
            cursor.end_of_line()
            return line
        length += 1
        if length > limit:
            return None
    line = cursor.buffered
    cursor.skip(length)
    return line or None
