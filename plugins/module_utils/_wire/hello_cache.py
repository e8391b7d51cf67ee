# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of parsed hellos: those that differ only in what is random for each connection are parsed once.

What one program sends again and again differs in random, session id, public keys and tickets. Where all other bytes are the same, the hello says
what the first one said.

Measured 2026-11, 2-core VM: without it a TLS 1.3 handshake costs 80 to 140 % more CPU in user space, a TLS 1.2 one 40 to 50 %
(tests/bench, handshakes).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import operator

from . import tls_extensions as extensions
from .tls_hellos import HELLO_RETRY, RANDOM, SESSION_ID, SESSION_ID_SIZE, ClientHello, ServerHello

_MAX_BYTES = 2048  # of a hello that is cached: a post-quantum one has about 1600
_MAX_HELLOS = 64
_MAX_LAYOUTS = 4  # of one length
# Measured 2026-11, 2-core VM: keeping a hello costs as much as a hit saves. So it is in vain where hellos hardly repeat: Chrome sends its
# extensions in random order (chromestatus.com/feature/5124606246518784). Once a cache is full that had fewer hits than hellos, so many
# are only parsed: a quarter less CPU in user space for a handshake with Chrome.
_PAUSE = 1000

# Extensions whose content is not read, so it may differ
_UNREAD = frozenset((extensions.PADDING, extensions.SESSION_TICKET, extensions.PRE_SHARED_KEY, extensions.COOKIE, extensions.ENCRYPTED_CLIENT_HELLO))


class HelloCache:
    """Parses hellos of one kind. Holds at most 64 of them, of at most 2 KiB each."""

    def __init__(self, kind, parse, extensions_at, first_key):
        """
        :arg kind: ClientHello or ServerHello.
        :arg parse: callable(bytes) -> kind; may raise MalformedMessage.
        :arg extensions_at: callable(bytes of a hello, int end of its session id) -> int, offset of the length of its extensions.
        :arg first_key: int, offset of the first key in the content of a key_share extension.
        """
        self._kind = kind
        self._parse = parse
        self._extensions_at = extensions_at
        self._first_key = first_key
        self._random_at = kind._fields.index("random")  # session_id is behind it, in both kinds
        self._pause = 0  # hellos that will not be kept
        self._clear()

    def _clear(self):
        self._size = 0
        self._hits = 0
        # (length, that of the session id) -> list of (function that cuts out of a hello what is not random, slices of that,
        # dict of these bytes -> the fields before random and behind session_id)
        self._layouts = {}

    def parse(self, body):
        """Parse a hello, or take what it says from an earlier one.

        :arg body: bytes, as for client_hello() and server_hello().
        :returns: ClientHello or ServerHello.
        :raises MalformedMessage:
        """
        if not SESSION_ID < len(body) <= _MAX_BYTES or body[0] != 3 or body[RANDOM] == HELLO_RETRY:
            return self._parse(body)
        sizes = len(body), body[SESSION_ID_SIZE]
        for cut, _layout, known in self._layouts.get(sizes, ()):
            fields = known.get(b"".join(cut(body)))
            if fields is not None:
                self._hits += 1
                # Measured 2026-11, 2-core VM: _replace() instead costs 5 to 10 % more CPU in user space for a TLS 1.3 handshake
                before, behind = fields
                return self._kind._make(before + (body[RANDOM], body[SESSION_ID:SESSION_ID + sizes[1]]) + behind)
        hello = self._parse(body)
        if self._pause:
            self._pause -= 1
        else:
            self._add(sizes, body, hello)
        return hello

    def _add(self, sizes, body, hello):
        """Keep a hello that was parsed, so all its lengths are right."""
        layout = self._layout(body)
        cut = operator.itemgetter(*layout)  # of two slices at least: the version, and the size of the session id
        known = next((known for _cut, other, known in self._layouts.get(sizes, ()) if other == layout), None)
        if self._size == _MAX_HELLOS or (known is None and len(self._layouts.get(sizes, ())) == _MAX_LAYOUTS):
            self._pause = _PAUSE if self._hits < self._size else 0
            self._clear()
            known = None
        if known is None:
            known = {}
            self._layouts.setdefault(sizes, []).append((cut, layout, known))
        known[b"".join(cut(body))] = hello[:self._random_at], hello[self._random_at + 2:]
        self._size += 1

    def _layout(self, body):
        """The slices of a hello that are not random for each connection (list of slice)."""
        end = SESSION_ID + body[SESSION_ID_SIZE]
        random = [(RANDOM.start, RANDOM.stop), (SESSION_ID, end)]
        offset = self._extensions_at(body, end) + 2
        while offset < len(body):
            code, size = extensions.two_words(body, offset)
            offset += 4
            if code in _UNREAD:
                random.append((offset, offset + size))
            elif code == extensions.KEY_SHARE:
                random += _keys(body, offset + self._first_key, offset + size)
            offset += size
        bounds = [0] + [bound for part in random for bound in part] + [len(body)]
        return [slice(start, stop) for start, stop in zip(bounds[::2], bounds[1::2]) if start < stop]


def _keys(body, offset, end):
    """Where the keys of a key_share extension are (RFC 8446 4.2.8). :returns: list of ``(begin, end)``."""
    found = []
    while offset < end:
        _group, size = extensions.two_words(body, offset)
        offset += 4 + size
        found.append((offset - size, offset))
    return found


def _end_of_client_lists(body, offset):
    """Of a ClientHello: the end of cipher suites and compression methods."""
    offset += 2 + extensions.word(body, offset)[0]
    return offset + 1 + body[offset]


def _end_of_server_choice(_body, offset):
    """Of a ServerHello: the end of cipher suite and compression method."""
    return offset + 3


def client_hello_cache(parse):
    """A HelloCache of ClientHellos.

    :arg parse: callable(bytes) -> ClientHello.
    """
    return HelloCache(ClientHello, parse, _end_of_client_lists, 2)


def server_hello_cache(parse):
    """A HelloCache of ServerHellos.

    :arg parse: callable(bytes) -> ServerHello.
    """
    return HelloCache(ServerHello, parse, _end_of_server_choice, 0)
