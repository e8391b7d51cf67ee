# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mapped files a program brought along: their names say nothing of what they carry, so their content is searched for crypto stacks.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import re

from . import catalogue

# Folders of the dynamic linker: what lies there is a library by its name (ld.so(8), Debian's multiarch folders). A library that a
# program brought along lies elsewhere.
_LINKERS_FOLDERS = re.compile(rb"/(?:usr/)?(?:local/)?lib(?:32|64|x32)?(?:/[a-z0-9_]+-linux-[a-z0-9]+)?")
# Libraries of the catalogue that bring a stack of another project inside them, or that a program brought along.
_CARRIERS = ("libcrypto", "libssl", "python-ssl", "python-cryptography", "python-grpc", "ruby-openssl", "perl-ssleay", "erlang-crypto", "conscrypt",
             "corretto-crypto", "librustls", "libs2n")


@functools.lru_cache(maxsize=8192)
def is_private(path):
    """Whether a file that is mapped executable may carry a crypto stack that its name does not tell.

    :arg path: bytes, absolute, without the kernel's " (deleted)".
    :returns: bool. False for libraries in the folders of the dynamic linker, and for libraries of the catalogue that carry no other project.
    """
    folder, _slash, base = path.rpartition(b"/")
    if not folder.startswith(b"/") and not path.startswith(b"/memfd:"):
        return False  # [vdso], //anon and the like
    if b".so" in base and _LINKERS_FOLDERS.fullmatch(folder):
        return False
    library = catalogue.recognise(path)
    return library is None or library.name in _CARRIERS
