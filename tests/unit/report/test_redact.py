# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines with secrets in every usual place, and harmless ones that look similar."""

from __future__ import annotations

import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._report.redact import Redactor
from hypothesis import given, settings
from hypothesis import strategies as st

redact_arguments, redact_path = Redactor().arguments, Redactor().path

R = "[redacted]"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"
HEX = "00112233445566778899aabbccddeeff"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"

SECRETS = [
    (["app", "--password=s3"], ["app", "--password=" + R]),
    (["app", "--password", "s3", "x"], ["app", "--password", R, "x"]),
    (["app", "--db-password=s 3 = x"], ["app", "--db-password=" + R]),
    (["app", "--dbPassword", "s3"], ["app", "--dbPassword", R]),
    (["app", "--token", JWT], ["app", "--token", R]),
    (["app", "--auth-token=abc"], ["app", "--auth-token=" + R]),
    (["app", "--secret", "x"], ["app", "--secret", R]),
    (["app", "--client-secret=x"], ["app", "--client-secret=" + R]),
    (["app", "--api-key", "abc"], ["app", "--api-key", R]),
    (["app", "--apikey=abc"], ["app", "--apikey=" + R]),
    (["app", "--encryption-key", HEX], ["app", "--encryption-key", R]),
    (["app", "--private-key", PEM], ["app", "--private-key", R]),
    (["app", "--key", HEX], ["app", "--key", R]),
    (["app", "x" + PEM + "y"], ["app", "x" + R + "y"]),
    (["app", "--password", "-s3cret"], ["app", "--password", R]),
    (["app", "--password", "-v", "--x"], ["app", "--password", "-v", "--x"]),
    (["app", "--pin", "1234"], ["app", "--pin", R]),
    (["java", "-Djavax.net.ssl.keyStorePassword=changeit", "-jar", "a.jar"], ["java", "-Djavax.net.ssl.keyStorePassword=" + R, "-jar", "a.jar"]),
    # openssl
    (["openssl", "rsa", "-passin", "pass:x", "-in", "k.pem"], ["openssl", "rsa", "-passin", "pass:" + R, "-in", "k.pem"]),
    (["openssl", "rsa", "-passout", "pass:x"], ["openssl", "rsa", "-passout", "pass:" + R]),
    (["openssl", "enc", "-aes-256-cbc", "-pass", "pass:x"], ["openssl", "enc", "-aes-256-cbc", "-pass", "pass:" + R]),
    (["openssl", "enc", "-aes-256-cbc", "-k", "x"], ["openssl", "enc", "-aes-256-cbc", "-k", R]),
    (["/usr/bin/openssl", "enc", "-K", HEX, "-iv", HEX], ["/usr/bin/openssl", "enc", "-K", R, "-iv", HEX]),
    (["openssl", "dgst", "-sha256", "-hmac", "x", "f"], ["openssl", "dgst", "-sha256", "-hmac", R, "f"]),
    (["openssl", "mac", "-macopt", "hexkey:0011", "HMAC"], ["openssl", "mac", "-macopt", "hexkey:" + R, "HMAC"]),
    (["openssl", "passwd", "-6", "x"], ["openssl", "passwd", "-6", R]),
    # curl, wget
    (["curl", "-u", "bob:x", "https://h/"], ["curl", "-u", "bob:" + R, "https://h/"]),
    (["curl", "-ubob:x"], ["curl", "-ubob:" + R]),
    (["curl", "-sSfu", "bob:x", "u"], ["curl", "-sSfu", "bob:" + R, "u"]),
    (["curl", "-b", "session=abc", "u"], ["curl", "-b", R, "u"]),
    (["kubectl", "create", "secret", "generic", "s", "--from-literal=k=x=y"], ["kubectl", "create", "secret", "generic", "s", "--from-literal=k=" + R]),
    (["app", "a=b&x=password=y"], ["app", "a=b&x=password=" + R]),
    (["sqlplus", "-s", "scott/tiger@db"], ["sqlplus", "-s", "scott/" + R + "@db"]),
    (["aws", "configure", "set", "aws_secret_access_key", "abc"], ["aws", "configure", "set", "aws_secret_access_key", R]),
    (["curl", "--user", "bob:x"], ["curl", "--user", "bob:" + R]),
    (["curl", "-H", "Authorization: Bearer x"], ["curl", "-H", "Authorization: Bearer " + R]),
    (["curl", "-H", "Authorization:x"], ["curl", "-H", "Authorization:" + R]),
    (["curl", "-HAuthorization: Basic eDp5"], ["curl", "-HAuthorization: Basic " + R]),
    (["curl", "-H", "X-Api-Key: abc"], ["curl", "-H", "X-Api-Key: " + R]),
    (["curl", "-H", "X-Vault-Token: abc def"], ["curl", "-H", "X-Vault-Token: " + R]),
    (["curl", "-d", "user=bob&password=x&a=1"], ["curl", "-d", "user=bob&password=" + R + "&a=1"]),
    (["curl", "-d", '{"user": "bob", "password": "x\\"y", "n": 1}'], ["curl", "-d", '{"user": "bob", "password": "' + R + '", "n": 1}']),
    (["curl", "https://bob:x@h/p"], ["curl", "https://bob:" + R + "@h/p"]),
    (["curl", "https://h/?a=1&access_token=x&b=2"], ["curl", "https://h/?a=1&access_token=" + R + "&b=2"]),
    (["git", "clone", "https://ghp_0123456789abcdefghij@github.com/x/y"], ["git", "clone", "https://" + R + "@github.com/x/y"]),
    (["git", "-c", "http.extraheader=AUTHORIZATION: basic eDp5"], ["git", "-c", "http.extraheader=AUTHORIZATION: basic " + R]),
    (["wget", "--header=Authorization: Bearer x"], ["wget", "--header=Authorization: Bearer " + R]),
    (["amqp", "amqps://bob:p@ss@h:5671/v"], ["amqp", "amqps://bob:" + R + "@h:5671/v"]),
    # variables
    (["env", "PGPASSWORD=x", "psql", "-p", "5432"], ["env", "PGPASSWORD=" + R, "psql", "-p", "5432"]),
    (["env", "AWS_SECRET_ACCESS_KEY=abc", "AWS_ACCESS_KEY_ID=AKIA"], ["env", "AWS_SECRET_ACCESS_KEY=" + R, "AWS_ACCESS_KEY_ID=AKIA"]),
    (["env", "MYSQL_PWD=x", "SSHPASS=y"], ["env", "MYSQL_PWD=" + R, "SSHPASS=" + R]),
    (["docker", "run", "-e", "DB_PASS=x", "-p", "80:80", "img"], ["docker", "run", "-e", "DB_PASS=" + R, "-p", "80:80", "img"]),
    # programs with options of their own
    (["mysql", "-uroot", "-psecret", "db"], ["mysql", "-uroot", "-p" + R, "db"]),
    (["sudo", "mysqldump", "-psecret"], ["sudo", "mysqldump", "-p" + R]),
    (["mysql", "--password=x"], ["mysql", "--password=" + R]),
    (["mysqladmin", "-uroot", "password", "x"], ["mysqladmin", "-uroot", "password", R]),
    (["sshpass", "-p", "-x", "ssh", "h", "-p", "22"], ["sshpass", "-p", R, "ssh", "h", "-p", "22"]),
    (["sshpass", "-px", "scp", "a", "b"], ["sshpass", "-p" + R, "scp", "a", "b"]),
    (["ldapsearch", "-D", "cn=admin", "-w", "x", "-b", "dc=a"], ["ldapsearch", "-D", "cn=admin", "-w", R, "-b", "dc=a"]),
    (["redis-cli", "-a", "x", "ping"], ["redis-cli", "-a", R, "ping"]),
    (["smbclient", "//h/s", "-U", "bob%x"], ["smbclient", "//h/s", "-U", "bob%" + R]),
    (["net", "ads", "join", "-Uadmin%x"], ["net", "ads", "join", "-Uadmin%" + R]),
    (["gpg", "--batch", "--passphrase", "x", "-d", "f"], ["gpg", "--batch", "--passphrase", R, "-d", "f"]),
    (["keytool", "-list", "-keystore", "k.jks", "-storepass", "x", "-keypass", "y"],
     ["keytool", "-list", "-keystore", "k.jks", "-storepass", R, "-keypass", R]),
    (["app", "--api-key", "/9j4AAQSkZJRg+x="], ["app", "--api-key", R]),  # base64 that begins with a slash
    (["app", "--password=/secret"], ["app", "--password=" + R]),
    (["app", "--password", "~tilde"], ["app", "--password", R]),
    (["app", "--token", "@dm1n"], ["app", "--token", R]),
    (["mysql8.0", "-ppw"], ["mysql8.0", "-p" + R]),
    (["/usr/lib/postgresql/15/bin/psql-15", "postgresql://bob:x@h/d"], ["/usr/lib/postgresql/15/bin/psql-15", "postgresql://bob:" + R + "@h/d"]),
    (["htpasswd", "-bc", "/etc/ht", "bob", "x"], ["htpasswd", "-bc", "/etc/ht", "bob", R]),
    (["rabbitmqctl", "add_user", "bob", "x"], ["rabbitmqctl", "add_user", "bob", R]),
    (["docker", "login", "-u", "bob", "-p", "x", "reg"], ["docker", "login", "-u", "bob", "-p", R, "reg"]),
    (["ssh-keygen", "-t", "rsa", "-N", "x", "-f", "k"], ["ssh-keygen", "-t", "rsa", "-N", R, "-f", "k"]),
    (["vault", "kv", "put", "secret/a", "key=x"], ["vault", "kv", "put", "secret/a", "key=" + R]),
    (["psql", "host=h password=x dbname=d"], ["psql", "host=h password=" + R + " dbname=d"]),
    (["psql", "postgresql://bob:x@h/d"], ["psql", "postgresql://bob:" + R + "@h/d"]),
    (["psql", "-c", "ALTER USER bob PASSWORD 'x y'"], ["psql", "-c", "ALTER USER bob PASSWORD " + R]),
    (["mount", "-o", "username=bob,password=x,vers=3", "//h/s"], ["mount", "-o", "username=bob,password=" + R + ",vers=3", "//h/s"]),
    (["zip", "-P", "x", "a.zip"], ["zip", "-P", R, "a.zip"]),
    (["plink", "-pw", "x", "h"], ["plink", "-pw", R, "h"]),
    # shells
    (["sh", "-c", "mysql -psecret db && echo 1"], ["sh", "-c", "mysql -p" + R + " db && echo 1"]),
    (["bash", "-lc", "PGPASSWORD=x psql -h db -p 5432"], ["bash", "-lc", "PGPASSWORD=" + R + " psql -h db -p 5432"]),
    (["sh", "-c", "curl -H 'Authorization: Bearer x' https://h | sh"], ["sh", "-c", "curl -H 'Authorization: Bearer " + R + "' https://h | sh"]),
    (["ssh", "h", "sudo app --token abc --x 1"], ["ssh", "h", "sudo app --token " + R + " --x 1"]),
    (["sh", "-c", "sh -c 'sh -c \"app --password abc\"'"], ["sh", "-c", "sh -c 'sh -c \"app --password " + R + "\"'"]),
    (["sh", "-c", "echo 'it' \"unclosed; app --password abc"], ["sh", "-c", "echo 'it' \"unclosed; app --password " + R]),
]

