# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which mapped files are searched for crypto stacks: those that a program ships with itself, whose names say nothing of their content.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import re

from . import catalogue

# Folders of the dynamic linker (ld.so(8), Debian's multiarch folders). Files there are system libraries, which the catalogue recognises by
# name. A library that a program ships with itself lies elsewhere.
_SYSTEM_FOLDERS = re.compile(rb"/(?:usr/)?(?:local/)?lib(?:32|64|x32)?(?:/[a-z0-9_]+-linux-[a-z0-9]+)?")
# Libraries of the catalogue that are searched nevertheless: they may contain another project's stack, or be a program's own copy.
_SEARCHED_LIBRARIES = (
    "libcrypto", "libssl", "python-ssl", "python-cryptography", "python-grpc", "ruby-openssl", "perl-ssleay", "erlang-crypto", "conscrypt",
    "corretto-crypto", "librustls", "libs2n")


@functools.lru_cache(maxsize=8192)
def is_private(path):
    """Whether a file that is mapped executable may contain a crypto stack that its name does not reveal.

    :arg path: bytes, absolute, without the kernel's " (deleted)".
    :returns: bool. False for libraries in the folders of the dynamic linker, and for libraries of the catalogue that contain no other project.
    """
    folder, _slash, base = path.rpartition(b"/")
    if not folder.startswith(b"/") and not path.startswith(b"/memfd:"):
        return False  # [vdso], //anon and the like
    if b".so" in base and _SYSTEM_FOLDERS.fullmatch(folder):
        return False
    library = catalogue.recognise(path)
    return library is None or library.name in _SEARCHED_LIBRARIES
