# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSL 1.1, which Debian 12 no longer has: from Debian 11's package, unpacked outside the checkout, never installed."""

from __future__ import annotations

import platform

from ansible_collections.cryptofleet.audit.tests.kernels.debian_suites import Apt, cache_folder, locked

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def libcrypto11():
    """The path of a libcrypto.so.1.1. :raises KernelTestError: this machine's mirror has none."""
    architecture = _ARCHITECTURES[platform.machine()]
    folder = cache_folder().parent / "openssl-1.1" / architecture
    with locked(folder):
        unpacked = folder / "libssl1.1"
        if not unpacked.is_dir():
            apt = Apt(folder / "apt", architecture, ("bullseye",), ("bullseye-security",))
            apt.update()
            fresh = folder / "libssl1.1.new"
            apt.unpack(apt.show(["libssl1.1"])[:1], fresh)
            fresh.rename(unpacked)
    return next(unpacked.glob("usr/lib/*/libcrypto.so.1.1"))
