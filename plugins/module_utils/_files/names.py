# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file's name says about it. Data, and three look-ups.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

# The last four octets of names whose opening is worth a report before anything is known of the content. The kernel side looks them up.
NAME_HINTS = frozenset((
    b".pem",  # PEM of any kind
    b".key",  # private keys
    b"_key",  # ssh_host_rsa_key and others
    b"-key",  # server-key
    b".crt",  # certificates
    b".cer",
    b".der",
    b"x509",  # .x509
    b".csr",  # certificate requests
    b".req",
    b".crl",  # revocation lists
    b".p7b",  # PKCS #7 certificates
    b".p7c",
    b".p7s",  # PKCS #7 signatures
    b".p7m",
    b"kcs7",  # .pkcs7
    b"kcs8",  # .pkcs8
    b".pk8",
    b".p12",  # PKCS #12
    b".pfx",
    b"cs12",  # .pkcs12
    b".jks",  # Java
    b"ceks",  # .jceks
    b"tore",  # keystore, truststore, .keystore, .truststore
    b"erts",  # cacerts
    b".bks",  # BouncyCastle
    b"cfks",  # .bcfks
    b".ubr",  # BouncyCastle UBER
    b"_rsa",  # id_rsa
    b"_dsa",  # id_dsa
    b"cdsa",  # id_ecdsa
    b"5519",  # id_ed25519
    b"a_sk",  # id_ecdsa_sk
    b"9_sk",  # id_ed25519_sk
    b".pub",  # SSH public keys
    b".ppk",  # PuTTY
    b"osts",  # known_hosts, ssh_known_hosts
    b"keys",  # authorized_keys
    b"eys2",  # authorized_keys2
    b"4.db",  # key4.db of NSS
    b"9.db",  # cert9.db of NSS
    b"3.db",  # key3.db of older NSS
    b"8.db",  # cert8.db of older NSS
    b".gpg",  # OpenPGP
    b".asc",
    b".pgp",
    b".kbx",  # GnuPG key box
    b".kdb",  # IBM GSKit, KeePass 1
    b"kdbx",  # KeePass 2
    b"ytab",  # keytab, krb5.keytab
    b".cnf",  # openssl.cnf
    b"aram",  # dhparam
    b"rams",  # dhparams
    b"vate",  # K*.private of DNSSEC
    b"ndom",  # /dev/random, /dev/urandom
    b"wrng",  # /dev/hwrng
    b".rnd",  # OpenSSL's seed file
    b"seed",  # systemd's random-seed
))

