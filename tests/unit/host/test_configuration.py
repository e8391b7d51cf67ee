# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto of hosts laid out like distributions: what is configured."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.crypto_policies import read_crypto_policies, read_gnutls
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.fips import read_fips
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.kernel import read_kernel, read_ktls, read_wireguard
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.openssl import read_openssl
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.openssl_config import Config, tls_defaults
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.ssh import read_ssh, read_sshd
from ansible_collections.cryptofleet.audit.tests.unit.support.host_world import CRYPTO, Host, debian12, rhel9, ubuntu2204


def values(settings):
    """keyword -> list of values of those that are set."""
    result = {}
    for setting in settings:
        if setting["value"] is not None:
            result.setdefault(setting["keyword"], []).append(setting["value"])
    return result


class TestRhel9:
    @pytest.fixture
    def host(self, tmp_path):
        return rhel9(tmp_path)

    def test_fips(self, host):
        assert read_fips(host.reader(), read_openssl(host.reader())) == {
            "kernel": True, "system_marker": False, "libgcrypt_marker": False, "boot_parameter": "1", "openssl_provider_configured": True,
            "openssl_provider_present": True, "unreadable": []}

    def test_policy(self, host):
        result = read_crypto_policies(host.reader())
        assert (result["present"], result["configured"], result["effective"], result["policy"]) == (True, "FIPS:OSPP", "FIPS:OSPP", "FIPS")
        assert result["subpolicies"] == [{"name": "OSPP"}] and result["own_policies"] == [{"name": "OWN.pmod"}]
        assert result["back_ends"] == [
            {"name": "gnutls", "policy": None}, {"name": "libreswan", "policy": "FIPS"}, {"name": "opensshserver", "policy": None},
            {"name": "opensslcnf", "policy": None}]

    def test_openssl(self, host):
        result = read_openssl(host.reader())
        assert [config["path"] for config in result["configs"]] == ["/etc/pki/tls/openssl.cnf"], "a link is the same file"
        config = result["configs"][0]
        assert [file["path"] for file in config["files"]] == ["/etc/pki/tls/openssl.cnf", "/etc/crypto-policies/back-ends/opensslcnf.config"]
        tls = config["tls"]
        assert (tls["security_level"], tls["min_protocol"], tls["max_protocol"]) == (2, "TLSv1.2", "TLSv1.3")
        assert (tls["dtls_min_protocol"], tls["dtls_max_protocol"], tls["groups"]) == ("DTLSv1.2", "DTLSv1.2", "secp256r1:secp384r1")
        assert tls["ciphersuites"] == "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256" and tls["signature_algorithms"] == "ECDSA+SHA256:RSA+SHA256"
        assert config["providers"] == [{"activated": True, "name": "default", "module": None},
                                       {"activated": True, "name": "fips", "module": "/usr/lib64/ossl-modules/fips.so"}]
        assert config["default_properties"] == "fips=yes" and config["fips_mode"] is None
        assert [module["name"] for module in result["modules"]] == ["fips", "legacy"] and result["engines"] == [] == result["unreadable"]

    def test_gnutls(self, host):
        result = read_gnutls(host.reader())
        assert [(line["section"], line["name"], line["value"]) for line in result["settings"]] == [
            ("global", "override-mode", "allowlist"), ("overrides", "secure-hash", "SHA256"), ("overrides", "tls-enabled-group", "GROUP-SECP256R1"),
            ("priorities", "SYSTEM", "NONE")]

    def test_sshd_has_the_back_end_of_the_policy(self, host):
        result = read_sshd(host.reader())
        assert values(result["settings"]) == {"Ciphers": ["aes256-gcm@openssh.com,aes256-ctr"], "MACs": ["hmac-sha2-256"],
                                            "CASignatureAlgorithms": ["rsa-sha2-256"], "RequiredRSASize": ["2048"]}
        ciphers = next(setting for setting in result["settings"] if setting["keyword"] == "Ciphers")
        assert (ciphers["source"], ciphers["line"]) == ("/etc/crypto-policies/back-ends/opensshserver.config", 1)

    def test_rhel8_gives_sshd_its_policy_on_the_command_line(self, host):
        host.put("/usr/lib/systemd/system/sshd.service", "[Service]\nEnvironmentFile=-/etc/crypto-policies/back-ends/opensshserver.config\n"
                 "ExecStart=/usr/sbin/sshd -D $OPTIONS $CRYPTO_POLICY\n")
        host.put("/etc/crypto-policies/back-ends/opensshserver.config", "CRYPTO_POLICY='-oCiphers=aes256-ctr -oKexAlgorithms=ecdh-sha2-nistp256'\n")
        host.put("/etc/ssh/sshd_config.d/50-redhat.conf", "Ciphers 3des-cbc\nMACs hmac-sha1\n")
        assert values(read_sshd(host.reader())["settings"]) == {
            "Ciphers": ["aes256-ctr"], "KexAlgorithms": ["ecdh-sha2-nistp256"], "MACs": ["hmac-sha1"]}
        host.put("/etc/sysconfig/sshd", "CRYPTO_POLICY=\n")
        assert values(read_sshd(host.reader())["settings"]) == {"Ciphers": ["3des-cbc"], "MACs": ["hmac-sha1"]}

    def test_kernel(self, host):
        result = read_kernel(host.reader())["algorithms"]
        assert [(entry["name"], entry["type"], entry["internal"], entry["fips_allowed"], entry["selftest"]) for entry in result] == [
            ("__ecb(aes)", "skcipher", True, False, "passed"), ("gcm(aes)", "aead", False, True, "passed"), ("md5", "shash", False, None, "unknown")]
        assert [driver["module"] for driver in result[1]["drivers"]] == ["gcm", "aesni_intel"]


