# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the kernel for a list over netlink, in one buffer that is overwritten with zeros before it is used again and at the end.

The answers may hold keys. Callers get a view of the buffer and take numbers and names out of it; what they do not take is never copied.

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
_BUFFER = 65536
_SILENCE = 2.0  # seconds to wait for an answer
_LONGEST = 5.0  # seconds for all of them

_SOCKETS = "/proc/net/netlink"


def is_served(reader, family):
    """Whether the kernel serves a netlink family now; None where that can't be told.

    Opening a socket of a family that is not served would make the kernel load a module (net/netlink/af_netlink.c, netlink_create()).

    :arg reader: `Reader`. :arg family: int, NETLINK_*.
    """
    data = reader.read(_SOCKETS, 4 << 20)
    if data is None:
        return None
    # the kernel's own end of each family has port 0
    return any(fields[1:3] == [b"%d" % family, b"0"] for fields in (line.split(None, 3) for line in data.splitlines()))


def dump(family, request, answer, body, most):
    """Yield the message of a dump, one after the other, as memoryviews that are only valid until the next one is asked for.

    :arg family: int, NETLINK_*. :arg request, answer: int, types of the request's and of the answers' messages.
    :arg body: bytes of the request behind its header. :arg most: int, messages at most; past it the last thing yielded is None.
    :raises OSError: the kernel refuses (EPERM), does not answer (ETIMEDOUT) or says that the list changed meanwhile (EINTR).
    """
    buffer = bytearray(_BUFFER)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family) as channel:
        channel.settimeout(_SILENCE)
        channel.bind((0, 0))
        channel.sendto(_HEADER.pack(_HEADER.size + len(body), request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body, (0, 0))
        try:
            for length in _datagrams(channel, buffer):
                for view in _messages(buffer, length, answer):
                    if view is None:
                        return
                    most -= 1
                    if most < 0:
                        yield None
                        return
                    yield view
        finally:
            _erase(buffer, len(buffer))


def _datagrams(channel, buffer):
    """Receive into the buffer again and again; yields the lengths, and erases what was received. :raises OSError:"""
    end = time.monotonic() + _LONGEST
    while True:
        try:
            length, _ancillary, flags, sender = channel.recvmsg_into([buffer])
        except socket.timeout as error:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if sender[0] == 0:  # of the kernel; another process may write to our port too
            yield length
        _erase(buffer, length)
        if time.monotonic() > end:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _messages(buffer, length, answer):
    """Yield the bodies of the messages in the buffer as views, and None at the end of the dump. :raises OSError:"""
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
    """Yield ``(type, start, end)`` of the attributes in a message body from offset on; a broken one ends the list."""
    while offset + _ATTRIBUTE.size <= len(view):
        size, kind = _ATTRIBUTE.unpack_from(view, offset)
        if size < _ATTRIBUTE.size or offset + size > len(view):
            return
        yield kind & _NLA_TYPE_MASK, offset + _ATTRIBUTE.size, offset + size
        offset += size + 3 & ~3