# Whole last components of names -> (kind, format).
_NAMES = {
    b"openssl.cnf": ("config", None),
    b"fipsmodule.cnf": ("config", None),
    b"sshd_config": ("config", None),
    b"ssh_config": ("config", None),
    b"krb5.conf": ("config", None),
    b"java.security": ("config", None),
    b"pkcs11.txt": ("config", None),
    b"p11-kit.conf": ("config", None),
    b"moduli": ("parameters", None),
    b"random-seed": ("random", None),
    b"random_seed": ("random", None),
    b".rnd": ("random", None),
    b"known_hosts": ("known_hosts", "OpenSSH"),
    b"known_hosts.old": ("known_hosts", "OpenSSH"),
    b"ssh_known_hosts": ("known_hosts", "OpenSSH"),
    b"known_hosts2": ("known_hosts", "OpenSSH"),
    b"authorized_keys": ("authorized_keys", "OpenSSH"),
    b"authorized_keys2": ("authorized_keys", "OpenSSH"),
}
_DEVICES = (b"/dev/random", b"/dev/urandom", b"/dev/hwrng")  # random(4), and the kernel's hw_random.rst; also below a chroot
# Kinds a name alone can give to a file that has content, because its content has no mark of its own.
_UNMARKED = frozenset(("config", "random", "known_hosts", "authorized_keys"))
# Names that say what a file is where its content can't be had.
_ABSENT_NAMES = {
    b"id_rsa": ("private_key", None),
    b"id_dsa": ("private_key", None),
    b"id_ecdsa": ("private_key", None),
    b"id_ed25519": ("private_key", None),
    b"id_ecdsa_sk": ("private_key", None),
    b"id_ed25519_sk": ("private_key", None),
    b"cacerts": ("keystore", None),
    b"key4.db": ("keystore", "NSS DB"),
    b"cert9.db": ("keystore", "NSS DB"),
    b"key3.db": ("keystore", "NSS DB"),
    b"cert8.db": ("keystore", "NSS DB"),
    b"secring.gpg": ("private_key", "PGP"),
}
# Name endings -> (kind, format), for the same case.
_ENDINGS = {
    b".pem": ("certificate", "PEM"), b".crt": ("certificate", None), b".cer": ("certificate", None), b".der": ("certificate", "DER"),
    b".key": ("private_key", None), b"_key": ("private_key", None), b"-key": ("private_key", None), b".pk8": ("private_key", "DER"),
    b".p8": ("private_key", None), b".private": ("private_key", None), b".ppk": ("private_key", "PuTTY"),
    b".csr": ("csr", None), b".req": ("csr", None), b".crl": ("crl", None),
    b".p7b": ("signed_data", "PKCS#7"), b".p7c": ("signed_data", "PKCS#7"), b".p7s": ("signed_data", "PKCS#7"), b".p7m": ("signed_data", "PKCS#7"),
    b".p12": ("keystore", "PKCS#12"), b".pfx": ("keystore", "PKCS#12"), b".pkcs12": ("keystore", "PKCS#12"),
    b".jks": ("keystore", "JKS"), b".jceks": ("keystore", "JCEKS"), b".bks": ("keystore", "BKS"), b".bcfks": ("keystore", "BCFKS"),
    b"keystore": ("keystore", None), b"truststore": ("keystore", None), b"keytab": ("keystore", "Kerberos keytab"),
    b".kbx": ("keystore", "PGP"), b".kdb": ("keystore", None), b".kdbx": ("keystore", "KeePass"),
    b".pub": ("public_key", None), b".gpg": ("public_key", "PGP"), b".asc": ("public_key", "PGP"), b".pgp": ("public_key", "PGP"),
    b"dhparam": ("parameters", None), b"dhparams": ("parameters", None),
}
_ENDING_LENGTHS = sorted({len(ending) for ending in _ENDINGS}, reverse=True)
_PEM_PRIVATE = (b"privkey", b"key.pem", b"private")
NSS_NAMES = frozenset((b"key4.db", b"cert9.db", b"key3.db", b"cert8.db"))
_AGENT_KEYS = b"/private-keys-v1.d/"  # gpg-agent(1), Files

# Text before a PEM block is looked through in files so named. In those of private keys it must also begin like a comment: a file that
# begins with anything else may be a bare secret.
_TEXT_ENDINGS = (b".pem", b".crt", b".cer", b".csr", b".crl", b".p7b", b"-bundle")
_TEXT_KEY_ENDINGS = (b".key", b"_key", b"-key")


def last_component(name):
    """:returns: what stands behind the last slash of a path, as bytes."""
    return name.rpartition(b"/")[2]


def unmarked(name):
    """:returns: ``(kind, format)`` for a file whose content has no mark of its own, or None. :arg name: bytes of a path."""
    if _AGENT_KEYS in name and name.endswith(b".key"):
        return "private_key", "PGP"
    found = _NAMES.get(last_component(name))
    return found if found and found[0] in _UNMARKED else None


def absent(name):
    """:returns: ``(kind, format)`` by the name alone, or None. :arg name: bytes of a path."""
    if name.endswith(_DEVICES):
        return "random", None
    base = last_component(name).lower()
    found = _NAMES.get(base) or _ABSENT_NAMES.get(base)
    if found:
        return found
    for length in _ENDING_LENGTHS:
        found = _ENDINGS.get(base[-length:])
        if found:
            if found == ("certificate", "PEM"):
                if any(part in base for part in _PEM_PRIVATE):
                    return "private_key", "PEM"
                if b"dhparam" in base:
                    return "parameters", "PEM"
            return found
    return None


def text_before_pem(name, comment):
    """Whether text may stand before a PEM block in a file so named. :arg comment: the file begins with '#', a blank or a line end."""
    return name.endswith(_TEXT_ENDINGS) or comment and name.endswith(_TEXT_KEY_ENDINGS)
