# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets from command lines, and names of users from paths.

A secret is recognised by the name before it (an option, a variable, a header, a field), by the program's own short options, and by its form
(a password in a URL, PEM). Any other secret, such as a plain word that some program takes as its third argument, is not recognised.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .secret_names import FLAG_FIRST, REDACTED, WORDS, redact_value, value_kind

USER = b"[user]"

_MAX_DEPTH = 3  # shells within shells

_HEADERS = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-key", b"x-amz-security-token"))

# Programs with one-letter options that take a secret, by their manual pages. _BOTH: as "-pX" and "-p X". _JOINED: as "-pX" only.
_BOTH = {}
_JOINED = {}
for _names, _letters, _table in (
        ("mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlbinlog mysqlpump mysqlslap mariadb mariadb-dump mariadb-admin mariadb-check "
         "mariadb-import mariadb-show mariadb-binlog mariadb-backup mariabackup xtrabackup mycli 7z 7za 7zr 7zz rar unrar", "p", _JOINED),
        ("sshpass mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop useradd usermod rdesktop twine pkcs11-tool clickhouse",
         "p", _BOTH),
        ("ldapsearch ldapadd ldapmodify ldapdelete ldapmodrdn ldapcompare ldapwhoami ldapexop kadmin kadmin.local ipa-client-install", "w", _BOTH),
        ("ldappasswd", "was", _BOTH), ("redis-cli valkey-cli keydb-cli", "a", _BOTH), ("zip unzip zipcloak sqlcmd bcp osql tsql ipmitool", "P", _BOTH),
        ("snmpwalk snmpget snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap snmptable snmpstatus", "AXc", _BOTH),
        ("openssl", "kK", _BOTH), ("ssh-keygen", "NP", _BOTH), ("pk12util", "WK", _BOTH), ("rabbitmqadmin", "p", _BOTH)):
    for _name in _names.split():
        _table[_name.encode()] = frozenset(_letters.encode()[_at:_at + 1] for _at in range(len(_letters)))
_LOGIN = frozenset(b"docker podman buildah skopeo helm oc az crane nerdctl regctl oras".split())  # "docker login -p X"; with other commands -p is a port
_PERCENT = frozenset(b"smbclient net rpcclient smbget smbcacls smbcquotas smbtree winexe wmic wbinfo samba-tool".split())  # -U user%X
# Options that take user:password.
_COLON = {b"curl": (b"u", b"U", b"E"), b"http": (b"a",), b"https": (b"a",), b"xh": (b"a",), b"ab": (b"A", b"P"), b"lftp": (b"u",), b"siege": (b"g",)}
_PROGRAMS = frozenset(_BOTH) | frozenset(_JOINED) | _LOGIN | _PERCENT | frozenset(_COLON) | frozenset(
    b"htpasswd rabbitmqctl vault nmcli wpa_passphrase xfreerdp wget psql aws sqlplus sqlldr expdp impdp rman".split())

_CURL_CLUSTER = re.compile(rb"-[sSfkLvigGIN0-9#jJOR]+[uU]")
_ORACLE = re.compile(rb"^([^/@=\s]+/)[^/@\s]+(?=@|\Z)")  # user/password@database

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----(?:\r?\n)?|\Z)", re.DOTALL)
_URL = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s/@:'\"]*):([^\s/'\"]*)@")
_URL_TOKEN = re.compile(rb"(https?://)[^\s/@:'\"]{20,}@")
_AUTHORIZATION = re.compile(rb"(?i)\b((?:proxy-)?authorization\s*[:=]\s*(?:(?:bearer|basic|digest|token|negotiate|apikey)\s+)?)([^\s'\"]+)")
_BEARER = re.compile(rb"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{8,}")
_SQL = re.compile(rb"(?i)\b((?:password|identified(?:\s+with\s+\S{1,64})?\s+by)\s+)('[^']*'|\"[^\"]*\")")
_FIELD = re.compile(rb"([A-Za-z_][A-Za-z0-9_.-]{0,127})(\s{0,8}=\s{0,8})(\"[^\"]*\"|'[^']*'|[^\s&;,\"'<>]+)")
_JSON = re.compile(rb"([\"'])([A-Za-z_][A-Za-z0-9_.-]{0,127})(\1\s{0,8}:\s{0,8})(\"(?:\\.|[^\"\\])*\"|'[^']*'|[0-9]+)")
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]*)(:\s*)((?:(?:Bearer|Basic|Digest|Token|Negotiate)\s+)?)(.+)", re.DOTALL | re.IGNORECASE)
_OPENSSL_KEY = re.compile(rb"((?:hex)?key:).+", re.DOTALL)
_TOKEN = re.compile(rb"\s+|[;|&()]+|(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\.|[^\s;|&()\"'\\])+|.", re.DOTALL)
_VERSION = re.compile(rb"[-_]?[0-9][0-9.]*\Z")
_ASSIGNMENT = re.compile(rb"(-{0,2}[A-Za-z_][A-Za-z0-9_.:-]*)=(.*)", re.DOTALL)
_OPTION = re.compile(rb"--?([A-Za-z][A-Za-z0-9_.-]+)")

