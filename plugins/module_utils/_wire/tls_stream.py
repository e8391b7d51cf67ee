# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain-text TLS handshake messages in one direction of one TCP connection, from segments as they were seen on the wire.

Segments may come in another order, twice, overlapping, or not at all, and of some only the beginning was copied. What can be reassembled is;
where bytes are missing for good, the messages they belong to are dropped and counted, and the next segment that begins with a hello is the new start.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .segments import GAP, Segments
from .tls_hellos import client_hello, server_hello
from .tls_messages import MalformedMessage

MAX_PENDING = 32 * 1024  # bytes that wait for those before them
MAX_HELD = 64 * 1024  # bytes held in all

# RFC 8446 5.1, 4, 6 and appendix B.1
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_KINDS = {_CLIENT_HELLO: "client_hello", _SERVER_HELLO: "server_hello", 11: "certificate", 12: "server_key_exchange", 14: "server_hello_done"}
_HEADER = 5  # bytes of a record's
_MAX_RECORD = 2 ** 14  # bytes of a plain-text record's content
# What surely begins a hello (record and message headers, and its legacy_version) or is a plain-text alert, maybe behind a change_cipher_spec
_begins = re.compile(br"(?:\x14\x03.\x00\x01\x01)?(?:\x16\x03...[\x01\x02]\x00..\x03.|\x15\x03.\x00\x02[\x01\x02].)", re.DOTALL).match


class Message(NamedTuple):
    """A message."""

    kind: str  # client_hello, server_hello, certificate, server_key_exchange, server_hello_done, change_cipher_spec, alert (2 bytes), other
    body: bytes


def _may_begin(data):
    """Whether data, as far as it goes, is the beginning of a hello's record or of a plain-text alert, maybe behind a change_cipher_spec."""
    if data[:1] == b"\x14":
        if data[1:2] not in (b"", b"\x03") or not b"\x00\x01\x01".startswith(data[3:6]):
            return False
        data = data[6:]
    if data[1:2] not in (b"", b"\x03"):
        return False
    if data[:1] == b"\x15":
        return b"\x00\x02".startswith(data[3:5]) and data[5:6] in (b"", b"\x01", b"\x02")
    return data[:1] in (b"", b"\x16") and data[5:6] in (b"", b"\x01", b"\x02") and data[6:7] in (b"", b"\x00") and data[9:10] in (b"", b"\x03")


def _lone_hello(data):
    """The Message of bytes that are one record with one whole hello in it, else None."""
    size = len(data)
    if data[:1] != b"\x16" or not _begins(data) or int.from_bytes(data[3:5], "big") != size - _HEADER or int.from_bytes(data[6:9], "big") != size - 9:
        return None
    return Message(_KINDS[data[5]], data[9:])


def _is_hello(kind, body):
    """Whether a message after change_cipher_spec is a hello all the same (RFC 8446 appendix D.4), and not encrypted."""
    try:
        if kind == _CLIENT_HELLO:
            client_hello(body)
        elif kind == _SERVER_HELLO:
            server_hello(body)
        else:
            return False
    except MalformedMessage:
        return False
    return True


