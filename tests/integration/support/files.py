# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of every kind, made by the programs that make them in life: openssl, ssh-keygen, keytool."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile

from .pki import make_site, openssl
from .programs import run, tool

_CA = """
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
default_md = sha256
default_crl_days = 7
policy = any
[any]
commonName = optional
"""


@contextlib.contextmanager
def open_folder(parent=None):
    """A folder that everybody may enter, gone afterwards: pytest's own is root's alone. :arg parent: where, if it is there."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cryptofleet-files-", dir=parent if parent and os.path.isdir(parent) else None))
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def make_all(folder):
    """Make one file of each kind. Returns dict of file name -> (kind, format, some of its facts)."""
    key, certificate = make_site(folder)
    made = {"site.key": ("private_key", "PEM", {"algorithm": "RSA", "key_bits": 2048, "encrypted": False}),
            "site.crt": ("certificate", "PEM", {"key_algorithm": "RSA", "key_bits": 2048, "signature_algorithm": "sha256WithRSAEncryption"})}
    made.update(_private_keys(folder, key))
    made.update(_certificates(folder, key, certificate))
    made.update(_stores(folder, key, certificate))
    made.update(_ssh(folder))
    return made


def _private_keys(folder, key):
    rsa = {"algorithm": "RSA", "key_bits": 2048}
    shutil.copy(key, folder / "privkey.pem")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "DER", "-out", folder / "key.der")
    openssl("rsa", "-in", key, "-traditional", "-out", folder / "traditional")
    openssl("pkcs8", "-topk8", "-in", key, "-passout", "pass:secret", "-out", folder / "locked.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", folder / "ec.pem")
    openssl("genpkey", "-algorithm", "ED25519", "-out", folder / "notes.txt")
    openssl("pkey", "-in", key, "-pubout", "-out", folder / "public.pem")
    openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", folder / "dhparam.pem")
    return {
        "privkey.pem": ("private_key", "PEM", dict(rsa, encrypted=False)), "key.der": ("private_key", "DER", rsa),
        "traditional": ("private_key", "PEM", rsa), "locked.key": ("private_key", "PEM", {"encrypted": True}),
        "ec.pem": ("private_key", "PEM", {"key_bits": 384}), "notes.txt": ("private_key", "PEM", {"algorithm": "Ed25519"}),
        "public.pem": ("public_key", "PEM", rsa), "dhparam.pem": ("parameters", "PEM", {}),
    }


def _certificates(folder, key, certificate):
    openssl("x509", "-in", certificate, "-outform", "DER", "-out", folder / "site.cer")
    shutil.copy(folder / "site.cer", folder / "blob.bin")
    (folder / "bundle.pem").write_text(certificate.read_text() * 3)
    openssl("req", "-new", "-key", key, "-subj", "/CN=asked", "-out", folder / "site.csr")
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(_CA.format(folder=folder))
    openssl("ca", "-config", folder / "ca.conf", "-gencrl", "-keyfile", key, "-cert", certificate, "-out", folder / "site.crl")
    openssl("crl", "-in", folder / "site.crl", "-outform", "DER", "-out", folder / "list.der")
    openssl("crl2pkcs7", "-nocrl", "-certfile", certificate, "-out", folder / "chain.p7b")
    openssl("crl2pkcs7", "-nocrl", "-certfile", certificate, "-outform", "DER", "-out", folder / "chain.p7c")
    return {
        "site.cer": ("certificate", "DER", {"key_bits": 2048}), "blob.bin": ("certificate", "DER", {"key_bits": 2048}),
        "bundle.pem": ("certificate_bundle", "PEM", {"count": 3}), "site.csr": ("csr", "PEM", {}), "site.crl": ("crl", "PEM", {}),
        "list.der": ("crl", "DER", {}), "chain.p7b": ("signed_data", "PKCS#7", {}), "chain.p7c": ("signed_data", "PKCS#7", {}),
    }


def _stores(folder, key, certificate):
    openssl("pkcs12", "-export", "-inkey", key, "-in", certificate, "-passout", "pass:secret", "-out", folder / "store.p12")
    keytool = tool("keytool", "default-jre-headless")
    for kind, name in (("JKS", "store.jks"), ("PKCS12", "truststore")):
        run(keytool, "-genkeypair", "-alias", "one", "-keyalg", "RSA", "-dname", "CN=one", "-storetype", kind, "-storepass", "secret6", "-keypass", "secret6",
            "-keystore", folder / name)
    return {"store.p12": ("keystore", "PKCS#12", {}), "store.jks": ("keystore", "JKS", {}), "truststore": ("keystore", "PKCS#12", {})}


def _ssh(folder):
    keygen = tool("ssh-keygen", "openssh-client")
    run(keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / "ssh_host_ed25519_key")
    run(keygen, "-q", "-t", "rsa", "-b", "3072", "-N", "", "-f", folder / "id_rsa")
    run(keygen, "-q", "-t", "ecdsa", "-N", "a secret", "-f", folder / "id_ecdsa")
    public = (folder / "id_rsa.pub").read_text()
    (folder / "authorized_keys").write_text(public)
    (folder / "known_hosts").write_text("localhost " + public)
    return {
        "ssh_host_ed25519_key": ("private_key", "OpenSSH", {"encrypted": False}), "id_rsa": ("private_key", "OpenSSH", {"key_bits": 3072, "encrypted": False}),
        "id_ecdsa": ("private_key", "OpenSSH", {"encrypted": True}), "id_rsa.pub": ("public_key", "OpenSSH", {"key_bits": 3072}),
        "authorized_keys": ("authorized_keys", "OpenSSH", {}), "known_hosts": ("known_hosts", "OpenSSH", {}),
    }
