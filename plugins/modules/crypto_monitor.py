#!/usr/bin/python
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crypto_monitor
short_description: Return the crypto events of a window, one by one
version_added: 0.1.0
description:
  - Opens a window as M(cryptofleet.audit.crypto_profile) does and gives its events in the order of time instead of a profile.
  - The result is a summary with the first events. Set O(dest) to store all of them on the controller, or O(return_document) to have
    them in the result.
  - The last event is always C(coverage), so a stream that was cut can't look whole.
  - With O(dest) the stream is stored on the controller as JSON Lines, one event a line.
requirements:
  - The same as of M(cryptofleet.audit.crypto_profile)
options:
  events:
    description:
      - Kinds of event to return. All of them where it is empty.
    type: list
    elements: str
    choices: [process_exec, process_fork, process_exit, file_open, library_load, operation, tls_handshake, ssh_kex]
    default: []
  file:
    description:
      - Globs. An event about a file counts only where its path matches one of them.
    type: list
    elements: str
    default: []
    aliases: [files]
  library:
    description:
      - Globs. An event about a library counts only where the library's path or name matches one of them.
    type: list
    elements: str
    default: []
    aliases: [libraries]
  max_events:
    description:
      - Events returned at most, from V(1) to V(1000000). The window ends when they are reached, and the coverage says so.
    type: int
    default: 10000
  redact:
    description:
      - Whether passwords, tokens and keys in command lines and the names of home directories are replaced.
    type: bool
    default: true
  dest:
    description:
      - File on the controller to store the stream in. The result is a summary then.
      - A folder, or a path that ends in V(/), gets one file a host, C(HOST.jsonl.gz).
      - A name that ends in C(.gz) is compressed. The file appears whole or not at all, with mode C(0600).
      - A relative path starts where the playbook is, or in the current folder for an ad hoc command.
    type: path
  return_document:
    description:
      - Whether the events themselves and the coverage are in the result, cut to 190,000 bytes where they are larger. Without it the result
        is a summary with the first 15 events, one line each.
      - Has no effect with O(dest), where the events are in the file.
    type: bool
    default: false
extends_documentation_fragment:
  - cryptofleet.audit._attributes
  - cryptofleet.audit._options.targets
  - cryptofleet.audit._options.window
  - cryptofleet.audit._options.probes
seealso:
  - module: cryptofleet.audit.crypto_profile
author:
  - cryptofleet.audit contributors (@cryptofleet)
"""

EXAMPLES = r"""
- name: Which keys and certificates are opened in the next minute
  cryptofleet.audit.crypto_monitor:
    duration: 60
    events: [file_open]
    file: ["*.pem", "/etc/ssl/*"]
    return_document: true
  become: true
  register: opened

- name: Keep everything that happens, for later
  cryptofleet.audit.crypto_monitor:
    duration: 600
    max_events: 200000
    dest: events/
  become: true
"""

RETURN = r"""
events:
  description:
    - The events, as C(plugins/plugin_utils/schemas/event.schema.json) describes them.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: list
  elements: dict
  sample:
    - event: file_open
      time: "2026-01-31T12:00:00.123456Z"
      pid: 4711
      name: nginx
      exe: /usr/sbin/nginx
      path: /etc/ssl/private/example.key
      kind: private_key
      flags: [O_RDONLY]
      result: ok
coverage:
  description: What was observed, what could not be, what was lost.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: dict
summary:
  description: The stream in about thirty lines.
  returned: success
  type: dict
  contains:
    events:
      description: Events of the stream, the coverage not counted.
      type: int
    counts:
      description: How many events of which kind.
      type: dict
    first_events:
      description: The first 15 events that are not of Ansible's own connection or the audit itself, as texts of one line.
      type: list
      elements: str
    complete:
      description: Whether the coverage is complete.
      type: bool
    reasons:
      description: Why the coverage is not complete, which processes are excluded from it, and notes, each with its remedy; the first 5.
      type: list
      elements: str
msg:
  description: How many events of which kind, and whether the coverage is complete.
  returned: success
  type: str
truncated:
  description: Whether events were left out of RV(events) to keep the result under 200 KB.
  returned: when O(return_document) is V(true) and O(dest) is not set
  type: bool
omitted:
  description: How many events were left out.
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
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.monitor import monitor
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import request_from, target_options, window_options

EVENTS = ["process_exec", "process_fork", "process_exit", "file_open", "library_load", "operation", "tls_handshake", "ssh_kex"]


def argspec():
    return dict(
        target_options(),
        **window_options(),
        events={"type": "list", "elements": "str", "choices": EVENTS, "default": []},
        file={"type": "list", "elements": "str", "default": [], "aliases": ["files"]},
        library={"type": "list", "elements": "str", "default": [], "aliases": ["libraries"]},
        max_events={"type": "int", "default": 10000},
        redact={"type": "bool", "default": True},
        dest={"type": "path"},
        return_document={"type": "bool", "default": False}
    )


def main():
    module = AnsibleModule(argument_spec=argspec(), supports_check_mode=True)
    params = module.params
    lines = []
    filters = {"events": params["events"], "files": params["file"], "libraries": params["library"]}
    try:
        coverage = monitor(request_from(params), filters, lines.append)
    except AuditError as error:
        module.fail_json(msg=str(error))
    # not needed before probes attach, so it is not compiled before
    from ansible_collections.cryptofleet.audit.plugins.module_utils._window.result import asked, monitor_result
    module.exit_json(asked=asked(params), **monitor_result(lines, coverage, bool(params["dest"]), params["return_document"]))


if __name__ == "__main__":
    main()