class TestDebianAndUbuntu:
    def test_ubuntu(self, tmp_path):
        host = ubuntu2204(tmp_path)
        openssl = read_openssl(host.reader())
        assert [config["path"] for config in openssl["configs"]] == ["/etc/ssl/openssl.cnf"]
        tls = openssl["configs"][0]["tls"]
        assert (tls["security_level"], tls["cipher_string"], tls["min_protocol"]) == (2, "DEFAULT:@SECLEVEL=2", None)
        assert openssl["configs"][0]["providers"] == [{"activated": False, "name": "default", "module": None}]
        assert [engine["path"] for engine in openssl["engines"]] == ["/usr/lib/x86_64-linux-gnu/engines-3/padlock.so"]
        fips = read_fips(host.reader(), openssl)
        assert (fips["kernel"], fips["boot_parameter"], fips["openssl_provider_configured"], fips["openssl_provider_present"]) == (False, None, False, False)
        assert read_crypto_policies(host.reader())["present"] is False

    def test_ubuntu_sshd(self, tmp_path):
        result = read_sshd(ubuntu2204(tmp_path).reader())
        assert values(result["settings"]) == {"Ciphers": ["-*cbc"], "KexAlgorithms": ["curve25519-sha256"], "HostKey": ["/etc/ssh/ssh_host_ed25519_key"]}
        assert [(block["criteria"], values(block["settings"])) for block in result["match_blocks"]] == [
            ("Match User backup", {"PubkeyAcceptedAlgorithms": ["+ssh-rsa"]})]
        default = next(setting for setting in result["settings"] if setting["keyword"] == "MACs")
        assert default == {"keyword": "MACs", "line": None, "value": None, "source": "default"}

    def test_debian(self, tmp_path):
        host = debian12(tmp_path)
        tls = read_openssl(host.reader())["configs"][0]["tls"]
        assert (tls["min_protocol"], tls["security_level"]) == ("TLSv1.2", 2)
        assert read_fips(host.reader(), read_openssl(host.reader()))["kernel"] is None

    def test_a_host_without_any_configuration(self, tmp_path):
        reader = Host(tmp_path).reader
        assert read_openssl(reader()) == {"configs": [], "modules": [], "engines": [], "unreadable": []}
        assert read_sshd(reader())["path"] is None and read_ssh(reader())["path"] is None and read_gnutls(reader())["path"] is None
        assert [entry["source"] for entry in read_kernel(reader())["unreadable"]] == ["/proc/crypto"]
        assert [entry["source"] for entry in read_wireguard(reader())["unreadable"]] == ["/sys/class/net"]
        assert read_ktls(reader()) == {"available": False, "counters": {}, "unreadable": []}


