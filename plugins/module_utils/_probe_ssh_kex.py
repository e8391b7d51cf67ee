# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe `ssh_kex`: SSH key exchanges as they are on the wire.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from ._wire_tap import WireProbe


class SshKexProbe(WireProbe):
    """Yields WireData through the tap. A hit is the beginning of one direction of a connection."""

    name = "ssh_kex"
    counter = "ssh"