_HOME = re.compile(rb"(?<![^\s=:,;\"'@(])(file://)?(/(?:var/|export/|usr/)?home/|/Users/)(?!\[user\])[^/\s:,;\"')]+")
_PATH_HOME = re.compile(rb"(/(?:var/|export/|usr/)?home/|/Users/)(?!Shared(?:/|\Z))[^/]+", re.DOTALL)


def _in_text(text):
    """Redact secrets anywhere in a text (bytes), by their form or by a name before them. Returns bytes."""
    if b"-----BEGIN" in text:
        text = _PEM.sub(REDACTED, text)
    if b"://" in text:
        text = _URL.sub(rb"\1\2:" + REDACTED + b"@", text)
        text = _URL_TOKEN.sub(rb"\1" + REDACTED + b"@", text)
    text = _AUTHORIZATION.sub(rb"\1" + REDACTED, text)
    text = _BEARER.sub(rb"\1" + REDACTED, text)
    text = _SQL.sub(rb"\1" + REDACTED, text)
    if b"=" in text:
        text = _FIELD.sub(_field, text)
    if b":" in text:
        text = _JSON.sub(_json, text)
    return text


def _field(match):
    """Redact a match of _FIELD."""
    name, equals, value = match.groups()
    begin = b""
    for _number in range(8):  # nested names: "from-literal=password=x"
        kind = value_kind(name)
        if kind:
            return begin + name + equals + redact_value(kind, value)
        begin += name + equals
        name, equals, value = value.partition(b"=")
        if not equals:
            break
    return match.group(0)


def _json(match):
    """Redact a match of _JSON."""
    quote, name, middle, value = match.groups()
    if value_kind(name) not in ("secret", "key"):
        return match.group(0)
    return quote + name + middle + b'"' + REDACTED + b'"'


def _program_in(argument):
    """The name of the program that an argument is, or None where it is none that has rules of its own."""
    name = argument.rpartition(b"/")[2]
    if name not in _PROGRAMS:
        name = _VERSION.sub(b"", name)  # mysql8.0, openssl-3
    return name if name in _PROGRAMS else None


