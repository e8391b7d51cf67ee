# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts ``crypto_policies`` (system-wide policies, crypto-policies(7)) and ``gnutls`` (system-wide configuration) of host_crypto.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

# crypto-policies(7), "FILES"; update-crypto-policies writes all of these.
_FOLDER = "/etc/crypto-policies"
_MAX_BACK_ENDS = 60
_MAX_POLICIES = 50

# GnuTLS manual, "System-wide configuration": the file and its sections. On RHEL it is a link to a back-end.
_GNUTLS = "/etc/gnutls/config"
_MAX_SETTINGS = 200
_GNUTLS_SECTIONS = ("global", "overrides", "priorities")


def read_crypto_policies(reader):
    """Read the part ``crypto_policies``.

    :arg reader: `Reader`.
    :returns: dict: present, configured, effective, policy, subpolicies, back_ends, own_policies, unreadable.
    """
    part = {"present": reader.exists(_FOLDER)}
    configured = _setting(reader.read(_FOLDER + "/config", 65536))
    current = _setting(reader.read(_FOLDER + "/state/current", 65536))
    reader.put_text(part, "configured", configured)
    reader.put_text(part, "effective", current)
    base, *modules = (current or b"").split(b":")
    reader.put_text(part, "policy", base)
    part["subpolicies"] = [_named_entry(reader, module) for module in modules if module][:_MAX_POLICIES]
    part["back_ends"] = _back_ends(reader)
    part["own_policies"] = _own_policies(reader)
    part["unreadable"] = reader.unreadable()
    return part


def _setting(data):
    """The policy in the content of config or state/current: its first line that is neither blank nor a comment.

    :arg data: bytes, or None.
    :returns: bytes, or None.
    """
    lines = [line.strip() for line in (data or b"").splitlines()]
    return next((line for line in lines if line and not line.startswith(b"#")), None)


def _named_entry(reader, name):
    """An entry of a list in the document: dict with ``name``, a bytes or str."""
    entry = {}
    reader.put_text(entry, "name", name)
    return entry


def _back_ends(reader):
    """The applications that have a back-end.

    :returns: list of dict: name; policy, which is None unless the back-end's file is a link to the file of a policy.
    """
    entries = []
    names = [name for name in reader.list_directory(_FOLDER + "/back-ends") if name.endswith(".config")]
    if len(names) > _MAX_BACK_ENDS:
        reader.add_unreadable(_FOLDER + "/back-ends", "more than %d back-ends; the rest are omitted" % _MAX_BACK_ENDS)
    for name in names[:_MAX_BACK_ENDS]:
        target = reader.link_target(_FOLDER + "/back-ends/" + name)
        parts = (target or "").split("/")
        entry = _named_entry(reader, name[:-len(".config")] or "?")
        # /usr/share/crypto-policies/DEFAULT/openssl.txt; with subpolicies the file is written in place
        reader.put_text(entry, "policy", parts[-2] if len(parts) > 1 else None)
        entries.append(entry)
    return entries


def _own_policies(reader):
    """The policies and modules that the administrator has added: list of dict with the file's name."""
    names = [name for folder in ("/policies", "/policies/modules") for name in reader.list_directory(_FOLDER + folder) if name.endswith((".pol", ".pmod"))]
    if len(names) > _MAX_POLICIES:
        reader.add_unreadable(_FOLDER + "/policies", "more than %d policies; the rest are omitted" % _MAX_POLICIES)
    return [_named_entry(reader, name) for name in sorted(names)[:_MAX_POLICIES]]


def read_gnutls(reader):
    """Read the part ``gnutls``.

    :arg reader: `Reader`.
    :returns: dict: path (None without a configuration), settings (as written, list of {section, name, value}), unreadable.
    """
    data = reader.read(_GNUTLS)
    part = {"settings": []}
    reader.put_text(part, "path", None if data is None else _GNUTLS)
    section = b""
    for line in (data or b"").splitlines():
        line = line.strip()
        if line.startswith(b"[") and line.endswith(b"]"):
            section = line[1:-1].strip().lower()
        elif line and not line.startswith((b"#", b";")) and section.decode("latin-1") in _GNUTLS_SECTIONS:
            if len(part["settings"]) == _MAX_SETTINGS:
                reader.add_unreadable(_GNUTLS, "more than %d settings; the rest are omitted" % _MAX_SETTINGS)
                break
            name, _equals, value = line.partition(b"=")
            entry = {"section": section.decode("latin-1")}
            reader.put_text(entry, "name", name.strip() or b"?")
            reader.put_text(entry, "value", value.strip())
            part["settings"].append(entry)
    part["unreadable"] = reader.unreadable()
    return part
