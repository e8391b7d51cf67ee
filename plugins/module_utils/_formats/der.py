# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DER: parser of the tags, lengths and primitive values of keys and certificates.

It is strict: only definite, minimally encoded lengths within the parent (ITU-T X.690, 8.1 and 10.1). A file is classified as a certificate
because it parses as one, so a lenient parser would report certificates that are none.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# ITU-T X.690 8.1.2 and X.680 8.6: identifier octets of the universal types used here (0x20 is the 'constructed' bit).
BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0  # [0] constructed; [1] is 0xA1, and so on

_MAX_OID_SIZE = 64  # bytes; the longest identifier in the tables has 11
_TIME = re.compile(rb"\A(\d{2}|\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z\Z")


class DerError(ValueError):
    """The bytes are not the DER structure that was expected."""


class Item(NamedTuple):
    """One element.

    :ivar tag: int, identifier octet.
    :ivar begin: int, offset of the element in bytes.
    :ivar start: int, offset of its content.
    :ivar end: int, offset of the end of its content.
    """

    tag: int
    begin: int
    start: int
    end: int


def header(read, offset, limit):
    """Read the tag and the length of an element. Only its header of 2 to 6 bytes is read: two bytes, then the rest of a long length.

    :arg read: callable (int offset, int length) -> bytes; it may return fewer bytes at the end of the data.
    :arg offset: int, where the element begins.
    :arg limit: int, where its parent ends.
    :returns: `Item`.
    :raises DerError: no header, a length that is indefinite, not minimal or of more than 4 bytes, or an element that ends behind limit.
    """
    first = read(offset, 2)
    if len(first) < 2 or offset + 2 > limit:
        raise DerError("no header")
    tag, length = first[0], first[1]
    if tag & 0x1F == 0x1F:
        raise DerError("multi-octet tag")
    start = offset + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise DerError("indefinite or oversized length")
        more = read(start, count)
        if len(more) < count:
            raise DerError("no length")
        length = int.from_bytes(more, "big")
        start += count
        if length < 0x80 or more[0] == 0:
            raise DerError("length not minimal")
    end = start + length
    if end > limit:
        raise DerError("element passes the end of its parent")
    return Item(tag, offset, start, end)


def item(data, offset, limit):
    """`header` for data in memory.

    :arg data: bytes.
    :arg offset: int, where the element begins.
    :arg limit: int, where its parent ends.
    :returns: `Item`.
    :raises DerError: as `header`.
    """
    return header(lambda begin, length: data[begin:begin + length], offset, limit)


def expect(data, offset, limit, tag):
    """`item`, which must have a tag.

    :arg tag: int, identifier octet.
    :returns: `Item`.
    :raises DerError: as `header`, or the element has another tag.
    """
    found = item(data, offset, limit)
    if found.tag != tag:
        raise DerError("unexpected tag")
    return found


def whole(data, tag=SEQUENCE):
    """The header of an element that is exactly as long as data.

    :arg data: bytes.
    :arg tag: int, identifier octet that it must have.
    :returns: `Item`.
    :raises DerError: as `expect`, or bytes follow it.
    """
    found = expect(data, 0, len(data), tag)
    if found.end != len(data):
        raise DerError("bytes left over")
    return found


def children(data, parent, max_count=1000):
    """Yield the elements in a constructed element.

    :arg data: bytes.
    :arg parent: `Item` of data.
    :arg max_count: int, elements at most.
    :returns: iterator of `Item`.
    :raises DerError: one is malformed, or there are more than max_count.
    """
    offset = parent.start
    while offset < parent.end:
        if max_count <= 0:
            raise DerError("too many elements")
        max_count -= 1
        found = item(data, offset, parent.end)
        yield found
        offset = found.end


def oid_text(content):
    """Decode an OBJECT IDENTIFIER (X.690 8.19).

    :arg content: bytes, its content octets.
    :returns: str, dotted decimal.
    :raises DerError: it is malformed or too long.
    """
    if not content or len(content) > _MAX_OID_SIZE or content[-1] & 0x80:
        raise DerError("not an object identifier")
    arcs = []
    value = 0
    at_arc_start = True
    for byte in content:
        if at_arc_start and byte == 0x80:
            raise DerError("arc not minimal")
        value = value << 7 | byte & 0x7F
        at_arc_start = not byte & 0x80
        if at_arc_start:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first] + arcs[1:]))


def oid_at(data, offset, limit):
    """Decode the OBJECT IDENTIFIER at an offset; arguments as for `item`.

    :returns: tuple: str in dotted decimal, `Item`.
    :raises DerError: it is something else, or malformed.
    """
    found = expect(data, offset, limit, OID)
    return oid_text(data[found.start:found.end]), found


def algorithm(data, offset, limit):
    """Decode the AlgorithmIdentifier (RFC 5280, 4.1.1.2) at an offset; arguments as for `item`.

    :returns: tuple: object identifier (str), `Item` of the parameters or None, `Item` of the AlgorithmIdentifier.
    :raises DerError: it is malformed.
    """
    outer = expect(data, offset, limit, SEQUENCE)
    dotted, name = oid_at(data, outer.start, outer.end)
    if name.end == outer.end:
        return dotted, None, outer
    parameters = item(data, name.end, outer.end)
    if parameters.end != outer.end:
        raise DerError("bytes left over in an AlgorithmIdentifier")
    return dotted, parameters, outer


def integer(data, found):
    """Decode an INTEGER, the `Item` found of data. :returns: int. :raises DerError: it is empty or not minimal."""
    content = data[found.start:found.end]
    if not content or (len(content) > 1 and (content[0] == 0 and content[1] < 0x80 or content[0] == 0xFF and content[1] >= 0x80)):
        raise DerError("not an integer")
    return int.from_bytes(content, "big", signed=True)


def utc_text(data, found):
    """Decode a UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5), the `Item` found of data.

    :returns: str, UTC as ``2026-01-31T12:00:00Z``.
    :raises DerError: it is no time.
    """
    match = _TIME.match(data[found.start:found.end])
    if not match or len(match.group(1)) != {UTC_TIME: 2, GENERALIZED_TIME: 4}.get(found.tag):
        raise DerError("not a time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    if found.tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % (year, month, day, hour, minute, second)
