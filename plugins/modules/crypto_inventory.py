#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_inventory
short_description: Merge the profiles of an audit into one crypto inventory
version_added: 0.1.0
description:
  - Reads every profile under C(AUDIT/hosts/), merges them in one pass and writes C(AUDIT/manifest.json), C(AUDIT/inventory.json) and
    C(AUDIT/summary.txt). It runs on the controller, whatever host the task is for.
  - Every host of the play is in the manifest and in every denominator, those that were unreachable, failed or gave a document that
    does not match its schema too.
  - A file that can't be read is moved to C(AUDIT/quarantine/) and named in the manifest. It never stops the merge.
  - Several controllers may write into one audit folder. Their hosts are merged.
requirements:
  - jsonschema 4.18 or newer on the controller
options:
  audit:
    description:
      - The audit's folder on the controller.
      - A relative path starts where the playbook is, or in the current folder for an ad hoc command.
    type: path
    required: true
  hosts:
    description:
      - Names of all hosts that were to be audited. A host without an entry in O(results) and without a profile is reported as C(not_run).
    type: list
    elements: str
    default: []
  results:
    description:
      - How the audit of each host ended.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host's name in the inventory of Ansible.
        type: str
        required: true
      status:
        description: How its audit ended.
        type: str
        required: true
        choices: [ok, unreachable, failed, invalid]
      reason:
        description: Why, for all but V(ok).
        type: str
      sha256:
        description: SHA-256 of the stored profile, which the merge compares.
        type: str
extends_documentation_fragment:
  - cryptofleet.audit._attributes.controller
seealso:
  - module: cryptofleet.audit.crypto_profile
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: Merge a folder of profiles from several runs
  cryptofleet.audit.crypto_inventory:
    audit: audits/2026-q1
  run_once: true
  register: inventory

- name: Read it
  ansible.builtin.debug:
    msg: "{{ inventory.summary }}"
"""

RETURN = r"""
inventory:
  description: Path of the merged document.
  returned: success
  type: str
manifest:
  description: Path of the list of all hosts.
  returned: success
  type: str
report:
  description: Path of the plain-text summary, one page and the details of it.
  returned: success
  type: str
summary:
  description: The first page of the summary, as lines; the details that follow it are in RV(report) alone.
  returned: success
  type: list
  elements: str
counts:
  description: Hosts by how their audit ended, and the assets found.
  returned: success
  type: dict
quarantined:
  description: Files that could not be used, with the reason.
  returned: success
  type: list
  elements: dict
"""
