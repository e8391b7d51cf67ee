#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_collect
short_description: Collect, validate and store the document of a window that was started with async
version_added: 0.1.0
description:
  - Waits for a job that M(cryptofleet.audit.crypto_profile), M(cryptofleet.audit.crypto_snapshot), M(cryptofleet.audit.crypto_monitor)
    or M(cryptofleet.audit.crypto_preflight) started with C(async) and C(poll) V(0), validates its document against the JSON Schema,
    stores it on the controller, and removes the job's files from the host.
  - Use it instead of M(ansible.builtin.async_status), which neither validates nor stores.
requirements:
  - jsonschema 4.18 or newer on the controller
options:
  jid:
    description:
      - The job's id, C(ansible_job_id) in the result of the task that started it.
    type: str
    required: true
  timeout:
    description:
      - Seconds to wait for the job at most. V(0) asks once.
    type: int
    default: 3720
  dest:
    description:
      - File or folder on the controller. The O(dest) of the task that started the job where it is not given.
    type: path
extends_documentation_fragment:
  - cryptofleet.audit._attributes.controller
seealso:
  - module: cryptofleet.audit.crypto_profile
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: Open the windows of all hosts together
  cryptofleet.audit.crypto_profile:
    duration: 60
    dest: profiles/
  become: true
  async: 180
  poll: 0
  register: window

- name: Collect them
  cryptofleet.audit.crypto_collect:
    jid: "{{ window.ansible_job_id }}"
  become: true
"""

RETURN = r"""
finished:
  description: Whether the job has ended. Only V(false) with O(timeout) V(0).
  returned: always
  type: bool
invalid:
  description: Present and V(true) where the document does not match its schema. The task fails then.
  returned: on schema violation
  type: bool
profile:
  description: The document, as the module that was started returns it.
  returned: when the job was a profile or a snapshot with return_document, and there is no O(dest)
  type: dict
summary:
  description: As the module that was started returns it.
  returned: success
  type: dict
dest:
  description: The file on the controller.
  returned: when O(dest) is set here or in the job
  type: str
sha256:
  description: SHA-256 of that file, hex.
  returned: when O(dest) is set here or in the job
  type: str
size:
  description: Size of that file in bytes.
  returned: when O(dest) is set here or in the job
  type: int
"""