class TestOpensslGrammar:
    """config(5)."""

    def config(self, tmp_path, text, **files):
        host = Host(tmp_path)
        host.put("/etc/ssl/openssl.cnf", text)
        for name, content in files.items():
            host.put("/inc/" + name.replace("_", "."), content)
        self.reader = host.reader()
        return Config(self.reader, "/etc/ssl/openssl.cnf")

    def test_values(self, tmp_path):
        config = self.config(tmp_path, r'''
a = one # comment
b = "two # no comment" 'and three'
c = \#four\
 goes on
d = $a-${b}$(a)
[ s ]
e = ${default::a} $e $ENV::HOME
e = ${ENV::HOME}
default::f = here
''')
        assert config.sections["default"] == {"a": "one", "b": "two # no comment and three", "c": "#four goes on", "d": "one-two # no comment and threeone",
                                              "f": "here"}
        assert config.sections["s"] == {"e": "${ENV::HOME}"} and config.get("s", "a") == "one" and config.get("s", "none") is None

    def test_a_dollar_may_be_a_letter(self, tmp_path):
        assert self.config(tmp_path, ".pragma dollarid:on\na = x$b\n").sections["default"] == {"a": "x$b"}

    def test_a_folder_is_included(self, tmp_path):
        config = self.config(tmp_path, "[s]\n.include /inc\nz = 3\n", a_cnf="x = 1\n", b_conf="x = 2\n", c_txt="x = 9\n")
        assert config.sections["s"] == {"x": "2", "z": "3"} and len(config.files) == 3

    @pytest.mark.parametrize("line, source, reason", [
        (".include /etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf", "too many includes"),
        (".include = other.cnf", "/etc/ssl/openssl.cnf", "relative include"),
        (".include /nowhere.cnf", "/nowhere.cnf", "could not be read"),
    ])
    def test_an_include_that_is_not_read_is_reported(self, tmp_path, line, source, reason):
        self.config(tmp_path, "openssl_conf = x\n" + line + "\n")
        assert [(entry["source"], reason in entry["reason"]) for entry in self.reader.unreadable()] == [(source, True)]

    def test_commands_have_any_case_and_the_last_one_counts(self, tmp_path):
        result = tls_defaults(self.config(tmp_path, "openssl_conf=i\n[i]\nssl_conf=m\n[m]\nsystem_default=d\n[d]\nminprotocol=TLSv1\n1.MinProtocol=TLSv1.2\n"
                                                  "CURVES=X25519\nCipherString=ALL:@SECLEVEL=0:@SECLEVEL=1\n"))
        assert (result["min_protocol"], result["groups"], result["security_level"]) == ("TLSv1.2", "X25519", 1)

    def test_a_provider_may_be_switched_off(self, tmp_path):
        host = Host(tmp_path)
        host.put("/etc/ssl/openssl.cnf", "openssl_conf=i\n[i]\nproviders=p\n[p]\nx.fips=f\n[f]\nactivate=0\n")
        openssl = read_openssl(host.reader())
        assert openssl["configs"][0]["providers"] == [{"activated": None, "name": "fips", "module": None}]
        assert read_fips(host.reader(), openssl)["openssl_provider_configured"] is None


