# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``fips`` of host_crypto: each of the switches that put a host into FIPS mode.

Each switch is reported on its own: a kernel in FIPS mode with a library that is not configured for it is a finding.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .openssl import fips_provider

_ENABLED = "/proc/sys/crypto/fips_enabled"  # crypto/fips.c; absent in a kernel without CONFIG_CRYPTO_FIPS
_COMMAND_LINE = "/proc/cmdline"
_MARKER = "/etc/system-fips"  # of dracut-fips, RHEL up to 8; OpenSSL 1.0.2, NSS and libgcrypt of that time test for it
_LIBGCRYPT = "/etc/gcrypt/fips_enabled"  # libgcrypt manual, "Enabling FIPS mode"
_PARAMETER = re.compile(rb"(?:\A|\s)fips=(\S*)")


def read_fips(reader, openssl):
    """Read the part ``fips``.

    :arg reader: `Reader`.
    :arg openssl: dict, the part that `openssl.read_openssl` returned.
    :returns: dict: kernel, system_marker, libgcrypt_marker, boot_parameter, openssl_provider_configured, openssl_provider_present, unreadable.
    """
    value = reader.read_line(_ENABLED)
    command_line = reader.read(_COMMAND_LINE, 65536)
    parameters = _PARAMETER.findall(command_line or b"")
    part = {"kernel": None if value is None else value != b"0",
            "system_marker": reader.exists(_MARKER), "libgcrypt_marker": reader.exists(_LIBGCRYPT)}
    reader.put_text(part, "boot_parameter", parameters[-1] if parameters else None)
    part["openssl_provider_configured"], part["openssl_provider_present"] = fips_provider(openssl)
    part["unreadable"] = reader.unreadable()
    return part
