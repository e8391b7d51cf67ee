# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception root of the host side.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""


class AuditError(Exception):
    """Something the user must know and can act on.

    A module catches this once and ends with ``fail_json(msg=str(error))``; the message says the remedy.
    """

    def __init__(self, message, code=None):
        """
        :arg message: str, what happened and what to do.
        :arg code: str or None, a key of _report.reasons.ENGINE_REMEDIES where an engine can't run.
        """
        super().__init__(message)
        self.code = code
