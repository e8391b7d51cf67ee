# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain-text messages in one direction of an SSH connection, from its identification to NEWKEYS.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from . import ssh_messages as messages
from .segments import GAP, Segments

_MAX_PACKET = 35000  # RFC 4253, 6.1: bytes of a packet that must be understood
_MAX_HELD = 5120  # bytes of segments that wait for an earlier one; with a packet below 40 KiB
_MAX_LINE = 255  # RFC 4253, 4.2: bytes of the identification with its end
_MAX_BEFORE = 8192  # bytes of text that a server may send before it
_HEADER = 5  # packet_length and padding_length


class Message(NamedTuple):
    """A message, by its kind:

    banner: value is a `Banner`.
    kexinit: a `KexInit`.
    host_key: a `HostKey`.
    new_keys: None.
    disconnect: a `Disconnect`.
    unreadable: str, why: "gap" (bytes are missing), "malformed", "protocol" (a version that is not SSH 2). Nothing follows it.
    """

    kind: str
    value: object


class SshStream:
    """Reads one direction of one TCP connection.

    role: "client" or "server", None as long as nothing says which.
    done: bool, whether nothing more will be read.
    """

    def __init__(self):
        self.role = None
        self.done = False
        self._segments = Segments(_MAX_HELD)
        self._buffer = bytearray()
        self._read = self._read_line
        self._looked = 0  # bytes of the buffer without an end of line
        self._before = 0  # bytes of text before the identification

    def feed(self, sequence, data, payload_size):
        """Take one TCP segment; never raises.

        :arg sequence: int, TCP sequence number of the first byte of `data`.
        :arg data: bytes that were copied of the payload.
        :arg payload_size: int, bytes of the payload, copied or not.
        :returns: list of `Message` that are now complete.
        """
        found = []
        if not self.done:
            for part in self._segments.feed(sequence, data, payload_size):
                if self.done:
                    break
                if part is GAP:
                    found.append(self._stop("unreadable", "gap"))
                else:
                    self._buffer += part
                    self._read_all(found)
        return found

    def _read_all(self, found):
        try:
            while not self.done:
                progress, message = self._read()
                if message:
                    found.append(message)
                if not progress:
                    return
        except messages.MalformedMessage:
            found.append(self._stop("unreadable", "malformed"))

    def _stop(self, kind, value=None):
        self.done = True
        self._buffer = bytearray()
        self._segments = None
        return Message(kind, value)

    def _read_line(self):
        """Take a line. :returns: ``(whether there was one, Message or None)``."""
        end = self._buffer.find(b"\n", self._looked)
        size = (end if end >= 0 else len(self._buffer)) + 1
        identification = self._buffer[:4] == b"SSH-"
        if size > _MAX_LINE if identification else self._before + size > _MAX_BEFORE:
            raise messages.MalformedMessage("no identification")
        if end < 0:
            self._looked = len(self._buffer)
            return False, None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[:end + 1]
        self._looked = 0
        if not identification:
            self._before += size
            return True, None
        value = messages.banner(line)
        self._read = self._read_packet if value.protocol in ("2.0", "1.99") else self._refuse  # RFC 4253, 5.1
        return True, Message("banner", value)

    def _refuse(self):
        return False, self._stop("unreadable", "protocol")

    def _read_packet(self):
        """Take a binary packet (RFC 4253, 6). :returns: ``(whether there was one, Message or None)``."""
        if len(self._buffer) < _HEADER:
            return False, None
        length, padding = int.from_bytes(self._buffer[:4], "big"), self._buffer[4]
        if length > _MAX_PACKET or padding + 1 >= length:
            raise messages.MalformedMessage("not a packet")
        if len(self._buffer) < 4 + length:
            return False, None
        payload = bytes(self._buffer[_HEADER:4 + length - padding])
        del self._buffer[:4 + length]
        return True, self._message(payload)

    def _message(self, payload):
        number = payload[0]
        if number == messages.KEXINIT:
            value = messages.kexinit(payload)
            self.role = value.role or self.role
            return Message("kexinit", value)
        if number == messages.NEWKEYS:
            return self._stop("new_keys")
        if number == messages.DISCONNECT:
            return self._stop("disconnect", messages.disconnect(payload))
        if number in messages.KEX_METHOD:
            return self._key_exchange(payload)
        return None

    def _key_exchange(self, payload):
        """A message of the key exchange method. It shows the role of its sender where no marker did."""
        value = messages.host_key(payload)
        if value:
            self.role = self.role or "server"
            return Message("host_key", value) if self.role == "server" else None
        self.role = self.role or ("server" if payload[0] % 2 else "client")  # RFC 4253, 8; RFC 4419, 5: requests are 30, 32, 34
        return None
