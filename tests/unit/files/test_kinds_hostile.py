# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No content raises an exception, takes long or is misclassified."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

from ansible_collections.cryptofleet.audit.plugins.module_utils._files.kinds import NAME_HINTS, classify, classify_name
from ansible_collections.cryptofleet.audit.plugins.plugin_utils._schema import load_schema

KINDS = {
    None, "certificate", "certificate_bundle", "private_key", "public_key", "keystore", "csr", "crl", "signed_data", "parameters", "config",
    "random", "known_hosts", "authorized_keys", "encrypted_data",
}
NAMES = [b"/x/server.key", b"/x/server.pem", b"/x/ca.crt", b"/x/data", b"/x/known_hosts", b"/x/authorized_keys", b"/x/key4.db", b"", b"\xff\n/"]
STARTS = [
    b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN EC PRIVATE KEY-----\n", b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n",
    b"-----BEGIN X509 CRL-----\n", b"-----BEGIN PKCS7-----\n", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"-----BEGIN EC PARAMETERS-----\n", b"-----BEGIN ",
    b"0\x82", b"0\x80", b"0\x80\x02\x01\x03", b"0w\x02\x01\x01\x04 ", b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1", b"\xce\xce\xce\xce\0\0\0\2\0\0\0\1\0\0\0\1", b"\5\2\0\0",
    b"\x99\1\x0d\4", b"\x98\x33\4", b"\xc6\x33\4", b"\x95\3\xbe\4", b"\0\0\0\2\0\0\0\x14", b"\0\0\0\x20\1\1", b"SQLite format 3\0", b"PuTTY-User-Key-File-3: ",
    b"ssh-rsa AAAA", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", b"|1|", b"---- BEGIN SSH2 PUBLIC KEY ----\n", b"Private-Key: (", b"Private-key-format: v1.3\n", b"(21:protected-private-key(",
    b"\xef\xbb\xbf-----BEGIN CERTIFICATE-----\n", b"Certificate:\n    Data:\n", b"Bag Attributes\n", b"\6", b"#\n",
    b"AGE-SECRET-KEY-1", b"# created: x\n# public key: age1x\n", b"age-encryption.org/v1\n",
]


def test_every_kind_is_a_word_of_the_schema():
    """A kind that the schema lacks would make the whole profile of a host invalid."""
    assert KINDS - {None} == set(load_schema("profile")["$defs"]["file"]["properties"]["kind"]["enum"])


def facts_of(data, name):
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        return classify(stream.fileno(), name)


def check(data, name):
    found = facts_of(data, name)
    assert found.kind in KINDS and found.classified_by in (None, "content", "name")
    assert len(json.dumps(found.facts)) < 3000000
    return found


SETTINGS = hypothesis.settings(max_examples=400, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))


@SETTINGS
@hypothesis.given(st.binary(max_size=300), st.sampled_from(NAMES))
def test_arbitrary_bytes(data, name):
    check(data, name)


@SETTINGS
@hypothesis.given(st.sampled_from(STARTS), st.binary(max_size=200), st.sampled_from(NAMES))
def test_arbitrary_bytes_behind_a_known_start(start, data, name):
    check(start + data, name)


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    """Real files to be mutated."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program")
    folder = tmp_path_factory.mktemp("genuine")

    def make(*words):
        subprocess.run(words, check=True, cwd=str(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    make("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "a.key", "-out", "b.pem", "-subj", "/C=DE/O=Some\\, One/CN=x",
         "-addext", "subjectAltName=DNS:x,IP:1.2.3.4,email:a@b,URI:https://x,dirName:d", "-config", _config(folder))
    make("openssl", "x509", "-in", "b.pem", "-outform", "DER", "-out", "c.der")
    make("openssl", "req", "-new", "-key", "a.key", "-subj", "/CN=x", "-outform", "DER", "-out", "d.csr")
    make("openssl", "genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", "e.der")
    make("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "f.pem")
    make("openssl", "ec", "-in", "f.pem", "-outform", "DER", "-out", "g.der")
    make("openssl", "rsa", "-in", "a.key", "-traditional", "-outform", "DER", "-out", "h.der")
    make("openssl", "pkcs8", "-topk8", "-in", "a.key", "-passout", "pass:x", "-outform", "DER", "-out", "i.der")
    make("openssl", "pkcs12", "-export", "-in", "b.pem", "-inkey", "a.key", "-passout", "pass:x", "-out", "j.p12")
    make("openssl", "crl2pkcs7", "-nocrl", "-certfile", "b.pem", "-outform", "DER", "-out", "k.p7b")
    make("openssl", "rsa", "-in", "a.key", "-pubout", "-outform", "DER", "-out", "l.der")
    if shutil.which("ssh-keygen"):
        make("ssh-keygen", "-q", "-t", "ed25519", "-N", "x", "-f", "m")
    if shutil.which("keytool"):
        for kind in ("JKS", "JCEKS"):
            make("keytool", "-genkeypair", "-alias", "x", "-keyalg", "EC", "-storetype", kind, "-keystore", kind, "-storepass", "changeit",
                 "-keypass", "changeit", "-dname", "CN=x")
    return [entry.read_bytes() for entry in sorted(folder.iterdir())]


def _config(folder):
    path = folder / "z.cnf"
    path.write_text("[req]\ndistinguished_name=n\nx509_extensions=v\n[n]\n[v]\nbasicConstraints=CA:true\n[d]\nCN=inner\n")
    return str(path)


@SETTINGS
@hypothesis.given(st.data(), st.sampled_from(NAMES))
def test_mutated_files(genuine, data, name):
    content = bytearray(data.draw(st.sampled_from(genuine)))
    near = st.integers(0, min(len(content) - 1, 120)) | st.integers(0, len(content) - 1)
    for change in range(data.draw(st.integers(1, 4))):
        content[min(data.draw(near), len(content) - 1)] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    check(bytes(content[:end]), name)


@pytest.mark.parametrize("content", [
    b'#!/bin/sh\nCERT="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"\n',
    b'import os\n\nKEY = """\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"""\n',
    b'{"private_key": "-----BEGIN PRIVATE KEY-----\\nMC4C"}', b"\x7fELF\x02\x01\x01" + bytes(60), b"SQLite format 3\0" + bytes(100), b"Certificates are files.\n" * 20,
    b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n", b"-----BEGIN GEEK CODE BLOCK-----\nGCS\n", b"-----\n", b"#\n# comment\n",
    b"\x30\x03\x02\x01\x00", b"\x30\x06\x02\x01\x01\x02\x01\x01", b"\x30\x45\x02\x20" + b"\x11" * 32 + b"\x02\x21\x00" + b"\x91" * 32,  # an ECDSA signature
    b"\x30\x82\x01\x00" + b"\x00" * 256, b"0123456789", b"0" * 50, b"\x06\x03abc", b"\xca\xfe\xba\xbe" + bytes(40), b"\x05\x02random", b"BM" + bytes(30), b"Bag of things",
    b"subject to change", b"Private property\n", b"\xef\xbb\xbfhello world", b"ssh-rsa is a key type\n", b"\x99\x01" + bytes(300),
])
def test_other_files(content):
    for name in (b"/usr/share/x/data", b"/x/data.txt", b"/x/main.py"):
        assert tuple(facts_of(content, name)) == (None, None, None, {})


def test_random_binaries_have_no_kind():
    for first in range(256):
        for length in (10, 600):
            assert facts_of(bytes((first,)) + os.urandom(length), b"/x/data.bin").kind is None


def test_an_unrelated_file_costs_one_read(tmp_path, monkeypatch):
    calls = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: calls.append(length) or real(fd, length, offset))
    for content in (b"root:x:0:0:root:/root:/bin/bash\n" * 50, b"\x7fELF\x02" + bytes(5000), b'{"a": 1}', b"#!/bin/sh\n" + b"true\n" * 999):
        del calls[:]
        assert facts_of(content, b"/x/data").kind is None
        assert calls == [7]


@pytest.mark.parametrize("content", [
    b"-----BEGIN CERTIFICATE-----\n" + b"A" * 3000000, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" * 40000, b"#\n" * 1000000,
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + b"\n" * 3000000, b"ssh-ed25519 AAAA " * 200000, b"ssh-ed25519 AAAA\n" * 200000,
    b"\xfe\xed\xfe\xed\0\0\0\2\x7f\xff\xff\xff" + bytes(1000000), b"\x05\x02" + b"\0\0\0\x01\0" * 400000, b"\x99\0\0" * 500000, b"\xb4\0" * 500000,
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"A" * 2000000, b"-----BEGIN " + b"A" * 2000000, b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + b"mDMEAAAA" * 100000,
    b"\x30\x83\x1e\x84\x7b\x30\x83\x1e\x84\x76" + b"\x30\x00" * 999999, b"|1|a " * 300000,
    b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 999\n" + (b"A" * 1000 + b"\n") * 999,
])
def test_bounded_time(content):
    started = time.perf_counter()
    for name in (b"/x/a.pem", b"/x/known_hosts"):
        check(content, name)
    assert time.perf_counter() - started < 3


def test_names():
    assert all(len(hint) == 4 for hint in NAME_HINTS)
    for name, kind in (
        (b"/etc/ssl/private/www.key", "private_key"), (b"/etc/letsencrypt/live/x/privkey.pem", "private_key"), (b"/x/fullchain.pem", "certificate"),
        (b"/dev/urandom", "random"), (b"/etc/ssl/openssl.cnf", "config"), (b"/root/.ssh/known_hosts", "known_hosts"), (b"/x/krb5.keytab", "keystore"),
        (b"/etc/ssh/ssh_host_rsa_key", "private_key"), (b"/x/id_rsa.pub", "public_key"), (b"/x/dhparam.pem", "parameters"), (b"/x/truststore", "keystore"),
        (b"/x/backup.tar.age", "encrypted_data"),
    ):
        found = classify_name(name)
        assert (found.kind, found.classified_by) == (kind, "name")
        assert name[-4:] in NAME_HINTS
    assert tuple(classify_name(b"/usr/lib/libc.so.6")) == (None, None, None, {})
    assert classify_name(b"/usr/include/c++/12/random").kind is None
    assert facts_of(b"// -*- C++ -*-\n", b"/usr/include/c++/12/random").kind is None
    assert tuple(classify_name(b"")) == (None, None, None, {})


def test_an_empty_file_is_classified_by_its_name():
    assert facts_of(b"", b"/x/server.key")[:2] == ("private_key", "name")
    assert facts_of(b"", b"/x/nothing").kind is None
    assert facts_of(b"[default]\n", b"/etc/ssl/openssl.cnf")[:2] == ("config", "name")


def test_a_descriptor_that_cannot_be_read(tmp_path):
    fd = os.open(str(tmp_path), os.O_RDONLY)  # a directory: EISDIR
    try:
        assert classify(fd, b"/x/server.key")[:2] == ("private_key", "name")
    finally:
        os.close(fd)
