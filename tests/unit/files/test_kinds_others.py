# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of OpenSSH, Java, GnuPG, PuTTY, Kerberos and NSS, made by the real software where it is small; facts compared with what that prints."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.tests.unit.support.made_files import found, run

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
needs_keytool = pytest.mark.skipif(shutil.which("keytool") is None, reason="needs keytool")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")


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
        assert (result.kind, result.classified_by, result.facts["key_types"]) == ("known_hosts", "content", counts)
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


@pytest.mark.parametrize("name", ["backup.age", "data"])
def test_an_age_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"age-encryption.org/v1\n-> X25519 CxmzoQ6UAmDz5O6bTpkxqpyRZNmGbT6dPYf1r2qvOys\n")
    assert found(path)[:3] == ("encrypted_data", "content", "age")
