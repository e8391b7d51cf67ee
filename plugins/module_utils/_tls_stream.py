# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clear handshake messages in one direction of one TCP connection, from segments as they were seen on the wire.

Segments may come in another order, twice, overlapping, or not at all, and of some only the beginning was copied. What can be put together is;
where bytes are missing for good, the messages they belong to are dropped and counted, and the next segment that begins with a hello is the new start.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from ._tls_messages import MalformedMessage, client_hello, server_hello

MAX_PENDING = 32 * 1024  # octets that wait for those before them
MAX_HELD = 64 * 1024  # octets held in all
_MAX_SEGMENTS = 64  # that wait

# RFC 8446 5.1, 4, 6 and appendix B.1
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_KINDS = {_CLIENT_HELLO: "client_hello", _SERVER_HELLO: "server_hello", 11: "certificate", 12: "server_key_exchange", 14: "server_hello_done"}
_HEADER = 5  # octets of a record's
_MAX_RECORD = 2 ** 14  # octets of a clear record's content
_ENOUGH = 11  # octets that tell a hello from anything else: record and message headers, and the hello's legacy_version
_HALF = 2 ** 31


class Message(NamedTuple):
    """A message: client_hello, server_hello, certificate, server_key_exchange, server_hello_done, change_cipher_spec, alert (2 octets), other."""

    kind: str
    body: bytes


def _may_begin(data):
    """Whether data, as far as it goes, is the beginning of a hello's record or of a clear alert, maybe behind a change_cipher_spec."""
    if data[:1] == b"\x14":
        if data[1:2] not in (b"", b"\x03") or not b"\x00\x01\x01".startswith(data[3:6]):
            return False
        data = data[6:]
    if data[1:2] not in (b"", b"\x03"):
        return False
    if data[:1] == b"\x15":
        return b"\x00\x02".startswith(data[3:5]) and data[5:6] in (b"", b"\x01", b"\x02")
    return data[:1] in (b"", b"\x16") and data[5:6] in (b"", b"\x01", b"\x02") and data[6:7] in (b"", b"\x00") and data[9:10] in (b"", b"\x03")