class _CommandLine:
    """Redacts one command line, argument by argument."""

    def __init__(self, arguments, depth):
        """Take a command line.

        :arg arguments: list of bytes.
        :arg depth: int, how many shells it is inside of.
        """
        self._arguments = arguments
        self._present = frozenset(arguments)
        self._depth = depth
        self._program = None  # whose rules hold now
        self._words = 0  # plain words since the program's name
        self._number = 0  # of the current argument, from 1
        self._pending = None  # what the next argument is: a kind of value, "forced", "percent", "cookie", "header"; or None

    def run(self):
        """Redact all arguments: list of bytes of the same length."""
        done = []
        for argument in self._arguments:
            pending, self._pending = self._pending, None
            self._number += 1
            done.append(self._argument(argument, pending))
        return done

    def _argument(self, argument, pending):
        """Redact one argument. :arg pending: what the argument before has announced, as self._pending."""
        if pending is not None and (pending == "forced" or _can_be_value(argument, pending)):
            if pending == "percent":
                return _percent(argument)
            if pending == "cookie":
                return REDACTED if b"=" in argument else argument
            if pending == "header":
                return _in_text(_header(argument))
            return _in_text(redact_value("secret" if pending == "forced" else pending, argument))
        if argument.startswith(b"-") and len(argument) > 1:
            found = self._option(argument)
            if found is not None:
                return found
        else:
            program = _program_in(argument)
            if program is not None:
                self._program, self._words = program, 0
                return argument
            self._words += 1
            if self._program == b"sshpass":  # the rest is another program's command line
                self._program = None
            found = self._word(argument)
            if found is not None:
                return found
        match = _ASSIGNMENT.fullmatch(argument)
        kind = value_kind(match.group(1)) if match else None
        spaced = re.search(rb"\s", argument) is not None
        if kind and (not spaced or argument.startswith(b"-")):
            return match.group(1) + b"=" + redact_value(kind, match.group(2))
        if spaced and self._depth < _MAX_DEPTH:
            header = _header(argument)
            if header is not argument:
                return _in_text(header)
            return _in_text(_shell(argument, self._depth + 1))
        return _in_text(_header(argument))

    def _option(self, argument):
        """Redact an option that the program has a rule for, or a long one whose name announces a secret; None where it is neither."""
        program = self._program
        letter, rest = argument[1:2], argument[2:]
        both = _BOTH.get(program, frozenset())
        if program in _LOGIN and b"login" in self._present:
            both = frozenset((b"p",))
        if program == b"openssl" and argument in (b"-macopt", b"-hmac", b"-sigopt"):
            self._pending = "forced" if argument == b"-hmac" else None
            return argument
        if letter in both and program != b"openssl":
            if not rest:
                self._pending = "forced"
            return argument[:2] + (REDACTED if rest else b"")
        if letter in both and not rest:
            self._pending = "forced"
            return argument
        if letter in _JOINED.get(program, ()) and rest:
            return argument[:2] + REDACTED
        if program in _PERCENT and (letter == b"U" or argument.startswith(b"--user=")):
            if not rest:
                self._pending = "percent"
            return _percent(argument)
        if letter in _COLON.get(program, ()):
            if not rest:
                self._pending = "login"
                return argument
            return argument[:2] + _login(program, rest)
        if argument in (b"-H", b"--header", b"--proxy-header"):
            self._pending = "header"
            return argument
        if program == b"curl" and _CURL_CLUSTER.fullmatch(argument):
            self._pending = "login"
            return argument
        if program == b"curl" and argument in (b"-b", b"--cookie"):
            self._pending = "cookie"
            return argument
        if argument.startswith(b"--from-literal="):  # kubectl create secret
            return argument.partition(b"=")[0] + b"=" + argument.split(b"=")[1] + b"=" + REDACTED
        if program == b"curl" and letter == b"H":
            return argument[:2] + _in_text(_header(rest))
        match = _OPTION.fullmatch(argument)
        if match:
            kind = "login" if program in (b"curl", b"http") and argument in (b"--user", b"--proxy-user", b"--cert") else value_kind(match.group(1))
            words = WORDS.findall(match.group(1))
            if kind and words[0].lower() not in FLAG_FIRST:
                self._pending = kind
                return argument
        return None

    def _word(self, argument):
        """Redact a plain word that is a secret by its position among the program's arguments; None otherwise."""
        program = self._program
        if program == b"openssl" and b"passwd" in self._present and self._words > 1:
            return REDACTED
        if program == b"openssl" and _OPENSSL_KEY.fullmatch(argument):
            return _OPENSSL_KEY.sub(rb"\1" + REDACTED, argument)
        if program == b"htpasswd" and self._words >= 2 and self._number == len(self._arguments):
            if any(option[:1] == b"-" and option[1:2] != b"-" and b"b" in option for option in self._present):
                return REDACTED
        if program == b"rabbitmqctl" and self._words == 3 and not self._present.isdisjoint((b"add_user", b"change_password", b"authenticate_user")):
            return REDACTED
        if program in (b"mysqladmin", b"mariadb-admin", b"nmcli") and argument in (b"password", b"wifi-sec.psk", b"802-11-wireless-security.psk"):
            self._pending = "forced"
            return argument
        if program == b"wpa_passphrase" and self._words == 2:
            return REDACTED
        if program in (b"sqlplus", b"sqlldr", b"expdp", b"impdp", b"rman"):
            return _ORACLE.sub(rb"\1" + REDACTED, argument)
        if program == b"aws" and b"configure" in self._present and b"=" not in argument and value_kind(argument):
            self._pending = "forced"
            return argument
        if program == b"vault" and b"=" in argument:
            return argument.partition(b"=")[0] + b"=" + REDACTED
        if program == b"vault" and self._words == 2 and b"login" in self._present:
            return REDACTED
        if program == b"xfreerdp" and argument[:3] in (b"/p:", b"/gp"):
            return argument.partition(b":")[0] + b":" + REDACTED
        return None


