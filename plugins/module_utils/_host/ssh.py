# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts ``sshd`` and ``ssh`` of host_crypto: the cryptographic settings of OpenSSH's server and client.

The defaults of a distribution's build are not guessed: a keyword that is not set is null with the source "default". No private host key is
opened; type and size of a host key are read from its .pub file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .._formats.ssh_keys import line_facts
from .ssh_config import SshConfig, first_word

_SSHD, _SSH = "/etc/ssh/sshd_config", "/etc/ssh/ssh_config"

# sshd_config(5), ssh_config(5), and for GSSAPI the patch of Debian and Fedora. Former names of keywords are reported under the current ones.
_COMMON = ("KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "HostbasedAcceptedAlgorithms",
           "CASignatureAlgorithms", "RekeyLimit", "RequiredRSASize", "GSSAPIKexAlgorithms")
_FORMER = {"pubkeyacceptedkeytypes": "PubkeyAcceptedAlgorithms", "hostbasedacceptedkeytypes": "HostbasedAcceptedAlgorithms",
           "hostbasedkeytypes": "HostbasedAcceptedAlgorithms"}
_SERVER = _COMMON + ("HostKey",)

# RHEL 8: the unit passes the policy's options on sshd's command line, which takes precedence over the file, unless /etc/sysconfig/sshd
# overrides the variable (crypto-policies(7) of RHEL 8)
_POLICY = "/etc/crypto-policies/back-ends/opensshserver.config"
_UNITS = ("/etc/systemd/system/sshd.service", "/usr/lib/systemd/system/sshd.service", "/lib/systemd/system/sshd.service")
_OVERRIDE = "/etc/sysconfig/sshd"
_VARIABLE = re.compile(rb"^[ \t]*CRYPTO_POLICY=(.*)$", re.MULTILINE)  # \s would match line ends, and take quadratic time over blank lines
_OPTION = re.compile(r"-o\s*([A-Za-z]+)=([^\s'\"]+)")
_MAX_UNIT = 65536  # bytes of a unit, an environment file or a .pub file

_MAX_HOST_KEYS = 20


def read_sshd(reader):
    """Read the part ``sshd``.

    :arg reader: `Reader`.
    :returns: dict: path (None without a configuration), settings, match_blocks, host_keys, unreadable.
    """
    config = SshConfig(reader, _keywords(_SERVER), frozenset(("HostKey",)))
    part = {}
    _command_line_policy(reader, config)
    found = config.read(_SSHD)
    reader.put_text(part, "path", _SSHD if found else None)
    part["settings"] = _settings(reader, config.settings, _SERVER)
    part["match_blocks"] = _blocks(reader, config)
    part["host_keys"] = _host_keys(reader, [first_word(setting.value) for setting in config.settings.get("HostKey", ())])
    part["unreadable"] = reader.unreadable()
    return part


def read_ssh(reader):
    """Read the part ``ssh``: the system-wide configuration of the client.

    :arg reader: `Reader`.
    :returns: dict: path (None without a configuration), settings, match_blocks, unreadable.
    """
    config = SshConfig(reader, dict(_keywords(_COMMON), host="Host"))
    part = {}
    found = config.read(_SSH)
    reader.put_text(part, "path", _SSH if found else None)
    part["settings"] = _settings(reader, config.settings, _COMMON)
    part["match_blocks"] = _blocks(reader, config)
    part["unreadable"] = reader.unreadable()
    return part


def _keywords(names):
    """The keywords argument of `SshConfig` for these names and the former ones."""
    return dict({name.lower(): name for name in names}, **_FORMER)


def _command_line_policy(reader, config):
    """Add the policy's options on sshd's command line (RHEL 8) to a configuration, before its file is read.

    :arg reader: `Reader`.
    :arg config: `SshConfig`.
    """
    unit = next((data for data in (reader.read(path, _MAX_UNIT) for path in _UNITS) if data is not None), b"")
    if b"$CRYPTO_POLICY" not in unit:
        return
    source, values = _OVERRIDE, _VARIABLE.findall(reader.read(_OVERRIDE, _MAX_UNIT) or b"")
    if not values:
        source, values = _POLICY, _VARIABLE.findall(reader.read(_POLICY, _MAX_UNIT) or b"")
    for name, value in _OPTION.findall(values[-1].decode("utf-8", "surrogateescape") if values else ""):
        config.add(name, value, source, None)


def _settings(reader, settings, names):
    """The entries of settings.

    :arg reader: `Reader`.
    :arg settings: dict of name -> list of `Setting`.
    :arg names: iterable of str, the keywords to report.
    :returns: list of dict: keyword, line, value, source; one for each value, and one with value None for a keyword that is not set.
    """
    entries = []
    for name in names:
        for setting in settings.get(name, (None,)):
            entry = {"keyword": name, "line": setting.line if setting else None}
            # without its quotes, a path is redacted as a path
            reader.put_text(entry, "value", (first_word(setting.value) if name == "HostKey" else setting.value) if setting else None)
            reader.put_text(entry, "source", setting.path if setting else "default")
            entries.append(entry)
    return entries


def _blocks(reader, config):
    """The entries of match_blocks: list of dict, criteria and settings."""
    entries = []
    for criteria, settings in config.blocks:
        entry = {"settings": _settings(reader, settings, [name for name in _SERVER if name in settings])}
        reader.put_text(entry, "criteria", criteria)
        entries.append(entry)
    return entries


def _host_keys(reader, configured):
    """The entries of host_keys, from the keys' .pub files.

    :arg reader: `Reader`.
    :arg configured: list of str, paths of host keys; those in /etc/ssh where it has no absolute one.
    :returns: list of dict: path, key_type, key_bits.
    """
    paths = [path + ".pub" for path in configured if path.startswith("/")] or reader.glob("/etc/ssh/ssh_host_*_key.pub")
    if len(paths) > _MAX_HOST_KEYS:
        reader.add_unreadable(_SSHD, "%d host keys; only %d are listed" % (len(paths), _MAX_HOST_KEYS))
    entries = []
    for path in paths[:_MAX_HOST_KEYS]:
        facts = line_facts(reader.read(path, _MAX_UNIT) or b"") or {}
        entry = {"key_type": facts.get("key_type"), "key_bits": facts.get("key_bits")}
        reader.put_text(entry, "path", path)
        entries.append(entry)
        if not facts:
            reader.add_unreadable(path, "missing, or not a public key")
    return entries