class TestSshGrammar:
    """sshd_config(5), ssh_config(5). The same rules are compared with sshd -T in the integration tests."""

    def sshd(self, tmp_path, text, **files):
        host = Host(tmp_path)
        host.put("/etc/ssh/sshd_config", text)
        for name, content in files.items():
            host.put("/etc/ssh/" + name, content)
        return read_sshd(host.reader())

    @pytest.mark.parametrize("text, expected", [
        ("ciphers a\nCIPHERS b\n", {"Ciphers": ["a"]}),
        ("Ciphers=a\nMACs = b\nKexAlgorithms\t c \r\n", {"Ciphers": ["a"], "MACs": ["b"], "KexAlgorithms": ["c"]}),
        ("#Ciphers a\n  # MACs b\nRekeyLimit 1G 1h\n", {"RekeyLimit": ["1G 1h"]}),
        ("PubkeyAcceptedKeyTypes +ssh-rsa\n", {"PubkeyAcceptedAlgorithms": ["+ssh-rsa"]}),
        ("HostKey /a\nHostKey /b\n", {"HostKey": ["/a", "/b"]}),
        ("Match all\nCiphers a\n", {"Ciphers": ["a"]}),
    ])
    def test_lines(self, tmp_path, text, expected):
        assert values(self.sshd(tmp_path, text)["settings"]) == expected

    def test_a_block_of_an_included_file_ends_with_it(self, tmp_path):
        result = self.sshd(tmp_path, "Include one.conf\nMACs b\n", **{"one.conf": "Match User x\nPubkeyAcceptedAlgorithms p\n"})
        assert values(result["settings"]) == {"MACs": ["b"]} and len(result["match_blocks"]) == 1

    def test_an_include_in_a_block_holds_where_the_block_does(self, tmp_path):
        result = self.sshd(tmp_path, "Match User x\nInclude one.conf\nMatch all\nMACs b\n", **{"one.conf": "CASignatureAlgorithms p\n"})
        assert values(result["settings"]) == {"MACs": ["b"]}
        assert values(result["match_blocks"][0]["settings"]) == {"CASignatureAlgorithms": ["p"]}

    def test_it_includes_itself(self, tmp_path):
        result = self.sshd(tmp_path, "Ciphers a\nInclude sshd_config sshd_config\n")
        assert values(result["settings"]) == {"Ciphers": ["a"]} and "too many includes" in result["unreadable"][0]["reason"]

    def test_client(self, tmp_path):
        host = Host(tmp_path)
        host.put("/etc/ssh/ssh_config", "Host old\n Ciphers 3des-cbc\nHost *\n Ciphers aes256-ctr\n Include ~/own\n")
        result = read_ssh(host.reader())
        assert values(result["settings"]) == {"Ciphers": ["aes256-ctr"]}
        assert [(block["criteria"], values(block["settings"])) for block in result["match_blocks"]] == [("Host old", {"Ciphers": ["3des-cbc"]})]

    def test_host_keys_are_described_by_their_pub_files(self, tmp_path):
        host = Host(tmp_path)
        host.put("/etc/ssh/sshd_config", "")
        host.put("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q root@host\n")
        host.put("/etc/ssh/ssh_host_rsa_key.pub", "rubbish\n")
        host.fifo("/etc/ssh/ssh_host_ed25519_key")
        result = read_sshd(host.reader())
        assert [(key["path"], key["key_type"], key["key_bits"]) for key in result["host_keys"]] == [
            ("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519", 256), ("/etc/ssh/ssh_host_rsa_key.pub", None, None)]
        assert [entry["source"] for entry in result["unreadable"]] == ["/etc/ssh/ssh_host_rsa_key.pub"]


def test_wireguard_interfaces(tmp_path):
    host = Host(tmp_path)
    host.put("/sys/class/net/wg0/uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=9\n")
    host.put("/sys/class/net/lo/uevent", "INTERFACE=lo\nIFINDEX=1\n")
    host.put("/sys/class/net/bonding_masters", "")
    result = read_wireguard(host.reader())
    assert result["interfaces"] == [{"name": "wg0"}] and result["algorithms"]["cipher"] == "ChaCha20-Poly1305" and result["unreadable"] == []


def test_ktls_counters(tmp_path):
    host = Host(tmp_path)
    host.put("/proc/net/tls_stat", "TlsCurrTxSw                     \t3\nTlsDecryptError                 \t0\nother 1\nTlsX -1\n")
    assert read_ktls(host.reader()) == {"available": True, "counters": {"TlsCurrTxSw": 3, "TlsDecryptError": 0}, "unreadable": []}


def test_more_algorithms_than_are_listed(tmp_path):
    host = Host(tmp_path)
    host.put("/proc/crypto", "".join(CRYPTO.replace("md5", "md5-%d" % number) for number in range(400)))
    result = read_kernel(host.reader())
    assert len(result["algorithms"]) == 300 and "402 algorithms" in result["unreadable"][0]["reason"]
