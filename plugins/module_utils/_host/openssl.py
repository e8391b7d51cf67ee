# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSL as a host has configured it: system-wide defaults of TLS, providers and engines. Part of host_crypto.

Which modules are loaded is told by ``processes[].libraries[]``: modules in ossl-modules and engines folders are in the catalogue.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .openssl_config import TLS_FIELDS, Config, default_properties, providers, tls_defaults

# OPENSSLDIR as distributions build it: Fedora and RHEL; Debian, SUSE, Alpine and Arch; Debian's own name for it; OpenSSL's INSTALL.md.
CONFIGS = ("/etc/pki/tls/openssl.cnf", "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf", "/usr/local/ssl/openssl.cnf")

# MODULESDIR and ENGINESDIR (openssl version -m, -e): OpenSSL 3 has ossl-modules and engines-3, 1.1 has engines-1.1.
_MODULES = ("/usr/lib/ossl-modules", "/usr/lib64/ossl-modules", "/usr/lib/*/ossl-modules", "/usr/local/lib/ossl-modules", "/usr/local/lib64/ossl-modules")
_ENGINES = ("/usr/lib/engines-*", "/usr/lib64/engines-*", "/usr/lib/*/engines-*", "/usr/local/lib/engines-*", "/usr/local/lib64/engines-*")
_MAX_MODULES = 100
_MAX_PROVIDERS = 50


def read_openssl(reader):
    """The part ``openssl``: configs, modules, engines, unreadable. :arg reader: `Reader`."""
    told = {"configs": [], "modules": _modules(reader, _MODULES), "engines": _modules(reader, _ENGINES)}
    known = set()
    for path in CONFIGS:
        identity = reader.identity(path)
        if identity in known:
            continue
        if identity:
            known.add(identity)
        config = Config(reader, path)
        if config.found:
            told["configs"].append(_config(reader, path, config))
    told["unreadable"] = reader.unreadable()
    return told


def _config(reader, path, config):
    entry = {"files": []}
    reader.put(entry, "path", path)
    for name in config.files:
        shown = {}
        reader.put(shown, "path", name)
        entry["files"].append(shown)
    told = tls_defaults(config)
    entry["tls"] = {"security_level": told["security_level"]}
    for field in TLS_FIELDS:
        reader.put(entry["tls"], field, told[field])
    found = providers(config)
    if len(found) > _MAX_PROVIDERS:
        reader.problem(path, "more than %d providers: the others are not listed" % _MAX_PROVIDERS)
    entry["providers"] = []
    for name, values, activated in found[:_MAX_PROVIDERS]:
        provider = {"activated": activated}
        reader.put(provider, "name", values.get("identity") or name or "?")
        reader.put(provider, "module", values.get("module"))
        entry["providers"].append(provider)
    properties, fips_mode = default_properties(config)
    reader.put(entry, "default_properties", properties)
    reader.put(entry, "fips_mode", fips_mode)
    return entry


def _modules(reader, patterns):
    """Shared objects in the folders that match, without those of a folder met before under another name."""
    told, known = [], set()
    for pattern in patterns:
        for folder in reader.glob(pattern):
            identity = reader.identity(folder)
            if identity in known:
                continue
            known.add(identity)
            for name in reader.names(folder):
                if not name.endswith(".so"):
                    continue
                if len(told) == _MAX_MODULES:
                    reader.problem(folder, "more than %d modules: the others are not listed" % _MAX_MODULES)
                    break
                entry = {}
                reader.put(entry, "name", name[:-3] or "?")
                reader.put(entry, "path", folder + "/" + name)
                told.append(entry)
    return sorted(told, key=lambda entry: entry["path"])


def fips_provider(told):
    """``(configured, present)`` of the FIPS provider, from the part `read_openssl` gave.

    configured: activated in a configuration, True, False, or None where its line says no and the version decides; present: its module is
    on the disk.
    """
    found = [provider["activated"] for config in told["configs"] for provider in config["providers"] if provider["name"] == "fips"]
    configured = True if True in found else None if None in found else False
    return configured, any(module["name"] == "fips" for module in told["modules"])
