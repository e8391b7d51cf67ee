# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of crypto_preflight."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.plugin_utils._action import ModuleAction


class ActionModule(ModuleAction):
    has_window = False
