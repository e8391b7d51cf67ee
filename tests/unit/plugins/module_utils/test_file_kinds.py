# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files made by real software; facts compared with what that software prints."""

from __future__ import annotations

import calendar
import os
import re
import shutil
import ssl
import struct
import subprocess
import time

import pytest

from ansible_collections.cryptofleet.audit.plugins.module_utils._file_kinds import classify

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
needs_keytool = pytest.mark.skipif(shutil.which("keytool") is None, reason="needs keytool")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:true
[server]
basicConstraints = CA:false
subjectAltName = DNS:www.example.org, DNS:*.example.org, IP:192.0.2.1, IP:2001:db8::1, email:a@example.org, URI:https://example.org/x
[many]
subjectAltName = %s
""" % ", ".join("DNS:host%d.example.org" % number for number in range(150))
SUBJECT = "/C=DE/O=Some, One+CN=multi/OU=a\\\\b <c>/CN=#first Stra\u00dfe /emailAddress=x@example.org"
KEYS = {
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "rsa-odd": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1031"),
    "rsa-pss": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "explicit": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:explicit"),
    "ed25519": ("-algorithm", "ed25519"),
    "ed448": ("-algorithm", "ed448"),
}
EXPECTED = {
    "rsa": ("RSA", 2048, None), "rsa-odd": ("RSA", 1031, None), "rsa-pss": ("RSA-PSS", 2048, None), "p256": ("EC", 256, "prime256v1"),
    "p521": ("EC", 521, "secp521r1"), "explicit": ("EC", 384, "explicit"), "ed25519": ("Ed25519", 256, None), "ed448": ("Ed448", 456, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    (path / "config").write_text(CONFIG)
    if shutil.which("openssl"):
        for name, options in KEYS.items():
            subprocess.run(["openssl", "genpkey", *options, "-out", name], cwd=str(path), check=True, stderr=subprocess.PIPE)
        for size in ("1024",):
            subprocess.run(["openssl", "dsaparam", "-out", "dsa.params", size], cwd=str(path), check=True, stderr=subprocess.PIPE)
            subprocess.run(["openssl", "gendsa", "-out", "dsa", "dsa.params"], cwd=str(path), check=True, stderr=subprocess.PIPE)
        for name in ("rsa", "p256"):
            request(path, name, name + ".crt", "-x509", "-extensions", "server", "-days", "30")
    return path


def run(folder, *words, **more):
    return subprocess.run(words, check=True, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more).stdout.decode()


def request(folder, key, out, *more):
    run(folder, "openssl", "req", "-new", "-utf8", "-config", "config", "-key", key, "-subj", SUBJECT, "-multivalue-rdn", "-out", out, *more)


def found(path, name=None):
    fd = os.open(str(path), os.O_RDONLY)
    try:
        return classify(fd, name or os.fsencode(str(path)))
    finally:
        os.close(fd)


def printed(folder, name):
    """What openssl says of a certificate."""
    words = ("-noout", "-subject", "-issuer", "-serial", "-fingerprint", "-sha256", "-dates", "-nameopt", "RFC2253,-esc_msb,utf8")
    values = dict(line.split("=", 1) for line in run(folder, "openssl", "x509", "-in", name, *words).splitlines())
    text = run(folder, "openssl", "x509", "-in", name, "-noout", "-text")

    def utc(value):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ssl.cert_time_to_seconds(value)))

    return {
        "subject": values["subject"], "issuer": values["issuer"], "serial": int(values["serial"], 16), "not_before": utc(values["notBefore"]),
        "not_after": utc(values["notAfter"]), "fingerprint_sha256": values["sha256 Fingerprint"].replace(":", "").lower(),
        "signature_algorithm": re.search(r"Signature Algorithm: (\S+)", text).group(1).lower(),
    }


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER", "text", "crlf", "bom", "trusted", "cr-name"])
@pytest.mark.parametrize("key", sorted(KEYS))
def test_certificate(folder, tmp_path, key, form):
    name = str(tmp_path / "made.pem")
    request(folder, key, name, "-x509", "-extensions", "server", "-days", "30")
    expected = printed(folder, name)
    path = tmp_path / {"cr-name": "no-ending"}.get(form, "www.crt")
    shutil.copyfile(name, str(path))
    if form == "DER":
        run(folder, "openssl", "x509", "-in", name, "-outform", "DER", "-out", str(path))
    elif form == "text":
        run(folder, "openssl", "x509", "-in", name, "-text", "-out", str(path))
    elif form == "crlf":
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    elif form == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    elif form == "trusted":
        run(folder, "openssl", "x509", "-in", name, "-trustout", "-addtrust", "serverAuth", "-out", str(path))
    result = found(path)
    assert (result.kind, result.kind_by, result.format) == ("certificate", "content", "DER" if form == "DER" else "PEM")
    facts = dict(result.facts, serial=int(result.facts["serial"], 16), signature_algorithm=result.facts["signature_algorithm"].lower())
    if key == "rsa-pss":
        assert facts["signature_hash"] == "SHA-256"
        expected["signature_algorithm"] = "rsassa-pss"
    assert {name: facts[name] for name in expected} == expected
    assert (facts["key_algorithm"], facts["key_bits"], facts.get("curve")) == EXPECTED[key]
    assert facts["self_signed"] is True and facts["is_ca"] is False
    assert facts["san"] == ["DNS:www.example.org", "DNS:*.example.org", "IP:192.0.2.1", "IP:2001:db8::1", "email:a@example.org", "URI:https://example.org/x"]


@needs_openssl
def test_authority_and_many_names(folder):
    request(folder, "rsa", "ca.crt", "-x509", "-extensions", "ca")
    assert found(folder / "ca.crt").facts["is_ca"] is True
    request(folder, "rsa", "many.crt", "-x509", "-extensions", "many")
    facts = found(folder / "many.crt").facts
    assert len(facts["san"]) == 100 and facts["san_truncated"] is True
    run(folder, "openssl", "req", "-new", "-key", "p256", "-subj", "/CN=leaf", "-config", "config", "-out", "leaf.csr")
    run(folder, "openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "rsa", "-set_serial", "0x80ff00ff00ff00ff", "-sha384", "-out", "leaf.crt")
    facts = found(folder / "leaf.crt").facts
    assert facts["self_signed"] is False and facts["subject"] == "CN=leaf"
    assert facts["signature_algorithm"] == "sha384WithRSAEncryption" and facts["key_algorithm"] == "EC"
    assert facts["serial"] == "80ff00ff00ff00ff"  # a version 1 certificate


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_request(folder, form):
    request(folder, "p256", "www.csr", "-outform", form)
    subject = run(folder, "openssl", "req", "-in", "www.csr", "-inform", form, "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8").strip()
    result = found(folder / "www.csr")
    assert (result.kind, result.format) == ("csr", form)
    assert result.facts == {
        "subject": subject.partition("=")[2], "key_algorithm": "EC", "key_bits": 256, "curve": "prime256v1", "signature_algorithm": "ecdsa-with-SHA256",
    }


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_revocation_list(folder, tmp_path, form):
    request(folder, "rsa", "ca.crt", "-x509", "-extensions", "ca")
    moment = "270101000000Z"
    (tmp_path / "index").write_text("".join("R\t%s\t260101000000Z\t%02X\tunknown\t/CN=x\n" % (moment, number) for number in range(1, 8)))
    (tmp_path / "config").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=7\n")
    run(tmp_path, "openssl", "ca", "-gencrl", "-config", "config", "-keyfile", str(folder / "rsa"), "-cert", str(folder / "ca.crt"), "-out", "x.pem")
    run(tmp_path, "openssl", "crl", "-in", "x.pem", "-outform", form, "-out", "x")
    result = found(tmp_path / "x")
    assert (result.kind, result.format) == ("crl", form)
    text = run(tmp_path, "openssl", "crl", "-in", "x.pem", "-noout", "-nextupdate").strip().partition("=")[2]
    assert calendar.timegm(time.strptime(result.facts["next_update"], "%Y-%m-%dT%H:%M:%SZ")) == ssl.cert_time_to_seconds(text)
    assert result.facts["revoked"] == 7 and result.facts["signature_algorithm"] == "sha256WithRSAEncryption"


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_public_keys_and_parameters(folder, tmp_path, form):
    for key, expected in sorted(EXPECTED.items()):
        run(folder, "openssl", "pkey", "-in", key, "-pubout", "-outform", form, "-out", str(tmp_path / key))
        result = found(tmp_path / key)
        assert (result.kind, result.format) == ("public_key", form)
        assert (result.facts["algorithm"], result.facts["key_bits"], result.facts.get("curve")) == expected
    run(folder, "openssl", "rsa", "-in", "rsa", "-RSAPublicKey_out", "-outform", form, "-out", str(tmp_path / "pkcs1"))
    assert found(tmp_path / "pkcs1") == ("public_key", "content", form, {"algorithm": "RSA", "key_bits": 2048})
    run(folder, "openssl", "dsaparam", "-in", "dsa.params", "-outform", form, "-out", str(tmp_path / "dsa"))
    assert found(tmp_path / "dsa") == ("parameters", "content", form, {"algorithm": "DSA", "key_bits": 1024})
    run(folder, "openssl", "ecparam", "-name", "secp384r1", "-outform", form, "-out", str(tmp_path / "ec"))
    assert found(tmp_path / "ec") == ("parameters", "content", form, {"algorithm": "EC", "key_bits": 384, "curve": "secp384r1"})
    run(folder, "openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:modp_2048", "-out", str(tmp_path / "pem"))
    run(folder, "openssl", "dhparam", "-in", str(tmp_path / "pem"), "-outform", form, "-out", str(tmp_path / "dh"))
    assert found(tmp_path / "dh") == ("parameters", "content", form, {"algorithm": "DH", "key_bits": 2048})


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_dsa_private_key(folder, tmp_path, form):
    for more in ((), ("-traditional",)):
        run(folder, "openssl", "pkey", "-in", "dsa", "-outform", form, "-out", str(tmp_path / "key"), *more)
        assert found(tmp_path / "key") == ("private_key", "content", form, {"algorithm": "DSA", "key_bits": 1024, "encrypted": False})


@needs_openssl
def test_bundle(folder):
    parts = [(folder / name).read_bytes() for name in ("rsa.crt", "p256.crt")]
    path = folder / "ca-bundle.crt"
    path.write_bytes(b"# Issuer: somebody\n" + parts[0] + b"\nSomebody Else\n=====\n" + parts[1] + parts[1])
    result = found(path)
    assert result.kind == "certificate_bundle"
    facts = result.facts
    assert (facts["count"], facts["expired"]) == (3, 0)
    assert facts["earliest_not_after"] == min(printed(folder, name)["not_after"] for name in ("rsa.crt", "p256.crt"))
    assert facts["fingerprint_sha256"] == printed(folder, "rsa.crt")["fingerprint_sha256"]
    assert facts["algorithms"] == [
        {"key_algorithm": "EC", "key_bits": 256, "signature_algorithm": "ecdsa-with-SHA256", "count": 2},
        {"key_algorithm": "RSA", "key_bits": 2048, "signature_algorithm": "sha256WithRSAEncryption", "count": 1},
    ]
    path.write_bytes(parts[1] * 600)
    facts = found(path).facts
    assert facts["count"] == 500 and facts["truncated"] is True
    path.write_bytes(parts[0] + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert found(path).facts["malformed"] == 1


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_pkcs7(folder, form):
    run(folder, "openssl", "crl2pkcs7", "-nocrl", "-certfile", "rsa.crt", "-certfile", "p256.crt", "-outform", form, "-out", "chain.p7b")
    result = found(folder / "chain.p7b")
    assert (result.kind, result.format) == ("signed_data", "PKCS#7")
    assert (result.facts["certificates"], result.facts["signers"]) == (2, 0)
    (folder / "message").write_text("text")
    run(folder, "openssl", "cms", "-sign", "-in", "message", "-signer", "rsa.crt", "-inkey", "rsa", "-outform", form, "-out", "message.p7s", "-md", "sha512")
    facts = found(folder / "message.p7s").facts
    assert (facts["content_type"], facts["signers"], facts["digests"]) == ("signedData", 1, ["SHA-512"])
    assert facts["certificate"]["fingerprint_sha256"] == printed(folder, "rsa.crt")["fingerprint_sha256"]


@needs_openssl
def test_pkcs12(folder):
    run(folder, "openssl", "pkcs12", "-export", "-in", "rsa.crt", "-inkey", "rsa", "-passout", "pass:x", "-out", "a.p12", "-iter", "3000", "-macalg", "sha512")
    info = subprocess.run(["openssl", "pkcs12", "-in", "a.p12", "-info", "-noout", "-passin", "pass:x"], cwd=str(folder), check=True, stderr=subprocess.PIPE)
    assert b"MAC: sha512, Iteration 3000" in info.stderr
    result = found(folder / "a.p12", b"/x/data")
    assert (result.kind, result.format) == ("keystore", "PKCS#12")
    scheme = {"scheme": "PBES2", "kdf": "PBKDF2", "prf": "HMAC-SHA-256", "iterations": 3000, "cipher": "AES-256-CBC"}
    assert result.facts == {
        "mac": {"scheme": "PKCS#12 KDF", "digest": "SHA-512", "iterations": 3000}, "private_keys": 1, "encrypted": True,
        "encryption": scheme, "certificate_encryption": scheme,
    }


@needs_openssl
def test_large_files(folder, tmp_path):
    data = (folder / "rsa.crt").read_bytes()
    path = tmp_path / "half.pem"
    path.write_bytes(data[:500])
    result = found(path)
    assert (result.kind, result.facts) == ("certificate", {"malformed": 1})
    path.write_bytes(data + b"\n" * 2000000)
    assert found(path).kind == "certificate"


@needs_ssh
def test_ssh_lists(tmp_path):
    lines = []
    for number, (kind, bits) in enumerate((("rsa", 2048), ("ecdsa", 521), ("ed25519", 256), ("ed25519", 256))):
        name = "key%d" % number
        run(tmp_path, "ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-C", "secret-user@secret-host", "-f", name)
        result = found(tmp_path / (name + ".pub"))
        assert (result.kind, result.format) == ("public_key", "OpenSSH")
        assert result.facts["key_bits"] == bits
        lines.append((tmp_path / (name + ".pub")).read_bytes())
        (tmp_path / "rfc4716").write_text(run(tmp_path, "ssh-keygen", "-e", "-f", name))
        other = found(tmp_path / "rfc4716")
        assert (other.kind, other.format, other.facts) == ("public_key", "RFC 4716", result.facts)
        if kind == "rsa":
            (tmp_path / "pkcs1").write_text(run(tmp_path, "ssh-keygen", "-e", "-m", "PEM", "-f", name))
            assert found(tmp_path / "pkcs1").facts == {"algorithm": "RSA", "key_bits": 2048}
    counts = {"ssh-rsa": 1, "ecdsa-sha2-nistp521": 1, "ssh-ed25519": 2}
    (tmp_path / "list").write_bytes(b"".join(lines))
    assert found(tmp_path / "list") == ("authorized_keys", "content", "OpenSSH", {"count": 4, "key_types": counts, "other_lines": 0})
    path = tmp_path / "authorized_keys"
    path.write_bytes(b"# comment\n\n" + b"".join(b'from="10.0.0.1",command="echo \\"x y\\"" ' + line for line in lines))
    result = found(path)
    assert (result.kind, result.facts["key_types"]) == ("authorized_keys", counts)
    path = tmp_path / "known_hosts"
    path.write_bytes(b"".join(b"host.example.org " + line for line in lines))
    for hashed in (False, True):
        if hashed:
            subprocess.run(["ssh-keygen", "-H", "-f", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            shutil.move(str(path), str(tmp_path / "elsewhere"))
            path = tmp_path / "elsewhere"
        result = found(path)
        assert (result.kind, result.kind_by, result.facts["key_types"]) == ("known_hosts", "content", counts)
        assert result.facts["other_lines"] == 0
        assert "secret" not in repr(result) and "example" not in repr(result.facts)
    run(tmp_path, "ssh-keygen", "-q", "-s", "key0", "-I", "id", "-n", "user", "key2.pub")
    facts = found(tmp_path / "key2-cert.pub").facts
    assert (facts["algorithm"], facts["ssh_certificate"]) == ("Ed25519", True)


@needs_ssh
@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_ssh_keygen_pem(tmp_path, form):
    run(tmp_path, "ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-m", form, "-N", "", "-f", "key")
    facts = found(tmp_path / "key").facts
    assert (facts["algorithm"], facts["key_bits"], facts["curve"]) == ("EC", 384, "secp384r1")


@needs_keytool
@pytest.mark.parametrize("kind", ["JKS", "JCEKS", "PKCS12"])
def test_keytool(tmp_path, kind):
    common = ("-keystore", "store", "-storepass", "changeit", "-storetype", kind)
    for alias in ("a", "b"):
        run(tmp_path, "keytool", "-genkeypair", "-alias", alias, "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=" + alias, "-keypass", "changeit", *common)
    run(tmp_path, "keytool", "-exportcert", "-alias", "b", "-file", "b.der", *common)
    run(tmp_path, "keytool", "-importcert", "-noprompt", "-alias", "trusted", "-file", "b.der", *common)
    assert found(tmp_path / "b.der").facts["subject"] == "CN=b"
    result = found(tmp_path / "store")
    assert (result.kind, result.format, result.facts["private_keys"]) == ("keystore", "PKCS#12" if kind == "PKCS12" else kind, 2)
    if kind == "PKCS12":
        assert result.facts["encryption"]["scheme"] == "PBES2" and result.facts["mac"]["digest"] == "SHA-256"
    else:
        assert (result.facts["certificates"], result.facts["entries"]) == (1, 3)
        assert result.facts["certificate"]["key_bits"] == 2048
    if kind == "JCEKS":
        run(tmp_path, "keytool", "-genseckey", "-alias", "0", "-keyalg", "AES", "-keysize", "256", "-keypass", "changeit", *common)
        assert found(tmp_path / "store").facts["secret_keys"] == 1


@needs_keytool
def test_java_reads_no_key(tmp_path, monkeypatch):
    run(tmp_path, "keytool", "-genkeypair", "-alias", "a", "-keyalg", "RSA", "-dname", "CN=a", "-storetype", "JKS", "-keypass", "changeit",
        "-keystore", "store", "-storepass", "changeit")
    data = (tmp_path / "store").read_bytes()
    begin = 12 + 4 + 2 + 1 + 8 + 4
    end = begin + struct.unpack(">I", data[begin - 4:begin])[0]
    seen = set()
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: seen.update(range(offset, offset + length)) or real(fd, length, offset))
    assert found(tmp_path / "store").facts["private_keys"] == 1
    assert end - begin > 1000 and not seen & set(range(begin, end))


@needs_gpg
@pytest.mark.parametrize("algorithm,expected", [("rsa2048", ("RSA", 2048, None)), ("ed25519", ("EdDSA", 256, "Ed25519")), ("nistp256", ("EC", 256, "prime256v1"))])
def test_gpg(tmp_path, algorithm, expected):
    home = tmp_path / "h"
    home.mkdir(mode=0o700)
    environment = dict(os.environ, GNUPGHOME=str(home))
    if len(str(home)) > 80:  # gpg-agent's socket must fit in a sockaddr_un
        pytest.skip("the temporary folder's name is too long for gpg-agent")
    gpg = ("gpg", "--batch", "--passphrase", "", "--pinentry-mode", "loopback")
    run(tmp_path, *gpg, "--quick-gen-key", "x@example.org", algorithm, "default", "never", env=environment)
    try:
        for command, kind in (("--export", "public_key"), ("--export-secret-keys", "private_key")):
            for armor in ((), ("--armor",)):
                run(tmp_path, *gpg, *armor, "--yes", "--output", "ring", command, env=environment)
                result = found(tmp_path / "ring")
                assert (result.kind, result.format) == (kind, "PGP")
                assert (result.facts["algorithm"], result.facts["key_bits"], result.facts.get("curve")) == expected
        result = found(home / "pubring.kbx")
        assert (result.kind, result.format) == ("keystore", "PGP")
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environment)


def test_putty(tmp_path):
    blob = "AAAAC3NzaC1lZDI1NTE5AAAAIHoSLyrQRPTBbuFnUKTYUlGAkYqLYNsIh6eC2tIAVWi5"
    (tmp_path / "a.ppk").write_text(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\nComment: someone\nPublic-Lines: 2\n%s\n%s\nKey-Derivation: Argon2id\nPrivate-Lines: 1\nAAAA\n"
        % (blob[:64], blob[64:])
    )
    result = found(tmp_path / "a.ppk")
    assert (result.kind, result.format) == ("private_key", "PuTTY")
    assert (result.facts["algorithm"], result.facts["key_bits"], result.facts["encrypted"]) == ("Ed25519", 256, True)
    assert "someone" not in repr(result)


def test_keytab(tmp_path):
    def entry(enctype, size):
        body = struct.pack(">H", 2) + b"".join(struct.pack(">H", len(part)) + part for part in (b"EXAMPLE.ORG", b"host", b"www.example.org"))
        body += struct.pack(">IIBHH", 1, 0, 2, enctype, size) + bytes(size) + struct.pack(">I", 2)
        return struct.pack(">i", len(body)) + body

    (tmp_path / "keytab").write_bytes(b"\x05\x02" + entry(18, 32) + struct.pack(">i", -10) + bytes(10) + entry(17, 16) + entry(18, 32))
    assert found(tmp_path / "keytab") == (
        "keystore", "content", "Kerberos keytab", {"entries": 3, "encryption_types": {"aes256-cts-hmac-sha1-96": 2, "aes128-cts-hmac-sha1-96": 1}},
    )


def test_nss_database(tmp_path):
    sqlite3 = pytest.importorskip("sqlite3")
    for name, kind in (("key4.db", "keystore"), ("places.sqlite", None)):
        connection = sqlite3.connect(str(tmp_path / name))
        connection.execute("create table nssPrivate (id)")
        connection.commit()
        connection.close()
        assert found(tmp_path / name).kind == kind


def test_printed_keys(tmp_path):
    (tmp_path / "a").write_text("Private-Key: (2048 bit, 2 primes)\nmodulus:\n    00:\n")
    assert found(tmp_path / "a").facts == {"algorithm": "RSA", "key_bits": 2048, "encrypted": False}
    (tmp_path / "a").write_text("ED25519 Private-Key:\npriv:\n    00:\n")
    assert found(tmp_path / "a").facts["algorithm"] == "ED25519"
    (tmp_path / "a").write_text("Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: AAAA\n")
    assert found(tmp_path / "a")[1:] == ("content", "DNSSEC", {"algorithm": "ECDSAP256SHA256", "key_bits": None, "encrypted": False})
