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
    algorithms they operated with.
  - The profile's C(coverage) says what could be looked at, what could not and what was lost. A profile of a host where no probe
    could be attached can't look like a clean one.
  - Nothing is installed on the host and nothing is left there. No key material, plaintext or environment is ever read into the profile.
  - The action plugin validates the profile against the collection's JSON Schema before it is returned or stored.
    A window of 15 seconds or more over a network connection runs as a job of its own on the host, so an idle connection that
    is cut does not end it.
requirements:
  - Root, for the full grade.
  - libbpf.so.1 or libbpf.so.0 on the host and a kernel with type information (BTF), for the engine V(libbpf).
  - Python 3.8 or newer on the host. Nothing but its standard library.
  - jsonschema 4.18 or newer on the controller.
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
- name: Look at the whole host for half a minute
  cryptofleet.audit.crypto_profile:
    duration: 30
  become: true
  register: crypto

- name: Look at nginx, all of its processes, for five minutes, and keep the profile on the controller
  cryptofleet.audit.crypto_profile:
    name: nginx
    duration: 300
    dest: profiles/
  become: true

- name: Look at one service without its children
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
  returned: when O(dest) is not set
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
      description: What was looked at, what could not be, what was lost. Read it first.
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
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import (
    document_options,
    request_from,
    target_options,
    window_options,
)
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import profile_result
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.tracer import trace


def argspec():
    return dict(target_options(), **window_options(), **document_options())


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    try:
        profile = trace(request_from(module.params))
    except AuditError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**profile_result(profile, whole=bool(module.params["dest"])))


if __name__ == "__main__":
    main()
