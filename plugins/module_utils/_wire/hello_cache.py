# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hellos are parsed once for each shape. What one program sends again and again differs in what is drawn anew for each connection: random,
session id, public keys, tickets. What it says is that of the first one, wherever all other octets are the same.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct

from .tls_messages import HELLO_RETRY, ClientHello, ServerHello

_MOST_OCTETS = 2048  # of a hello that is remembered: a post-quantum one has about 1600
_MOST_SHAPES = 64
_MOST_LAYOUTS = 4  # of one length

# A hello's body (RFC 8446 4.1.2, 4.1.3): version, random, length of the session id
_RANDOM = slice(2, 34)
_SESSION_ID_SIZE, _SESSION_ID = 34, 35
# Extensions whose content is not looked at: padding (RFC 7685), session_ticket (RFC 5077), pre_shared_key, cookie (RFC 8446 4.2), ECH (RFC 9849)
_UNREAD = frozenset((21, 35, 41, 44, 0xFE0D))
_KEY_SHARE = 51
_word = struct.Struct(">H").unpack_from
_two_words = struct.Struct(">HH").unpack_from


class Shapes:
    """Parses hellos of one kind. Holds at most 64 that were parsed, of at most 2 KiB each."""

    def __init__(self, kind, parse, extensions_at, first_key):
        """:arg kind: ClientHello or ServerHello. :arg parse: callable(bytes) -> kind.
        :arg extensions_at: callable(body, offset behind the session id) -> offset of the extensions' length.
        :arg first_key: int, where in a key_share extension its first entry is."""
        self._kind = kind
        self._parse = parse
        self._extensions_at = extensions_at
        self._first_key = first_key
        self._at = kind._fields.index("random")  # session_id is behind it, in both kinds
        self._clear()

    def _clear(self):
        self._held = 0
        # (length, of the session id) -> list of (slices of what is not drawn anew, dict of those octets -> the hello)
        self._layouts = {}

    def parse(self, body):
        """As client_hello() and server_hello()."""
        if not _SESSION_ID < len(body) <= _MOST_OCTETS or body[0] != 3 or body[_RANDOM] == HELLO_RETRY:
            return self._parse(body)
        size = len(body), body[_SESSION_ID_SIZE]
        for layout, known in self._layouts.get(size, ()):
            hello = known.get(b"".join([body[part] for part in layout]))
            if hello is not None:
                at = self._at
                return self._kind._make(hello[:at] + (body[_RANDOM], body[_SESSION_ID:_SESSION_ID + size[1]]) + hello[at + 2:])
        hello = self._parse(body)
        self._remember(size, body, hello)
        return hello

    def _remember(self, size, body, hello):
        """Remember a hello that was parsed, so all its lengths are right."""
        layout = self._layout(body)
        held = next((known for other, known in self._layouts.get(size, ()) if other == layout), None)
        if self._held == _MOST_SHAPES or (held is None and len(self._layouts.get(size, ())) == _MOST_LAYOUTS):
            self._clear()
            held = None
        if held is None:
            held = {}
            self._layouts.setdefault(size, []).append((layout, held))
        held[b"".join([body[part] for part in layout])] = hello
        self._held += 1

    def _layout(self, body):
        """The slices of a hello that are not drawn anew for each connection."""
        end = _SESSION_ID + body[_SESSION_ID_SIZE]
        drawn = [(2, 34), (_SESSION_ID, end)]
        offset = self._extensions_at(body, end) + 2
        while offset < len(body):
            code, size = _two_words(body, offset)
            offset += 4
            if code in _UNREAD:
                drawn.append((offset, offset + size))
            elif code == _KEY_SHARE:
                drawn += _keys(body, offset + self._first_key, offset + size)
            offset += size
        ends = [0] + [place for part in drawn for place in part] + [len(body)]
        return [slice(start, stop) for start, stop in zip(ends[::2], ends[1::2]) if start < stop]


def _keys(body, offset, end):
    """Where the keys of a key_share extension are (RFC 8446 4.2.8)."""
    found = []
    while offset < end:
        _group, size = _two_words(body, offset)
        offset += 4 + size
        found.append((offset - size, offset))
    return found


def _behind_lists(body, offset):
    """Of a ClientHello: behind cipher suites and compression methods."""
    offset += 2 + _word(body, offset)[0]
    return offset + 1 + body[offset]


def _behind_choice(_body, offset):
    """Of a ServerHello: behind cipher suite and compression method."""
    return offset + 3


def client_shapes(parse):
    """Shapes of ClientHellos. :arg parse: callable(bytes) -> ClientHello."""
    return Shapes(ClientHello, parse, _behind_lists, 2)


def server_shapes(parse):
    """Shapes of ServerHellos. :arg parse: callable(bytes) -> ServerHello."""
    return Shapes(ServerHello, parse, _behind_choice, 0)
