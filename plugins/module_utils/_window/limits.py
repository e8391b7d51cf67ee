# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource limits of this process: raises the one on file descriptors, and reports an exhausted one to the user.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import errno
import resource

from .._errors import AuditError

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@contextlib.contextmanager
def within_limits():
    """Context manager and decorator for an entry point of the host side.

    :raises AuditError: file descriptors or memory are exhausted.
    """
    # each CPU, probed file and link takes a descriptor; the soft limit exists for programs that use select(2)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    except OSError as error:
        if error.errno not in _EXHAUSTED:
            raise
        raise AuditError("the audit ran out of file descriptors or memory: %s" % error) from error
    except MemoryError as error:
        raise AuditError("the audit ran out of file descriptors or memory: no memory") from error
