# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge an audit's profiles. All of it happens on the controller."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _manifest, _report, _schema, _store


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        del tmp
        _schema.require_jsonschema()
        arguments = self.validate_argument_spec(argument_spec={
            "audit": {"type": "path", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "results": {"type": "list", "elements": "dict", "default": [], "options": {
                "host": {"type": "str", "required": True},
                "status": {"type": "str", "required": True, "choices": [status for status in _manifest.STATUSES if status != "not_run"]},
                "reason": {"type": "str"},
                "sha256": {"type": "str"},
            }},
        })[1]
        try:
            made = _report.make(self._loader.path_dwim(arguments["audit"]), arguments["hosts"], arguments["results"],
                                dry_run=self._task.check_mode)
        except _store.StoreError as error:
            # not from error: ansible-core 2.19 and later would append the text of every cause
            raise AnsibleActionFail(str(error)) from None
        # a report on what is there changes nothing anybody manages
        return dict(result, changed=False, **made)
