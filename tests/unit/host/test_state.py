# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto: storage, modules, the trust store, hostile files, and all of it together."""

from __future__ import annotations

import base64
import gzip
import json
import os
import tempfile
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host import reader as reader_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._host import storage, trust_store
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.host_crypto import read_host_crypto, shorten
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.modules import read_modules, signature_facts
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.openssl import read_openssl
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.reader import Reader
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.ssh import read_sshd
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.storage import read_storage
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.trust_store import read_trust_store, weaknesses
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.redact import Redactor
from ansible_collections.cryptofleet.audit.plugins.module_utils._window.options import document_options, request_from, target_options, window_options
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _schema
from ansible_collections.cryptofleet.audit.tests.unit.host.test_luks import luks1, luks2
from ansible_collections.cryptofleet.audit.tests.unit.support.host_world import Host, debian12, rhel9, ubuntu2204
from hypothesis import given, settings, strategies


class TestStorage:
    def disk(self, host, name, number, size="2048", partition=None):
        folder = "/sys/block/%s" % (name if partition is None else "%s/%s" % (name, partition))
        host.put(folder + "/dev", "%s\n" % number)
        host.put(folder + "/size", size + "\n")
        if partition is not None:
            host.put(folder + "/partition", "1\n")

    @pytest.fixture
    def host(self, tmp_path, monkeypatch):
        """A host whose devices are plain files: making a real one needs privilege."""
        def open_file(path, number):
            self.opened.append((os.path.basename(path), number))
            return os.open(path, os.O_RDONLY)
        self.opened = []
        monkeypatch.setattr(storage, "open_block_device", open_file)
        return Host(tmp_path)

    def test_headers_and_mappings(self, host):
        self.disk(host, "sda", "8:0")
        self.disk(host, "sda", "8:2", partition="sda2")
        self.disk(host, "nvme0n1", "259:0")
        self.disk(host, "dm-0", "254:0")
        self.disk(host, "dm-1", "254:1")
        self.disk(host, "dm-2", "254:2")
        self.disk(host, "sr0", "11:0")
        self.disk(host, "loop0", "7:0", size="0")
        for name, uuid in (("dm-0", "CRYPT-LUKS2-0123-root"), ("dm-1", "LVM-abc"), ("dm-2", "CRYPT-PLAIN-swap")):
            host.put("/sys/block/%s/dm/uuid" % name, uuid + "\n")
            host.put("/sys/block/%s/dm/name" % name, uuid.split("-")[-1] + "\n")
            host.put("/dev/" + name, bytes(4096))
        host.put("/sys/block/dm-0/slaves/sda2/x", "")
        host.put("/dev/sda", bytes(4096))
        host.put("/dev/sda2", luks2())
        host.put("/dev/nvme0n1", luks1())
        result = read_storage(host.reader())
        assert result["mappings"] == [{"device": "dm-0", "type": "LUKS2", "underlying": ["sda2"], "name": "root"},
                                    {"device": "dm-2", "type": "PLAIN", "underlying": [], "name": "swap"}]
        assert [(header["device"], header["version"], header["cipher"]) for header in result["luks"]] == [
            ("nvme0n1", 1, "aes-xts-plain64"), ("sda2", 2, "aes-xts-plain64")]
        assert [entry["source"] for entry in result["unreadable"]] == ["/dev/dm-2"]
        assert ("sda2", (8, 2)) in self.opened and not {"sr0", "loop0"}.intersection(name for name, _number in self.opened)

    def test_a_disk_that_udev_knows_to_hold_something_else_is_not_opened(self, host):
        self.disk(host, "sda", "8:0")
        self.disk(host, "sdb", "8:16")
        host.put("/run/udev/data/b8:0", "S:x\nE:ID_FS_TYPE=ext4\n")
        host.put("/run/udev/data/b8:16", "S:x\nE:ID_FS_TYPE=crypto_LUKS\n")
        host.put("/dev/sdb", luks1())
        assert [header["device"] for header in read_storage(host.reader())["luks"]] == ["sdb"] and self.opened == [("sdb", (8, 16))]

    def test_a_device_that_cannot_be_read_is_reported(self, host):
        self.disk(host, "sda", "8:0")
        self.disk(host, "sdb", "8:16")
        host.put("/dev/sdb", luks2()[:5000])
        assert {entry["source"]: entry["reason"] for entry in read_storage(host.reader())["unreadable"]} == {
            "/dev/sda": "No such file or directory", "/dev/sdb": "LUKS: header cut short"}

    def test_a_suspended_device_is_not_opened(self, host):
        self.disk(host, "dm-0", "254:0")
        host.put("/dev/dm-0", luks1())
        host.put("/sys/block/dm-0/dm/suspended", "1\n")
        result = read_storage(host.reader())
        assert result["luks"] == [] and not self.opened and "suspended" in result["unreadable"][0]["reason"]
        host.put("/sys/block/dm-0/dm/suspended", "0\n")
        assert len(read_storage(host.reader())["luks"]) == 1

    def test_only_the_very_block_device_is_opened(self, tmp_path):
        host = Host(tmp_path)
        self.disk(host, "sda", "8:0")
        host.put("/dev/sda", luks1())
        self.disk(host, "sdb", "8:16")
        host.fifo("/dev/sdb")
        result = read_storage(host.reader())
        assert result["luks"] == [] and {entry["reason"] for entry in result["unreadable"]} == {"Block device required"}


