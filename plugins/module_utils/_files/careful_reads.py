# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a file without reading the secret in it.

Every octet this collection reads of a file under classification passes through `FileOctets.get`. The rest of this file are two ways of
moving through a file in steps so small that a step can't reach the secret part of a key whose beginning has not been seen yet:
`TextCursor` for text, and `Base64Octets`, which decodes the beginning of a PEM block and no character more.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import binascii
import os

# What is read of any file to begin with. The soonest a known structure has a secret is octet 7: SEC 1 / RFC 5915 ECPrivateKey,
# 30 len 02 01 01 04 len, then the key.
PROBE = 7

# Octets read per step in text where a key may begin unseen. The nearest secrets, counted from the first character of what announces
# them: 23 in 'Private-Key:\npriv:\n    ' + hex (openssl pkey -text), 38 in an OpenVPN static key, 40 in an EC PRIVATE KEY (its label line,
# then 9 characters of base64 hold the octets before the secret).
STEP = 22
_SHORT_STEP = 10  # where the octets before may already be the beginning of 'Private-Key:' (at most 11 of its characters, 23 - 11 > 10)
BODY_STEP = 28  # inside the base64 of public data, where only a '-----BEGIN ' can announce a key: 38 - 10, of which 10 may be read

BEGIN = b"-----BEGIN "
END = b"-----END "
_DUMP = b"Private-Key:"
_KEEP = max(len(BEGIN), len(_DUMP))
_BLANK = b" \t\r\n"
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
MAX_DECODED = 8192  # octets decoded of the beginning of a key; the longest public part, of a 16384 bit DSA key, is half of it
MAX_LABEL = 80  # characters between the dashes; the longest label in use is 'ENCRYPTED PRIVATE KEY' or thereabouts


class FileOctets:
    """The octets of an open regular file, by offset, with an allowance.

    :arg fd: descriptor; only pread is used on it, so its offset stays.
    :arg probe: its first octets, where they have been read.
    :arg allowance: octets that may be read in all; past it, reads come back empty as at the end of the file.
    """

    def __init__(self, fd, probe, allowance):
        self._fd = fd
        self._probe = probe
        self.size = os.fstat(fd).st_size
        self.allowance = allowance

    def get(self, offset, length):
        """:returns: length bytes from offset, or fewer at the end of the file or of the allowance. :raises OSError:"""
        if offset + length <= len(self._probe):
            return self._probe[offset:offset + length]
        if length > self.allowance:
            length = self.allowance
        self.allowance -= length
        return os.pread(self._fd, length, offset) if length > 0 else b""

    def prefix(self, length):
        """:returns: ``(the first length bytes, 0)``: 0 bits of the last octet are missing. See `Base64Octets.prefix`."""
        return self.get(0, length), 0


