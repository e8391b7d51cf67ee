# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""System-wide cryptographic policies (crypto-policies(7)) and the system-wide configuration of GnuTLS. Part of host_crypto.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

# crypto-policies(7), "FILES"; update-crypto-policies writes all of these.
_FOLDER = "/etc/crypto-policies"
_MAX_BACK_ENDS = 60
_MAX_OWN = 50

# GnuTLS manual, "System-wide configuration": the file and its sections. On RHEL it is a link to a back-end.
_GNUTLS = "/etc/gnutls/config"
_MAX_LINES = 200
_GNUTLS_SECTIONS = ("global", "overrides", "priorities")


def read_crypto_policies(reader):
    """The part ``crypto_policies``: present, configured, effective, subpolicies, back_ends, own policies, unreadable.

    :arg reader: `Reader`.
    """
    told = {"present": reader.exists(_FOLDER)}
    configured = _setting(reader.read(_FOLDER + "/config", 65536))
    current = _setting(reader.read(_FOLDER + "/state/current", 65536))
    reader.put(told, "configured", configured)
    reader.put(told, "effective", current)
    base, *modules = (current or b"").split(b":")
    reader.put(told, "policy", base)
    told["subpolicies"] = [_text(reader, module) for module in modules if module][:_MAX_OWN]
    told["back_ends"] = _back_ends(reader)
    told["own_policies"] = _own(reader)
    told["unreadable"] = reader.unreadable()
    return told


def _setting(data):
    """The one line of config or state/current that is no comment (bytes), or None."""
    lines = [line.strip() for line in (data or b"").splitlines()]
    return next((line for line in lines if line and not line.startswith(b"#")), None)


def _text(reader, raw):
    entry = {}
    reader.put(entry, "name", raw)
    return entry


def _back_ends(reader):
    """Which applications have a back-end, and the policy each one's file is of, where it is a link to a policy's own."""
    found = []
    names = [name for name in reader.names(_FOLDER + "/back-ends") if name.endswith(".config")]
    if len(names) > _MAX_BACK_ENDS:
        reader.problem(_FOLDER + "/back-ends", "more than %d back-ends: the others are not listed" % _MAX_BACK_ENDS)
    for name in names[:_MAX_BACK_ENDS]:
        target = reader.target(_FOLDER + "/back-ends/" + name)
        parts = (target or "").split("/")
        entry = _text(reader, name[:-len(".config")] or "?")
        # /usr/share/crypto-policies/DEFAULT/openssl.txt; with subpolicies the file is written in place
        reader.put(entry, "policy", parts[-2] if len(parts) > 1 else None)
        found.append(entry)
    return found


def _own(reader):
    """Policies and modules that the administrator has added, by file name."""
    names = [name for folder in ("/policies", "/policies/modules") for name in reader.names(_FOLDER + folder) if name.endswith((".pol", ".pmod"))]
    if len(names) > _MAX_OWN:
        reader.problem(_FOLDER + "/policies", "more than %d policies: the others are not listed" % _MAX_OWN)
    return [_text(reader, name) for name in sorted(names)[:_MAX_OWN]]


def read_gnutls(reader):
    """The part ``gnutls``: config (path or null), its settings as written, unreadable. :arg reader: `Reader`."""
    data = reader.read(_GNUTLS)
    told = {"settings": []}
    reader.put(told, "path", None if data is None else _GNUTLS)
    section = b""
    for line in (data or b"").splitlines():
        line = line.strip()
        if line.startswith(b"[") and line.endswith(b"]"):
            section = line[1:-1].strip().lower()
        elif line and not line.startswith((b"#", b";")) and section.decode("latin-1") in _GNUTLS_SECTIONS:
            if len(told["settings"]) == _MAX_LINES:
                reader.problem(_GNUTLS, "more than %d settings: the others are not listed" % _MAX_LINES)
                break
            name, _equals, value = line.partition(b"=")
            entry = {"section": section.decode("latin-1")}
            reader.put(entry, "name", name.strip() or b"?")
            reader.put(entry, "value", value.strip())
            told["settings"].append(entry)
    told["unreadable"] = reader.unreadable()
    return told