class TestModules:
    def test_state(self, tmp_path):
        host = Host(tmp_path)
        host.put("/sys/module/module/parameters/sig_enforce", "Y\n")
        host.put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        host.put("/proc/modules", "ext4 1 1 - Live 0x0\nzfs 1 0 - Live 0x0 (POE)\nsnd-x\n")
        host.put("/sys/module/ext4/taint", "\n")
        host.put("/sys/module/zfs/taint", "POE\n")
        host.put("/boot/config-6.1.0", "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n# CONFIG_MODULE_SIG_FORCE is not set\nCONFIG_MODULE_SIG_HASH=\"sha512\"\n")
        host.put("/lib/modules/6.1.0/modules.dep", "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\nextra/zfs.ko.zst:\n../../etc/zfs.ko:\n")
        host.put("/lib/modules/6.1.0/kernel/fs/ext4/ext4.ko", b"\x7fELF")
        result = read_modules(host.reader(), "6.1.0")
        assert (result["signature_enforced"], result["lockdown"], result["loaded"], result["unsigned"]) == (True, "integrity", 2, ["zfs"])
        assert result["config"] == {"modules": True, "module_sig": True, "module_sig_force": False, "path": "/boot/config-6.1.0", "module_sig_hash": "sha512"}
        assert [(entry["module"], entry["signed"]) for entry in result["signatures"]] == [("ext4", False), ("zfs", None)]
        assert [(entry["source"], "zstd" in entry["reason"]) for entry in result["unreadable"]] == [("/lib/modules/6.1.0/extra/zfs.ko.zst", True)]

    def test_a_packed_configuration(self, tmp_path):
        host = Host(tmp_path)
        host.put("/proc/config.gz", gzip.compress(b"CONFIG_MODULES=y\n"))
        assert read_modules(host.reader(), "6")["config"]["modules"] is True
        host.put("/proc/config.gz", b"rubbish")
        result = read_modules(host.reader(), "6")
        assert result["config"] is None and "gzip" in result["unreadable"][0]["reason"]

    def test_a_bomb_is_not_unpacked(self, tmp_path):
        host = Host(tmp_path)
        host.put("/proc/modules", "big 1\n")
        host.put("/lib/modules/6/modules.dep", "big.ko.gz:\n")
        host.put("/lib/modules/6/big.ko.gz", gzip.compress(bytes(64 << 20)))
        result = read_modules(host.reader(), "6")
        assert result["signatures"][0]["signed"] is None and "decompressed" in result["unreadable"][0]["reason"]

    @pytest.mark.parametrize("data, signed", [(b"", False), (b"\x7fELF", False)])
    def test_unsigned(self, data, signed):
        assert signature_facts(data) == {"signed": signed}


CERTIFICATE_FACTS = {"key_algorithm": "RSA", "key_bits": 4096, "signature_algorithm": "sha256WithRSAEncryption"}


