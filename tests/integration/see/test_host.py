# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_crypto compared with what the programs themselves say: openssl, sshd, cryptsetup, ip. What the kernel itself encrypts is compared
in the guests of tests/kernels, whose kernels have it all as modules."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import struct
import sys

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.host_crypto import read_host_crypto
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.kernel import read_kernel
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.luks import read_luks
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.modules import signature_facts
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.openssl import read_openssl
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.reader import Reader
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.ssh import read_sshd
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.storage import read_storage
from ansible_collections.cryptofleet.audit.plugins.module_utils._host.trust_store import read_trust_store
from ansible_collections.cryptofleet.audit.tests.integration.support.faults import as_nobody, ask, for_everyone
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import COLLECTIONS, PROGRAMS, environment, run

__all__ = ["for_everyone"]  # a fixture

BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def said(*command, **options):
    return run(*command, **options).stdout


# --- the trust store ------------------------------------------------------------------------------------------------------------

def test_every_root_is_what_openssl_says_of_it(tmp_path):
    """Counts, weak and expired ones, of the very bundle of this machine and of some weak ones beside it."""
    weak = tmp_path / "weak"
    weak.mkdir()
    made = []
    for number, options in enumerate((["-newkey", "rsa:1024", "-sha256"], ["-newkey", "rsa:2048", "-sha1"], ["-newkey", "rsa:2048", "-md5"],
                                      ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp192k1", "-sha256"],
                                      ["-newkey", "rsa:2048", "-sha256", "-days", "1"], ["-newkey", "ed25519"])):
        made.append(weak / ("%d.pem" % number))
        run("openssl", "req", "-x509", "-nodes", "-keyout", weak / "key", "-subj", "/O=Tests/CN=Root %d" % number, "-out", made[-1], *options)
    store = tmp_path / "etc/ssl/certs"
    store.mkdir(parents=True)
    (store / "ca-certificates.crt").write_bytes(BUNDLE.read_bytes() + b"".join(path.read_bytes() for path in made))
    now = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    bundle = read_trust_store(Reader(str(tmp_path)), now)["bundles"][0]
    pems = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", (store / "ca-certificates.crt").read_text(), re.DOTALL)
    expected_weak, expected_expired, kinds = {}, set(), {}
    for pem in pems:
        text = said("openssl", "x509", "-noout", "-text", "-fingerprint", "-sha256", "-enddate", "-dateopt", "iso_8601", stdin=pem)
        fingerprint = re.search(r"Fingerprint=([0-9A-F:]+)", text).group(1).replace(":", "").lower()
        signature = re.search(r"Signature Algorithm: (\S+)", text).group(1)
        bits = int(re.search(r"Public-Key: \((\d+) bit\)", text).group(1)) if "Public-Key: (" in text else None
        kind = re.search(r"Public Key Algorithm: (\S+)", text).group(1)
        kinds[kind, bits] = kinds.get((kind, bits), 0) + 1
        if kind == "rsaEncryption" and bits < 2048 or kind == "id-ecPublicKey" and bits < 224 or re.search("(?i)(md5|sha1)With|SHA1$", signature):
            expected_weak[fingerprint] = signature
        if re.search(r"notAfter=(\S+ \S+)", text).group(1).replace(" ", "T") < now:
            expected_expired.add(fingerprint)
    assert (bundle["roots"], bundle["malformed"]) == (len(pems), 0) and len(pems) >= 100
    assert {root["fingerprint_sha256"]: root["signature_algorithm"] for root in bundle["weak_roots"]} == expected_weak and bundle["weak"] == len(expected_weak) >= 4
    assert {root["fingerprint_sha256"] for root in bundle["expired_roots"]} == expected_expired and len(expected_expired) >= 1
    assert bundle["weak_keys"] == 2 and {root["subject"] for root in bundle["weak_roots"][:2]} == {"CN=Root 0,O=Tests", "CN=Root 3,O=Tests"}
    assert sum(entry["count"] for entry in bundle["key_types"]) == len(pems)
    assert {entry["key_type"]: entry["count"] for entry in bundle["key_types"]}["RSA 4096"] == kinds["rsaEncryption", 4096]


# --- sshd -----------------------------------------------------------------------------------------------------------------------

