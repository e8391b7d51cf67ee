# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes of real TLS peers (scripts/record_tls.py makes them), and what Wireshark reads in them."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_stream import TlsStream

FOLDER = Path(__file__).parent / "data" / "tls"
LINKTYPE_RAW = 101
FIELDS = ("tcp.srcport", "tls.handshake.type", "tls.handshake.version", "tls.handshake.random", "tls.handshake.session_id", "tls.handshake.ciphersuite",
          "tls.handshake.comp_method", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
          "tls.handshake.extensions.supported_version", "tls.handshake.extensions_supported_group", "tls.handshake.extensions_key_share_group",
          "tls.handshake.extensions_key_share_selected_group", "tls.handshake.sig_hash_alg", "tls.handshake.extension.type")


class Recording(NamedTuple):
    """What each side sent before its first application data."""

    name: str
    from_client: bytes
    from_server: bytes


def _load():
    for path in sorted(FOLDER.glob("*.json")):
        made = json.loads(path.read_text("ascii"))
        yield Recording(path.stem, bytes.fromhex(made["from_client"]), bytes.fromhex(made["from_server"]))


RECORDINGS = {recording.name: recording for recording in _load()}


def records(octets):
    """The records that octets are, each with its header."""
    offset = 0
    while offset < len(octets):
        end = offset + 5 + int.from_bytes(octets[offset + 3:offset + 5], "big")
        yield octets[offset:end]
        offset = end


def hellos(octets):
    """The bodies of the hellos, each of which is the beginning of a record in these recordings."""
    for record in records(octets):
        if record[0] == 22 and record[5] in (1, 2) and record[6] == 0 and record[9] == 3:
            yield record[9:9 + int.from_bytes(record[6:9], "big")]


def messages(octets, kind):
    """The bodies of the messages of one kind, such as ``certificate``, in what one side sent."""
    return [message.body for message in TlsStream().feed(1, octets, len(octets)) if message.kind == kind]


def as_wireshark_reads(hello_bodies, folder):
    """Each hello in a record, a segment and a connection of its own, dissected by tshark.

    :returns: list of dictionaries, one a hello: field -> list of str.
    """
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, LINKTYPE_RAW)
    for number, (kind, body) in enumerate(hello_bodies):
        content = bytes((kind,)) + len(body).to_bytes(3, "big") + body
        segment = b"\x16\x03\x03" + len(content).to_bytes(2, "big") + content
        tcp = struct.pack(">HHIIBBHHH", 10000 + number, 443, 1, 1, 0x50, 0x18, 65535, 0, 0) + segment
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2") + tcp
        capture += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    path = folder / "hellos.pcap"
    path.write_bytes(capture)
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout.splitlines()
    return [{field: value.split(",") if value else [] for field, value in zip(FIELDS, line.split("\t"))} for line in lines]
