# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names and subject alternative names as text.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import socket

from .der import OID, SEQUENCE, SET, DerError, children, expect, item, oid_at, oid_text
from .oids import NAME_ATTRIBUTES

MAX_VALUE = 1024  # characters of one attribute value or alternative name; RFC 5280 A.1 allows 64 to 32768, usually 64
MAX_NAME = 4096  # characters of a whole name

# X.680 8.6: string type -> encoding of its characters. TeletexString is Latin-1 in practice (as OpenSSL reads it).
_ENCODINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_SPECIAL = re.compile(r'([",+;<>\\])')  # RFC 4514, 2.4

# RFC 5280, 4.2.1.6: GeneralName tags with an IA5String.
_TEXT_NAMES = {0x81: "email", 0x82: "DNS", 0x86: "URI"}


def _decoded(tag, content):
    """Decode a string value and escape special characters (RFC 4514, 2.4). Bytes that are invalid in its encoding become ``\\XX`` hex pairs.

    :arg tag: int, one of `_ENCODINGS`.
    :arg content: bytes.
    :returns: str.
    """
    encoding = _ENCODINGS[tag]
    try:
        return _SPECIAL.sub(r"\\\1", content.decode(encoding))
    except UnicodeDecodeError:
        return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'",+;<>\\' else "\\%02X" % byte for byte in content)


def _escaped(text):
    """A value with NUL and with a leading or trailing special character escaped (RFC 4514, 2.4)."""
    text = text.replace("\0", "\\00")
    if text[:1] in (" ", "#"):
        text = "\\" + text
    if text[-1:] == " " and len(text) > 1 and text != "\\ ":
        text = text[:-1] + "\\ "
    return text


def name_text(data, name):
    """A Name (RFC 5280, 4.1.2.4) as RFC 4514 text: last RDN first, attribute types by short name, others by dotted identifier.

    :arg data: bytes.
    :arg name: `Item` of data.
    :returns: tuple: str, and whether it is truncated (bool).
    :raises DerError: it is malformed.
    """
    truncated = False
    parts = []
    for rdn in children(data, name, 200):
        if rdn.tag != SET:
            raise DerError("not a relative distinguished name")
        pairs = []
        for pair in children(data, rdn, 50):
            if pair.tag != SEQUENCE:
                raise DerError("not an attribute")
            dotted, kind = oid_at(data, pair.start, pair.end)
            value = item(data, kind.end, pair.end)
            truncated = truncated or value.end - value.start > MAX_VALUE
            if value.tag in _ENCODINGS:
                text = _escaped(_decoded(value.tag, data[value.start:min(value.end, value.start + MAX_VALUE)]))
            else:
                text = "#" + data[value.begin:min(value.end, value.begin + MAX_VALUE // 2)].hex()
            pairs.append(NAME_ATTRIBUTES.get(dotted, dotted) + "=" + text)
        parts.append("+".join(reversed(pairs)))  # RFC 4514, 2.2 allows any order; OpenSSL prints this one
    full = ",".join(reversed(parts))
    return full[:MAX_NAME], truncated or len(full) > MAX_NAME


def general_name(data, entry):
    """A GeneralName (RFC 5280, 4.2.1.6) as text, such as ``DNS:www.example.org``.

    :arg data: bytes.
    :arg entry: `Item` of data.
    :returns: str; a name of more than `MAX_VALUE` characters is truncated and ends in '...'.
    :raises DerError: it is malformed.
    """
    content = data[entry.start:entry.end]
    if entry.tag in _TEXT_NAMES:
        text = content[:MAX_VALUE].decode("ascii", "backslashreplace")
        return _TEXT_NAMES[entry.tag] + ":" + text[:MAX_VALUE] + ("..." if len(content) > MAX_VALUE or len(text) > MAX_VALUE else "")
    if entry.tag == 0x87 and len(content) in (4, 16):
        return "IP:" + socket.inet_ntop(socket.AF_INET if len(content) == 4 else socket.AF_INET6, content)
    if entry.tag == 0x88:
        return "RID:" + oid_text(content)
    if entry.tag == 0xA4:
        return "DirName:" + name_text(data, expect(data, entry.start, entry.end, SEQUENCE))[0]
    if entry.tag == 0xA0:
        kind = expect(data, entry.start, entry.end, OID)
        return "otherName:" + oid_text(data[kind.start:kind.end])
    return "[%d]:%s" % (entry.tag & 0x1F, content[:64].hex())
