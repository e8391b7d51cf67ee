#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_profile
short_description: Observe which cryptography a host really uses, for a bounded window
version_added: 0.1.0
description:
  - Opens a window on a Linux host, watches processes with eBPF probes while it is open, and returns one profile document.
    It says which processes ran, which crypto libraries they loaded, which keys and certificates they opened and which
    algorithms they used.
  - The result is a summary. Set O(dest) to store the profile itself on the controller, or O(return_document) to have it in the result.
  - The profile's C(coverage) says what was observed, what could not be and what was lost. A profile of a host where no probe
    could be attached can't look like a clean one.
  - Nothing is installed on the host and nothing is left there. No key material, plaintext or environment is ever read into the profile.
  - The action plugin validates the profile against the collection's JSON Schema before it is returned or stored.
    A window of 15 seconds or more over a network connection runs as a job of its own on the host, so an idle connection that
    is cut does not end it.
requirements:
  - Root, for the full grade
  - libbpf.so.1 or libbpf.so.0 on the host and a kernel with type information (BTF), for the engine V(libbpf)
  - Python 3.8 or newer on the host (3.9 with ansible-core 2.20 or newer), nothing but its standard library
  - jsonschema 4.18 or newer on the controller
options: {}
extends_documentation_fragment:
  - cryptofleet.audit._attributes
  - cryptofleet.audit._options.targets
  - cryptofleet.audit._options.window
  - cryptofleet.audit._options.probes
  - cryptofleet.audit._options.document
seealso:
  - module: cryptofleet.audit.crypto_preflight
  - module: cryptofleet.audit.crypto_snapshot
  - module: cryptofleet.audit.crypto_monitor
  - module: cryptofleet.audit.crypto_collect
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: Observe the whole host for half a minute
  cryptofleet.audit.crypto_profile:
    duration: 30
    return_document: true
  become: true
  register: crypto

- name: Fail where a service negotiated less than TLS 1.2
  ansible.builtin.assert:
    that: crypto.profile.processes | map(attribute='tls') | flatten | selectattr('version') | map(attribute='version.name') | intersect(old) | length == 0
  vars:
    old: [TLS 1.0, TLS 1.1]

- name: Observe nginx, all of its processes, for five minutes, and keep the profile on the controller
  cryptofleet.audit.crypto_profile:
    name: nginx
    duration: 300
    dest: profiles/
  become: true

- name: Observe one service without its children
  cryptofleet.audit.crypto_profile:
    unit: postgresql.service
    follow_children: false
  become: true

- name: Open the windows of many hosts together, whatever forks is
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
profile:
  description:
    - The profile document, as C(plugins/plugin_utils/schemas/profile.schema.json) describes it field by field.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: dict
  contains:
    schema_version:
      description: Version of the document's form.
      type: str
    host:
      description: The host as it described itself.
      type: dict
    window:
      description: When probes were attached.
      type: dict
    targets:
      description: Which processes were asked for.
      type: dict
    engine:
      description: How probes ran.
      type: dict
    coverage:
      description: What was observed, what could not be, what was lost. Read it first.
      type: dict
    processes:
      description: Processes with their C(libraries), C(files), C(operations), C(tls) and C(ssh).
      type: list
      elements: dict
    unattributed:
      description: Handshakes whose process is not known for sure, C(tls) and C(ssh).
      type: dict
    host_crypto:
      description:
        - What the host has configured and holds, whatever its processes do. V(null) where O(probes.host_crypto) is V(false).
        - FIPS mode, crypto-policies, OpenSSL and GnuTLS defaults, the kernel's algorithms, IPsec, WireGuard, kTLS, encrypted storage, signatures
          of kernel modules, OpenSSH's configuration and the trust store. Each part ends with C(unreadable), what could not be read and why.
      type: dict
    statistics:
      description: Sizes of the lists.
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
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import (
    document_options,
    request_from,
    target_options,
    window_options,
)
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.tracer import trace


def argspec():
    return dict(target_options(), **window_options(), **document_options())


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    try:
        profile = trace(request_from(module.params))
    except AuditError as error:
        module.fail_json(msg=str(error))
    # not needed before probes attach, so it is not compiled before
    from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import asked, profile_result
    module.exit_json(asked=asked(module.params), **profile_result(profile, bool(module.params["dest"]), module.params["return_document"]))


if __name__ == "__main__":
    main()
