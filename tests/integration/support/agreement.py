# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a profile reports of handshakes beside what the peers said of them."""

from __future__ import annotations

import contextlib
from typing import NamedTuple, Optional

import pytest

from ..peers import names
from ..peers.base import Said, Wanted
from .profile import process
from .window import traced

# RFC 8701: 0x0A0A, 0x1A1A, ... 0xFAFA for suites, groups, versions; the pre-shared key modes have others, which no peer reports.
GREASE = {"0x%x%x%x%x" % (digit, 10, digit, 10) for digit in range(16)}


@contextlib.contextmanager
def wire_traced(**request):
    """A window without the probes that these tests need not: other programs of this host would drive them over their budget."""
    with traced(probes=dict.fromkeys(("openssl_api", "library_api", "file_open"), False), **request) as window:
        yield window
    coverage = window.profile["coverage"]
    assert {probe["name"]: probe["status"] for probe in coverage["probes"] if probe["status"] != "disabled"} == dict.fromkeys(
        ("process", "library_load", "tls_handshake", "ssh_kex"), "attached")
    assert not set(coverage["lost"]) & {"ring_full", "map_full", "socket_storage_full", "skipped_runs", "perf_records"}, coverage["lost"]


class Row(NamedTuple):
    """One connection as one peer saw it."""

    said: Said
    wanted: Wanted
    port: int  # of the server
    client_address: Optional[str] = None  # where it is not the server's


class Table:
    """What each peer said and what was reported, for a file."""

    def __init__(self):
        self._rows = {}

    def add(self, pair, said, entry, protocol="TLS"):
        """:arg pair: names of client and server. :arg entry: of the profile, or None."""
        reported = None if entry is None else (_name(entry, "version"), _name(entry, "cipher_suite"), _name(entry, "group"))
        group = (said.group or "(not said)") + (" (only one allowed)" if said.group and said.group_by == "allowed" else "")
        if said.group and said.resumed and said.version != "TLS 1.3":
            group = "(%s, of the session's first connection)" % said.group
        suite = said.cipher_suite or "(not said)"
        self._rows[protocol, said.stack, pair, said.role, said.version, bool(said.resumed)] = (said.version, suite, group), reported

    def add_text(self, key, said, reported):
        """A row of another shape."""
        self._rows[key] = said, reported

    def text(self):
        """All rows, one a line."""
        lines = ["stack | connection | role | resumed | the peer said | reported", "--- | --- | --- | --- | --- | ---"]
        for key, (said, reported) in self._rows.items():
            _protocol, stack, pair, role, _version, resumed = key
            lines.append(" | ".join((stack, pair, role, "yes" if resumed else "no", ", ".join(said), ", ".join(map(str, reported)) if reported else "NOTHING")))
        return "\n".join(lines) + "\n"


def _name(entry, key):
    return entry[key]["name"] if entry[key] else None


def handshakes(profile, pid, **fields):
    """TLS entries of a process with these values."""
    return [entry for entry in process(profile, pid)["tls"] if all(entry[key] == value for key, value in fields.items())]


def handshake(profile, pid, **fields):
    """The one TLS entry of a process with these values."""
    found = handshakes(profile, pid, **fields)
    if len(found) != 1:
        pytest.fail("%d handshakes %s of pid %d; it has %s; unattributed: %s" % (
            len(found), fields, pid, [brief(entry) for entry in process(profile, pid)["tls"]], [brief(entry) for entry in profile["unattributed"]["tls"]]),
            pytrace=False)
    return found[0]


def brief(entry):
    """An entry in one line."""
    return "%s %s sni=%s resumed=%s hello_retry=%s alert=%s x%d %s:%s -> %s:%s" % (
        entry["role"], entry["outcome"] + " " + "/".join(str(_name(entry, key)) for key in ("version", "cipher_suite", "group")), entry["sni"], entry["resumed"],
        entry["hello_retry"], entry["alert"], entry["count"], entry["local"]["address"], entry["local"]["port"], entry["peer"]["address"], entry["peer"]["port"])


def code_points(entry):
    """Every code point of an entry, negotiated and offered."""
    listed = [entry[key] for key in ("version", "cipher_suite", "group", "signature_algorithm") if entry[key]]
    for key in ("versions", "cipher_suites", "groups", "key_shares", "signature_algorithms"):
        listed += (entry["offered"] or {}).get(key, [])
    return [one["code"] if isinstance(one, dict) else one for one in listed]


def listed(entry, key):
    """Names of a list of what was offered."""
    return [one["name"] if isinstance(one, dict) else one for one in entry["offered"][key]]


def assert_agrees(profile, row, count=1, transport="tcp"):
    """The profile says of a connection what its peer says. Returns the entry."""
    said, wanted = row.said, row.wanted
    entry = handshake(profile, said.pid, role=said.role, sni=wanted.sni, resumed=bool(said.resumed))
    assert (entry["outcome"], entry["transport"], entry["alert"]) == ("negotiated", transport, None)
    assert entry["version"]["name"] == said.version
    if said.cipher_suite:
        assert entry["cipher_suite"] == {"name": said.cipher_suite, "code": names.cipher_suite_code(said.cipher_suite)}
    if said.resumed and said.version != "TLS 1.3":
        assert entry["group"] is None  # what a peer may say is that of the session's first connection
    elif said.group:
        assert entry["group"] and entry["group"]["name"] == said.group
    if said.alpn is not None:
        assert entry["alpn"] == (said.alpn or None if said.version == "TLS 1.2" else None)
    if said.hello_retry is not None:
        assert entry["hello_retry"] == said.hello_retry
    ends = {"address": wanted.address, "port": row.port}, {"address": row.client_address or wanted.address, "port": None}
    assert (entry["local"], entry["peer"]) == (ends if said.role == "server" else ends[::-1])
    assert entry["count"] == count
    assert profile["window"]["started_at"] <= entry["first_seen"] <= entry["last_seen"] <= profile["window"]["ended_at"]
    assert entry["evidence"] == {"source": "wire", "grade": "observed"}
    assert said.version in listed(entry, "versions")
    assert entry["cipher_suite"]["name"] in listed(entry, "cipher_suites")
    if entry["group"]:
        assert entry["group"]["name"] in listed(entry, "groups")
    if wanted.group and said.role == "client":
        assert listed(entry, "groups") == [wanted.group]
    assert listed(entry, "alpn") == list(wanted.alpn)
    assert not GREASE & set(code_points(entry))
    return entry
