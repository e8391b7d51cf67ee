# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories laid out like hosts, for the readers of host_crypto. The files are written for the tests, in the form of each distribution."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.cryptofleet.audit.plugins.module_utils._host.reader import Reader

RHEL_OPENSSL = """\
# system-wide
openssl_conf = openssl_init

[openssl_init]
providers = provider_sect
ssl_conf = ssl_module
alg_section = evp_properties

[ evp_properties ]
default_properties = fips=yes

[provider_sect]
default = default_sect
fips = fips_sect
##legacy = legacy_sect

[default_sect]
activate = 1

[fips_sect]
module = /usr/lib64/ossl-modules/fips.so
activate = 1

[ ssl_module ]
system_default = crypto_policy

[ crypto_policy ]
.include = /etc/crypto-policies/back-ends/opensslcnf.config

[ ca ]
default_ca = CA_default
"""
RHEL_BACK_END = """\
CipherString = @SECLEVEL=2:kEECDH:kRSA:kEDH:-aDSS:-3DES:!DES:!RC4
Ciphersuites = TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256
TLS.MinProtocol = TLSv1.2
TLS.MaxProtocol = TLSv1.3
DTLS.MinProtocol = DTLSv1.2
DTLS.MaxProtocol = DTLSv1.2
SignatureAlgorithms = ECDSA+SHA256:RSA+SHA256
Groups = secp256r1:secp384r1

[openssl_init]
alg_section = evp_properties
"""
UBUNTU_OPENSSL = """\
HOME\t\t\t= .
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
ssl_conf = ssl_sect
[provider_sect]
default = default_sect
[default_sect]
# activate = 1
[ssl_sect]
system_default = system_default_sect
[system_default_sect]
CipherString = DEFAULT:@SECLEVEL=2
"""
DEBIAN_OPENSSL = UBUNTU_OPENSSL.replace("CipherString", "MinProtocol = TLSv1.2\nCipherString")

CRYPTO = """\
name         : gcm(aes)
driver       : generic-gcm-aesni
module       : aesni_intel
priority     : 400
refcnt       : 1
selftest     : passed
internal     : no
fips         : yes
type         : aead

name         : gcm(aes)
driver       : gcm_base(ctr(aes-generic),ghash-generic)
module       : gcm
priority     : 100
selftest     : passed
internal     : no
fips         : yes
type         : aead

name         : __ecb(aes)
driver       : __ecb-aes-aesni
module       : aesni_intel
selftest     : passed
internal     : yes
fips         : no
type         : skcipher

name         : md5
driver       : md5-generic
module       : kernel
selftest     : unknown
internal     : no
type         : shash

"""


class Host:
    """A directory with a host's files.

    :arg root: path of the directory.
    """

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def put(self, path, content=b""):
        """Write a file.

        :arg path: str, absolute on the host.
        :arg content: str or bytes.
        :returns: pathlib.Path of the file.
        """
        file_path = self.root / path.lstrip("/")
        file_path.parent.mkdir(parents=True, exist_ok=True)
        file_path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file_path

    def link(self, path, target):
        """Make a symbolic link.

        :arg path: str, absolute on the host.
        :arg target: str, the text of the link.
        """
        file_path = self.root / path.lstrip("/")
        file_path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, file_path)

    def fifo(self, path):
        """Make a FIFO at a path, a str, absolute on the host."""
        file_path = self.root / path.lstrip("/")
        file_path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(file_path)

    def reader(self, show_path=bytes):
        """A new `Reader` of the host's files."""
        return Reader(str(self.root), show_path)


def rhel9(root):
    """RHEL 9 in FIPS mode with the policy FIPS:OSPP."""
    host = Host(root)
    host.put("/proc/sys/crypto/fips_enabled", "1\n")
    host.put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 fips=1 quiet\n")
    host.put("/proc/crypto", CRYPTO)
    host.put("/etc/crypto-policies/config", "# a comment\n\nFIPS:OSPP\n")
    host.put("/etc/crypto-policies/state/current", "FIPS:OSPP\n")
    host.put("/etc/crypto-policies/state/CURRENT.pol", "min_rsa_size = 2048\n")
    host.put("/etc/crypto-policies/policies/modules/OWN.pmod", "cipher = -AES-128-*\n")
    host.link("/etc/crypto-policies/back-ends/libreswan.config", "/usr/share/crypto-policies/FIPS/libreswan.txt")
    host.put("/etc/crypto-policies/back-ends/opensslcnf.config", RHEL_BACK_END)
    host.put("/etc/crypto-policies/back-ends/opensshserver.config", "Ciphers aes256-gcm@openssh.com,aes256-ctr\nMACs hmac-sha2-256\nCASignatureAlgorithms rsa-sha2-256\nRequiredRSASize 2048\n")
    host.put("/etc/pki/tls/openssl.cnf", RHEL_OPENSSL)
    host.link("/etc/ssl/openssl.cnf", "../pki/tls/openssl.cnf")
    host.put("/usr/lib64/ossl-modules/fips.so")
    host.put("/usr/lib64/ossl-modules/legacy.so")
    host.link("/etc/gnutls/config", "../crypto-policies/back-ends/gnutls.config")
    host.put("/etc/crypto-policies/back-ends/gnutls.config", "[global]\noverride-mode = allowlist\n\n[overrides]\nsecure-hash = SHA256\ntls-enabled-group = GROUP-SECP256R1\n\n[priorities]\nSYSTEM=NONE\n")
    host.put("/etc/ssh/sshd_config", "# comment\nInclude /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile .ssh/authorized_keys\n")
    host.put("/etc/ssh/sshd_config.d/50-redhat.conf", "Include /etc/crypto-policies/back-ends/opensshserver.config\nX11Forwarding yes\nCiphers 3des-cbc\n")
    return host


def ubuntu2204(root):
    """Ubuntu 22.04 as installed, with a setting of the administrator's for sshd."""
    host = Host(root)
    host.put("/proc/sys/crypto/fips_enabled", "0\n")
    host.put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz ro\n")
    host.put("/etc/ssl/openssl.cnf", UBUNTU_OPENSSL)
    host.link("/usr/lib/ssl/openssl.cnf", "../../../etc/ssl/openssl.cnf")
    host.put("/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so")
    host.put("/usr/lib/x86_64-linux-gnu/engines-3/padlock.so")
    host.put("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nCiphers aes128-ctr\n"
             "Match User backup\n\tPubkeyAcceptedAlgorithms +ssh-rsa\nMatch User nobody\n\tX11Forwarding no\n")
    host.put("/etc/ssh/sshd_config.d/10-own.conf", "Ciphers -*cbc # no CBC\nKexAlgorithms=curve25519-sha256\nHostKey \"/etc/ssh/ssh_host_ed25519_key\"\n")
    return host


def debian12(root):
    """Debian 12 as installed."""
    host = Host(root)
    host.put("/proc/cmdline", "quiet\n")
    host.put("/etc/ssl/openssl.cnf", DEBIAN_OPENSSL)
    host.link("/usr/lib/ssl/openssl.cnf", "../../../etc/ssl/openssl.cnf")
    host.put("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n")
    return host
