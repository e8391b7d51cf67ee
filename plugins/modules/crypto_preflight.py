#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_preflight
short_description: Find out what a host can observe, by trying it
version_added: 0.1.0
description:
  - Loads and attaches every probe, detaches it again, and says which engine and which probes the host can run.
    Where the kernel refuses one, its error is in the result, and what to do about it.
  - It never fails because a host can do little. It says so.
requirements:
  - Python 3.8 or newer on the host (3.9 with ansible-core 2.20 or newer), nothing but its standard library
  - jsonschema 4.18 or newer on the controller
options:
  engine:
    description:
      - The engine to try. V(auto) tries them best first.
    type: str
    choices: [auto, libbpf, procfs]
    default: auto
  dest:
    description:
      - File on the controller to store the document in. A folder, or a path that ends in V(/), gets one file a host.
    type: path
  return_document:
    description:
      - Whether the document itself is in the result. Without it the result is the short answer.
      - Has no effect with O(dest), where the document is in the file.
    type: bool
    default: false
extends_documentation_fragment:
  - cryptofleet.audit._attributes.instant
  - cryptofleet.audit._options.probes
seealso:
  - module: cryptofleet.audit.crypto_profile
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: What can these hosts observe
  cryptofleet.audit.crypto_preflight:
  become: true
  register: preflight

- name: Say what to put right
  ansible.builtin.debug:
    var: preflight.summary.remedies
"""

RETURN = r"""
preflight:
  description:
    - The document, as C(plugins/plugin_utils/schemas/preflight.schema.json) describes it.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: dict
  contains:
    supports:
      description: The short answer, with C(grade) V(full), V(reduced) or V(none) and the names of the C(probes) that attach.
      type: dict
    engine:
      description: The engine that would be used, and why not a better one.
      type: dict
    probes:
      description: Every probe with C(status), C(hook), C(reason), C(errno), C(verifier_log), C(attach_ms) and C(remedy).
      type: list
      elements: dict
    kernel:
      description: Facts that decide, such as type information, libbpf's version, tracefs, lockdown and capabilities.
      type: dict
    remedies:
      description: What to put right, each with C(concerns), C(code) and C(remedy).
      type: list
      elements: dict
summary:
  description: The short answer.
  returned: success
  type: dict
  contains:
    engine:
      description: The engine that would be used.
      type: str
    grade:
      description: V(full), V(reduced) or V(none).
      type: str
    kernel:
      description: Kernel release.
      type: str
    probes:
      description: Names of the probes that attach, or V(none).
      type: str
    not_attached:
      description: The other probes, each with the reason.
      type: list
      elements: str
    remedies:
      description: What to put right, most useful first.
      type: list
      elements: str
msg:
  description: The same in a sentence.
  returned: success
  type: str
dest:
  description: The file on the controller.
  returned: when O(dest) is set
  type: str
sha256:
  description: SHA-256 of that file, hex.
  returned: when O(dest) is set
  type: str
size:
  description: Size of that file in bytes.
  returned: when O(dest) is set
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import request_from, target_options, window_options
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.preflight import preflight
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import asked, preflight_result


def argspec():
    window = window_options()
    return {"engine": window["engine"], "probes": window["probes"], "dest": {"type": "path"}, "return_document": {"type": "bool", "default": False}}


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    everything = {option: spec["default"] for option, spec in target_options().items()}
    try:
        document = preflight(request_from(dict(everything, **module.params)))
    except AuditError as error:
        module.fail_json(msg=str(error))
    module.exit_json(asked=asked(module.params), **preflight_result(document))


if __name__ == "__main__":
    main()
