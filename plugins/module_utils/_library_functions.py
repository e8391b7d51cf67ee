# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public functions of libraries other than OpenSSL that are probed, and how each names its algorithm. Data.

One line a function: its name, the operation, and words that say where its algorithm is. It is text, which takes less time to compile on
each host than as many calls.

``=NAME``: always this algorithm; with ``%s`` in it, a pattern for what the next word finds
``TABLE@2``: the number in argument 2 (counted from 0), whose meaning is in that table of _library_numbers.py
``TABLE@2+4``, ``TABLE@*2+4``: the number in the structure argument 2 points to, 4 bytes from its beginning; or in the one that its first member
points to. ``TABLE@LAYOUT:2``: likewise, but where that is depends on the version (_function_places.py)
``text@2+4``: characters at that place
``+TABLE@3``: the second algorithm of a signature, a number in an argument
``bits@2``, ``bytes@2``: the argument that is the key size
``encrypts@4``, ``decrypts@4``: the argument that is 1 (else 0) for this direction
``<NAME``: that function may end in a jump to this one

Only functions that begin an operation or do one message at once; never those that feed one, nor those of random numbers and of hashes for
hash tables. Each group's comment names the header whose declarations it follows.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from ._functions import CIPHER_CONTEXT, FIELD, FIRST_FIELD, MD_CONTEXT, MD_INFO, NID, NONE, TEXT, Family, Function

_LAYOUTS = {"md": MD_CONTEXT, "md_info": MD_INFO, "cipher": CIPHER_CONTEXT}
_FOUND = re.compile(r"(?P<second>\+?)(?P<table>\w+)@(?:(?P<layout>\w+):)?(?P<first>\*?)(?P<argument>\d)(?:\+(?P<offset>\d+))?")

_GNUTLS = """
# gnutls/crypto.h
gnutls_cipher_init cipher gnutls_cipher@1
gnutls_aead_cipher_init cipher gnutls_cipher@1
gnutls_hash_init digest gnutls_mac@1
gnutls_hash_fast digest gnutls_mac@0
gnutls_hmac_init mac =HMAC-%s gnutls_mac@1
gnutls_hmac_fast mac =HMAC-%s gnutls_mac@0
gnutls_hkdf_extract derive =HKDF-%s gnutls_mac@0
gnutls_hkdf_expand derive =HKDF-%s gnutls_mac@0
gnutls_pbkdf2 derive =PBKDF2-HMAC-%s gnutls_mac@0
# gnutls/abstract.h; a private key (lib/abstract_int.h, struct gnutls_privkey_st) has the number of its algorithm at 4
gnutls_privkey_sign_data sign gnutls_pk@0+4 +gnutls_mac@1
gnutls_privkey_sign_data2 sign gnutls_sign@1
gnutls_privkey_sign_hash sign gnutls_pk@0+4 +gnutls_mac@1
gnutls_privkey_sign_hash2 sign gnutls_sign@1
gnutls_pubkey_verify_data2 verify gnutls_sign@1
gnutls_pubkey_verify_hash2 verify gnutls_sign@1
gnutls_pubkey_encrypt_data encrypt =RSA
gnutls_privkey_decrypt_data decrypt gnutls_pk@0+4
gnutls_privkey_decrypt_data2 decrypt gnutls_pk@0+4
gnutls_privkey_derive_secret key_agreement gnutls_pk@0+4
gnutls_privkey_generate key_generation gnutls_pk@1 bits@2
gnutls_privkey_generate2 key_generation gnutls_pk@1 bits@2 <gnutls_privkey_generate
gnutls_x509_crt_privkey_sign sign gnutls_pk@2+4 +gnutls_mac@3
gnutls_x509_crl_privkey_sign sign gnutls_pk@2+4 +gnutls_mac@3
gnutls_x509_crq_privkey_sign sign gnutls_pk@1+4 +gnutls_mac@2
# gnutls/x509.h, gnutls/pkcs7.h
gnutls_x509_privkey_generate key_generation gnutls_pk@1 bits@2
gnutls_x509_privkey_generate2 key_generation gnutls_pk@1 bits@2 <gnutls_x509_privkey_generate
gnutls_pkcs7_sign sign gnutls_pk@2+4
# gnutls/gnutls.h
gnutls_init tls_context gnutls_init@1
"""


def _function(line):
    """``(Function, names of its wrappers)`` of a line."""
    name, operation, *words = line.split()
    facts, wrappers = {}, []
    for word in words:
        found = _FOUND.fullmatch(word)
        if word[0] == "=":
            facts["algorithm"] = word[1:]
        elif word[0] == "<":
            wrappers.append(word[1:])
        else:
            facts.update(_place(found))
    return Function(name, operation, facts.pop("shape", NONE), **facts), " ".join(wrappers)


def _place(found):
    """Fields of a Function, by a match of _FOUND."""
    table, argument = found.group("table"), int(found.group("argument"))
    if table in ("bits", "bytes"):
        return {"bits_argument": argument, "in_bytes": table == "bytes"}
    if table in ("encrypts", "decrypts"):
        return {"direction_argument": argument, "encrypts_at_0": table == "decrypts"}
    if found.group("second"):
        return {"digest_shape": NID, "digest_argument": argument, "digest_table": table}
    offset = found.group("offset")
    if found.group("layout"):
        shape = _LAYOUTS[found.group("layout")]
    elif table == "text":
        shape = TEXT
    elif offset:
        shape = FIRST_FIELD if found.group("first") else FIELD
    else:
        shape = NID
    return {"shape": shape, "argument": argument, "table": table, "offset": int(offset or 0)}


def _family(name, libraries, text):
    rows = [_function(line) for line in text.splitlines() if line and not line.startswith("#")]
    return Family(name, libraries, tuple(function for function, _wrappers in rows), {function.name: wrappers for function, wrappers in rows if wrappers})


OTHERS = (
    _family("GnuTLS", ("libgnutls",), _GNUTLS),
)
