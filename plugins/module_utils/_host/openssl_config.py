# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSL's configuration file: its sections, and the settings for TLS and providers in them.

The grammar is that of config(5) of OpenSSL 3; the sections are those of config(5), "OPENSSL LIBRARY CONFIGURATION", and the commands
those of SSL_CONF_cmd(3), "SUPPORTED CONFIGURATION FILE COMMANDS".

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

_MAX_INCLUDES = 64  # files in all
_MAX_DEPTH = 8  # includes within includes
_MAX_VALUES = 20000  # of all sections
_MAX_EXPANDED = 65536  # characters of a value; OpenSSL's own limit, MAX_CONF_VALUE_LENGTH of crypto/conf/conf_local.h

# Patterns that can't backtrack, and names of a bounded length: a crafted line must not take quadratic time.
_SECTION = re.compile(r"\[([^\]]*)\]")
_DIRECTIVE = re.compile(r"\.(include|pragma)\b[ \t]*=?[ \t]*(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([^}]{0,1024})\}|\(([^)]{0,1024})\)|([A-Za-z0-9_]+(?:::[A-Za-z0-9_]+)?))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b"}

# SSL_CONF_cmd(3): commands in a configuration file, in any case -> key of `tls_defaults`. MinProtocol and MaxProtocol are handled there.
_COMMANDS = {"cipherstring": "cipher_string", "ciphersuites": "ciphersuites", "groups": "groups", "curves": "groups",
             "signaturealgorithms": "signature_algorithms", "clientsignaturealgorithms": "client_signature_algorithms",
             "options": "options", "protocol": "protocol", "dhparameters": "dh_parameters"}
TLS_FIELDS = ("min_protocol", "max_protocol", "dtls_min_protocol", "dtls_max_protocol") + tuple(dict.fromkeys(_COMMANDS.values()))
_SECURITY_LEVEL = re.compile(r"@SECLEVEL=([0-5])(?![0-9])")
_TRUE, _FALSE = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


class Config:
    """The sections of a configuration file and of the files that it includes.

    :arg reader: `Reader`.
    :arg path: str, the file.
    :ivar sections: dict of name -> dict of name -> value (str; bytes that are not UTF-8 as os.fsdecode has them), in the file's order.
    :ivar files: list of str, the paths read, in the order of reading.
    :ivar found: bool, whether the file could be read.
    """

    def __init__(self, reader, path):
        self._reader = reader
        self._section = "default"
        self._values = 0
        self._dollar_in_names = False
        self.sections = {"default": {}}
        self.files = []
        self.found = self._read(path, 0)

    def get(self, section, name):
        """Look up a value as NCONF_get_string(3) does: in the section, then in the default section.

        :arg section: str.
        :arg name: str.
        :returns: str, or None where neither section has it.
        """
        value = self.sections.get(section, {}).get(name)
        return self.sections["default"].get(name) if value is None else value

    def _read(self, path, depth):
        data = self._reader.read(path)
        if data is None:
            return False
        self.files.append(path)
        for line in _lines(data.decode("utf-8", "surrogateescape")):
            section = _SECTION.match(line)
            directive = _DIRECTIVE.match(line)
            if section:
                self._section = section.group(1).strip()
                self.sections.setdefault(self._section, {})
            elif directive and directive.group(1) == "include":
                self._include(self._expand(directive.group(2).strip()), depth, path)
            elif directive:
                self._pragma(directive.group(2))
            elif "=" in line:
                self._assign(line)
        return True

    def _pragma(self, text):
        name, _colon, value = text.partition(":")
        if name.strip() == "dollarid":
            self._dollar_in_names = value.strip().lower() in _TRUE

    def _assign(self, line):
        self._values += 1
        if self._values > _MAX_VALUES:
            self._reader.add_unreadable(self.files[0], "more than %d values; the rest were skipped" % _MAX_VALUES)
            return
        name, _equals, value = line.partition("=")
        name, section = name.strip(), self._section
        if "::" in name:
            section, _colons, name = name.partition("::")
        values = self.sections.setdefault(section, {})
        values.pop(name, None)  # the last one counts, and comes last in the order
        values[name] = self._expand(value.strip())

    def _include(self, path, depth, origin):
        if not path.startswith("/"):
            self._reader.add_unreadable(origin, "relative include of %s not followed: it depends on the program that reads the file" % path[:200])
            return
        if depth >= _MAX_DEPTH or len(self.files) >= _MAX_INCLUDES:
            self._reader.add_unreadable(path, "not read: too many includes")
            return
        names = self._reader.list_directory(path) if self._reader.is_directory(path) else None
        if names is not None:
            # def_load_bio() reads files with these endings, in the order of the directory, which is undefined
            for name in names:
                if name.endswith((".cnf", ".conf")):
                    if len(self.files) >= _MAX_INCLUDES:
                        self._reader.add_unreadable(path, "partly read: too many includes")
                        break
                    self._read(path + "/" + name, depth + 1)
        elif not self._read(path, depth + 1):
            self._reader.add_unreadable(path, "included by %s, but it could not be read" % origin)

    def _expand(self, text):
        """Resolve quotes, escapes and variables of a value. An unknown variable, or one of the environment, stays as written.

        :arg text: str.
        :returns: str, at most `_MAX_EXPANDED` characters.
        """
        if "\\" not in text and "'" not in text and '"' not in text and "$" not in text:
            return text
        out, at, size = [], 0, 0
        while at < len(text) and size <= _MAX_EXPANDED:
            char = text[at]
            match = _VARIABLE.match(text, at) if char == "$" and not self._dollar_in_names else None
            if char in "'\"" and text.find(char, at + 1) > 0:
                end = text.find(char, at + 1)
                piece, at = text[at + 1:end], end + 1
            elif char == "\\" and at + 1 < len(text):
                piece, at = _ESCAPES.get(text[at + 1], text[at + 1]), at + 2
            elif match:
                piece, at = self._variable(match), match.end()
            else:
                piece, at = char, at + 1
            out.append(piece)
            size += len(piece)
        return "".join(out)[:_MAX_EXPANDED]

    def _variable(self, match):
        name = match.group(1) or match.group(2) or match.group(3) or ""
        section, colons, last = name.rpartition("::")
        value = self.get(section if colons else self._section, last)
        return match.group(0) if value is None or section == "ENV" else value


