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
  - Reads C(/proc) once and returns a document of the same form as M(cryptofleet.audit.crypto_profile) does. No probe is attached.
  - Works without root. What could not be read for lack of privilege is counted in the document's C(coverage).
  - What the host has configured is in it too, C(host_crypto).
  - It shows what is present, never what is used. Use M(cryptofleet.audit.crypto_profile) for that.
requirements:
  - Python 3.8 or newer on the host. Nothing but its standard library.
  - jsonschema 4.18 or newer on the controller.
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
  returned: when O(dest) is not set
  type: dict
summary:
  description: A few facts of the document.
  returned: success
  type: dict
  contains:
    complete:
      description: Whether the coverage is complete. Where it is not, what was seen is true and what was not seen means nothing.
      type: bool
    reasons:
      description: One sentence per cause of incompleteness.
      type: list
      elements: str
    engine:
      description: The engine used.
      type: str
    grade:
      description: V(full) or V(reduced).
      type: str
    started_at:
      description: Start of the window, UTC.
      type: str
    ended_at:
      description: End of the window, UTC.
      type: str
    seconds:
      description: Length of the window.
      type: float
    lost:
      description: Observations lost, of all causes.
      type: int
    probes:
      description: Status of each probe by its name.
      type: dict
    processes:
      description: Process entries.
      type: int
    libraries:
      description: Library entries.
      type: int
    files:
      description: File entries.
      type: int
    operations:
      description: Operation entries.
      type: int
    tls:
      description: TLS entries.
      type: int
    ssh:
      description: SSH entries.
      type: int
    library_names:
      description: Names and versions of the libraries, the first 50.
      type: list
      elements: str
    algorithms:
      description: Algorithms operated with, the first 100.
      type: list
      elements: str
    negotiated:
      description: Version, cipher suite and group of TLS handshakes, the first 100.
      type: list
      elements: str
truncated:
  description: Whether entries were left out of the result to keep it under 200 KB. Never with O(dest).
  returned: success
  type: bool
omitted:
  description: How many entries were left out, by list.
  returned: success
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
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import profile_result
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.tracer import snapshot


def argspec():
    return dict(target_options(), **document_options())


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    try:
        document = snapshot(request_from(module.params))
    except AuditError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**profile_result(document, whole=bool(module.params["dest"])))


if __name__ == "__main__":
    main()