def _begins(data):
    """Whether data surely begins so."""
    return len(data) >= (7 if data[:1] == b"\x15" else 6 + _ENOUGH if data[:1] == b"\x14" else _ENOUGH) and _may_begin(data)


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

    A segment that begins with a hello is taken at once even where bytes before it are missing: one side's later hello answers what the other
    side has received, so the missing bytes either came already or were not copied.
    """

    __slots__ = ("dropped", "_next", "_started", "_in_step", "_encrypted", "_records", "_message", "_pending", "_pending_octets")

    def __init__(self):
        self.dropped = 0  # times that a message which had begun was given up
        self._next = None  # the sequence number that comes next; None where nothing is known
        self._started = False  # whether a message was found
        self._in_step = False  # whether a record begins where _records begins
        self._encrypted = False  # whether a change_cipher_spec was seen
        self._records = bytearray()  # the beginning of a record
        self._message = bytearray()  # the beginning of a handshake message, of records before
        self._pending = {}  # sequence number -> (data, payload_size)
        self._pending_octets = 0

    def feed(self, sequence, data, payload_size):
        """Take one segment.

        :arg sequence: int, TCP sequence number of data[0].
        :arg data: bytes, what was copied of the payload.
        :arg payload_size: int, octets of the payload from data[0] on, copied or not.
        :returns: list of `Message` that are complete now, in their order on the wire.
        """
        found = []
        payload_size = max(payload_size, len(data))
        first = self._next is None and not self._pending
        if self._in_step and sequence == self._next and not self._pending:
            self._take(data, payload_size, found)
        elif first and data and _may_begin(data):
            self._start_at(sequence)
            self._take(data, payload_size, found)
        else:
            self._put(sequence, data, payload_size, found)
        if len(self._records) + len(self._message) + self._pending_octets > MAX_HELD:
            self._give_up()
        return found

    def _start_at(self, sequence):
        self._next = sequence
        self._in_step = True

    def _distance(self, sequence):
        """How far ahead of what comes next, negative: behind."""
        return (sequence - self._next + _HALF & 0xFFFFFFFF) - _HALF

    def _put(self, sequence, data, payload_size, found):
        """Take a segment that may not be the next."""
        distance = 0
        if self._next is not None:
            distance = self._distance(sequence)
            if distance + payload_size <= 0:
                return  # a retransmission
            if distance < 0:  # the end of it is new
                sequence, data, payload_size, distance = self._next, data[-distance:], payload_size + distance, 0
        if (distance > 0 or self._next is None) and _begins(data):
            self._lose()
            self._start_at(sequence)
        elif self._next is None or distance > 0:
            self._wait(sequence, data, payload_size)
            return
        self._follow(data, payload_size, found)
        self._drain(found)

    def _follow(self, data, payload_size, found):
        """Take the octets that come next, or pass over them where they are not clear."""
        if self._in_step or _begins(data):
            self._in_step = True
            self._take(data, payload_size, found)
        else:
            self._next = self._next + payload_size & 0xFFFFFFFF

    def _wait(self, sequence, data, payload_size):
        """Keep a segment; of two that begin alike the one of which more was copied."""
        known = self._pending.get(sequence)
        if known is None or len(known[0]) < len(data):
            self._pending_octets += len(data) - (len(known[0]) if known else 0)
            self._pending[sequence] = data, payload_size
        if self._pending_octets > MAX_PENDING or len(self._pending) > _MAX_SEGMENTS:
            self._give_up()

    def _drain(self, found):
        """Take what waited, as far as nothing is missing."""
        while self._pending and self._next is not None:
            sequence = min(self._pending, key=self._distance)
            distance = self._distance(sequence)
            if distance > 0:
                return
            data, payload_size = self._pending.pop(sequence)
            self._pending_octets -= len(data)
            if distance + payload_size > 0:
                self._follow(data[-distance:] if distance else data, payload_size + distance, found)

    def _give_up(self):
        """Too much waits: what is missing will not come."""
        self._lose()
        if self._next is not None:
            last = max(self._pending, key=self._distance, default=self._next)
            self._next = last + self._pending.get(last, (b"", 0))[1] & 0xFFFFFFFF
        self._pending.clear()
        self._pending_octets = 0

    def _take(self, data, payload_size, found):
        """Take the octets that come next."""
        self._next = self._next + payload_size & 0xFFFFFFFF
        if self._records:
            self._records += data
            used = self._split(bytes(self._records), found) if self._whole_record() else 0
            del self._records[:used]
        else:
            self._records += data[self._split(data, found):]
        if len(data) < payload_size or not self._in_step:
            self._lose()

    def _whole_record(self):
        """Whether the record that has begun is here, or cannot be one."""
        have = len(self._records) - _HEADER
        size = self._records[3] << 8 | self._records[4] if have >= 0 else _MAX_RECORD
        return have >= size or size > _MAX_RECORD

    def _split(self, data, found):
        """Take the whole records at the beginning of data. :returns: how many octets they have."""
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
                self._tell("alert", content, found)
        elif content == b"\x01":
            self._encrypted = True
            self._tell("change_cipher_spec", content, found)
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
            self._tell(_KINDS.get(content[offset], "other"), content[start:end], found)
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
            self._tell(_KINDS[content[0]], content[4:], found)

    def _tell(self, kind, body, found):
        self._started = True
        found.append(Message(kind, body))

    def _drop_message(self):
        if self._message:
            self._message.clear()
            self.dropped += 1

    def _lose(self):
        """What follows is missing or not clear: give up what has begun, and wait for a hello."""
        if self._records[:1] == b"\x16" and not self._encrypted and not self._message and self._in_step:
            self.dropped += 1  # the record would have continued or begun a message
        self._drop_message()
        self._records.clear()
        self._in_step = False
        if not self._started:
            self._next = None  # what was taken as the start was none
