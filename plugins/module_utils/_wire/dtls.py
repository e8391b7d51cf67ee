# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain-text handshake messages in one direction of a DTLS connection (RFC 6347; RFC 9147 keeps the format for hellos).

Fragments are reassembled, so that bodies are those of TLS, but for the versions, such as 0xFEFD, and the cookie of a ClientHello;
`_wire.tls_hellos` reads both.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import collections

from .segments import GAP, Segments
from .tls_stream import Message

_HEADER = 13  # bytes of a record's (RFC 6347, 4.1): type, version, epoch, sequence number, length
_MESSAGE_HEADER = 12  # bytes of a fragment's (RFC 6347, 4.2.2): type, length, message number, offset, length of the fragment
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22  # RFC 5246, 6.2.1
_KINDS = {1: "client_hello", 2: "server_hello", 3: "hello_verify_request", 11: "certificate", 12: "server_key_exchange", 14: "server_hello_done"}
_VERSIONS = (b"\xfe\xff", b"\xfe\xfd", b"\xfe\xfc")  # DTLS 1.0, 1.2, 1.3; that of HelloVerifyRequest and of hellos is one of the first two

_MAX_MESSAGE = 1 << 14  # bytes; of a longer one nothing is kept
_MAX_PARTIAL = 4  # messages that wait for fragments; with their segments below 130 KiB, mostly below 8
_MAX_KNOWN = 32  # messages that are remembered so that a retransmission is returned once


class _Partial:
    """A message whose fragments are not all here."""

    def __init__(self):
        self.body = bytearray()
        self._segments = Segments(_MAX_MESSAGE)
        self._segments.feed(0, b"", 0)  # a message begins at 0

    def add(self, offset, fragment):
        """Add a fragment.

        :arg offset: int, where it begins in the message.
        :arg fragment: bytes.
        :returns: bool, False where too much waits to reassemble the message.
        """
        for part in self._segments.feed(offset, fragment, len(fragment)):
            if part is GAP:
                return False
            self.body += part
        return True


class DtlsStream:
    """One direction of a DTLS connection. Messages are returned when they are complete, in that order; a retransmission is not returned again.

    dropped: int, handshake messages that were given up: too long, too scattered, or too many at once.
    """

    def __init__(self):
        self.dropped = 0
        self._partial = collections.OrderedDict()
        self._known = collections.deque(maxlen=_MAX_KNOWN)

    def feed(self, datagram):
        """Take one datagram; never raises. Encrypted records (of epoch 1 and later, or with the header of DTLS 1.3) are passed over.

        :arg datagram: bytes of its UDP payload, or of its beginning.
        :returns: list of `Message`: client_hello, server_hello, hello_verify_request, certificate, server_key_exchange, server_hello_done, other,
            change_cipher_spec, alert (2 bytes).
        """
        found = []
        offset = 0
        while datagram[offset + 1:offset + 3] in _VERSIONS:
            start = offset + _HEADER
            if start > len(datagram):
                break
            kind, epoch = datagram[offset], datagram[offset + 3:offset + 5]
            offset = start + int.from_bytes(datagram[start - 2:start], "big")
            if epoch == b"\0\0" and offset <= len(datagram):
                self._record(kind, datagram[start:offset], found)
        return found

    def _record(self, kind, content, found):
        if kind == _ALERT and len(content) == 2:
            found.append(Message("alert", content))
        elif kind == _CHANGE_CIPHER_SPEC:
            found.append(Message("change_cipher_spec", content))
        elif kind == _HANDSHAKE:
            self._fragments(content, found)

    def _fragments(self, content, found):
        offset = 0
        while offset + _MESSAGE_HEADER <= len(content):
            start = offset + _MESSAGE_HEADER
            head = content[offset:offset + 6]  # type, length and number: what a message's fragments share
            at = int.from_bytes(content[start - 6:start - 3], "big")
            end = start + int.from_bytes(content[start - 3:start], "big")
            length = int.from_bytes(head[1:4], "big")
            if end > len(content) or at + end - start > length:
                return
            if length > _MAX_MESSAGE:
                self.dropped += 1
            else:
                self._fragment(head, length, at, content[start:end], found)
            offset = end

    def _fragment(self, head, length, at, fragment, found):
        if len(fragment) == length:
            self._partial.pop(head, None)
            self._complete(head, fragment, found)
            return
        partial = self._partial.pop(head, None) or _Partial()
        if not partial.add(at, fragment):
            self.dropped += 1
        elif len(partial.body) == length:
            self._complete(head, bytes(partial.body), found)
        else:
            self._partial[head] = partial
            if len(self._partial) > _MAX_PARTIAL:
                self._partial.popitem(last=False)
                self.dropped += 1

    def _complete(self, head, body, found):
        """Return a message once. One with the same number and another body is another one: a client that begins anew."""
        which = head, hash(body)
        if which in self._known:
            return
        self._known.append(which)
        found.append(Message(_KINDS.get(head[0], "other"), body))
