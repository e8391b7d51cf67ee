# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``openssl`` of host_crypto: system-wide TLS defaults, providers and engines.

The modules that are loaded are in ``processes[].libraries[]``: the library catalogue has those in ossl-modules and engines directories.

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
    """Read the part ``openssl``.

    :arg reader: `Reader`.
    :returns: dict: configs (one for each configuration file), modules and engines (list of {name, path}), unreadable.
    """
    part = {"configs": [], "modules": _modules(reader, _MODULES), "engines": _modules(reader, _ENGINES)}
    known = set()
    for path in CONFIGS:
        identity = reader.identity(path)
        if identity in known:
            continue
        if identity:
            known.add(identity)
        config = Config(reader, path)
        if config.found:
            part["configs"].append(_config(reader, path, config))
    part["unreadable"] = reader.unreadable()
    return part


def _config(reader, path, config):
    """An entry of configs.

    :arg reader: `Reader`.
    :arg path: str, the configuration file.
    :arg config: `Config` of it.
    :returns: dict: path, files (list of {path}, included ones too), tls, providers, default_properties, fips_mode.
    """
    entry = {"files": []}
    reader.put_text(entry, "path", path)
    for name in config.files:
        shown = {}
        reader.put_text(shown, "path", name)
        entry["files"].append(shown)
    defaults = tls_defaults(config)
    entry["tls"] = {"security_level": defaults["security_level"]}
    for field in TLS_FIELDS:
        reader.put_text(entry["tls"], field, defaults[field])
    configured = providers(config)
    if len(configured) > _MAX_PROVIDERS:
        reader.add_unreadable(path, "more than %d providers; the rest are omitted" % _MAX_PROVIDERS)
    entry["providers"] = []
    for name, values, activated in configured[:_MAX_PROVIDERS]:
        provider = {"activated": activated}
        reader.put_text(provider, "name", values.get("identity") or name or "?")
        reader.put_text(provider, "module", values.get("module"))
        entry["providers"].append(provider)
    properties, fips_mode = default_properties(config)
    reader.put_text(entry, "default_properties", properties)
    reader.put_text(entry, "fips_mode", fips_mode)
    return entry


def _modules(reader, patterns):
    """The shared objects in the directories that match, each directory once even if it has several names.

    :arg reader: `Reader`.
    :arg patterns: tuple of str, see `Reader.glob`.
    :returns: list of dict: name, path; sorted by path.
    """
    modules, known = [], set()
    for pattern in patterns:
        for directory in reader.glob(pattern):
            identity = reader.identity(directory)
            if identity in known:
                continue
            known.add(identity)
            for name in reader.list_directory(directory):
                if not name.endswith(".so"):
                    continue
                if len(modules) == _MAX_MODULES:
                    reader.add_unreadable(directory, "more than %d modules; the rest are omitted" % _MAX_MODULES)
                    break
                entry = {}
                reader.put_text(entry, "name", name[:-3] or "?")
                reader.put_text(entry, "path", directory + "/" + name)
                modules.append(entry)
    return sorted(modules, key=lambda entry: entry["path"])


def fips_provider(part):
    """Whether the FIPS provider is configured and installed.

    :arg part: dict, the part that `read_openssl` returned.
    :returns: tuple. configured: True where a configuration activates it, False where none does, None where that depends on OpenSSL's version
        (see `providers`); present: bool, whether its module is installed.
    """
    activated = [provider["activated"] for config in part["configs"] for provider in config["providers"] if provider["name"] == "fips"]
    configured = True if True in activated else None if None in activated else False
    return configured, any(module["name"] == "fips" for module in part["modules"])
