# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of OpenSSH's server and client says of cryptography. Part of host_crypto.

The defaults of a distribution's build are not guessed: a keyword nobody set is null with the source "default". No private host key is
opened; what a host key is, is told by the .pub file beside it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .._formats.ssh_keys import line_facts
from .ssh_config import SshConfig, first_word

_SSHD, _SSH = "/etc/ssh/sshd_config", "/etc/ssh/ssh_config"

# sshd_config(5), ssh_config(5), and for GSSAPI the patch of Debian and Fedora. Former names count as the present ones.
_COMMON = ("KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "HostbasedAcceptedAlgorithms",
           "CASignatureAlgorithms", "RekeyLimit", "RequiredRSASize", "GSSAPIKexAlgorithms")
_FORMER = {"pubkeyacceptedkeytypes": "PubkeyAcceptedAlgorithms", "hostbasedacceptedkeytypes": "HostbasedAcceptedAlgorithms",
           "hostbasedkeytypes": "HostbasedAcceptedAlgorithms"}
_SERVER = _COMMON + ("HostKey",)

# RHEL 8: the unit gives sshd the policy's options on its command line, which comes before the file, unless /etc/sysconfig/sshd sets the
# variable anew (crypto-policies(7) of RHEL 8)
_POLICY = "/etc/crypto-policies/back-ends/opensshserver.config"
_UNITS = ("/etc/systemd/system/sshd.service", "/usr/lib/systemd/system/sshd.service", "/lib/systemd/system/sshd.service")
_OVERRIDE = "/etc/sysconfig/sshd"
_VARIABLE = re.compile(rb"^\s*CRYPTO_POLICY=(.*)$", re.MULTILINE)
_OPTION = re.compile(r"-o\s*([A-Za-z]+)=([^\s'\"]+)")

_MAX_HOST_KEYS = 20


def read_sshd(reader):
    """The part ``sshd``: path, settings, match_blocks, host_keys, unreadable. :arg reader: `Reader`."""
    config = SshConfig(reader, _keywords(_SERVER), frozenset(("HostKey",)))
    told = {}
    _command_line_policy(reader, config)
    found = config.read(_SSHD)
    reader.put(told, "path", _SSHD if found else None)
    told["settings"] = _settings(reader, config.settings, _SERVER)
    told["match_blocks"] = _blocks(reader, config)
    told["host_keys"] = _host_keys(reader, [first_word(setting.value) for setting in config.settings.get("HostKey", ())])
    told["unreadable"] = reader.unreadable()
    return told


def read_ssh(reader):
    """The part ``ssh`` (the client, system-wide): path, settings, match_blocks, unreadable. :arg reader: `Reader`."""
    config = SshConfig(reader, dict(_keywords(_COMMON), host="Host"))
    told = {}
    found = config.read(_SSH)
    reader.put(told, "path", _SSH if found else None)
    told["settings"] = _settings(reader, config.settings, _COMMON)
    told["match_blocks"] = _blocks(reader, config)
    told["unreadable"] = reader.unreadable()
    return told


def _keywords(names):
    return dict({name.lower(): name for name in names}, **_FORMER)


def _command_line_policy(reader, config):
    unit = next((data for data in (reader.read(path, 65536) for path in _UNITS) if data is not None), b"")
    if b"$CRYPTO_POLICY" not in unit:
        return
    source, found = _OVERRIDE, _VARIABLE.findall(reader.read(_OVERRIDE, 65536) or b"")
    if not found:
        source, found = _POLICY, _VARIABLE.findall(reader.read(_POLICY, 65536) or b"")
    for name, value in _OPTION.findall(found[-1].decode("utf-8", "surrogateescape") if found else ""):
        config.add(name, value, source, None)


def _settings(reader, held, names):
    """One entry a value; a keyword nobody set has one with value null and source default."""
    told = []
    for name in names:
        for setting in held.get(name, (None,)):
            entry = {"keyword": name, "line": setting.line if setting else None}
            # a path without its quotes: it is redacted as a path then
            reader.put(entry, "value", (first_word(setting.value) if name == "HostKey" else setting.value) if setting else None)
            reader.put(entry, "source", setting.path if setting else "default")
            told.append(entry)
    return told


def _blocks(reader, config):
    told = []
    for criteria, held in config.blocks:
        entry = {"settings": _settings(reader, held, [name for name in _SERVER if name in held])}
        reader.put(entry, "criteria", criteria)
        told.append(entry)
    return told


def _host_keys(reader, configured):
    """Facts of the public halves of the configured host keys, or of those in /etc/ssh where none is configured."""
    paths = [path + ".pub" for path in configured if path.startswith("/")] or reader.glob("/etc/ssh/ssh_host_*_key.pub")
    if len(paths) > _MAX_HOST_KEYS:
        reader.problem(_SSHD, "%d host keys: %d are listed" % (len(paths), _MAX_HOST_KEYS))
    told = []
    for path in paths[:_MAX_HOST_KEYS]:
        facts = line_facts(reader.read(path, 65536) or b"") or {}
        entry = {"key_type": facts.get("key_type"), "key_bits": facts.get("key_bits")}
        reader.put(entry, "path", path)
        told.append(entry)
        if not facts:
            reader.problem(path, "no public key could be read there")
    return told
