# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collecting half of a window started with async and poll: 0."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.plugin_utils._action import CollectAction


class ActionModule(CollectAction):
    pass
