# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the OpenSSL inside PyPI's cryptography and does nothing with it."""

import sys

import cryptography.hazmat.bindings._rust  # noqa: F401

print("loaded", flush=True)
sys.stdin.readline()
