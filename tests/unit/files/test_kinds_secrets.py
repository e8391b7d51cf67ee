# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of a private key stop before its secret: every pread is recorded and compared with where the secret lies."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._files.kinds import classify

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")

PASSWORD = "pass:correct horse"
ED25519 = ("-algorithm", "ed25519")
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout


def recorded(path, monkeypatch):
    """Classify a file. Returns its facts and the set of offsets read."""
    seen = set()
    real = os.pread

    def pread(fd, length, offset):
        data = real(fd, length, offset)
        seen.update(range(offset, offset + len(data)))
        return data

    fd = os.open(str(path), os.O_RDONLY)
    monkeypatch.setattr(os, "pread", pread)
    try:
        found = classify(fd, os.fsencode(str(path)))
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    finally:
        monkeypatch.setattr(os, "pread", real)
        os.close(fd)
    return found, seen


def block_of(data, label):
    """Offset of the first base64 character of a block, and the offsets of all its characters."""
    match = re.search(b"-----BEGIN " + label + b"-----\r?\n(.*?)-----END", data, re.S)
    return [match.start(1) + index for index, octet in enumerate(match.group(1)) if octet not in b"\r\n"]


def characters_of(data, label, begin, end):
    """The offsets of the characters that hold any bit of decoded octets begin..end-1 of a block."""
    places = block_of(data, label)
    return set(places[begin * 8 // 6:-(-end * 8 // 6)])


def decoded(data, label):
    places = block_of(data, label)
    return base64.b64decode(bytes(data[place] for place in places))


def secret_number(path, *more):
    """The octets of an EC or Edwards private key as openssl prints them."""
    text = run("openssl", "pkey", "-in", str(path), "-noout", "-text", *more).decode()
    digits = re.search(r"priv:\s*((?:[0-9a-f]{2}[:\s]*)+)", text).group(1)
    return bytes.fromhex(re.sub(r"[:\s]", "", digits))


def last_octet_string(der):
    """Offset of the content of the last OCTET STRING at depth 1, by openssl's parser."""
    text = subprocess.run(["openssl", "asn1parse", "-inform", "DER"], input=der, stdout=subprocess.PIPE, check=True).stdout.decode()
    rows = re.findall(r"^\s*(\d+):d=1\s+hl=(\d+) l=\s*(\d+) prim: OCTET STRING", text, re.M)
    return int(rows[-1][0]) + int(rows[-1][1])


def rsa_secret(der, path):
    """Everything behind modulus and exponent 65537."""
    modulus = bytes.fromhex(run("openssl", "rsa", "-in", str(path), "-noout", "-modulus").decode().strip().partition("=")[2])
    return der.index(modulus) + len(modulus) + 5


@needs_openssl
@pytest.mark.parametrize("key, kind", [
    (key, kind)
    for key in ("rsa", "ec", "p384", "p521", "k256", "ed25519", "ed448", "x25519", "brainpool")
    for kind in ("pem", "crlf", "der", "prefixed") + (() if key in ("ed25519", "ed448", "x25519") else ("traditional", "traditional-der"))
])
def test_unencrypted(tmp_path, monkeypatch, key, kind):
    options = {
        "rsa": RSA, "ec": EC, "ed25519": ED25519, "ed448": ("-algorithm", "ed448"), "x25519": ("-algorithm", "x25519"),
        "p384": EC[:3] + ("ec_paramgen_curve:P-384",), "p521": EC[:3] + ("ec_paramgen_curve:P-521",), "k256": EC[:3] + ("ec_paramgen_curve:secp256k1",),
        "brainpool": EC[:3] + ("ec_paramgen_curve:brainpoolP512r1",),
    }[key]
    source = tmp_path / "source"
    run("openssl", "genpkey", *options, "-out", str(source))
    path = tmp_path / "server.key"
    label = b"PRIVATE KEY"
    if kind.startswith("traditional"):
        label = (b"RSA " if key == "rsa" else b"EC ") + label
        run("openssl", "pkey", "-in", str(source), "-traditional", "-out", str(path))
    else:
        shutil.copyfile(str(source), str(path))
    der = decoded(path.read_bytes(), label)
    if key == "rsa":
        begin, end = rsa_secret(der, source), len(der)
    else:
        number = secret_number(source)
        # openssl prints a leading zero octet, or leaves octets out, where DER has a fixed length
        number = number.lstrip(b"\0")
        begin = der.index(number)
        end = begin + len(number)
    if kind.endswith("der"):
        path.write_bytes(der)
        secret = set(range(begin, end))
    else:
        if kind == "crlf":
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        elif kind == "prefixed":
            path.write_bytes(b"Bag Attributes\n    friendlyName: www\n    localKeyID: 01 02 \nKey Attributes: <No Attributes>\n" + path.read_bytes())
        secret = characters_of(path.read_bytes(), label, begin, end)
    found, seen = recorded(path, monkeypatch)
    assert not seen & secret
    assert (found.kind, found.classified_by) == ("private_key", "content")
    assert found.format == ("DER" if kind.endswith("der") else "PEM")
    expected = {
        "rsa": ("RSA", 2048), "ec": ("EC", 256), "p384": ("EC", 384), "p521": ("EC", 521), "k256": ("EC", 256), "brainpool": ("EC", 512),
        "ed25519": ("Ed25519", 256), "ed448": ("Ed448", 456), "x25519": ("X25519", 256),
    }[key]
    assert (found.facts["algorithm"], found.facts["key_bits"]) == expected
    assert found.facts["encrypted"] is False
    curves = {"ec": "prime256v1", "p384": "secp384r1", "p521": "secp521r1", "k256": "secp256k1"}
    if key in curves:
        assert found.facts["curve"] == curves[key]
    assert "truncated" not in found.facts


@needs_openssl
def test_curve_from_the_parameters_before_the_key(tmp_path, monkeypatch):
    path = tmp_path / "ec.pem"
    run("openssl", "ecparam", "-name", "brainpoolP256r1", "-genkey", "-out", str(path))
    number = secret_number(path).lstrip(b"\0")
    data = path.read_bytes()
    begin = decoded(data, b"EC PRIVATE KEY").index(number)
    found, seen = recorded(path, monkeypatch)
    assert not seen & characters_of(data, b"EC PRIVATE KEY", begin, begin + len(number))
    assert found.kind == "private_key"
    assert found.facts == {"algorithm": "EC", "key_bits": 256, "encrypted": False, "curve": "brainpoolP256r1"}


@needs_openssl
@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("scheme", ["pbkdf2", "scrypt", "pbe"])
def test_encrypted_pkcs8(tmp_path, monkeypatch, form, scheme):
    source, path = tmp_path / "source", tmp_path / "encrypted"
    run("openssl", "genpkey", *EC, "-out", str(source))
    options = {"pbkdf2": ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "4321"), "scrypt": ("-scrypt",), "pbe": ("-v1", "PBE-SHA1-3DES")}[scheme]
    run("openssl", "pkcs8", "-topk8", "-in", str(source), "-out", str(path), "-outform", form, "-passout", PASSWORD, *options)
    data = path.read_bytes()
    der = data if form == "DER" else decoded(data, b"ENCRYPTED PRIVATE KEY")
    begin = last_octet_string(der)
    secret = set(range(begin, len(der))) if form == "DER" else characters_of(data, b"ENCRYPTED PRIVATE KEY", begin, len(der))
    found, seen = recorded(path, monkeypatch)
    assert not seen & secret
    assert (found.kind, found.facts["encrypted"]) == ("private_key", True)
    assert found.facts["encryption"] == {
        "pbkdf2": {"scheme": "PBES2", "kdf": "PBKDF2", "prf": "HMAC-SHA-512", "iterations": 4321, "cipher": "AES-256-CBC"},
        "scrypt": {"scheme": "PBES2", "kdf": "scrypt", "scrypt_n": 16384, "cipher": "AES-256-CBC"},
        "pbe": {"scheme": "pbeWithSHA1And3-KeyTripleDES-CBC", "iterations": 2048},
    }[scheme]


@needs_openssl
def test_traditional_encryption(tmp_path, monkeypatch):
    source, path = tmp_path / "source", tmp_path / "encrypted"
    run("openssl", "genpkey", *RSA, "-out", str(source))
    run("openssl", "rsa", "-in", str(source), "-traditional", "-aes256", "-passout", PASSWORD, "-out", str(path))
    data = path.read_bytes()
    begin = data.index(b"\n\n") + 2
    end = data.index(b"-----END")
    found, seen = recorded(path, monkeypatch)
    assert not {place for place in seen if begin <= place < end}
    assert (found.kind, found.facts["algorithm"], found.facts["encrypted"]) == ("private_key", "RSA", True)
    assert found.facts["encryption"]["cipher"] == "AES-256-CBC"
    assert "truncated" not in found.facts


@needs_ssh
@pytest.mark.parametrize("password", ["", "correct horse"])
@pytest.mark.parametrize("key", [("rsa", 3072), ("ecdsa", 384), ("ed25519", 256)])
def test_openssh(tmp_path, monkeypatch, key, password):
    path = tmp_path / "id_test"
    run("ssh-keygen", "-q", "-t", key[0], "-b", str(key[1]), "-N", password, "-C", "someone@example.org", "-f", str(path))
    data = path.read_bytes()
    der = decoded(data, b"OPENSSH PRIVATE KEY")
    blob = base64.b64decode((tmp_path / "id_test.pub").read_bytes().split()[1])
    begin = der.index(blob) + len(blob) + 4  # behind the length of the private section
    found, seen = recorded(path, monkeypatch)
    assert not seen & characters_of(data, b"OPENSSH PRIVATE KEY", begin, len(der))
    assert (found.kind, found.format) == ("private_key", "OpenSSH")
    assert found.facts["algorithm"] == {"rsa": "RSA", "ecdsa": "EC", "ed25519": "Ed25519"}[key[0]]
    assert found.facts["key_bits"] == key[1]
    assert found.facts["encrypted"] is bool(password)
    if password:
        assert found.facts["encryption"]["kdf"] == "bcrypt" and found.facts["encryption"]["iterations"] > 0
    assert "truncated" not in found.facts


@needs_openssl
@pytest.mark.parametrize("order", ["key-first", "certificate-first", "certificate-cut", "two-keys", "dump"])
@pytest.mark.parametrize("options", [RSA, EC, ED25519], ids=["rsa", "ec", "ed25519"])
def test_combined(tmp_path, monkeypatch, options, order):
    key, certificate, path = tmp_path / "key", tmp_path / "certificate", tmp_path / "haproxy.pem"
    run("openssl", "genpkey", *options, "-out", str(key))
    run("openssl", "req", "-x509", "-new", "-key", str(key), "-subj", "/CN=www.example.org", "-out", str(certificate))
    first, second = key.read_bytes(), certificate.read_bytes()
    der = decoded(first, b"PRIVATE KEY")
    begin = rsa_secret(der, key) if options is RSA else der.index(secret_number(key).lstrip(b"\0"))
    secret = characters_of(first, b"PRIVATE KEY", begin, min(len(der), begin + 32) if options is not RSA else len(der))
    parts = {
        "key-first": [first, second],
        "certificate-first": [second, first],
        "certificate-cut": [second[:second.index(b"-----END") - 70], first, second],
        "two-keys": [first, second, first, second],
        "dump": [second, run("openssl", "pkey", "-in", str(key), "-text", "-noout")],
    }[order]
    path.write_bytes(b"".join(parts))
    forbidden, base = set(), 0
    for part in parts:
        if part is first:
            forbidden |= {base + place for place in secret}
        elif order == "dump" and part is not second:
            forbidden |= set(range(base + re.search(rb"(?:priv|privateExponent):\s*", part).end(), base + len(part)))
        base += len(part)
    found, seen = recorded(path, monkeypatch)
    assert not seen & forbidden
    if order == "dump":
        assert found.kind == "certificate" and found.facts["truncated"] is True
        return
    assert found.kind == "private_key"
    assert found.facts["also"] == ["certificate"]
    assert found.facts["certificate"]["subject"] == "CN=www.example.org"
    assert found.facts.get("private_keys", 1) == (2 if order == "two-keys" else 1)
    assert "truncated" not in found.facts


@needs_openssl
@pytest.mark.parametrize("width", [48, 76, 1000])
def test_unusual_line_width(tmp_path, monkeypatch, width):
    key, certificate, path = tmp_path / "key", tmp_path / "certificate", tmp_path / "both.pem"
    run("openssl", "genpkey", *RSA, "-out", str(key))
    run("openssl", "req", "-x509", "-new", "-key", str(key), "-subj", "/CN=x", "-out", str(certificate))
    der = decoded(key.read_bytes(), b"PRIVATE KEY")
    text = base64.b64encode(der)
    lines = [text[place:place + width] for place in range(0, len(text), width)]
    data = b"-----BEGIN PRIVATE KEY-----\n" + b"\n".join(lines) + b"\n-----END PRIVATE KEY-----\n"
    path.write_bytes(data + certificate.read_bytes())
    found, seen = recorded(path, monkeypatch)
    assert not seen & characters_of(data, b"PRIVATE KEY", rsa_secret(der, key), len(der))
    assert found.kind == "private_key"


@needs_openssl
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("algorithm", ["ed25519", "x25519", "ed448"])
def test_a_short_key_in_lines_of_any_width(tmp_path, monkeypatch, algorithm, line_end):
    """The public part of these keys is too short to show the width of most lines, and their secret is at the end."""
    key, certificate, path = tmp_path / "key", tmp_path / "certificate", tmp_path / "both.pem"
    run("openssl", "genpkey", "-algorithm", algorithm, "-out", str(key))
    run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", str(tmp_path / "other"), "-subj", "/CN=x", "-out", str(certificate))
    der = decoded(key.read_bytes(), b"PRIVATE KEY")
    text = base64.b64encode(der)
    for width in list(range(4, 80)) + [200]:
        lines = line_end.join(text[offset:offset + width] for offset in range(0, len(text), width))
        data = line_end.join([b"-----BEGIN PRIVATE KEY-----", lines, b"-----END PRIVATE KEY-----", b""])
        path.write_bytes(data + certificate.read_bytes())
        found, seen = recorded(path, monkeypatch)
        assert not seen & characters_of(data, b"PRIVATE KEY", 16, len(der))
        assert found.kind == "private_key"
        if width == 64:
            assert found.facts["also"] == ["certificate"] and "truncated" not in found.facts


@pytest.mark.parametrize("label", [b"OPENSSH PRIVATE KEY", b"ANY PRIVATE KEY"])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"\n-----END %s-----", b"\n-----END %s-----\n", b"\r\n-----END %s-----\r\n"])
def test_a_key_without_an_end_line(tmp_path, monkeypatch, label, tail):
    path = tmp_path / "key"
    front = b"-----BEGIN " + label + b"-----\n" + base64.b64encode(b"openssh-key-v1\0" + bytes(range(1, 202)))
    path.write_bytes(front + (tail % label if tail.strip() else tail))
    found, seen = recorded(path, monkeypatch)
    assert len(seen & set(range(len(front) - 150, len(front)))) <= (0 if tail.strip() else 1)
    assert ("truncated" in found.facts) == (not tail.strip())


