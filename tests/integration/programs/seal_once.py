# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypt once with the OpenSSL that is linked statically into pyca/cryptography, and exit."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AESGCM(b"0" * 32).encrypt(b"0" * 12, b"x", None)
