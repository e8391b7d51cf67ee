# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``ipsec`` of host_crypto: the kernel's security associations and policies, counted by their algorithms.

The kernel's answers contain the keys. Only names, lengths and modes are copied out of the receive buffer (see _host/netlink.py). Addresses
are not copied: there is one entry for each combination of algorithms, with the number of associations that have it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import socket
import struct

from .kernel import read_counters
from .netlink import attributes, dump, is_served

# include/uapi/linux/netlink.h, xfrm.h
_NETLINK_XFRM = 6
_MSG_NEWSA, _MSG_GETSA, _MSG_NEWPOLICY, _MSG_GETPOLICY = 0x10, 0x12, 0x13, 0x15
_ALG_AUTH, _ALG_CRYPT, _ALG_COMP, _ENCAP, _TMPL, _ALG_AEAD, _ALG_AUTH_TRUNC, _OFFLOAD = 1, 2, 3, 4, 5, 18, 20, 28

# struct xfrm_usersa_info: sel 56, id {daddr 16, spi 4, proto 1}, ...; size 224. struct xfrm_userpolicy_info: dir and action at 160; size 168.
_SA_SIZE, _SA_PROTO, _SA_MODE = 224, 76, 214
_POLICY_SIZE, _POLICY_DIRECTION = 168, 160
# struct xfrm_user_tmpl: id {daddr 16, spi 4, proto 1}, ..., mode at 48; size 64
_TEMPLATE_SIZE, _TEMPLATE_PROTO, _TEMPLATE_MODE = 64, 20, 48
_MAX_TEMPLATES = 6  # XFRM_MAX_DEPTH, include/net/xfrm.h
_NAME_SIZE = 64  # alg_name; alg_key_len follows it, in bits, then (AEAD, AUTH_TRUNC) the length of the tag in bits
_UINT32 = struct.Struct("=I")

_PROTOCOLS = {socket.IPPROTO_ESP: "ESP", socket.IPPROTO_AH: "AH", 108: "IPCOMP", 43: "ROUTING", 60: "DSTOPTS", 0: "any"}
_MODES = ("transport", "tunnel", "route_optimization", "in_trigger", "beet", "iptfs")
_DIRECTIONS, _ACTIONS = ("in", "out", "fwd"), ("allow", "block")

_MAX_MESSAGES = 200000
_MAX_GROUPS = 100  # entries of one list

_STATISTICS = "/proc/net/xfrm_stat"  # Documentation/networking/xfrm_proc.rst
_COUNTER = re.compile(r"(Xfrm[A-Za-z0-9]{1,40})\s+([0-9]{1,20})\Z")
_PF_KEY = "/proc/net/pfkey"  # net/key/af_key.c


def read_ipsec(reader):
    """Read the part ``ipsec``.

    :arg reader: `Reader`.
    :returns: dict: available, associations, policies, counters (error counters above 0), unreadable.
    """
    counters = read_counters(reader, _STATISTICS, _COUNTER)
    part = {"available": is_served(reader, _NETLINK_XFRM), "associations": [], "policies": [],
            "counters": {name: number for name, number in (counters or {}).items() if number}}
    if part["available"]:
        # xfrm_policy_type_name(), net/xfrm/xfrm_user.c: XFRM_POLICY_TYPE_MAIN is what a dump without an attribute gives
        part["associations"] = _grouped(reader, "XFRM associations", _MSG_GETSA, _MSG_NEWSA, association)
        part["policies"] = _grouped(reader, "XFRM policies", _MSG_GETPOLICY, _MSG_NEWPOLICY, policy)
    elif part["available"] is None:
        reader.add_unreadable("XFRM associations", "unknown whether the kernel has XFRM: /proc/net/netlink can't be read")
    elif reader.exists(_PF_KEY):
        reader.add_unreadable("XFRM associations", "available through PF_KEY only, which is not supported")
    part["unreadable"] = reader.unreadable()
    return part