AGE_SECRET = b"AGE-SECRET-KEY-1N9JEPW6DWJ0ZQUDX63F5A03GX8QUW7PXDE39N8UYF82VZ9PC8UFS3M7XA9\n"
AGE_COMMENTS = b"# created: 2021-01-02T15:30:45+01:00\n# public key: age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z\n"


@pytest.mark.parametrize("name", ["keys.txt", "age.key", "keys.pem", "data"])
@pytest.mark.parametrize("before", [b"", AGE_COMMENTS, AGE_COMMENTS.replace(b"\n", b"\r\n")], ids=["bare", "age-keygen", "crlf"])
def test_age(tmp_path, monkeypatch, before, name):
    path = tmp_path / name
    path.write_bytes(before + AGE_SECRET)
    found, seen = recorded(path, monkeypatch)
    assert max(seen) < len(before) + len(b"AGE-SECRET-KEY-1")
    assert found == ("private_key", "content", "age", {"algorithm": "X25519", "key_bits": 256, "encrypted": False})


def test_a_bare_secret_is_hardly_read(tmp_path, monkeypatch):
    for name in ("private.key", "wg0.conf", "app.json"):
        path = tmp_path / name
        path.write_bytes(b"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n")
        found, seen = recorded(path, monkeypatch)
        assert found.kind is None
        assert seen == set(range(7))


