#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_snapshot
short_description: List the crypto libraries and open crypto files of a host at one instant
version_added: 0.1.0
description:
  - Reads C(/proc) once and makes a document of the same form as M(cryptofleet.audit.crypto_profile) does. No probe is attached.
  - The result is a summary. Set O(dest) to store the document itself on the controller, or O(return_document) to have it in the result.
  - Works without root. What could not be read for lack of privilege is counted in the document's C(coverage).
  - What the host has configured is in it too, C(host_crypto).
  - It shows what is present, never what is used. Use M(cryptofleet.audit.crypto_profile) for that.
requirements:
  - Python 3.8 or newer on the host (3.9 with ansible-core 2.20 or newer), nothing but its standard library
  - jsonschema 4.18 or newer on the controller
options: {}
extends_documentation_fragment:
  - cryptofleet.audit._attributes.instant
  - cryptofleet.audit._options.targets
  - cryptofleet.audit._options.document
seealso:
  - module: cryptofleet.audit.crypto_profile
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: What is mapped and open right now
  cryptofleet.audit.crypto_snapshot:
  register: crypto

- name: The same of sshd alone, kept on the controller
  cryptofleet.audit.crypto_snapshot:
    name: sshd
    dest: snapshots/
  become: true
"""

RETURN = r"""
profile:
  description:
    - The snapshot, as C(plugins/plugin_utils/schemas/profile.schema.json) describes it, with C(document) V(snapshot).
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: dict
summary:
  description:
    - The document in about twenty lines, Ansible's own connection and the audit left out. Lists are texts of one line, the most frequent
      first and cut to 8 entries, with a number of times in parentheses; V(none) where they are empty,
      V(not observed) where no probe for it was attached.
    - To test values, set O(return_document) and use RV(profile).
  returned: success
  type: dict
  contains:
    host:
      description: Name, operating system, kernel, architecture, FIPS mode and crypto policy.
      type: str
    complete:
      description: Whether the coverage is complete. Where it is not, what was not seen may be in use all the same.
      type: bool
    reasons:
      description: Why the coverage is not complete, which processes are excluded from it, and notes, each with its remedy; the first 5.
      type: list
      elements: str
    lost:
      description: Observations lost, all causes together.
      type: int
    engine:
      description: The engine used.
      type: str
    rejected:
      description: Better engines that could not be used, each with the reason and its remedy.
      type: list
      elements: str
    grade:
      description: V(full) or V(reduced).
      type: str
    ended_at:
      description: End of the window, UTC.
      type: str
    seconds:
      description: Length of the window.
      type: float
    processes:
      description: Processes with cryptography.
      type: int
    libraries:
      description: Crypto libraries with version, and in how many processes.
      type: str
    tls:
      description: Version, cipher suite and group of TLS handshakes, and how many.
      type: str
    ssh:
      description: Key exchange, host key and cipher of SSH key exchanges, and how many.
      type: str
    algorithms:
      description: Algorithms that programs used, and how many calls.
      type: str
    files:
      description: Kinds of crypto files that were opened, and how many files.
      type: str
    stacks:
      description: TLS and crypto stacks that programs carry themselves, and in how many processes.
      type: str
msg:
  description: The same in two or three sentences.
  returned: success
  type: str
truncated:
  description: Whether entries were left out of RV(profile) to keep the result under 200 KB.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: bool
omitted:
  description: How many entries were left out, by list.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: dict
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
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import document_options, request_from, target_options
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import asked, profile_result
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.tracer import snapshot


def argspec():
    return dict(target_options(), **document_options())


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    try:
        document = snapshot(request_from(module.params))
    except AuditError as error:
        module.fail_json(msg=str(error))
    module.exit_json(asked=asked(module.params), **profile_result(document, bool(module.params["dest"]), module.params["return_document"]))


if __name__ == "__main__":
    main()