def _lines(text):
    """Yield the logical lines of a text (str): continued lines joined, comments and blank lines omitted."""
    continued = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        line = continued + line
        if line.endswith("\\") and not line.endswith("\\\\"):
            continued = line[:-1]
            if len(continued) <= _MAX_EXPANDED:
                continue
        continued = ""
        line = _without_comment(line).strip()
        if line:
            yield line
    if continued.strip():
        yield _without_comment(continued).strip()


def _without_comment(line):
    if "#" not in line:
        return line
    quote, at = None, 0
    while at < len(line):
        char = line[at]
        if char == "\\":
            at += 1
        elif quote:
            quote = None if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#":
            return line[:at]
        at += 1
    return line


def tls_defaults(config):
    """The system-wide defaults of libssl.

    :arg config: `Config`.
    :returns: dict of each of `TLS_FIELDS` -> str or None, and ``security_level`` -> int or None.
    """
    result = dict.fromkeys(TLS_FIELDS)
    start = config.sections["default"].get("openssl_conf")
    module = config.get(start, "ssl_conf") if start else None
    section = config.get(module, "system_default") if module else None
    for name, value in config.sections.get(section, {}).items() if section else ():
        command = name.partition(".")[2] or name  # conf_ssl.c, ssl_module_init(): a prefix before a dot only makes names unique
        command = command.lower()
        if command in ("minprotocol", "maxprotocol"):  # the version in the value decides whether it bounds TLS or DTLS
            result[("dtls_" if value.upper().startswith("DTLS") else "") + command[:3] + "_protocol"] = value
        elif command in _COMMANDS:
            result[_COMMANDS[command]] = value
    levels = _SECURITY_LEVEL.findall(result["cipher_string"] or "")
    result["security_level"] = int(levels[-1]) if levels else None
    return result


def providers(config):
    """The providers that a configuration names.

    :arg config: `Config`.
    :returns: list of tuple: name (str), values of the provider's section (dict of str -> str), activated. activated is False without
        ``activate``, and None where its value means no: up to OpenSSL 3.1 any value activates (provider_conf.c), later only a yes.
    """
    start = config.sections["default"].get("openssl_conf")
    section = config.get(start, "providers") if start else None
    result = []
    for name, target in config.sections.get(section, {}).items() if section else ():
        values = config.sections.get(target, {})
        activate = values.get("activate")
        activated = None if activate is not None and activate.lower() in _FALSE else activate is not None
        result.append((name.rpartition(".")[2], values, activated))
    return result


def default_properties(config):
    """The settings of the algorithm section (config(5), "Algorithm Configuration").

    :arg config: `Config`.
    :returns: tuple: default_properties, fips_mode; each str or None.
    """
    start = config.sections["default"].get("openssl_conf")
    section = config.get(start, "alg_section") if start else None
    values = config.sections.get(section, {}) if section else {}
    return values.get("default_properties"), values.get("fips_mode")