class TlsStream:
    """One direction of one TCP connection. Holds at most 64 KiB whatever it is fed.

    dropped: int, messages that had begun and were given up.

    A segment that begins with a hello is taken at once even where bytes before it are missing: one side's later hello answers what the other
    side has received, so the missing bytes either came already or were not copied.
    """

    __slots__ = ("dropped", "_segments", "_next", "_started", "_in_step", "_encrypted", "_records", "_message")

    def __init__(self):
        self.dropped = 0
        # None as long as all that came is one segment with a whole hello: of TLS 1.3 no more comes. Measured 2026-11, 2-core VM:
        # with a reassembly from the start a TLS 1.3 handshake costs 40 to 60 % more CPU in user space.
        self._segments = None
        self._next = None  # sequence number behind that hello
        self._started = False  # whether a message was found
        self._in_step = False  # whether a record begins where _records begins

    def _start_reassembly(self):
        """Prepare for segments of all kinds."""
        self._segments = Segments(MAX_PENDING, False)
        self._segments.next = self._next
        self._encrypted = False  # whether a change_cipher_spec was seen
        self._records = bytearray()  # the beginning of a record
        self._message = bytearray()  # the beginning of a handshake message, of records before

    def feed(self, sequence, data, payload_size):
        """Take one segment.

        :arg sequence: int, TCP sequence number of data[0].
        :arg data: bytes, what was copied of the payload.
        :arg payload_size: int, bytes of the payload from data[0] on, copied or not.
        :returns: list of `Message` that are complete now, in their order on the wire.
        """
        if self._segments is None:
            hello = _lone_hello(data) if self._next is None else None
            if hello is not None:
                self._next = (sequence + max(payload_size, len(data))) % 2 ** 32
                self._started = True
                self._in_step = payload_size <= len(data)
                return [hello]
            self._start_reassembly()
        found = []
        segments = self._segments
        if sequence != segments.next and self._begins_anew(sequence, data):
            if self._in_step:
                self._lose()
            segments.next = sequence
            self._in_step = True
        for part in segments.feed(sequence, data, payload_size):
            if part is GAP:
                self._lose()
            elif self._in_step or _begins(part):
                self._in_step = True
                self._take(part, found)
        if found:
            self._started = True
        elif not self._in_step and not self._started:
            segments.next = None  # what was taken as the start was none
        if self._message and len(self._records) + len(self._message) + segments.held > MAX_HELD:
            segments.skip()
            self._lose()
        return found

    def _begins_anew(self, sequence, data):
        """Whether the stream begins with a segment, or goes on with it though bytes before it are missing."""
        segments = self._segments
        if segments.next is None and not segments.waiting:
            return _begins(data) or data and _may_begin(data)
        return segments.ahead(sequence) > 0 and _begins(data)

    def _take(self, data, found):
        """Take the bytes that come next."""
        if self._records:
            self._records += data
            used = self._split(bytes(self._records), found) if self._whole_record() else 0
            del self._records[:used]
        else:
            used = self._split(data, found)
            if used < len(data):
                self._records += data[used:]
        if not self._in_step:
            self._lose()

    def _whole_record(self):
        """Whether the record that has begun is here, or cannot be one."""
        have = len(self._records) - _HEADER
        size = self._records[3] << 8 | self._records[4] if have >= 0 else _MAX_RECORD
        return have >= size or size > _MAX_RECORD

    def _split(self, data, found):
        """Take the whole records at the beginning of data. :returns: int, their size in bytes."""
        offset = 0
        while self._in_step and len(data) - offset >= _HEADER:
            size = data[offset + 3] << 8 | data[offset + 4]
            kind = data[offset]
            if data[offset + 1] != 3 or not 0 < size <= _MAX_RECORD or not _CHANGE_CIPHER_SPEC <= kind <= _HANDSHAKE:
                self._in_step = False  # application data, or not TLS
                break
            start = offset + _HEADER
            if len(data) - start < size:
                break
            offset = start + size
            self._record(kind, data[start:offset], found)
        return offset

    def _record(self, kind, content, found):
        """Take one record."""
        if kind == _HANDSHAKE:
            if self._encrypted:
                self._maybe_hello(content, found)
            else:
                self._handshake(content, found)
        elif kind == _ALERT:
            if len(content) == 2 and content[0] in (1, 2):  # else it is encrypted
                found.append(Message("alert", content))
        elif content == b"\x01":
            self._encrypted = True
            found.append(Message("change_cipher_spec", content))
            self._drop_message()
        else:
            self._in_step = False

    def _handshake(self, content, found):
        """Take the content of a handshake record: messages, parts of them, or both."""
        if self._message:
            self._message += content
            if len(self._message) < 4 or len(self._message) - 4 < int.from_bytes(self._message[1:4], "big"):
                self._check_size(self._message)
                return
            content = bytes(self._message)
            self._message.clear()
        offset = 0
        while len(content) - offset >= 4:
            start = offset + 4
            end = start + int.from_bytes(content[offset + 1:start], "big")
            if end > len(content):
                break
            found.append(Message(_KINDS.get(content[offset], "other"), content[start:end]))
            offset = end
        if offset < len(content):
            self._message += content[offset:]
            self._check_size(self._message)

    def _check_size(self, message):
        """Give up a message that is longer than what may be held."""
        if len(message) >= 4 and int.from_bytes(message[1:4], "big") > MAX_HELD:
            self._in_step = False

    def _maybe_hello(self, content, found):
        """Take a handshake record after change_cipher_spec, where it is one whole hello."""
        if int.from_bytes(content[1:4], "big") + 4 == len(content) and _is_hello(content[0], content[4:]):
            found.append(Message(_KINDS[content[0]], content[4:]))

    def _drop_message(self):
        if self._message:
            self._message.clear()
            self.dropped += 1

    def _lose(self):
        """What follows is missing or encrypted: give up what has begun, and wait for a hello."""
        if self._records[:1] == b"\x16" and not self._encrypted and not self._message and self._in_step:
            self.dropped += 1  # the record would have continued or begun a message
        self._drop_message()
        self._records.clear()
        self._in_step = False