class TestTrustStore:
    @pytest.mark.parametrize("changed, expected", [
        ({}, []), ({"key_bits": 1024}, ["RSA key of 1024 bits"]), ({"signature_algorithm": "sha1WithRSAEncryption"}, ["signature sha1WithRSAEncryption"]),
        ({"signature_algorithm": "ecdsa-with-SHA1"}, ["signature ecdsa-with-SHA1"]), ({"signature_algorithm": "md5WithRSAEncryption"}, ["signature md5WithRSAEncryption"]),
        ({"signature_algorithm": "RSASSA-PSS", "signature_hash": "SHA-1"}, ["signature RSASSA-PSS with SHA-1"]),
        ({"signature_algorithm": "RSASSA-PSS", "signature_hash": "SHA-256"}, []), ({"key_algorithm": "DSA", "key_bits": 3072}, ["DSA key"]),
        ({"key_algorithm": "EC", "key_bits": 192}, ["EC key of 192 bits"]), ({"key_algorithm": "Ed25519", "key_bits": 256}, []),
        ({"signature_algorithm": "ecdsa-with-SHA512"}, []), ({"key_algorithm": "RSA", "key_bits": None}, ["RSA key of 0 bits"]),
    ])
    def test_weak(self, changed, expected):
        assert weaknesses(dict(CERTIFICATE_FACTS, **changed)) == expected

    def pem(self, content):
        return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(content) + b"-----END CERTIFICATE-----\n"

    def test_malformed_roots_are_counted(self, tmp_path):
        host = Host(tmp_path)
        host.put("/etc/ssl/certs/ca-certificates.crt", self.pem(b"rubbish") + b"# comment\n" + self.pem(b"more"))
        host.link("/etc/ssl/cert.pem", "certs/ca-certificates.crt")
        bundles = read_trust_store(host.reader(), "2026-01-01T00:00:00Z")["bundles"]
        assert [(bundle["path"], bundle["roots"], bundle["malformed"]) for bundle in bundles] == [("/etc/ssl/certs/ca-certificates.crt", 2, 2)]

    def test_a_private_key_in_a_bundle_is_not_read(self, tmp_path, monkeypatch):
        secret = base64.b64encode(b"\xee" * 900)
        host = Host(tmp_path)
        host.put("/etc/ssl/certs/ca-certificates.crt", self.pem(b"x") + b"-----BEGIN PRIVATE KEY-----\n" + secret + b"\n-----END PRIVATE KEY-----\n" + self.pem(b"y"))
        seen = []
        real = os.pread
        monkeypatch.setattr(os, "pread", lambda fd, length, offset: seen.append(real(fd, length, offset)) or seen[-1])
        result = read_trust_store(host.reader(), "2026-01-01T00:00:00Z")
        assert result["bundles"][0]["roots"] == 1 and "not a certificate" in result["unreadable"][0]["reason"]
        assert secret[:40] not in b"".join(seen)

    def test_more_roots_than_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(trust_store, "_MAX_ROOTS", 2)
        host = Host(tmp_path)
        host.put("/etc/ssl/certs/ca-certificates.crt", self.pem(b"x") * 3)
        result = read_trust_store(host.reader(), "2026-01-01T00:00:00Z")
        assert result["bundles"][0]["roots"] == 2 and "more than 2" in result["unreadable"][0]["reason"]


PATHS = ["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies/config", "/etc/crypto-policies/state/current", "/etc/gnutls/config",
          "/etc/ssh/sshd_config", "/etc/ssh/ssh_config", "/etc/ssh/ssh_host_rsa_key.pub", "/etc/ssl/certs/ca-certificates.crt", "/proc/crypto",
          "/proc/cmdline", "/proc/modules", "/proc/net/tls_stat", "/proc/net/xfrm_stat", "/proc/config.gz", "/sys/kernel/security/lockdown",
          "/sys/class/net/x/uevent", "/usr/lib/systemd/system/sshd.service", "/sys/block/dm-0/dm/uuid", "/sys/block/sda/dev", "/proc/sys/crypto/fips_enabled"]


def host_crypto(profile, root, show_path=bytes):
    """A whole valid profile with this host_crypto: what the controller would see."""
    profile["host_crypto"] = read_host_crypto(show_path, str(root))
    _schema.validate(profile, "profile")
    return profile["host_crypto"]


