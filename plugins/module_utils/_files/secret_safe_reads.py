# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a key file without reading the secret in it.

Every byte of a file under classification is read through `FileBytes.read`. Two more classes move through a file in steps so small that no
step reaches the secret part of a key whose beginning has not been read yet: `TextCursor` for text, and `Base64Bytes`, which reads and
decodes a PEM body up to the requested byte only.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import os

# Bytes read of every file first. No known structure has a secret before byte 7: SEC 1 / RFC 5915 ECPrivateKey is
# 30 len 02 01 01 04 len, then the key.
PROBE_SIZE = 7

# Bytes read per step in text where a key may begin within the step. Distance of the nearest secrets from the first character of the header
# that announces them: 23 in 'Private-Key:\npriv:\n    ' + hex (openssl pkey -text), 38 in an OpenVPN static key, 40 in an EC PRIVATE KEY
# (its label line, then 9 characters of base64 with the bytes before the secret).
STEP = 22
_SHORT_STEP = 10  # where the bytes before may already begin a 'Private-Key:' (at most 11 of its characters, 23 - 11 > 10)
BODY_STEP = 28  # inside the base64 of public data, where only '-----BEGIN ' can announce a key: 38 - 10, of which 10 may have been read

BEGIN = b"-----BEGIN "
END = b"-----END "
_PRINTED_KEY = b"Private-Key:"
_OVERLAP = max(len(BEGIN), len(_PRINTED_KEY))  # bytes kept between two steps, so that a header across both is found
_BLANK = b" \t\r\n"
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
MAX_DECODED = 8192  # bytes decoded of a key; the longest public part, of a 16384 bit DSA key, is half of it
MAX_LABEL = 80  # characters between the dashes; the labels in use have some 30 at most
_MAX_FILL = 4096  # bytes read at once of a base64 body


class FileBytes:
    """The bytes of an open regular file, by offset, with a limit on the bytes read.

    :arg fd: int, descriptor; only pread is used, so its offset does not change.
    :arg probe: bytes, the beginning of the file if it has been read, else empty.
    :arg remaining: int, bytes that may be read in all; after that, reads return nothing, as at the end of the file.
    :ivar size: int, bytes of the file.
    :ivar remaining: int, bytes that may still be read.
    """

    def __init__(self, fd, probe, remaining):
        self._fd = fd
        self._probe = probe
        self.size = os.fstat(fd).st_size
        self.remaining = remaining

    def read(self, offset, length):
        """Read length bytes from offset, both int.

        :returns: bytes, fewer at the end of the file or at the limit.
        :raises OSError: the file can't be read.
        """
        if offset + length <= len(self._probe):
            return self._probe[offset:offset + length]
        if length > self.remaining:
            length = self.remaining
        self.remaining -= length
        return os.pread(self._fd, length, offset) if length > 0 else b""

    def prefix(self, length):
        """Read the first length bytes; the interface of `Base64Bytes.prefix`.

        :returns: tuple: bytes, and 0, the number of missing bits.
        """
        return self.read(0, length), 0