HARMLESS = [
    ["nginx", "-g", "daemon off;"],
    ["app", "--key", "/etc/x.pem", "--cert", "c.pem"],
    ["app", "--private-key", "server.key"],
    ["app", "--private-key=/etc/ssl/private/a"],
    ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.csr", "-subj", "/CN=x"],
    ["openssl", "rsa", "-in", "k.pem", "-passin", "file:/etc/pw", "-passout", "env:PW"],
    ["openssl", "s_client", "-connect", "h:443", "-key", "k.pem"],
    ["openssl", "enc", "-kfile", "/etc/k"],
    ["app", "--password-file", "/etc/pw"],
    ["app", "--password-file=/etc/pw", "--token-ttl", "3600", "--token-type", "jwt", "--secret-name", "x"],
    ["rsync", "--password-file=/etc/p", "a", "b"],
    ["app", "--pass-through", "x", "--passive", "--bypass", "y", "--max-tokens", "5", "--tokenizer", "z"],
    ["app", "--no-password", "file", "--ask-pass", "host"],
    ["app", "--api-key", "/etc/api.key"], ["app", "--token-file=/data/token", "--api-key", "~/pw", "--api-key", "@/run/secrets/db"],
    ["mysql", "-p", "db"],
    ["mysql", "-P", "3306"],
    ["psql", "-p", "5432", "-U", "bob"],
    ["ssh", "-p", "22", "bob@h"],
    ["docker", "run", "-p", "80:80", "img"],
    ["curl", "-u", "bob", "https://h/?q=1", "-H", "Accept: */*", "-d", "@file"],
    ["curl", "-b", "cookies.txt", "-su", "bob"],
    ["git", "clone", "ssh://git@github.com/x/y"],
    ["git", "clone", "git@github.com:x/y.git"],
    ["env", "PWD=/srv", "OLDPWD=/", "PATH=/bin"],
    ["sha256sum", HEX, "d41d8cd98f00b204e9800998ecf8427e" * 2],
    ["app", JWT],
    ["grep", "-k", "x", "-K", "y"],
    ["gpg", "--passphrase-fd", "0", "--pinentry-mode", "loopback"],
    ["keytool", "-list", "-keystore", "k.jks", "-storetype", "PKCS12"],
    ["sh", "-c", "cd /srv && exec app \"$@\"; echo 'a b' | tr a b"],
    ["python3", "-c", "import ssl\nprint(ssl.OPENSSL_VERSION)"],
    ["htpasswd", "-c", "/etc/ht", "bob"],
    ["compass", "--encompass", "x"],
    ["", "-", "--", "-x"],
    [],
]