class TestHostile:
    @pytest.mark.parametrize("content", [
        b"\xff\xfe\x00" * 400, b"\0" * 5000, b"\x1b[2J" * 9, b"=" * 3000, b"[" * 3000, b"\n" * 3000, b"${a" * 3000, b"\\" * 4001, b"\"" * 3001, b"Include /\0x\n" * 9,
        b"Include " + b"*/" * 200 + b"*\n", b".include /\0x\n", b".include /etc\n" * 99, b"-----BEGIN CERTIFICATE-----\n" * 50, b"a : b\n" * 900,
        b"name : x\ntype : y\n\n" * 900, b"HostKey " + b"/a" * 3000 + b"\n", b"Match " + b"u" * 9000 + b"\nCiphers " + b"c" * 9000,
    ])
    def test_any_content_anywhere(self, tmp_path, profile, content):
        host = Host(tmp_path)
        for path in PATHS:
            host.put(path, content)
        began = time.monotonic()
        result = host_crypto(profile, tmp_path)
        assert time.monotonic() - began < 20 and len(json.dumps(result)) < 110000

    def test_fifos_folders_and_loops_of_links(self, tmp_path, profile):
        host = Host(tmp_path)
        for number, path in enumerate(PATHS):
            if number % 3 == 0:
                host.fifo(path)
            elif number % 3 == 1:
                host.put(path + "/x")
            else:
                host.link(path, os.path.basename(path))
        result = host_crypto(profile, tmp_path)
        reasons = {entry["reason"] for part in result.values() for entry in part["unreadable"]}
        assert "not a regular file" in reasons and "Too many levels of symbolic links" in reasons
        assert {entry["source"] for entry in result["sshd"]["unreadable"]} >= {"/etc/ssh/sshd_config"}

    def test_a_huge_file(self, tmp_path):
        host = Host(tmp_path)
        with open(host.put("/etc/ssl/openssl.cnf"), "wb") as stream:
            stream.truncate(1 << 33)
        reader = host.reader()
        assert len(reader.read("/etc/ssl/openssl.cnf")) == 1 << 20 and "only the first" in reader.unreadable()[0]["reason"]

    @pytest.mark.parametrize("text", ["a = " + "x" * 60000 + "\nb = $a$a$a$a\nc = $b$b$b\n" + "d = $c$c$c$c$c\n" * 50, "a = $a\n" * 5000])
    def test_variables_that_grow(self, tmp_path, text):
        host = Host(tmp_path)
        host.put("/etc/ssl/openssl.cnf", "openssl_conf = i\n[i]\nssl_conf=m\n[m]\nsystem_default=d\n[d]\n" + text + "Groups = $d\n")
        began = time.monotonic()
        result = read_openssl(host.reader())
        assert time.monotonic() - began < 10 and len(json.dumps(result)) < 20000

    @pytest.mark.parametrize("path, text", [
        ("/etc/ssl/openssl.cnf", "[" + " " * 500000), ("/etc/ssl/openssl.cnf", "a = " + "${a" * 300000), ("/etc/ssl/openssl.cnf", "a = " + "$(a" * 300000),
        ("/etc/sysconfig/sshd", "\n" * 65000),
    ])
    def test_no_pattern_takes_quadratic_time(self, tmp_path, path, text):
        host = Host(tmp_path)
        host.put("/usr/lib/systemd/system/sshd.service", "ExecStart=/usr/sbin/sshd -D $CRYPTO_POLICY\n")
        host.put(path, text)
        began = time.monotonic()
        read_openssl(host.reader())
        read_sshd(host.reader())
        assert time.monotonic() - began < 3

    def test_the_lists_are_bounded(self, tmp_path, profile):
        """The result without dest has room for 190,000 octets, of which the processes need most."""
        host = rhel9(tmp_path)
        long = "x" * 5000
        host.put("/etc/ssh/sshd_config", "".join("Match User %d\nPubkeyAcceptedAlgorithms %s\n" % (number, long) for number in range(500)))
        host.put("/etc/ssh/ssh_config", "".join("Host %d\nCiphers %s\n" % (number, long) for number in range(500)))
        host.put("/etc/crypto-policies/back-ends/gnutls.config", "[overrides]\n" + ("a = %s\n" % long) * 500)
        for number in range(300):
            host.put("/etc/crypto-policies/back-ends/%d%s.config" % (number, "y" * 200))
            host.put("/usr/lib64/ossl-modules/%d%s.so" % (number, "y" * 200))
        host.put("/proc/crypto", "".join("name : %d%s\ntype : %s\ndriver : %s\nmodule : %s\n\n" % (number, long, long, long, long) for number in range(400)))
        result = host_crypto(profile, tmp_path)
        assert 50000 < len(json.dumps(result)) < 110000
        assert any(entry == {"source": "sshd.match_blocks", "reason": "%d entries omitted: host_crypto exceeds its limit of 100000 bytes" % (200 - len(result["sshd"]["match_blocks"]))}
                   for entry in result["sshd"]["unreadable"])
        assert {name for name, part in result.items() if part["unreadable"]} >= {"sshd", "ssh", "gnutls", "kernel", "crypto_policies", "openssl"}


PIECES = strategies.lists(strategies.sampled_from([
    "[", "]", "a", "=", "\n", "\n", "#", '"', "'", "\\", "$", "${", "}", "(", ")", "::", ".include ", ".pragma dollarid:on", "/etc/ssl/openssl.cnf", "/etc/ssh/sshd_config",
    "*", " ", "\t", "\r", "\0", "\x80", "openssl_conf", "ssl_conf", "system_default", "providers", "Include ", "Match ", "Host ", "all", "Ciphers ", "-", ":", "name", "type"]),
    max_size=60).map("".join)


