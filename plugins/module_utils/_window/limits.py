# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a process: raised as far as it may, and told as an error where one is reached.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import errno
import resource

from .._errors import AuditError

_REACHED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@contextlib.contextmanager
def within_limits():
    """Around a call of the host side, also as its decorator. :raises AuditError: descriptors or memory are used up."""
    # each CPU, probed file and link takes a descriptor; the soft limit is only for programs that use select(2)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    except OSError as error:
        if error.errno not in _REACHED:
            raise
        raise AuditError("a limit of this host ended the audit: %s" % error) from error
    except MemoryError as error:
        raise AuditError("a limit of this host ended the audit: no memory") from error
