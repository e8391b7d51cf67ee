# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DER: the tags, lengths and primitive values that keys and certificates are made of.

Strict on purpose: only definite, minimally encoded lengths that stay within their parent (ITU-T X.690, 8.1 and 10.1). A file is
called a certificate because it parses as one, so a lenient reader would invent some.

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

_MAX_OID_OCTETS = 64  # the longest identifier in the tables is 11 octets; this only bounds the work
_TIME = re.compile(rb"\A(\d{2}|\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z\Z")


class DerError(ValueError):
    """The bytes are not the DER structure that was expected."""


class Item(NamedTuple):
    """One element: its tag octet, where it begins, where its content begins and ends (offsets in bytes)."""

    tag: int
    begin: int
    start: int
    end: int


def header(octets, offset, limit):
    """Read one tag and length.

    :arg octets: callable ``(offset, length) -> bytes``; it may return fewer bytes where there are no more.
    :arg offset: where the element begins.
    :arg limit: where its parent ends; an element that passes it is refused.
    :returns: `Item`. Only the 2 to 6 octets of the header are asked for, two first, then the rest of a long length.
    :raises DerError: not a header, a length that is indefinite, not minimal, over 4 octets or past limit.
    """
    first = octets(offset, 2)
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
        more = octets(start, count)
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
    """`header` for bytes that are all in memory: data is bytes, offset and limit as there. :raises DerError:"""
    return header(lambda begin, length: data[begin:begin + length], offset, limit)


def expect(data, offset, limit, tag):
    """The element at offset, which must have this tag. :returns: `Item`. :raises DerError:"""
    found = item(data, offset, limit)
    if found.tag != tag:
        raise DerError("unexpected tag")
    return found


def whole(data, tag=SEQUENCE):
    """The element that is all of data. :returns: `Item`. :raises DerError: where bytes are left over or missing."""
    found = expect(data, 0, len(data), tag)
    if found.end != len(data):
        raise DerError("bytes left over")
    return found


def children(data, parent, most=1000):
    """Yield the elements inside parent (an `Item` of data), at most `most`. :raises DerError:"""
    offset = parent.start
    while offset < parent.end:
        if most <= 0:
            raise DerError("too many elements")
        most -= 1
        found = item(data, offset, parent.end)
        yield found
        offset = found.end


def oid_text(content):
    """The content octets of an OBJECT IDENTIFIER as dotted decimal text (X.690 8.19). :raises DerError:"""
    if not content or len(content) > _MAX_OID_OCTETS or content[-1] & 0x80:
        raise DerError("not an object identifier")
    arcs = []
    value = 0
    fresh = True
    for octet in content:
        if fresh and octet == 0x80:
            raise DerError("arc not minimal")
        value = value << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first] + arcs[1:]))


def oid_at(data, offset, limit):
    """The object identifier at offset. :returns: ``(dotted text, Item)``. :raises DerError:"""
    found = expect(data, offset, limit, OID)
    return oid_text(data[found.start:found.end]), found


def algorithm(data, offset, limit):
    """An AlgorithmIdentifier (RFC 5280, 4.1.1.2).

    :returns: ``(dotted text, Item of the parameters or None, Item of the AlgorithmIdentifier)``.
    :raises DerError:
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
    """The value of an INTEGER (`Item` of data) as int. :raises DerError: empty or not minimal."""
    content = data[found.start:found.end]
    if not content or (len(content) > 1 and (content[0] == 0 and content[1] < 0x80 or content[0] == 0xFF and content[1] >= 0x80)):
        raise DerError("not an integer")
    return int.from_bytes(content, "big", signed=True)


def utc_text(data, found):
    """A UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5) as ``2026-01-31T12:00:00Z``. :raises DerError:"""
    match = _TIME.match(data[found.start:found.end])
    if not match or len(match.group(1)) != {UTC_TIME: 2, GENERALIZED_TIME: 4}.get(found.tag):
        raise DerError("not a time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    if found.tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % (year, month, day, hour, minute, second)
