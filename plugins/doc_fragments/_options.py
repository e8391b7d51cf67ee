# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules share. Private to the collection. They stand beside module_utils/_window/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    TARGETS = r"""
options:
  pid:
    description:
      - Process ids to look at.
      - Without O(pid), O(name), O(unit) and O(container) the whole host is looked at. With several of them, a process that meets any one counts.
    type: list
    elements: int
    default: []
    aliases: [pids]
  name:
    description:
      - Names to look at. Each is compared with the process name (C(comm)) and with the last part of the program's path. Globs are allowed.
      - Every match counts, those that start within the window too.
    type: list
    elements: str
    default: []
    aliases: [names]
  unit:
    description:
      - systemd units to look at, such as V(nginx.service). V(.service) is taken as given where there is no suffix.
    type: list
    elements: str
    default: []
    aliases: [units]
  container:
    description:
      - Containers to look at, by id or by the first 12 or more characters of it.
    type: list
    elements: str
    default: []
    aliases: [containers]
  follow_children:
    description:
      - Whether processes started by a chosen process count as chosen.
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
      - How to look. V(auto) takes the best engine the host can run and says in the result why not a better one.
      - V(libbpf) needs root, and fails where it can't run.
      - V(procfs) polls C(/proc). It needs no privilege for processes of the same user, and short-lived processes escape it.
    type: str
    choices: [auto, libbpf, procfs]
    default: auto
"""

    PROBES = r"""
options:
  probes:
    description:
      - Probes to leave out, by setting them to V(false).
    type: dict
    default: {}
    suboptions:
      process:
        description: Starts and ends of processes.
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
        description: Calls of OpenSSL's functions.
        type: bool
        default: true
      library_api:
        description: Calls of the functions of GnuTLS, NSS, Libgcrypt, libsodium, Nettle, wolfSSL and Mbed TLS.
        type: bool
        default: true
      tls_handshake:
        description: TLS, QUIC and DTLS handshakes on the wire, whatever library makes them.
        type: bool
        default: true
      ssh_kex:
        description: SSH key exchanges on the wire.
        type: bool
        default: true
      host_crypto:
        description:
          - What the host has configured, C(host_crypto) of the profile. It is read after the window.
          - Only M(cryptofleet.audit.crypto_profile) has it among its probes; elsewhere this has no effect.
        type: bool
        default: true
"""

    DOCUMENT = r"""
options:
  redact:
    description:
      - Whether passwords, tokens and keys in command lines and the names of home directories are replaced.
    type: bool
    default: true
  max_processes:
    description:
      - Processes reported at most, from V(1) to V(100000). Those over it are counted in the coverage.
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
      - A server with more clients than half of it has the further ones counted together, without their addresses.
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