def _grouped(reader, source, request, answer, decode):
    """Dump a list of the kernel and count its equal entries; over the limit the most frequent ones are kept.

    :arg reader: `Reader`.
    :arg source: str, name of the list in ``unreadable``.
    :arg request: int, type of the request message.
    :arg answer: int, type of the answer messages.
    :arg decode: callable memoryview -> tuple of pairs or None: `association` or `policy`.
    :returns: list of dict, each with its count.
    """
    counts = {}
    try:
        for view in dump(_NETLINK_XFRM, request, answer, b"", _MAX_MESSAGES):
            if view is None:
                reader.add_unreadable(source, "more than %d entries; the rest were skipped" % _MAX_MESSAGES)
                break
            found = decode(view)
            if found is None:
                reader.add_unreadable(source, "a kernel message is shorter than its structure")
            else:
                counts[found] = counts.get(found, 0) + 1
    except OSError as error:
        reader.add_unreadable(source, error)
    if len(counts) > _MAX_GROUPS:
        reader.add_unreadable(source, "%d combinations; only the %d most frequent are listed" % (len(counts), _MAX_GROUPS))
    kept = sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))[:_MAX_GROUPS]
    entries = [dict(found, count=number) for found, number in kept]
    for entry in entries:
        if "templates" in entry:
            entry["templates"] = [dict(template) for template in entry["templates"]]
    return entries


def association(view):
    """Decode a security association.

    :arg view: memoryview, the body of XFRM_MSG_NEWSA.
    :returns: tuple of ``(name, value)``, hashable; None where view is too short.
    """
    if len(view) < _SA_SIZE:
        return None
    part = {"protocol": _protocol(view[_SA_PROTO]), "mode": _named(_MODES, view[_SA_MODE]), "encryption": None, "encryption_key_bits": None,
            "authentication": None, "authentication_key_bits": None, "tag_bits": None, "aead": False, "compression": None,
            "encapsulated": False, "offloaded": False}
    for kind, start, end in attributes(view, _SA_SIZE):
        if kind in (_ALG_CRYPT, _ALG_AEAD):
            part["encryption"], part["encryption_key_bits"] = _algorithm(view, start, end)
            if kind == _ALG_AEAD:
                part["aead"], part["tag_bits"] = True, _number(view, start + _NAME_SIZE + 4, end)
        elif kind == _ALG_AUTH and part["authentication"] is None or kind == _ALG_AUTH_TRUNC:
            # the kernel sends both attributes; the second has the length of the MAC on the wire
            part["authentication"], part["authentication_key_bits"] = _algorithm(view, start, end)
            if kind == _ALG_AUTH_TRUNC:
                part["tag_bits"] = _number(view, start + _NAME_SIZE + 4, end)
        elif kind == _ALG_COMP:
            part["compression"] = _algorithm(view, start, end)[0]
        elif kind == _ENCAP:
            part["encapsulated"] = True
        elif kind == _OFFLOAD:
            part["offloaded"] = True
    return tuple(part.items())


def policy(view):
    """Decode a policy.

    :arg view: memoryview, the body of XFRM_MSG_NEWPOLICY.
    :returns: tuple of ``(name, value)``, hashable; None where view is too short.
    """
    if len(view) < _POLICY_SIZE:
        return None
    templates = []
    for kind, start, end in attributes(view, _POLICY_SIZE):
        while kind == _TMPL and start + _TEMPLATE_SIZE <= end and len(templates) < _MAX_TEMPLATES:
            templates.append((("protocol", _protocol(view[start + _TEMPLATE_PROTO])), ("mode", _named(_MODES, view[start + _TEMPLATE_MODE]))))
            start += _TEMPLATE_SIZE
    return (("direction", _named(_DIRECTIONS, view[_POLICY_DIRECTION])), ("action", _named(_ACTIONS, view[_POLICY_DIRECTION + 1])),
            ("templates", tuple(templates)))


def _algorithm(view, start, end):
    """Read the head of a struct xfrm_algo, xfrm_algo_aead or xfrm_algo_auth; the key that follows is not read.

    :arg view: memoryview, the message.
    :arg start: int, offset of the structure in bytes.
    :arg end: int, offset of its end.
    :returns: tuple: name (str or None), key length in bits (int or None).
    """
    name = bytes(view[start:min(start + _NAME_SIZE, end)]).split(b"\0")[0]
    # names of crypto templates: printable ASCII (include/linux/crypto.h, CRYPTO_MAX_ALG_NAME)
    return name.decode("ascii", "backslashreplace") or None, _number(view, start + _NAME_SIZE, end)


def _number(view, offset, end):
    return _UINT32.unpack_from(view, offset)[0] if offset + 4 <= end else None


def _protocol(number):
    return _PROTOCOLS.get(number, str(number))


def _named(names, number):
    return names[number] if number < len(names) else str(number)
