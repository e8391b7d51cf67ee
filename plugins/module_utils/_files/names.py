# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of files with keys, certificates and crypto configuration: tables, and three look-ups.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

# The last four bytes of names: an open of such a file is reported before its content is known. The eBPF program looks them up.
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
    b".age",  # age
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

# Base name -> (kind, format).
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
# Kinds of files whose content has no signature, so that the name decides even if the content can be read.
_WITHOUT_MAGIC = frozenset(("config", "random", "known_hosts", "authorized_keys"))
# Base name -> (kind, format), for files that can't be read.
_UNREADABLE_NAMES = {
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
# Suffix of a base name -> (kind, format), for the same case.
_SUFFIXES = {
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
    b".age": ("encrypted_data", "age"), b"dhparam": ("parameters", None), b"dhparams": ("parameters", None),
}
_SUFFIX_LENGTHS = sorted({len(suffix) for suffix in _SUFFIXES}, reverse=True)
_PEM_PRIVATE = (b"privkey", b"key.pem", b"private")
NSS_NAMES = frozenset((b"key4.db", b"cert9.db", b"key3.db", b"cert8.db"))
_AGENT_DIRECTORY = b"/private-keys-v1.d/"  # gpg-agent(1), Files

# Files with these suffixes may have text before their first PEM block. In those of private keys it must also begin like a comment: a file
# that begins with anything else may be a bare secret.
_TEXT_SUFFIXES = (b".pem", b".crt", b".cer", b".csr", b".crl", b".p7b", b"-bundle")
_TEXT_KEY_SUFFIXES = (b".key", b"_key", b"-key")


def base_name(name):
    """The part of a path, bytes, behind its last slash."""
    return name.rpartition(b"/")[2]


def without_magic(name):
    """Look up a file whose content has no signature.

    :arg name: bytes, its path.
    :returns: tuple: kind, format; None where the name is not that of such a file.
    """
    if _AGENT_DIRECTORY in name and name.endswith(b".key"):
        return "private_key", "PGP"
    found = _NAMES.get(base_name(name))
    return found if found and found[0] in _WITHOUT_MAGIC else None


def by_name_alone(name):
    """Look up a file that can't be read.

    :arg name: bytes, its path.
    :returns: tuple: kind, format; None where the name says nothing.
    """
    if name.endswith(_DEVICES):
        return "random", None
    base = base_name(name).lower()
    found = _NAMES.get(base) or _UNREADABLE_NAMES.get(base)
    if found:
        return found
    for length in _SUFFIX_LENGTHS:
        found = _SUFFIXES.get(base[-length:])
        if found:
            if found == ("certificate", "PEM"):
                if any(part in base for part in _PEM_PRIVATE):
                    return "private_key", "PEM"
                if b"dhparam" in base:
                    return "parameters", "PEM"
            return found
    return None


def allows_text_before_pem(name, comment):
    """Whether a file may have text before its first PEM block.

    :arg name: bytes, its path.
    :arg comment: bool, whether the file begins with '#', a blank or a line end.
    :returns: bool.
    """
    return name.endswith(_TEXT_SUFFIXES) or comment and name.endswith(_TEXT_KEY_SUFFIXES)