class TextCursor:
    """A position in a text file that moves forward in small steps.

    :arg source: `FileBytes`.
    :arg offset: int, bytes.
    :ivar offset: int, the position in bytes.
    :ivar buffered: bytes, read but not yet passed; the first one is at `offset`.
    """

    def __init__(self, source, offset=0):
        self._source = source
        self.offset = offset
        self.buffered = b""

    def fill(self, length):
        """Buffer at least length (int) bytes from the position on, reading exactly those that are missing.

        :returns: bool, whether the file has as many.
        """
        missing = length - len(self.buffered)
        if missing > 0:
            self.buffered += self._source.read(self.offset + len(self.buffered), missing)
        return len(self.buffered) >= length

    def skip(self, length):
        """Move forward by length (int) bytes, which need not have been read."""
        self.buffered = self.buffered[length:]
        self.offset += length

    def find_begin(self, limit):
        """Move to the next ``-----BEGIN`` at the start of a line.

        :arg limit: int, bytes to search at most.
        :returns: bool. True: the position is there. False: the end of the file, the limit, a ``-----BEGIN`` that is not at the start of a
            line (an example in prose, a key inside a string), or a key printed as text comes first; the text after it must not be read.
        """
        end = self.offset + limit
        self.fill(len(BEGIN))
        while True:
            text = self.buffered
            printed = text.find(_PRINTED_KEY)
            found = text.find(BEGIN)
            if printed >= 0 and not 0 <= found < printed:
                return False
            if found >= 0:
                self.skip(found)
                return not found or text[found - 1] in b"\r\n"
            if len(text) > _OVERLAP:
                self.skip(len(text) - _OVERLAP)
                text = self.buffered
            if self.offset >= end:
                return False
            chunk = self._source.read(self.offset + len(text), _SHORT_STEP if b"P" in text else STEP)
            if not chunk:
                return False
            self.buffered = text + chunk

    def label(self):
        """Read the label of the PEM block at the position and move to the first byte of its body.

        :returns: bytes, the label; None where there is no ``-----BEGIN label-----`` line (RFC 7468, 3).
        """
        length = len(BEGIN)
        while True:
            if not self.fill(length):
                return None
            closing = self.buffered.find(b"-----", len(BEGIN))
            if closing >= 0:
                break
            line = self.buffered
            if len(line) > MAX_LABEL + len(BEGIN) or b"\n" in line or b"\r" in line:
                return None
            length = len(line) + 5 - (len(line) - len(line.rstrip(b"-")) if len(line) > len(BEGIN) else 0)
        label = self.buffered[len(BEGIN):closing]
        if not label or b"\n" in label or b"\r" in label:
            return None
        self.skip(closing + 5)
        return label if self.end_of_line() else None

    def end_of_line(self):
        """Move over blanks and one line end (LF, CR LF or CR).

        :returns: int, length of the line end in bytes, 1 at the end of the file; 0 where something else follows.
        """
        for blanks in range(MAX_LABEL):
            if not self.fill(1):
                return 1
            first = self.buffered[0]
            if first == 0x0A:
                self.skip(1)
                return 1
            if first == 0x0D:
                self.skip(1)
                if self.fill(1) and self.buffered[0] == 0x0A:
                    self.skip(1)
                    return 2
                return 1
            if first not in b" \t":
                return 0
            self.skip(1)
        return 0

    def body(self, label):
        """Read the body of a block of public data and move behind its END line.

        :arg label: bytes, the label of the block.
        :returns: tuple: the body (bytes), and whether it is complete (bool). It is not where the end of the file, the limit of the source or
            another ``-----BEGIN`` comes before the END line.
        """
        closing = END + label + b"-----"
        text = bytearray(self.buffered)
        searched = 0
        while True:
            end = text.find(closing, searched)
            begin = text.find(BEGIN, searched)
            if begin >= 0 and not 0 <= end < begin:
                self._move_behind(text, begin)
                return bytes(text[:begin]), False
            if end >= 0:
                self._move_behind(text, end + len(closing))
                return bytes(text[:end]), True
            searched = max(0, len(text) - len(closing))
            chunk = self._source.read(self.offset + len(text), BODY_STEP)
            if not chunk:
                self._move_behind(text, len(text))
                return bytes(text), False
            text += chunk

    def public_text(self):
        """Read the rest of the file, up to the limit of the source or the next ``-----BEGIN``: a key pasted into a list is not read.

        :returns: bytes.
        """
        return self.body(b"\0")[0]

    def _move_behind(self, text, length):
        """Move behind the first length bytes of text, which begins at the position and has been read."""
        self.buffered = bytes(text[length:])
        self.offset += length


class Base64Bytes:
    """The decoded bytes of a PEM body, read up to the requested byte only.

    One character is read for each six bits needed. So a request for the bytes before a secret reads at most those bits of the secret that
    share a character with them; `prefix` avoids even these.

    :arg cursor: `TextCursor` at the body.
    :ivar begin: int, offset of the body in the file, in bytes.
    :ivar ended: bool, whether the end of the base64 has been reached.
    :ivar line_width: int, characters of the first line; None until its end has been read.
    :ivar line_end: int, bytes of that line end.
    """

    def __init__(self, cursor):
        self._cursor = cursor
        self.begin = cursor.offset
        self._characters = bytearray()
        self.ended = False
        self.line_width = None
        self.line_end = 1

    def _read_characters(self, count):
        """Read base64 characters until there are count (int) of them or the base64 ends."""
        cursor = self._cursor
        while len(self._characters) < count and not self.ended:
            missing = count - len(self._characters)
            if not cursor.fill(1):
                self.ended = True
                break
            cursor.fill(min(missing, _MAX_FILL))
            text = cursor.buffered[:missing]
            for index, character in enumerate(text):
                if character in _ALPHABET:
                    self._characters.append(character)
                elif character in _BLANK:
                    if self.line_width is None:
                        self.line_width = len(self._characters)
                        self.line_end = 2 if character == 0x0D else 1
                else:
                    self.ended = True
                    text = text[:index]
                    break
            cursor.skip(len(text))

    def characters_read(self):
        """The number of base64 characters read: int."""
        return len(self._characters)

    def _decode(self, count):
        characters = bytes(self._characters[:count])
        return binascii.a2b_base64(characters + b"A" * (-len(characters) % 4))

    def read(self, offset, length):
        """Decode length bytes from offset, both int. All characters before them are read, and none after them.

        :returns: bytes, fewer where the body ends; empty where the request ends behind `MAX_DECODED`.
        """
        if offset + length > MAX_DECODED:
            return b""
        count = -(-(offset + length) * 8 // 6)
        self._read_characters(count)
        available = min(count, len(self._characters)) * 6 // 8
        return self._decode(count)[offset:min(offset + length, available)]

    def prefix(self, length):
        """Decode the first length (int) bytes, without those low bits of the last byte that share a character with the next byte.

        :returns: tuple: bytes, in which the missing bits are 0, empty where the body ends before; int, the number of missing bits.
        """
        count = length * 8 // 6
        self._read_characters(count)
        if len(self._characters) < count:
            return b"", 0
        return self._decode(count)[:length], length * 8 - count * 6

    def proc_type(self):
        """Whether the body begins with the header of a key encrypted by RFC 1421 (``Proc-Type: 4,ENCRYPTED``): bool."""
        self._read_characters(4)
        return bytes(self._characters[:4]) == b"Proc"
