# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception whose message the user sees. The host side raises no other on purpose.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""


class AuditError(Exception):
    """The audit can't be done as requested. The message says why, and what to do.

    A module catches it in one place and ends with ``fail_json(msg=str(error))``.
    """

    def __init__(self, message, code=None):
        """
        :arg message: str, what happened and what to do.
        :arg code: str or None, a key of _report.reasons.ENGINE_REMEDIES where an engine can't run.
        """
        super().__init__(message)
        self.code = code