def raw(arguments):
    return [argument.encode() for argument in arguments]


@pytest.mark.parametrize("argv, expected", SECRETS, ids=lambda value: " ".join(value)[:60])
def test_secrets(argv, expected):
    assert redact_arguments(raw(argv)) == raw(expected)


@pytest.mark.parametrize("argv", HARMLESS, ids=lambda value: " ".join(value)[:60])
def test_harmless(argv):
    assert redact_arguments(raw(argv)) == raw(argv)


@pytest.mark.parametrize("argv, _expected", SECRETS[:60], ids=lambda value: " ".join(value)[:60])
def test_again_changes_nothing(argv, _expected):
    once = redact_arguments(raw(argv))
    assert redact_arguments(once) == once


PATHS = [
    ("/home/alice/.ssh/id_rsa", "/home/[user]/.ssh/id_rsa"), ("/home/alice", "/home/[user]"), ("/var/home/alice/x", "/var/home/[user]/x"),
    ("/Users/alice/x", "/Users/[user]/x"), ("/export/home/a b/x", "/export/home/[user]/x"), ("/srv/people/bob/x", "/srv/people/[user]/x"),
    ("/srv/people/bob", "/srv/people/[user]"), ("/home/\udcff\n/x", "/home/[user]/x"),
]
PATHS_KEPT = ["/root/.ssh/id_rsa", "/home", "/home/", "/srv/home/alice/x", "/homes/alice", "/etc/home/alice", "home/alice", "", "/srv/people/bobby/x",
              "/Users/Shared/x"]


