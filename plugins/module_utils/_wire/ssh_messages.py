# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that SSH peers send in plain text before their keys are in use (RFC 4253): identification, algorithm lists, host key, disconnection.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Tuple

from .._formats.ssh_keys import blob_facts

# Message numbers: RFC 4253, 12; RFC 4419, 5; RFC 5656, 7.1. 30 to 49 depend on the key exchange method.
DISCONNECT = 1
KEXINIT = 20
NEWKEYS = 21
KEX_METHOD = range(30, 50)

_COOKIE = 16  # bytes behind the message number (RFC 4253, 7.1)
# The name-lists of a KEXINIT, in its order (RFC 4253, 7.1). All but the languages are fields of KexInit.
_LISTS = ("key_exchange", "host_keys", "ciphers_client_to_server", "ciphers_server_to_client", "macs_client_to_server", "macs_server_to_client",
          "compressions_client_to_server", "compressions_server_to_client", "languages_client_to_server", "languages_server_to_client")
_DIRECTIONS = ("client_to_server", "server_to_client")
_MAX_NAMES = 256  # of a list; OpenSSH offers about 12 at most
_MAX_NAME = 64  # characters (RFC 4251, 6)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_MAX_DESCRIPTION = 200  # characters

# Names in the list of key exchange methods that are not methods: RFC 8308, 2.1; PROTOCOL of OpenSSH, 1.10 ("strict KEX"); dropbear's kexguess2.
_CLIENT_MARKS = {"ext-info-c", "kex-strict-c-v00@openssh.com"}
_SERVER_MARKS = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
_MARKS = _CLIENT_MARKS | _SERVER_MARKS | {"kexguess2@matt.ucc.asn.au"}
_STRICT = {"kex-strict-c-v00@openssh.com", "kex-strict-s-v00@openssh.com"}

# Ciphers that authenticate by themselves: PROTOCOL and PROTOCOL.chacha20poly1305 of OpenSSH, RFC 5647. No MAC is used with them, whatever was chosen.
_AEAD = re.compile(r"(?:chacha20-poly1305|aes(?:128|192|256)-gcm)(?:@.+)?\Z|AEAD_.+\Z")

# RFC 4253, 11.1.
_REASONS = {
    1: "host_not_allowed_to_connect",
    2: "protocol_error",
    3: "key_exchange_failed",
    4: "reserved",
    5: "mac_error",
    6: "compression_error",
    7: "service_not_available",
    8: "protocol_version_not_supported",
    9: "host_key_not_verifiable",
    10: "connection_lost",
    11: "by_application",
    12: "too_many_connections",
    13: "auth_cancelled_by_user",
    14: "no_more_auth_methods_available",
    15: "illegal_user_name",
}


class MalformedMessage(ValueError):
    """The bytes are not the SSH message that was expected."""


class Banner(NamedTuple):
    """An identification line (RFC 4253, 4.2)."""

    protocol: str  # version, such as "2.0"
    software: str  # version with comments, printable


class KexInit(NamedTuple):
    """Algorithms that one side offers, in its order, without markers."""

    key_exchange: Tuple[str, ...]
    host_keys: Tuple[str, ...]
    ciphers_client_to_server: Tuple[str, ...]
    ciphers_server_to_client: Tuple[str, ...]
    macs_client_to_server: Tuple[str, ...]
    macs_server_to_client: Tuple[str, ...]
    compressions_client_to_server: Tuple[str, ...]
    compressions_server_to_client: Tuple[str, ...]
    strict_kex: bool
    role: Optional[str]  # "client" or "server" where a marker says so, else None


class Negotiated(NamedTuple):
    """What two offers give. None: nothing in common, or a MAC that is not used."""

    key_exchange: Optional[str]
    host_key: Optional[str]
    cipher_client_to_server: Optional[str]
    cipher_server_to_client: Optional[str]
    mac_client_to_server: Optional[str]
    mac_server_to_client: Optional[str]
    strict_kex: bool
    failed: Tuple[str, ...]  # names of what has nothing in common; empty where all is agreed


class HostKey(NamedTuple):
    """A server's public host key."""

    type: str  # as in its blob: "ssh-rsa", "ssh-ed25519-cert-v01@openssh.com"
    bits: Optional[int]  # of the key, None where its type is not known


class Disconnect(NamedTuple):
    """Why a side ends the connection."""

    code: int
    reason: Optional[str]  # the name of the code in RFC 4253, None where it has none
    description: str  # what the peer says, printable


def printable(data, limit):
    """Bytes as text; what is not printable US-ASCII becomes "?".

    :arg data: bytes.
    :arg limit: int, characters at most.
    :returns: str.
    """
    return _UNPRINTABLE.sub("?", data[:limit].decode("ascii", "replace"))


def banner(line):
    """Read an identification line.

    :arg line: bytes without its end, beginning with "SSH-".
    :returns: `Banner`.
    :raises MalformedMessage: it has no protocol version.
    """
    start, dash, rest = line.partition(b"-")
    protocol, dash, software = rest.partition(b"-")
    if start != b"SSH" or not dash or not re.match(rb"[0-9.]{1,8}\Z", protocol):
        raise MalformedMessage("not an identification")
    return Banner(printable(protocol, 8), printable(software, 255))


