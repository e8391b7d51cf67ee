# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An opened file is classified by its content, whatever its name."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.files import make_all, open_folder
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import certificate_facts
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, file, files, process
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

NOT_CRYPTO = {"fake.pem": "just some text\n", "key.txt": "the key to the shed is under the mat\n", "data.der": "\x30\x03abc",
              "certificate.crt": "<html>not found</html>\n"}
HOST_KEY = pathlib.Path("/etc/ssh/ssh_host_ed25519_key")


@pytest.fixture(scope="module")
def seen():
    with open_folder() as folder:
        made = make_all(folder)
        (folder / "empty.key").touch()
        for name, text in NOT_CRYPTO.items():
            (folder / name).write_text(text)
        os.chmod(folder / "site.crt", 0o640)
        os.chown(folder / "site.crt", pwd.getpwnam("nobody").pw_uid, grp.getgrnam("adm").gr_gid)
        if not HOST_KEY.exists():
            pytest.fail("%s is missing: apt-get install openssh-server" % HOST_KEY, pytrace=False)
        with traced() as window:
            done = python("open_files.py", "O_RDONLY", HOST_KEY, "/dev/urandom", "/dev/random", "/dev/null", *(folder / name for name in [*made, *NOT_CRYPTO, "empty.key"]))
        assert_attached(window.profile)
        yield SimpleNamespace(folder=folder, made=made, entry=process(window.profile, done.pid), certificate=certificate_facts(folder / "site.crt"))


def test_every_kind_is_known_by_content(seen):
    values = {name: tuple(file(seen.entry, seen.folder / name)[key] for key in ("kind", "format")) for name in seen.made}
    assert values == {name: (kind, form) for name, (kind, form, _facts) in seen.made.items()}


def test_facts(seen):
    for name, (_kind, _form, expected) in seen.made.items():
        facts = file(seen.entry, seen.folder / name)["facts"] or {}
        assert {key: facts.get(key) for key in expected} == expected, name


def test_content_decided_where_it_can(seen):
    unmarked = {"authorized_keys", "known_hosts"}
    for name in seen.made:
        assert file(seen.entry, seen.folder / name)["classified_by"] == "content" or name in unmarked, name


def test_a_name_alone_makes_no_key(seen):
    for name in NOT_CRYPTO:
        assert not files(seen.entry, seen.folder / name), name


def test_an_empty_file_is_classified_by_its_name(seen):
    found = file(seen.entry, seen.folder / "empty.key")
    assert (found["kind"], found["classified_by"], found["size"], found["facts"]) == ("private_key", "name", 0, None)


def test_facts_of_a_certificate_are_those_openssl_prints(seen):
    for name in ("site.crt", "site.cer", "blob.bin"):
        facts = file(seen.entry, seen.folder / name)["facts"]
        assert {key: facts[key] for key in seen.certificate} == seen.certificate


def test_owner_mode_and_size(seen):
    found = file(seen.entry, seen.folder / "site.crt")
    assert (found["mode"], found["owner"], found["group"]) == ("0640", "nobody", "adm")
    assert found["size"] == (seen.folder / "site.crt").stat().st_size


def test_host_key(seen):
    found = file(seen.entry, HOST_KEY)
    assert (found["kind"], found["format"], found["classified_by"], found["mode"]) == ("private_key", "OpenSSH", "content", "0600")


def test_random_devices(seen):
    assert {path: file(seen.entry, path)["kind"] for path in ("/dev/urandom", "/dev/random")} == dict.fromkeys(("/dev/urandom", "/dev/random"), "random")
    assert not files(seen.entry, "/dev/null")


def test_nothing_secret_is_reported(seen):
    """Of a key file its kind and size are reported, never its content."""
    lines = {line for name in ("site.key", "notes.txt", "id_rsa") for line in (seen.folder / name).read_text().splitlines() if not line.startswith("-")}
    text = repr(seen.entry)
    assert not [line for line in lines if line in text]