class TextCursor:
    """A place in a text file that moves forward in small steps.

    :ivar held: bytes read and not yet passed; their first is at `offset`.
    """

    def __init__(self, octets, offset=0):
        self._octets = octets
        self.offset = offset
        self.held = b""

    def fill(self, length):
        """Hold at least length octets from here on, reading exactly those that are missing. :returns: whether they are there."""
        missing = length - len(self.held)
        if missing > 0:
            self.held += self._octets.get(self.offset + len(self.held), missing)
        return len(self.held) >= length

    def skip(self, length):
        """Move forward over length octets, which need not have been read."""
        self.held = self.held[length:]
        self.offset += length

    def find_begin(self, limit):
        """Move to the next ``-----BEGIN`` at the start of a line.

        :arg limit: octets to look through at most.
        :returns: True when there. False at the end of the file or the limit, at one that is not at the start of a line (an example in
            prose, a key inside a string), or before a key printed as text: what follows these must not be read.
        """
        end = self.offset + limit
        self.fill(len(BEGIN))
        while True:
            held = self.held
            dump = held.find(_DUMP)
            found = held.find(BEGIN)
            if dump >= 0 and not 0 <= found < dump:
                return False
            if found >= 0:
                self.skip(found)
                return not found or held[found - 1] in b"\r\n"
            if len(held) > _KEEP:
                self.skip(len(held) - _KEEP)
                held = self.held
            if self.offset >= end:
                return False
            chunk = self._octets.get(self.offset + len(held), _SHORT_STEP if b"P" in held else STEP)
            if not chunk:
                return False
            self.held = held + chunk

    def label(self):
        """Read the label of the PEM block here and move to the first octet of its body.

        :returns: the label as bytes, or None where this is no ``-----BEGIN label-----`` line (RFC 7468, 3).
        """
        length = len(BEGIN)
        while True:
            if not self.fill(length):
                return None
            closing = self.held.find(b"-----", len(BEGIN))
            if closing >= 0:
                break
            line = self.held
            if len(line) > MAX_LABEL + len(BEGIN) or b"\n" in line or b"\r" in line:
                return None
            length = len(line) + 5 - (len(line) - len(line.rstrip(b"-")) if len(line) > len(BEGIN) else 0)
        label = self.held[len(BEGIN):closing]
        if not label or b"\n" in label or b"\r" in label:
            return None
        self.skip(closing + 5)
        return label if self.end_of_line() else None

    def end_of_line(self):
        """Move over blanks and one line end (LF, CR LF or CR). :returns: its length in octets, or 0 where something else is here."""
        for blanks in range(MAX_LABEL):
            if not self.fill(1):
                return 1
            first = self.held[0]
            if first == 0x0A:
                self.skip(1)
                return 1
            if first == 0x0D:
                self.skip(1)
                if self.fill(1) and self.held[0] == 0x0A:
                    self.skip(1)
                    return 2
                return 1
            if first not in b" \t":
                return 0
            self.skip(1)
        return 0

    def body(self, label):
        """Read the body of a block of public data and move behind its END line.

        :returns: ``(bytes of the body, complete)``; complete is False where the end of the file, the allowance or another
            ``-----BEGIN`` came before the END line.
        """
        closing = END + label + b"-----"
        pieces = bytearray()
        searched = 0
        pieces += self.held
        while True:
            end = pieces.find(closing, searched)
            begin = pieces.find(BEGIN, searched)
            if begin >= 0 and not 0 <= end < begin:
                self._leave(pieces, begin)
                return bytes(pieces[:begin]), False
            if end >= 0:
                self._leave(pieces, end + len(closing))
                return bytes(pieces[:end]), True
            searched = max(0, len(pieces) - len(closing))
            chunk = self._octets.get(self.offset + len(pieces), BODY_STEP)
            if not chunk:
                self._leave(pieces, len(pieces))
                return bytes(pieces), False
            pieces += chunk

    def public_text(self):
        """The rest of the file or of the allowance, as bytes, up to the next ``-----BEGIN``: a key pasted into a list is not read."""
        return self.body(b"\0")[0]

    def _leave(self, pieces, length):
        self.held = bytes(pieces[length:])
        self.offset += length


class Base64Octets:
    """The decoded octets of a PEM body, from its beginning, as many as asked for.

    One character is read for each six bits needed and no more, so asking for the octets before a secret reads at most the bits of it that
    share a character with them; `prefix` avoids even these.
    """

    def __init__(self, cursor):
        self._cursor = cursor
        self.begin = cursor.offset
        self._characters = bytearray()
        self.ended = False
        self.line_width = None  # characters of the first line, once its end has been read
        self.line_end = 1  # octets of that line end

    def _have(self, count):
        cursor = self._cursor
        while len(self._characters) < count and not self.ended:
            missing = count - len(self._characters)
            if not cursor.fill(1):
                self.ended = True
                break
            cursor.fill(min(missing, 4096))
            piece = cursor.held[:missing]
            for index, octet in enumerate(piece):
                if octet in _ALPHABET:
                    self._characters.append(octet)
                elif octet in _BLANK:
                    if self.line_width is None:
                        self.line_width = len(self._characters)
                        self.line_end = 2 if octet == 0x0D else 1
                else:
                    self.ended = True
                    piece = piece[:index]
                    break
            cursor.skip(len(piece))

    def _decode(self, count):
        characters = bytes(self._characters[:count])
        return binascii.a2b_base64(characters + b"A" * (-len(characters) % 4))

    def get(self, offset, length):
        """:returns: length decoded bytes from offset, or fewer where the body ends. Reads everything before them, and nothing after."""
        if offset + length > MAX_DECODED:
            return b""
        count = -(-(offset + length) * 8 // 6)
        self._have(count)
        whole = min(count, len(self._characters)) * 6 // 8
        return self._decode(count)[offset:min(offset + length, whole)]

    def prefix(self, length):
        """The first length octets without the low bits of the last, where these share a character with the octet that follows.

        :returns: ``(bytes, number of those missing bits)``; the missing bits are 0 in bytes, which is shorter where the body ends.
        """
        count = length * 8 // 6
        self._have(count)
        if len(self._characters) < count:
            return b"", 0
        return self._decode(count)[:length], length * 8 - count * 6

    def proc_type(self):
        """Whether the body begins with the header of a key encrypted as RFC 1421 has it (``Proc-Type: 4,ENCRYPTED``), not with base64."""
        self._have(4)
        return bytes(self._characters[:4]) == b"Proc"
