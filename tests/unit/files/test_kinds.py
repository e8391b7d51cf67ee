# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files made by openssl; facts compared with what it prints. Other software's are in test_kinds_others.py."""

from __future__ import annotations

import calendar
import re
import shutil
import ssl
import subprocess
import time

import pytest
from ansible_collections.cryptofleet.audit.tests.unit.support.made_files import found, run

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")

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


def request(folder, key, out, *more):
    run(folder, "openssl", "req", "-new", "-utf8", "-config", "config", "-key", key, "-subj", SUBJECT, "-multivalue-rdn", "-out", out, *more)


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
    assert (result.kind, result.classified_by, result.format) == ("certificate", "content", "DER" if form == "DER" else "PEM")
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
