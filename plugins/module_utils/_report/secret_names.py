# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides by the name of an option, variable, field or header whether its value is a secret, and redacts the value.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import functools
import re

REDACTED = b"[redacted]"

# The words of a name: "client-secret", "clientSecret", "CLIENT_SECRET".
WORDS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_ENDS = (b"password", b"passwords", b"passwd", b"passphrase", b"passcode", b"secret", b"secrets", b"token", b"apikey", b"pwd", b"secretkey")
_SECRET_LAST = frozenset((b"pass", b"pin", b"psk", b"pw", b"passin", b"passout", b"bearer", b"jwt", b"otp", b"totp"))
_NOT_PASS = frozenset((b"bypass", b"compass", b"encompass", b"surpass", b"multipass", b"singlepass", b"onepass", b"twopass"))
# "--password-file", "token_type": a name that ends so is about a secret, and its value is none.
_HARMLESS_LAST = frozenset(
    b"file files filename path dir directory fd stdin prompt type name names id ids length len policy min max ttl expiry age url uri endpoint size count "
    b"algorithm alg field header headers arn version mode format provider command cmd program helper retries timeout only ref env var store audience "
    b"issuer scope scopes lifetime duration location review reviewer controller cache rotation protection through".split())
# "--no-password", "--ask-password": options without a value.
FLAG_FIRST = frozenset((b"no", b"ask", b"allow", b"require", b"disable", b"enable", b"skip", b"prompt", b"use", b"show", b"without", b"generate"))
# Before "key": "api-key" has a secret, "sort-key" has none.
_KEY_BEFORE = frozenset(b"api access secret auth account license encryption encrypt master shared storage admin service signing subscription "
                        b"deploy app application publish instrumentation unseal".split())

# The name of a file that holds a secret, which may be shown. A slash at the beginning is not enough: one base64 text in 64 begins with it. So an absolute path
# begins with a directory that hosts or containers have at the root (hier(7), file-hierarchy(7)), or ends in a usual extension.
_FILE_LIKE = re.compile(
    rb"@?(?:/(?:app|boot|certs?|config|data|dev|etc|export|home|keys?|media|mnt|nix|opt|proc|root|run|secrets?|snap|srv|ssl|sys|tmp|usr|var|vault|volumes?)/"
    rb"|~[a-z0-9_-]*/|\.{1,2}/|[^\s=]+\.(?:pem|key|crt|cer|der|p8|p12|pfx|jks|json|txt|conf|pub|ppk|yml|yaml)\Z)|file:|pkcs11:")
_BLOB = re.compile(rb"(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_=-]{40,}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+)")
_ELSEWHERE = (b"file:", b"env:", b"fd:", b"stdin")  # openssl-passphrase-options(1): the value says where the secret is


@functools.lru_cache(maxsize=4096)
def value_kind(name):
    """What kind of value follows a name.

    :arg name: bytes, of an option, a variable, a field or a header.
    :returns: str: ``secret``; ``key``, a secret unless it looks like a file name; ``blob``, a secret only if it looks like key material;
        ``login``, user:password. None where the value is no secret.
    """
    words = [word.lower() for word in WORDS.findall(name)]
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


def redact_value(kind, value):
    """Redact a value.

    :arg kind: str, from value_kind().
    :arg value: bytes.
    :returns: bytes, as it may be shown.
    """
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