@needs_openssl
@pytest.mark.parametrize("name", ["authorized_keys", "known_hosts", "id_ed25519.pub"])
def test_a_key_pasted_into_a_list(tmp_path, monkeypatch, name):
    key, path = tmp_path / "key", tmp_path / name
    run("openssl", "genpkey", *ED25519, "-out", str(key))
    blob = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHoSLyrQRPTBbuFnUKTYUlGAkYqLYNsIh6eC2tIAVWi5 "
    for length in range(60):  # every position relative to the steps
        front = blob + b"x" * length + b"\n"
        path.write_bytes(front + key.read_bytes())
        begin = len(front) + len(b"-----BEGIN PRIVATE KEY-----\n") + 21
        found, seen = recorded(path, monkeypatch)
        assert found.facts["key_bits" if name.endswith("pub") else "count"]
        assert max(seen) < begin


@needs_openssl
@pytest.mark.parametrize("dump", [False, True])
@pytest.mark.parametrize("options", [EC, ED25519, RSA], ids=["ec", "ed25519", "rsa"])
def test_every_length_of_text_before_a_key(tmp_path, monkeypatch, options, dump):
    key, path = tmp_path / "key", tmp_path / "www.pem"
    run("openssl", "genpkey", *options, "-out", str(key))
    if dump:
        body = run("openssl", "pkey", "-in", str(key), "-noout", "-text")
        secret = re.search(rb"(?:priv|privateExponent):\s*", body).end()
    else:
        body = run("openssl", "pkey", "-in", str(key), *(() if options is ED25519 else ("-traditional",)))
        label = re.search(b"BEGIN ([A-Z ]+)-", body).group(1)
        der = decoded(body, label)
        begin = rsa_secret(der, key) if options is RSA else der.index(secret_number(key).lstrip(b"\0"))
        secret = min(characters_of(body, label, begin, begin + 1))
    for length in range(60):
        front = b"# " + b"P" * (length % 3) + b"x" * length + b"\n"
        path.write_bytes(front + body)
        found, seen = recorded(path, monkeypatch)
        assert max(seen) < len(front) + secret
        assert found.kind == (None if dump else "private_key")
