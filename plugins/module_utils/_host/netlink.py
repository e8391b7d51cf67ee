# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink dumps that leave no key material in memory.

The kernel's answers may contain keys. They are received into one buffer, which is zeroed before it is used again and at the end. Callers get a
view of the buffer and copy names and numbers out of it; nothing else is copied.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time

# include/uapi/linux/netlink.h
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x01, 0x300, 0x10
_NLA_TYPE_MASK = 0x3FFF

# net/netlink/af_netlink.c, netlink_dump(): the kernel fills at most 32 KiB at a time
_BUFFER_SIZE = 65536
_ANSWER_TIMEOUT = 2.0  # seconds, for one answer
_DUMP_TIMEOUT = 5.0  # seconds, for a whole dump

_SOCKETS = "/proc/net/netlink"


def is_served(reader, family):
    """Whether the kernel has a netlink family now, without loading its module.

    Opening a socket of an absent family would make the kernel load a module (net/netlink/af_netlink.c, netlink_create()).

    :arg reader: `Reader`.
    :arg family: int, NETLINK_*.
    :returns: bool, or None where /proc/net/netlink can't be read.
    """
    data = reader.read(_SOCKETS, 4 << 20)
    if data is None:
        return None
    # the kernel's own socket of each family has port 0
    return any(fields[1:3] == [b"%d" % family, b"0"] for fields in (line.split(None, 3) for line in data.splitlines()))


def dump(family, request, answer, body, limit):
    """Yield the messages of a dump.

    :arg family: int, NETLINK_*.
    :arg request: int, type of the request message.
    :arg answer: int, type of the answer messages; others are skipped.
    :arg body: bytes, the request without its header.
    :arg limit: int, messages at most.
    :returns: iterator of memoryview, the message without its header, valid until the next one is requested; a last None where there are
        more than limit.
    :raises OSError: the kernel refuses (EPERM), does not answer in time (ETIMEDOUT), or the list changed during the dump (EINTR).
    """
    buffer = bytearray(_BUFFER_SIZE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family) as channel:
        channel.settimeout(_ANSWER_TIMEOUT)
        channel.bind((0, 0))
        channel.sendto(_HEADER.pack(_HEADER.size + len(body), request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body, (0, 0))
        try:
            for length in _datagrams(channel, buffer):
                for view in _messages(buffer, length, answer):
                    if view is None:
                        return
                    limit -= 1
                    if limit < 0:
                        yield None
                        return
                    yield view
        finally:
            _erase(buffer, len(buffer))


def _datagrams(channel, buffer):
    """Receive datagrams of the kernel into a buffer. Each is zeroed when the next one is requested.

    :arg channel: socket.
    :arg buffer: bytearray.
    :returns: iterator of int, the length of the datagram in bytes.
    :raises OSError: a timeout, or a datagram longer than the buffer.
    """
    end = time.monotonic() + _DUMP_TIMEOUT
    while True:
        try:
            length, _ancillary, flags, sender = channel.recvmsg_into([buffer])
        except socket.timeout as error:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if sender[0] == 0:  # the kernel; other processes can send to this port too
            yield length
        _erase(buffer, length)
        if time.monotonic() > end:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _messages(buffer, length, answer):
    """Yield the answers in a datagram.

    :arg buffer: bytearray.
    :arg length: int, bytes of the datagram.
    :arg answer: int, type of the messages to yield.
    :returns: iterator of memoryview, the message without its header; None at the end of the dump.
    :raises OSError: the kernel reports an error, the list changed (EINTR), or a message is malformed (EBADMSG).
    """
    with memoryview(buffer) as whole:
        offset = 0
        while offset + _HEADER.size <= length:
            size, kind, flags, _sequence, _port = _HEADER.unpack_from(buffer, offset)
            if size < _HEADER.size or offset + size > length:
                raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
            if flags & _NLM_F_DUMP_INTR:
                raise OSError(errno.EINTR, os.strerror(errno.EINTR))
            if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                code = -struct.unpack_from("=i", buffer, offset + _HEADER.size)[0] if size >= _HEADER.size + 4 else 0
                if code > 0:
                    raise OSError(code, os.strerror(code))
                yield None
            elif kind == answer:
                with whole[offset + _HEADER.size:offset + size] as view:
                    yield view
            offset += size + 3 & ~3


def _erase(buffer, length):
    buffer[:length] = bytes(length)


def attributes(view, offset):
    """Yield the attributes of a message; a malformed one ends the list.

    :arg view: memoryview, the message without its header.
    :arg offset: int, where the first attribute begins, in bytes.
    :returns: iterator of tuple of int: type, offset of the payload, offset of its end.
    """
    while offset + _ATTRIBUTE.size <= len(view):
        size, kind = _ATTRIBUTE.unpack_from(view, offset)
        if size < _ATTRIBUTE.size or offset + size > len(view):
            return
        yield kind & _NLA_TYPE_MASK, offset + _ATTRIBUTE.size, offset + size
        offset += size + 3 & ~3