@settings(max_examples=150, deadline=None)
@given(PIECES)
def test_any_text_in_any_configuration(text):
    with tempfile.TemporaryDirectory() as folder:
        host = Host(folder)
        for path in ("/etc/ssl/openssl.cnf", "/etc/ssh/sshd_config", "/etc/ssh/ssh_config", "/etc/gnutls/config", "/etc/crypto-policies/config", "/proc/crypto"):
            host.put(path, text)
        result = read_host_crypto(bytes, folder)
    assert len(json.dumps(result)) < 110000


def test_a_list_inside_another_is_shortened_too():
    roots = [{"subject": "x" * 2000} for _number in range(50)]
    result = shorten({"trust_store": {"bundles": [{"path": "/a", "weak_roots": roots}], "unreadable": []}, "ktls": {"unreadable": []}}, 60000)
    assert result["trust_store"]["unreadable"] == [
        {"source": "trust_store.bundles.weak_roots", "reason": "25 entries omitted: host_crypto exceeds its limit of 60000 bytes"}]
    assert len(result["trust_store"]["bundles"][0]["weak_roots"]) == 25 and result["ktls"] == {"unreadable": []}


class TestAll:
    @pytest.mark.parametrize("make", [rhel9, ubuntu2204, debian12])
    def test_the_profile_is_valid(self, tmp_path, profile, make):
        make(tmp_path)
        result = host_crypto(profile, tmp_path)
        assert list(result) == ["fips", "crypto_policies", "openssl", "gnutls", "kernel", "ipsec", "wireguard", "ktls", "storage", "modules", "sshd", "ssh",
                              "trust_store"]

    def test_this_host(self, profile):
        result = host_crypto(profile, "", Redactor().path)
        assert result["kernel"]["algorithms"] and result["openssl"]["configs"][0]["path"] == "/etc/ssl/openssl.cnf"

    def test_a_host_of_any_bytes_keeps_its_marks(self, tmp_path, profile):
        host = Host(tmp_path)
        host.put("/etc/ssh/sshd_config", b"Ciphers \xff\\\nMACs " + b"m" * 5000 + b"\n")
        settings = {entry["keyword"]: entry for entry in host_crypto(profile, tmp_path)["sshd"]["settings"]}
        assert settings["Ciphers"]["value"] == "\\xff\\\\" and settings["Ciphers"]["value_escaped"] is True
        assert len(settings["MACs"]["value"]) == 2048 and settings["MACs"]["value_truncated"] is True

    def test_homes_are_redacted(self, tmp_path):
        host = Host(tmp_path)
        host.put("/etc/ssh/sshd_config", "HostKey /home/alice/key\nHostKey \"/home/alice/other\"\n")
        result = read_host_crypto(Redactor().path, str(tmp_path))["sshd"]
        assert "alice" not in json.dumps(result) and result["host_keys"][0]["path"] == "/home/[user]/key.pub"


@pytest.mark.parametrize("pattern, expected", [
    ("/a/*.conf", ["/a/1.conf", "/a/2.conf"]), ("/*/1.conf", ["/a/1.conf", "/b/1.conf"]), ("/a/[!1].conf", ["/a/2.conf"]), ("/a/1.conf", ["/a/1.conf"]),
    ("/a/none", []), ("/none/*", []),
])
def test_globs(tmp_path, pattern, expected):
    host = Host(tmp_path)
    for path in ("/a/1.conf", "/a/2.conf", "/a/.3.conf", "/b/1.conf", "/b/x"):
        host.put(path)
    assert host.reader().glob(pattern) == expected


def test_directories_are_listed_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "MAX_LISTED", 20)
    host = Host(tmp_path)
    for number in range(9):
        host.put("/a/%d.conf" % number)
    reader = host.reader()
    assert [len(reader.glob("/a/*.conf")) for _number in range(4)] == [9, 9, 9, 0]
    assert reader.unreadable() == [{"source": "/a", "reason": "not listed: more than 20 directory entries in all"}]


def test_more_unreadable_sources_than_are_listed():
    reader = Reader()
    for number in range(70):
        reader.add_unreadable("/%03d" % number, "bad")
    listed = reader.unreadable()
    assert len(listed) == 51 and listed[-1]["reason"] == "20 more entries omitted"


def test_the_option_is_among_the_probes():
    params = dict({option: spec.get("default") for options in (target_options(), window_options(), document_options()) for option, spec in options.items()})
    assert request_from(params).host_crypto is True
    left_out = request_from(dict(params, probes={"host_crypto": False}))
    assert left_out.host_crypto is False and all(left_out.probes.values()) and "host_crypto" not in left_out.probes