CONFIGURATIONS = {
    "plain": {"sshd_config": "Ciphers aes256-ctr\nMACs hmac-sha2-256,hmac-sha2-512\nKexAlgorithms curve25519-sha256\nRekeyLimit 1G 3600\nRequiredRSASize 3072\n"},
    "first value counts": {"sshd_config": "ciphers aes128-ctr\nCiphers aes256-ctr\nMACS=hmac-sha2-512\nMACs hmac-sha2-256\n"},
    "include before": {"sshd_config": "Include ETC/d/*.conf\nCiphers aes256-ctr\nMACs hmac-sha2-256\n",
                       "d/20.conf": "Ciphers aes192-ctr\nKexAlgorithms ecdh-sha2-nistp256\n", "d/10.conf": "Ciphers aes128-ctr # own\n", "d/x.txt": "MACs hmac-md5\n"},
    "include after": {"sshd_config": "Ciphers aes256-ctr\nInclude ETC/a.conf\n", "a.conf": "Ciphers aes128-ctr\nMACs hmac-sha2-256\n"},
    "a block in an included file": {"sshd_config": "Include ETC/a.conf\nMACs hmac-sha2-256\nCiphers aes256-ctr\n",
                                    "a.conf": "Ciphers aes128-ctr\nMatch User nobodyhere\nPubkeyAcceptedAlgorithms ssh-ed25519\n"},
    "an include in a block": {"sshd_config": "Match User nobodyhere\nInclude ETC/a.conf\nMatch all\nPubkeyAcceptedAlgorithms rsa-sha2-512\n",
                              "a.conf": "PubkeyAcceptedAlgorithms ssh-ed25519\n"},
    "former names and quotes": {"sshd_config": "PubkeyAcceptedKeyTypes \"ssh-ed25519\"\nHostKeyAlgorithms = \"rsa-sha2-512\"\n\tCASignatureAlgorithms\tssh-ed25519\n"},
    "comments": {"sshd_config": "#Ciphers aes128-ctr\n  Ciphers aes256-ctr # aes128-ctr\n\n# MACs hmac-md5\n"},
    "carriage returns": {"sshd_config": "Ciphers aes256-ctr\r\nMACs hmac-sha2-256\r\n"},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_server_says_the_same_of_its_configuration(tmp_path, name):
    """Of every keyword that we say is set, sshd -T says the same value; of the others it says what it says of an empty file."""
    folder = tmp_path / "etc/ssh"
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    (folder / "d").mkdir(parents=True)
    real, seen = tmp_path / "real", folder
    (real / "d").mkdir(parents=True)
    for path, text in CONFIGURATIONS[name].items():
        (seen / path).write_bytes(text.replace("ETC", "/etc/ssh").encode())
        (real / path).write_bytes(text.replace("ETC", str(real)).encode())
    (tmp_path / "empty").write_text("")

    def sshd(path):
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        lines = said("/usr/sbin/sshd", "-T", "-f", path, "-h", key, "-C", "user=root,host=x,addr=192.0.2.1").splitlines()
        return dict(line.split(" ", 1) for line in lines if " " in line)
    effective, default = sshd(real / "sshd_config"), sshd(tmp_path / "empty")
    reported = read_sshd(Reader(str(tmp_path)))
    for setting in reported["settings"]:
        keyword = setting["keyword"].lower()
        if keyword == "hostkey" or keyword.startswith("gssapi"):
            continue
        if setting["value"] is None:
            assert effective[keyword] == default[keyword], setting
        elif keyword == "rekeylimit":
            assert (setting["value"], effective[keyword]) == ("1G 3600", "1073741824 3600")
        else:
            assert setting["value"].strip('"') == effective[keyword], setting
    assert any(setting["value"] for setting in reported["settings"])
    assert reported["unreadable"] == []


# --- OpenSSL --------------------------------------------------------------------------------------------------------------------

def test_openssl_activates_the_providers_we_say(tmp_path):
    path = tmp_path / "etc/ssl/openssl.cnf"
    path.parent.mkdir(parents=True)
    (tmp_path / "more.cnf").write_text("legacy = legacy_sect\n")
    text = ("openssl_conf = init\n[init]\nproviders = list\nssl_conf = mod\n[list]\ndefault = default_sect\nbase = base_sect\n.include = %s/more.cnf\n"
            "[default_sect]\nactivate = 1\n[base_sect]\n# activate = 1\n[legacy_sect]\nactivate = yes\n[mod]\nsystem_default = d\n"
            "[d]\nMinProtocol = TLSv1.2\nCipherString = ECDHE+AESGCM:@SECLEVEL=4\nGroups = P-384\n")
    path.write_text(text % "")
    real = tmp_path / "real.cnf"
    real.write_text(text % tmp_path)
    config = read_openssl(Reader(str(tmp_path)))["configs"][0]
    listed = said("openssl", "list", "-providers", env=dict(os.environ, OPENSSL_CONF=str(real)))
    assert {provider["name"] for provider in config["providers"] if provider["activated"]} == set(re.findall(r"^  (\w+)$", listed, re.MULTILINE)) == {"default", "legacy"}
    assert (config["tls"]["min_protocol"], config["tls"]["security_level"], config["tls"]["groups"]) == ("TLSv1.2", 4, "P-384")
    ciphers = said("openssl", "ciphers", "-s", "-v", env=dict(os.environ, OPENSSL_CONF=str(real)))
    assert "TLSv1.2" in ciphers and "AES128" not in ciphers, "the level, which we read, is the one that holds"


def test_modules_on_disk_are_where_openssl_looks():
    folder = re.search(r'MODULESDIR: "(.*)"', said("openssl", "version", "-m")).group(1)
    engines = re.search(r'ENGINESDIR: "(.*)"', said("openssl", "version", "-e")).group(1)
    reported = read_openssl(Reader())
    assert {os.path.realpath(entry["path"]) for entry in reported["modules"]} >= {os.path.realpath(path) for path in pathlib.Path(folder).glob("*.so")}
    assert {os.path.realpath(entry["path"]) for entry in reported["engines"]} >= {os.path.realpath(path) for path in pathlib.Path(engines).glob("*.so")}
    where = re.search(r'OPENSSLDIR: "(.*)"', said("openssl", "version", "-d")).group(1)
    assert any(os.path.samefile(config["path"], where + "/openssl.cnf") for config in reported["configs"])


# --- LUKS -----------------------------------------------------------------------------------------------------------------------

FORMATS = {
    "luks1": (["--type", "luks1", "--pbkdf-force-iterations", "1000", "--hash", "sha512", "--key-size", "256"], (1, "aes-xts-plain64", 256, "pbkdf2", "sha512", 1000, None)),
    "luks2 pbkdf2": (["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1234"], (2, "aes-xts-plain64", 512, "pbkdf2", "sha256", 1234, None)),
    "luks2 argon2id": (["--type", "luks2", "--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "1000", "--pbkdf-parallel", "1"],
                       (2, "aes-xts-plain64", 512, "argon2id", None, None, 1000)),
    "luks2 of another cipher": (["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--cipher", "aes-cbc-essiv:sha256", "--key-size", "128"],
                                (2, "aes-cbc-essiv:sha256", 128, "pbkdf2", "sha256", 1000, None)),
}


@pytest.fixture(params=FORMATS)
def volume(request, tmp_path):
    options, expected = FORMATS[request.param]
    path = tmp_path / "image"
    with open(path, "wb") as stream:
        stream.truncate(20 << 20)
    run("cryptsetup", "luksFormat", "-q", *options, path, stdin="secret")
    return path, expected


def facts_of(reported):
    return [(reported["version"], reported["cipher"], reported["key_bits"], slot["kdf"], slot["kdf_hash"], slot["iterations"], slot["memory_kib"]) for slot in reported["slots"]]


def test_headers_that_cryptsetup_made(volume):
    path, expected = volume
    with open(path, "rb") as stream:
        reported = read_luks(lambda offset, length: os.pread(stream.fileno(), length, offset))
    assert facts_of(reported) == [expected] and "damaged" not in reported
    dump = said("cryptsetup", "luksDump", path)
    assert expected[1].split("-")[0] in dump and str(expected[5] or expected[6]) in dump


@pytest.mark.parametrize("volume", ["luks2 pbkdf2", "luks2 argon2id"], indirect=True)
def test_the_second_header_is_cryptsetups_too(volume):
    path, expected = volume
    with open(path, "r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 64)
    with open(path, "rb") as stream:
        reported = read_luks(lambda offset, length: os.pread(stream.fileno(), length, offset))
    assert facts_of(reported) == [expected] and reported["damaged"] is True


def test_a_header_on_a_block_device(volume):
    path, expected = volume
    device = said("losetup", "-f", "--show", path).strip()
    try:
        headers = read_storage(Reader())["luks"]
    finally:
        run("losetup", "-d", device)
    header = next(header for header in headers if "/dev/" + header["device"] == device)
    assert facts_of(header) == [expected]


# --- the kernel -----------------------------------------------------------------------------------------------------------------

def test_every_algorithm_of_this_kernel_once():
    text = pathlib.Path("/proc/crypto").read_text()
    expected = set()
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^(\w+)\s*: (.*)$", block, re.MULTILINE))
        if fields:
            expected.add((fields["name"], fields["type"]))
    reported = read_kernel(Reader())["algorithms"]
    assert [(entry["name"], entry["type"]) for entry in reported] == sorted(expected) and len(expected) > 10


@pytest.fixture
def namespace():
    name = "cryptofleet-host"
    run("ip", "netns", "add", name)
    yield name
    run("ip", "netns", "del", name)


def test_ipsec_policies_of_a_network_namespace(namespace):
    inside = ("ip", "netns", "exec", namespace)
    for number in range(300):
        run(*inside, "ip", "xfrm", "policy", "add", "src", "10.0.0.0/24", "dst", "10.%d.%d.0/24" % divmod(number, 250), "dir", "out", "tmpl", "src", "192.0.2.1",
            "dst", "192.0.2.2", "proto", "esp", "mode", "tunnel")
    run(*inside, "ip", "xfrm", "policy", "add", "src", "::/0", "dst", "fd00::/8", "dir", "in", "action", "block")
    text = said(*inside, sys.executable, PROGRAMS / "read_host_crypto.py", env=environment(PYTHONPATH=str(COLLECTIONS), PYTHONDONTWRITEBYTECODE="1"))
    reported = json.loads(text)["ipsec"]
    assert reported["available"] is True and reported["unreadable"] == [] and reported["policies"] == [
        {"direction": "out", "action": "allow", "templates": [{"protocol": "ESP", "mode": "tunnel"}], "count": 300},
        {"direction": "in", "action": "block", "templates": [], "count": 1}]


# --- modules --------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, hashed, algorithm", [
    (["-newkey", "rsa:2048"], "sha512", "RSA"), (["-newkey", "rsa:2048"], "sha256", "RSA"),
    (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha384", "ecdsa-with-SHA384")])
def test_a_signature_as_the_kernel_build_makes_it(tmp_path, options, hashed, algorithm):
    """scripts/sign-file.c: PKCS #7 without certificates and attributes, then struct module_signature, then the magic."""
    run("openssl", "req", "-x509", "-nodes", *options, "-keyout", "key", "-out", "certificate", "-subj", "/CN=Build key", cwd=tmp_path)
    module = b"\x7fELF" + bytes(5000)
    (tmp_path / "module").write_bytes(module)
    run("openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-md", hashed, "-signer", "certificate", "-inkey", "key", "-in", "module", "-outform", "DER",
        "-out", "signature", cwd=tmp_path)
    signature = (tmp_path / "signature").read_bytes()
    signed = module + signature + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(signature)) + b"~Module signature appended~\n"
    serial = said("openssl", "x509", "-noout", "-serial", "-in", tmp_path / "certificate").strip().partition("=")[2].lower()
    assert signature_facts(signed) == {"signed": True, "hash": "SHA-" + hashed[3:], "signature_algorithm": algorithm, "signer": "CN=Build key, serial %s" % serial}
    assert signature_facts(signed[-60000:])["signed"] is True


# --- end to end -----------------------------------------------------------------------------------------------------------------

def test_it_is_in_every_profile_and_can_be_left_out():
    document = ask("trace", duration=1, engine="procfs").document
    assert document["host_crypto"]["trust_store"]["bundles"][0]["roots"] > 100
    assert reason(document, "host_crypto_disabled") is None
    document = ask("trace", duration=1, engine="procfs", host_crypto=False).document
    assert document["host_crypto"] is None and reason(document, "host_crypto_disabled")["effect"] == "note"


@pytest.fixture
def nobody(for_everyone):
    """What the user nobody can run."""
    return for_everyone


def test_without_root_it_says_what_it_could_not_read(nobody):
    collections, child = nobody
    reported = ask("snapshot", as_nobody(), collections=collections, child=child).document["host_crypto"]
    assert reported["trust_store"]["bundles"][0]["roots"] > 100 and reported["kernel"]["algorithms"]
    assert {entry["source"] for entry in reported["ipsec"]["unreadable"]} == {"XFRM associations", "XFRM policies"}
    assert all("not permitted" in entry["reason"] for entry in reported["ipsec"]["unreadable"])


def test_it_leaves_no_descriptor_open_and_no_time_of_access():
    files = [BUNDLE, pathlib.Path("/etc/ssl/openssl.cnf"), pathlib.Path("/etc/ssh/sshd_config")]
    before = [path.stat().st_atime_ns for path in files]
    opened = os.listdir("/proc/self/fd")
    read_host_crypto()
    assert len(os.listdir("/proc/self/fd")) == len(opened)
    assert [path.stat().st_atime_ns for path in files] == before
