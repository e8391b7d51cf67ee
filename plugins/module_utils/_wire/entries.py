# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the entries of ``tls`` and ``ssh`` in a profile from the handshakes of a process.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import socket

from .._formats.certificate import certificate_facts
from .._formats.der import DerError
from .tls_connection import MAX_OFFERED
from .tls_names import alert_name, cipher_suite_name, group_name, signature_scheme_name, version_name

_EVIDENCE = {"source": "wire", "grade": "observed"}
_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in an IPv6 socket (RFC 4291, 2.5.5.2)


def tls_entry(record, utc):
    """One entry of ``tls``.

    :arg record: HandshakeRecord of TlsHandshakes.
    :arg utc: callable(int ns since boot) -> str, UTC.
    :returns: dict.
    """
    seen = record.seen
    entry = {
        "role": seen.role, "transport": seen.transport, "outcome": seen.outcome,
        "version": _code_point(seen.version, version_name), "cipher_suite": _code_point(seen.cipher_suite, cipher_suite_name),
        "group": _code_point(seen.group, group_name), "signature_algorithm": _code_point(seen.signature_algorithm, signature_scheme_name),
        "sni": seen.sni, "alpn": seen.alpn, "resumed": seen.resumed, "hello_retry": seen.hello_retry,
        "alert": None if seen.alert is None else alert_name(seen.alert) or "alert_%d" % seen.alert,
        "certificate": _certificate(seen.certificate), "offered": _offered(seen.offered),
    }
    if seen.dh_bits is not None:
        entry["dh_bits"] = seen.dh_bits
    return _finish(entry, record, utc)


def ssh_entry(record, utc):
    """One entry of ``ssh``; as tls_entry(), of SshHandshakes."""
    seen, chosen = record.seen, record.seen.negotiated
    entry = {"role": seen.role, "outcome": seen.outcome, "software": seen.software, "peer_software": seen.peer_software,
             "host_key_bits": seen.host_key_bits, "offered": _proposal(seen.offered)}
    for name in ("key_exchange", "host_key", "cipher_client_to_server", "cipher_server_to_client", "mac_client_to_server", "mac_server_to_client"):
        entry[name] = getattr(chosen, name) if chosen else None
    entry["strict_kex"] = bool(chosen and chosen.strict_kex)
    return _finish(entry, record, utc)


def _finish(entry, record, utc):
    seen = record.seen
    server = seen.role == "server"
    entry["local"] = {"address": _address(seen.local), "port": seen.local_port if server else None}
    entry["peer"] = {"address": _address(seen.remote), "port": None if server else seen.remote_port}
    entry.update({"count": record.count, "first_seen": utc(record.first_seen), "last_seen": utc(record.last_seen), "evidence": _EVIDENCE})
    return entry


def sort_key(entry):
    """The order of entries in a list: by text that is the same in every run.

    :arg entry: dict, of tls_entry() or ssh_entry().
    :returns: list of str.
    """
    return [str(entry[name]) for name in ("role", "peer", "local", "first_seen")]


def _address(raw):
    """IP address of 4 or 16 bytes as text; None for none."""
    if not raw:
        return None
    if raw.startswith(_MAPPED):
        raw = raw[len(_MAPPED):]
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _code(number):
    return "0x%04x" % number


def _code_point(number, name_of):
    return None if number is None else {"name": name_of(number), "code": _code(number)}


def _names(numbers, name_of):
    return [name_of(number) or _code(number) for number in numbers]


def _certificate(der):
    """Facts of a certificate, or that it is malformed; None where there was none."""
    if der is None:
        return None
    try:
        return certificate_facts(der)
    except DerError:
        return {"malformed": True}


def _offered(hello):
    if hello is None:
        return None
    return {
        "versions": _names(hello.versions or (hello.legacy_version,), version_name), "cipher_suites": _names(hello.cipher_suites, cipher_suite_name),
        "groups": _names(hello.groups, group_name), "key_shares": _names(hello.key_shares, group_name),
        "signature_algorithms": _names(hello.signature_algorithms, signature_scheme_name), "alpn": list(hello.alpn),
        "truncated": any(len(values) >= MAX_OFFERED for values in (hello.cipher_suites, hello.groups, hello.signature_algorithms, hello.alpn)),
        "early_data": hello.early_data, "encrypted_client_hello": hello.encrypted_client_hello,
    }


def _proposal(kexinit):
    if kexinit is None:
        return None
    return {"key_exchange": list(kexinit.key_exchange), "host_keys": list(kexinit.host_keys),
            "ciphers": _merged(kexinit.ciphers_client_to_server, kexinit.ciphers_server_to_client),
            "macs": _merged(kexinit.macs_client_to_server, kexinit.macs_server_to_client)}


def _merged(one, other):
    return list(one) + [name for name in other if name not in one]