@pytest.mark.parametrize("path, expected", PATHS)
def test_paths(path, expected):
    redactor = Redactor([b"/srv/people/bob/", b"/root", b"/", b"", b"relative"])
    assert redactor.path(path.encode("utf-8", "surrogateescape")) == expected.encode()


@pytest.mark.parametrize("path", PATHS_KEPT)
def test_paths_kept(path):
    assert Redactor([b"/srv/people/bob/", b"/root", b"/", b"", b"relative"]).path(path.encode()) == path.encode()
    if "people" not in path:
        assert redact_path(path.encode()) == path.encode()


def test_paths_in_arguments():
    redactor = Redactor([b"/srv/people/bob"])
    argv = [b"/home/alice/bin/x", b"--key=/home/alice/k.pem", b"-I/home/alice", b"/srv/home/x/y", b"a:/srv/people/bob/y", b"cat '/home/alice/a b' /root/z"]
    assert redactor.arguments(argv) == [b"/home/[user]/bin/x", b"--key=/home/[user]/k.pem", b"-I/home/alice", b"/srv/home/x/y", b"a:/srv/people/[user]/y",
                                        b"cat '/home/[user]/a b' /root/z"]


PIECES = st.sampled_from(["mysql", "-p", "openssl", "passwd", "--password", "=", ":", "'", '"', " ", ";", "\\", "x", "https://", "@", "-----BEGIN A-----",
                          "sh", "-c", "vault", "login", "{\"token\":", "htpasswd", "-b", "/home/", "%", "-U", "net", "\n", "Authorization: "])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=30), st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode())), max_size=8))
def test_any_arguments(argv):
    done = redact_arguments(argv)
    assert len(done) == len(argv)
    assert all(isinstance(argument, bytes) for argument in done)


@pytest.mark.parametrize("piece", ["'", '"', "\"\\", "a=", "password=", "-----BEGIN A-----", "x://", "a:b@", "Bearer ", "-", "((", "\\\"", "identified with ",
                                   "/home/", "\"a\": ", "a ", "= ", "authorization:", "eyJ."])
def test_time_is_bounded(piece):
    text = (piece * 32768)[:32768].encode()
    begin = time.process_time()
    redact_arguments([b"sh", b"-c", text])
    redact_arguments([text, text + b" x"])
    assert time.process_time() - begin < 3


@pytest.mark.parametrize("program, argument", [
    ("openssl", "a"), ("docker", "-a"), ("htpasswd", "x"), ("rabbitmqctl", "a"), ("aws", "a"), ("vault", "a")])
def test_many_arguments_take_linear_time(program, argument):
    """32 KB of short arguments: a search of all of them for each one took up to 13 s."""
    begin = time.process_time()
    redact_arguments([program.encode()] + [argument.encode()] * 16000)
    assert time.process_time() - begin < 1.5