def _can_be_value(argument, kind):
    """Whether the argument after an option is its value, not the next option. A password may begin with a dash."""
    if not argument.startswith(b"-") or argument.startswith(b"-----BEGIN"):
        return True
    return kind == "secret" and not argument.startswith(b"--") and len(argument) > 2


def _login(program, value):
    """Redact the password in user:password (bytes)."""
    if program == b"lftp":
        user, comma, password = value.partition(b",")
        return user + comma + (REDACTED if password else b"")
    return redact_value("login", value)


def _percent(argument):
    """Redact the password in user%password (bytes)."""
    user, percent, password = argument.partition(b"%")
    return user + percent + REDACTED if password else argument


def _header(argument):
    """Redact an HTTP header whose name announces a secret; else return the same object. Without a blank after the colon, only well-known names count."""
    match = _HEADER.fullmatch(argument)
    if not match:
        return argument
    name, colon, scheme, _secret = match.groups()
    if name.lower() in _HEADERS or len(colon) > 1 and value_kind(name) in ("secret", "key"):
        return name + colon + scheme + REDACTED
    return argument


def _shell(text, depth):
    """Redact shell code (bytes), such as ``sh -c`` takes: each simple command as a command line. :arg depth: int, of nested shells."""
    pieces = _TOKEN.findall(text)
    places = [number for number, piece in enumerate(pieces) if not piece.isspace()]
    plain = [_unquoted(pieces[number]) for number in places]
    for number, before, after in zip(places, plain, _CommandLine(plain, depth).run()):
        if before != after:
            quote = pieces[number][:1]
            pieces[number] = quote + after + quote if quote in (b"'", b'"') and pieces[number].endswith(quote) else after
    return b"".join(pieces)


def _unquoted(piece):
    """A token of shell code without its quotes."""
    if len(piece) > 1 and piece[:1] == piece[-1:] and piece[:1] in (b"'", b'"'):
        return piece[1:-1]
    return piece


class Redactor:
    """Redacts command lines and paths, with the home directories of one host."""

    def __init__(self, homes=()):
        """:arg homes: iterable of bytes, home directories outside of /home, of users from UID 1000 on."""
        known = {home.rstrip(b"/") for home in homes}
        known = sorted((home for home in known if home.startswith(b"/") and home != b"/root"), key=len, reverse=True)
        self._homes = None
        if known:
            self._homes = re.compile(rb"(?<![^\s=:,;\"'@(])(" + b"|".join(map(re.escape, known)) + rb")(?=[/\s:,;\"')]|\Z)")

    def path(self, path):
        """Replace the user's name in a path (bytes): ``/home/[user]/...``. /root is kept, because it names no person."""
        if self._homes is not None:
            match = self._homes.match(path)
            if match and path[match.end():match.end() + 1] in (b"", b"/"):
                return match.group(1).rpartition(b"/")[0] + b"/" + USER + path[match.end():]
        match = _PATH_HOME.match(path)
        return match.group(1) + USER + path[match.end():] if match else path

    def arguments(self, argv):
        """Redact the secrets in a command line, and users' names in its paths.

        :arg argv: list of bytes.
        :returns: list of bytes of the same length.
        """
        return [self._homes_in(argument) for argument in _CommandLine(argv, 0).run()]

    def _homes_in(self, text):
        """Replace users' names in all paths in a text (bytes)."""
        if self._homes is not None:
            text = self._homes.sub(lambda match: match.group(1).rpartition(b"/")[0] + b"/" + USER, text)
        return _HOME.sub(lambda match: (match.group(1) or b"") + match.group(2) + USER, text)
