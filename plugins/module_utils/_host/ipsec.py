# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec in the kernel: security associations and policies by their algorithms, counted. Part of host_crypto.

The kernel's answers hold the keys. Only names, lengths and modes are taken from them: see _host/netlink.py. Addresses are not taken: there is one
entry for each combination of algorithms, and how many associations have it.

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
_NAME = 64  # alg_name; alg_key_len follows it, in bits, then (AEAD, AUTH_TRUNC) the length of the tag in bits
_NUMBER = struct.Struct("=I")

_PROTOCOLS = {socket.IPPROTO_ESP: "ESP", socket.IPPROTO_AH: "AH", 108: "IPCOMP", 43: "ROUTING", 60: "DSTOPTS", 0: "any"}
_MODES = ("transport", "tunnel", "route_optimization", "in_trigger", "beet", "iptfs")
_DIRECTIONS, _ACTIONS = ("in", "out", "fwd"), ("allow", "block")

_MAX_MESSAGES = 200000
_MAX_GROUPS = 100  # entries of one list

_STATISTICS = "/proc/net/xfrm_stat"  # Documentation/networking/xfrm_proc.rst
_COUNTER = re.compile(r"(Xfrm[A-Za-z0-9]{1,40})\s+([0-9]{1,20})\Z")
_PF_KEY = "/proc/net/pfkey"  # net/key/af_key.c


def read_ipsec(reader):
    """The part ``ipsec``: available, associations, policies, counters (of errors, those above 0), unreadable.

    :arg reader: `Reader`.
    """
    counters = read_counters(reader, _STATISTICS, _COUNTER)
    told = {"available": is_served(reader, _NETLINK_XFRM), "associations": [], "policies": [],
            "counters": {name: number for name, number in (counters or {}).items() if number}}
    if told["available"]:
        # xfrm_policy_type_name(), net/xfrm/xfrm_user.c: XFRM_POLICY_TYPE_MAIN is what a dump without an attribute gives
        told["associations"] = _grouped(reader, "XFRM associations", _MSG_GETSA, _MSG_NEWSA, association)
        told["policies"] = _grouped(reader, "XFRM policies", _MSG_GETPOLICY, _MSG_NEWPOLICY, policy)
    elif told["available"] is None:
        reader.problem("XFRM associations", "it can't be told whether the kernel serves them")
    elif reader.exists(_PF_KEY):
        reader.problem("XFRM associations", "kept through PF_KEY alone, which is not asked")
    told["unreadable"] = reader.unreadable()
    return told


def _grouped(reader, source, request, answer, decode):
    """The entries of a dump, each once with its count; the most frequent ones where they are over the bound."""
    counts = {}
    try:
        for view in dump(_NETLINK_XFRM, request, answer, b"", _MAX_MESSAGES):
            if view is None:
                reader.problem(source, "more than %d: the others were not looked at" % _MAX_MESSAGES)
                break
            found = decode(view)
            if found is None:
                reader.problem(source, "a message is shorter than the kernel's own header says")
            else:
                counts[found] = counts.get(found, 0) + 1
    except OSError as error:
        reader.problem(source, error)
    if len(counts) > _MAX_GROUPS:
        reader.problem(source, "%d combinations: the rarer ones are not listed" % len(counts))
    kept = sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))[:_MAX_GROUPS]
    entries = [dict(found, count=number) for found, number in kept]
    for entry in entries:
        if "templates" in entry:
            entry["templates"] = [dict(template) for template in entry["templates"]]
    return entries


def association(view):
    """One security association (the body of XFRM_MSG_NEWSA, memoryview) as a tuple of pairs; None where it is too short."""
    if len(view) < _SA_SIZE:
        return None
    told = {"protocol": _protocol(view[_SA_PROTO]), "mode": _named(_MODES, view[_SA_MODE]), "encryption": None, "encryption_key_bits": None,
            "authentication": None, "authentication_key_bits": None, "tag_bits": None, "aead": False, "compression": None,
            "encapsulated": False, "offloaded": False}
    for kind, start, end in attributes(view, _SA_SIZE):
        if kind in (_ALG_CRYPT, _ALG_AEAD):
            told["encryption"], told["encryption_key_bits"] = _algorithm(view, start, end)
            if kind == _ALG_AEAD:
                told["aead"], told["tag_bits"] = True, _number(view, start + _NAME + 4, end)
        elif kind == _ALG_AUTH and told["authentication"] is None or kind == _ALG_AUTH_TRUNC:
            # the kernel sends both; the second says how much of the MAC is on the wire
            told["authentication"], told["authentication_key_bits"] = _algorithm(view, start, end)
            if kind == _ALG_AUTH_TRUNC:
                told["tag_bits"] = _number(view, start + _NAME + 4, end)
        elif kind == _ALG_COMP:
            told["compression"] = _algorithm(view, start, end)[0]
        elif kind == _ENCAP:
            told["encapsulated"] = True
        elif kind == _OFFLOAD:
            told["offloaded"] = True
    return tuple(told.items())


def policy(view):
    """One policy (the body of XFRM_MSG_NEWPOLICY, memoryview) as a tuple of pairs; None where it is too short."""
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
    """``(name, key length in bits)`` of a struct xfrm_algo, xfrm_algo_aead or xfrm_algo_auth; the key behind them is not touched."""
    name = bytes(view[start:min(start + _NAME, end)]).split(b"\0")[0]
    # names of crypto templates: printable ASCII (include/linux/crypto.h, CRYPTO_MAX_ALG_NAME)
    return name.decode("ascii", "backslashreplace") or None, _number(view, start + _NAME, end)


def _number(view, offset, end):
    return _NUMBER.unpack_from(view, offset)[0] if offset + 4 <= end else None


def _protocol(number):
    return _PROTOCOLS.get(number, str(number))


def _named(names, number):
    return names[number] if number < len(names) else str(number)
