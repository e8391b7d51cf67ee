# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules share, as module_utils/_window/options.py has them. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    TARGETS = r"""
options:
  pid:
    description:
      - Process ids to observe.
      - Without O(pid), O(name), O(unit) and O(container) the whole host is observed. With several of them, a process is selected if it matches any one.
    type: list
    elements: int
    default: []
    aliases: [pids]
  name:
    description:
      - Names to observe. Each is compared with the process name (C(comm)) and with the last part of the program's path. Globs are allowed.
      - Processes that start during the window are matched too.
    type: list
    elements: str
    default: []
    aliases: [names]
  unit:
    description:
      - systemd units to observe, such as V(nginx.service). V(.service) may be left out.
    type: list
    elements: str
    default: []
    aliases: [units]
  container:
    description:
      - Containers to observe, by id or by its first 12 or more characters.
    type: list
    elements: str
    default: []
    aliases: [containers]
  follow_children:
    description:
      - Whether processes started by a selected process are selected too.
    type: bool
    default: true
"""

    WINDOW = r"""
options:
  duration:
    description:
      - Length of the window in seconds, from V(1) to V(3600).
      - The host ends the window by itself, whatever happens to the controller or the connection.
    type: int
    default: 30
  engine:
    description:
      - How to observe. V(auto) takes the best engine that the host can run; the result says why not a better one.
      - V(libbpf) needs root, and fails if it can't run.
      - V(procfs) polls C(/proc). It needs no privilege for processes of the same user, and misses short-lived processes.
    type: str
    choices: [auto, libbpf, procfs]
    default: auto
"""

    PROBES = r"""
options:
  probes:
    description:
      - Probes to disable, by setting them to V(false).
    type: dict
    default: {}
    suboptions:
      process:
        description: Start and end of processes.
        type: bool
        default: true
      file_open:
        description: Opens of certificates, keys and other crypto files.
        type: bool
        default: true
      library_load:
        description: Crypto libraries as they are mapped.
        type: bool
        default: true
      openssl_api:
        description: Operations of OpenSSL that programs call.
        type: bool
        default: true
      library_api:
        description: Operations of GnuTLS, NSS, Libgcrypt, libsodium, Nettle, wolfSSL and Mbed TLS that programs call.
        type: bool
        default: true
      tls_handshake:
        description: TLS, QUIC and DTLS handshakes, whatever library makes them.
        type: bool
        default: true
      ssh_kex:
        description: SSH key exchanges.
        type: bool
        default: true
      host_crypto:
        description:
          - Configuration of the host, C(host_crypto) of the profile. It is read after the window.
          - Only M(cryptofleet.audit.crypto_profile) has it among its probes; in other modules this has no effect.
        type: bool
        default: true
"""

    DOCUMENT = r"""
options:
  redact:
    description:
      - Whether passwords, tokens and keys in command lines, and user names in paths, are replaced on the host.
    type: bool
    default: true
  max_processes:
    description:
      - Processes reported at most, from V(1) to V(100000). Further ones are counted in the coverage.
    type: int
    default: 2000
  max_files:
    description:
      - Files reported at most for one process, from V(1) to V(100000).
    type: int
    default: 500
  max_libraries:
    description:
      - Libraries reported at most for one process, from V(1) to V(10000).
    type: int
    default: 200
  max_operations:
    description:
      - Kinds of operation reported at most for one process, from V(1) to V(100000).
    type: int
    default: 500
  max_handshakes:
    description:
      - Kinds of TLS handshake, and of SSH key exchange, reported at most for one process, from V(2) to V(100000).
      - If a server has more clients than half of this, the further ones are counted together, without their addresses.
    type: int
    default: 500
  dest:
    description:
      - File on the controller to store the whole document in. The result is a summary then.
      - A folder, or a path that ends in V(/), gets one file a host, C(HOST.json.gz).
      - A name that ends in C(.gz) is compressed. The file appears whole or not at all, with mode C(0600).
      - A relative path starts where the playbook is, or in the current folder for an ad hoc command.
    type: path
  return_document:
    description:
      - Whether the document itself is in the result, cut to 190,000 bytes where it is larger. Without it the result is a summary of about
        twenty lines.
      - Has no effect with O(dest), where the document is in the file.
    type: bool
    default: false
"""
