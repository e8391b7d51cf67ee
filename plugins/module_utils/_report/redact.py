# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines without their secrets, and paths without the names of users.

What a secret is, is told by the name before it (an option, a variable, a header, a field), by the program's own short options, and by
form (a URL's password, PEM). A secret that is none of these, such as a bare word a program takes as its third argument, stays.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import re

REDACTED = b"[redacted]"
USER = b"[user]"

_MAX_DEPTH = 3  # shells within shells

_WORDS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_ENDS = (b"password", b"passwords", b"passwd", b"passphrase", b"passcode", b"secret", b"secrets", b"token", b"apikey", b"pwd", b"secretkey")
_SECRET_LAST = frozenset((b"pass", b"pin", b"psk", b"pw", b"passin", b"passout", b"bearer", b"jwt", b"otp", b"totp"))
_NOT_PASS = frozenset((b"bypass", b"compass", b"encompass", b"surpass", b"multipass", b"singlepass", b"onepass", b"twopass"))
# "--password-file", "token_type": what follows is about the secret.
_HARMLESS_LAST = frozenset(
    b"file files filename path dir directory fd stdin prompt type name names id ids length len policy min max ttl expiry age url uri endpoint size count "
    b"algorithm alg field header headers arn version mode format provider command cmd program helper retries timeout only ref env var store audience "
    b"issuer scope scopes lifetime duration location review reviewer controller cache rotation protection through".split())
_FLAG_FIRST = frozenset((b"no", b"ask", b"allow", b"require", b"disable", b"enable", b"skip", b"prompt", b"use", b"show", b"without", b"generate"))
_KEY_BEFORE = frozenset(b"api access secret auth account license encryption encrypt master shared storage admin service signing subscription "
                        b"deploy app application publish instrumentation unseal".split())
_HEADERS = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-key", b"x-amz-security-token"))

# Programs whose one-letter options carry a secret, by their manual pages. "both": "-pX" and "-p X"; "joined": "-pX" only.
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
_LOGIN = frozenset(b"docker podman buildah skopeo helm oc az crane nerdctl regctl oras".split())  # "login -p X"; else -p is a port
_PERCENT = frozenset(b"smbclient net rpcclient smbget smbcacls smbcquotas smbtree winexe wmic wbinfo samba-tool".split())  # -U user%X
_COLON = {b"curl": (b"u", b"U", b"E"), b"http": (b"a",), b"https": (b"a",), b"xh": (b"a",), b"ab": (b"A", b"P"), b"lftp": (b"u",), b"siege": (b"g",)}
_ALL_TOOLS = frozenset(_BOTH) | frozenset(_JOINED) | _LOGIN | _PERCENT | frozenset(_COLON) | frozenset(
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
_ASSIGNMENT = re.compile(rb"(-{0,2}[A-Za-z_][A-Za-z0-9_.:-]*)=(.*)", re.DOTALL)
_OPTION = re.compile(rb"--?([A-Za-z][A-Za-z0-9_.-]+)")
_FILE_LIKE = re.compile(rb"(?:[@/~]|\.{1,2}/|file:|pkcs11:|[^\s=]+\.(?:pem|key|crt|cer|der|p8|p12|pfx|jks|json|txt|conf|pub|ppk|yml|yaml)\Z)")
_BLOB = re.compile(rb"(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_=-]{40,}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+)")
_ELSEWHERE = (b"file:", b"env:", b"fd:", b"stdin")  # openssl-passphrase-options(1): the secret itself is not here

_HOME = re.compile(rb"(?<![^\s=:,;\"'@(])(file://)?(/(?:var/|export/|usr/)?home/|/Users/)(?!\[user\])[^/\s:,;\"')]+")


@functools.lru_cache(maxsize=4096)
def _kind(name):
    """What the value of a name (bytes: option, variable, field, header) is.

    "secret"; "key": one unless it looks like a file name; "blob": only where it looks like key material; "login": user:password;
    or None.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_LAST or name in (b"PWD", b"OLDPWD"):
        return None
    last = words[-1]
    if any(word.endswith(_SECRET_ENDS) for word in words) or last in _SECRET_LAST or last.endswith(b"pass") and last not in _NOT_PASS:
        return "secret"
    if last in (b"credential", b"credentials", b"passwds"):
        return "key"
    if last == b"key":
        return "key" if len(words) > 1 and words[-2] in _KEY_BEFORE else "blob"
    if last == b"auth" or name.lower() in (b"--user", b"--proxy-user"):
        return "login"
    return None


def _value(kind, value):
    """The value of a sensitive name as it may be shown."""
    if not value or value == REDACTED:
        return value
    if kind == "secret":
        if value.startswith(_ELSEWHERE):
            return value
        return b"pass:" + REDACTED if value.startswith(b"pass:") else REDACTED
    if kind == "login":
        user, colon, password = value.partition(b":")
        return user + b":" + REDACTED if colon and password else value
    if _FILE_LIKE.match(value):
        return value
    if kind == "blob" and not _BLOB.fullmatch(value):
        return value
    return REDACTED


def _in_text(text):
    """Secrets that their form or a name beside them gives away, anywhere in a text."""
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
    name, equals, value = match.groups()
    begin = b""
    for _step in range(8):  # "from-literal=password=x"
        kind = _kind(name)
        if kind:
            return begin + name + equals + _value(kind, value)
        begin += name + equals
        name, equals, value = value.partition(b"=")
        if not equals:
            break
    return match.group(0)


def _json(match):
    quote, name, middle, value = match.groups()
    if _kind(name) not in ("secret", "key"):
        return match.group(0)
    return quote + name + middle + b'"' + REDACTED + b'"'


def _program(argument):
    """The name of a program in an argument, or None where it is none that has rules of its own."""
    name = argument.rpartition(b"/")[2]
    return name if name in _ALL_TOOLS else None


class _Line:
    """One command line being redacted, argument by argument."""

    def __init__(self, arguments, depth):
        self._all = arguments
        self._depth = depth
        self._tool = None
        self._since = 0  # plain words since the tool's name
        self._pending = None  # what the next argument is: a kind, "percent", or None

    def run(self):
        done = []
        for argument in self._all:
            pending, self._pending = self._pending, None
            done.append(self._argument(argument, pending))
        return done

    def _argument(self, argument, pending):
        if pending is not None and (pending == "forced" or _can_be_value(argument, pending)):
            if pending == "percent":
                return _percent(argument)
            if pending == "cookie":
                return REDACTED if b"=" in argument else argument
            if pending == "header":
                return _in_text(_header(argument))
            return _in_text(_value("secret" if pending == "forced" else pending, argument))
        if argument.startswith(b"-") and len(argument) > 1:
            found = self._option(argument)
            if found is not None:
                return found
        else:
            tool = _program(argument)
            if tool is not None:
                self._tool, self._since = tool, 0
                return argument
            self._since += 1
            if self._tool == b"sshpass":  # what follows is another program's
                self._tool = None
            found = self._word(argument)
            if found is not None:
                return found
        match = _ASSIGNMENT.fullmatch(argument)
        kind = _kind(match.group(1)) if match else None
        spaced = re.search(rb"\s", argument) is not None
        if kind and (not spaced or argument.startswith(b"-")):
            return match.group(1) + b"=" + _value(kind, match.group(2))
        if spaced and self._depth < _MAX_DEPTH:
            header = _header(argument)
            if header is not argument:
                return _in_text(header)
            return _in_text(_shell(argument, self._depth + 1))
        return _in_text(_header(argument))

    def _option(self, argument):
        """An option of the tool's own, or a long one with a telling name; None where it is neither."""
        tool = self._tool
        letter, rest = argument[1:2], argument[2:]
        both = _BOTH.get(tool, frozenset())
        if tool in _LOGIN and b"login" in self._all:
            both = frozenset((b"p",))
        if tool == b"openssl" and argument in (b"-macopt", b"-hmac", b"-sigopt"):
            self._pending = "forced" if argument == b"-hmac" else None
            return argument
        if letter in both and tool != b"openssl":
            if not rest:
                self._pending = "forced"
            return argument[:2] + (REDACTED if rest else b"")
        if letter in both and not rest:
            self._pending = "forced"
            return argument
        if letter in _JOINED.get(tool, ()) and rest:
            return argument[:2] + REDACTED
        if tool in _PERCENT and (letter == b"U" or argument.startswith(b"--user=")):
            if not rest:
                self._pending = "percent"
            return _percent(argument)
        if letter in _COLON.get(tool, ()):
            if not rest:
                self._pending = "login"
                return argument
            return argument[:2] + _login(tool, rest)
        if argument in (b"-H", b"--header", b"--proxy-header"):
            self._pending = "header"
            return argument
        if tool == b"curl" and _CURL_CLUSTER.fullmatch(argument):
            self._pending = "login"
            return argument
        if tool == b"curl" and argument in (b"-b", b"--cookie"):
            self._pending = "cookie"
            return argument
        if argument.startswith(b"--from-literal="):  # kubectl create secret
            return argument.partition(b"=")[0] + b"=" + argument.split(b"=")[1] + b"=" + REDACTED
        if tool == b"curl" and letter == b"H":
            return argument[:2] + _in_text(_header(rest))
        match = _OPTION.fullmatch(argument)
        if match:
            kind = "login" if tool in (b"curl", b"http") and argument in (b"--user", b"--proxy-user", b"--cert") else _kind(match.group(1))
            words = _WORDS.findall(match.group(1))
            if kind and words[0].lower() not in _FLAG_FIRST:
                self._pending = kind
                return argument
        return None

    def _word(self, argument):
        """A word whose place among the tool's other words makes it a secret; None otherwise."""
        tool, before = self._tool, self._all
        if tool == b"openssl" and b"passwd" in before and self._since > 1:
            return REDACTED
        if tool == b"openssl" and _OPENSSL_KEY.fullmatch(argument):
            return _OPENSSL_KEY.sub(rb"\1" + REDACTED, argument)
        if tool == b"htpasswd" and self._since >= 2 and argument is before[-1]:
            if any(option[:1] == b"-" and option[1:2] != b"-" and b"b" in option for option in before):
                return REDACTED
        if tool == b"rabbitmqctl" and self._since == 3 and {b"add_user", b"change_password", b"authenticate_user"}.intersection(before):
            return REDACTED
        if tool in (b"mysqladmin", b"mariadb-admin", b"nmcli") and argument in (b"password", b"wifi-sec.psk", b"802-11-wireless-security.psk"):
            self._pending = "forced"
            return argument
        if tool == b"wpa_passphrase" and self._since == 2:
            return REDACTED
        if tool in (b"sqlplus", b"sqlldr", b"expdp", b"impdp", b"rman"):
            return _ORACLE.sub(rb"\1" + REDACTED, argument)
        if tool == b"aws" and b"configure" in before and b"=" not in argument and _kind(argument):
            self._pending = "forced"
            return argument
        if tool == b"vault" and b"=" in argument:
            return argument.partition(b"=")[0] + b"=" + REDACTED
        if tool == b"vault" and self._since == 2 and b"login" in before:
            return REDACTED
        if tool == b"xfreerdp" and argument[:3] in (b"/p:", b"/gp"):
            return argument.partition(b":")[0] + b":" + REDACTED
        return None


def _can_be_value(argument, kind):
    """Whether the argument after an option is its value, not the next option. A password may begin with a dash."""
    if not argument.startswith(b"-") or argument.startswith(b"-----BEGIN"):
        return True
    return kind == "secret" and not argument.startswith(b"--") and len(argument) > 2


def _login(tool, value):
    if tool == b"lftp":
        user, comma, password = value.partition(b",")
        return user + comma + (REDACTED if password else b"")
    return _value("login", value)


def _percent(argument):
    user, percent, password = argument.partition(b"%")
    return user + percent + REDACTED if password else argument


def _header(argument):
    """An HTTP header with a telling name; the same object where it is none. Without a blank after the colon only well-known names count."""
    match = _HEADER.fullmatch(argument)
    if not match:
        return argument
    name, colon, scheme, _secret = match.groups()
    if name.lower() in _HEADERS or len(colon) > 1 and _kind(name) in ("secret", "key"):
        return name + colon + scheme + REDACTED
    return argument


def _shell(text, depth):
    """A text of several words, such as ``sh -c`` takes: each simple command by the rules of a command line."""
    pieces = _TOKEN.findall(text)
    places = [number for number, piece in enumerate(pieces) if not piece.isspace()]
    plain = [_unquoted(pieces[number]) for number in places]
    for number, before, after in zip(places, plain, _Line(plain, depth).run()):
        if before != after:
            quote = pieces[number][:1]
            pieces[number] = quote + after + quote if quote in (b"'", b'"') and pieces[number].endswith(quote) else after
    return b"".join(pieces)


def _unquoted(piece):
    if len(piece) > 1 and piece[:1] == piece[-1:] and piece[:1] in (b"'", b'"'):
        return piece[1:-1]
    return piece


class Redactor:
    """Redaction with the home directories of one host."""

    def __init__(self, homes=()):
        """:arg homes: iterable of bytes, the home directories of people (of passwd entries from UID 1000) outside of /home; optional."""
        known = {home.rstrip(b"/") for home in homes}
        known = sorted((home for home in known if home.startswith(b"/") and home != b"/root"), key=len, reverse=True)
        self._homes = None
        if known:
            self._homes = re.compile(rb"(?<![^\s=:,;\"'@(])(" + b"|".join(map(re.escape, known)) + rb")(?=[/\s:,;\"')]|\Z)")

    def path(self, path):
        """A path (bytes) with the name of the user taken out: ``/home/[user]/...``. /root is nobody's name and stays."""
        if self._homes is not None:
            match = self._homes.match(path)
            if match and path[match.end():match.end() + 1] in (b"", b"/"):
                return match.group(1).rpartition(b"/")[0] + b"/" + USER + path[match.end():]
        match = _PATH_HOME.match(path)
        return match.group(1) + USER + path[match.end():] if match else path

    def arguments(self, argv):
        """A command line without its secrets, and with users' names taken out of the paths in it.

        :arg argv: list of bytes.
        :returns: list of bytes of the same length.
        """
        return [self._homes_in(argument) for argument in _Line(argv, 0).run()]

    def _homes_in(self, text):
        if self._homes is not None:
            text = self._homes.sub(lambda match: match.group(1).rpartition(b"/")[0] + b"/" + USER, text)
        return _HOME.sub(lambda match: (match.group(1) or b"") + match.group(2) + USER, text)


_PATH_HOME = re.compile(rb"(/(?:var/|export/|usr/)?home/|/Users/)(?!Shared(?:/|\Z))[^/]+", re.DOTALL)
_DEFAULT = Redactor()


def redact_arguments(argv):
    """Redactor.arguments with no home directories but the usual ones."""
    return _DEFAULT.arguments(argv)


def redact_path(path):
    """Redactor.path with no home directories but the usual ones."""
    return _DEFAULT.path(path)
