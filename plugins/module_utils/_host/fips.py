# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host is in FIPS mode, by each of the switches there are. Part of host_crypto.

The switches are told apart, not summed up: a kernel in FIPS mode with a library that is not configured for it is a finding.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .openssl import fips_provider

_ENABLED = "/proc/sys/crypto/fips_enabled"  # crypto/fips.c; absent in a kernel without CONFIG_CRYPTO_FIPS
_COMMAND_LINE = "/proc/cmdline"
_MARKER = "/etc/system-fips"  # of dracut-fips, RHEL up to 8; OpenSSL 1.0.2, NSS and libgcrypt of that time look at it
_LIBGCRYPT = "/etc/gcrypt/fips_enabled"  # libgcrypt manual, "Enabling FIPS mode"
_PARAMETER = re.compile(rb"(?:\A|\s)fips=(\S*)")


def read_fips(reader, openssl):
    """The part ``fips``. :arg reader: `Reader`. :arg openssl: the part `read_openssl` gave."""
    value = reader.word(_ENABLED)
    line = reader.read(_COMMAND_LINE, 65536)
    given = _PARAMETER.findall(line or b"")
    told = {"kernel": None if value is None else value != b"0",
            "system_marker": reader.exists(_MARKER), "libgcrypt_marker": reader.exists(_LIBGCRYPT)}
    reader.put(told, "boot_parameter", given[-1] if given else None)
    told["openssl_provider_configured"], told["openssl_provider_present"] = fips_provider(openssl)
    told["unreadable"] = reader.unreadable()
    return told