def kexinit(payload):
    """Read a KEXINIT (RFC 4253, 7.1).

    :arg payload: bytes, from the message number on.
    :returns: `KexInit`. Names that RFC 4251 does not allow are left out.
    :raises MalformedMessage: it is something else, or cut short, or a list has more than 256 names.
    """
    if payload[:1] != bytes([KEXINIT]):
        raise MalformedMessage("not a KEXINIT")
    offset = 1 + _COOKIE
    lists = {}
    for name in _LISTS:
        names, offset = _string(payload, offset)
        lists[name] = _names(names)
    if len(payload) < offset + 5:  # first_kex_packet_follows and a reserved number
        raise MalformedMessage("cut short")
    del lists["languages_client_to_server"], lists["languages_server_to_client"]
    methods = lists.pop("key_exchange")
    marks = set(methods)
    role = "client" if marks & _CLIENT_MARKS else "server" if marks & _SERVER_MARKS else None
    return KexInit(key_exchange=tuple([name for name in methods if name not in _MARKS]), strict_kex=bool(marks & _STRICT), role=role, **lists)


def negotiate(client, server):
    """What both sides will use (RFC 4253, 7.1): of each list the first name of the client that the server has, too.

    The method is the first that both have and for which they share a host key algorithm that fits: one that can sign, or any, "null" included, for
    the methods of RFC 4462, where the host key is optional.

    :arg client: `KexInit` of the client.
    :arg server: `KexInit` of the server.
    :returns: `Negotiated`.
    """
    method, host_key = _method_and_host_key(client, server)
    failed = [name for name, value in (("key_exchange", method), ("host_key", host_key)) if value is None]
    chosen = {}
    for direction in _DIRECTIONS:
        cipher, mac, compression = (_first(getattr(client, kind + direction), getattr(server, kind + direction))
                                    for kind in ("ciphers_", "macs_", "compressions_"))
        aead = cipher is not None and _AEAD.match(cipher)
        if aead:
            mac = None
        failed += ["cipher_" + direction] if cipher is None else []
        failed += ["mac_" + direction] if mac is None and not aead else []
        failed += ["compression_" + direction] if compression is None else []
        chosen.update({"cipher_" + direction: cipher, "mac_" + direction: mac})
    return Negotiated(key_exchange=method, host_key=host_key, strict_kex=client.strict_kex and server.strict_kex, failed=tuple(failed), **chosen)


def host_key(payload):
    """The host key in a server's reply of a key exchange.

    It is the first string of KEXDH_REPLY and KEX_ECDH_REPLY (31), of the hybrids of draft-ietf-sshm-mlkem-hybrid-kex and sntrup761 (31), of
    KEX_DH_GEX_REPLY (33), KEXGSS_HOSTKEY (32) and KEXRSA_PUBKEY (30). Other messages with these numbers begin with a number or a point, which is
    no key.

    :arg payload: bytes, from the message number on.
    :returns: `HostKey`, or None where the message holds no host key.
    """
    try:
        blob, offset = _string(payload, 1)
        key_type, offset = _string(blob, 0)
    except MalformedMessage:
        return None
    name = key_type.decode("latin-1")
    if not _is_name(name) or offset == len(blob):
        return None
    facts = blob_facts(blob)
    return HostKey(name, facts["key_bits"] if facts else None)


def disconnect(payload):
    """Read a DISCONNECT (RFC 4253, 11.1).

    :arg payload: bytes, from the message number on.
    :returns: `Disconnect`.
    :raises MalformedMessage: it is cut short.
    """
    if len(payload) < 5:
        raise MalformedMessage("cut short")
    code = int.from_bytes(payload[1:5], "big")
    return Disconnect(code, _REASONS.get(code), printable(_string(payload, 5)[0], _MAX_DESCRIPTION))


def _string(data, offset):
    """An SSH string (RFC 4251, 5). :returns: ``(content, offset behind it)``."""
    end = offset + 4 + int.from_bytes(data[offset:offset + 4], "big")
    if len(data) < offset + 4 or end > len(data):
        raise MalformedMessage("cut short")
    return data[offset + 4:end], end


def _names(data):
    if data.count(b",") >= _MAX_NAMES:
        raise MalformedMessage("too many names")
    return tuple([name for name in data.decode("latin-1").split(",") if _is_name(name)])


def _is_name(name):
    """Whether this is printable US-ASCII without a space or a comma, of 1 to 64 characters (RFC 4251, 6)."""
    return 0 < len(name) <= _MAX_NAME and name.isascii() and name.isprintable() and " " not in name and "," not in name


def _first(wanted, offered):
    offered = set(offered)
    return next((name for name in wanted if name in offered), None)


def _method_and_host_key(client, server):
    offered = set(server.host_keys)
    common = [name for name in client.host_keys if name in offered]
    signing = [name for name in common if name != "null"]  # RFC 4462, 5
    methods = set(server.key_exchange)
    shared = [name for name in client.key_exchange if name in methods]
    for method in shared:
        fitting = common if method.startswith("gss-") else signing
        if fitting:
            return method, fitting[0]
    return (shared[0] if shared else None), (signing[0] if signing else None)
