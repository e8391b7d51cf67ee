# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `tls_handshake`: TLS, QUIC and DTLS handshakes as they are on the wire.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._wire_tap import WireProbe


class TlsHandshakeProbe(WireProbe):
    """Yields WireData through the tap. A hit is a hello that begins, or a datagram with one."""

    name = "tls_handshake"
    counter = "hits"
