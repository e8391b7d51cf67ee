# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire import ssh_messages as ssh
from hypothesis import given
from hypothesis import strategies as st

COOKIE = bytes(range(16))


def string(data):
    return len(data).to_bytes(4, "big") + data


def kexinit_payload(*lists, follows=b"\0"):
    """A KEXINIT with 10 lists; missing ones are those of a usual peer."""
    usual = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""]
    lists = list(lists) + usual[len(lists):]
    return b"\x14" + COOKIE + b"".join(string(names.encode("latin-1")) for names in lists) + follows + bytes(4)


def offer(**changes):
    value = ssh.kexinit(kexinit_payload())
    return value._replace(**{name: tuple(names.split(",")) if isinstance(names, str) else names for name, names in changes.items()})


def test_a_kexinit_is_read_without_its_markers():
    value = ssh.kexinit(kexinit_payload("curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com", "ssh-ed25519,rsa-sha2-512", "a", "b", "c", "d"))
    assert value.key_exchange == ("curve25519-sha256",)
    assert value.host_keys == ("ssh-ed25519", "rsa-sha2-512")
    assert value[2:8] == (("a",), ("b",), ("c",), ("d",), ("none",), ("none",))
    assert (value.strict_kex, value.role) == (True, "client")


@pytest.mark.parametrize("names, strict, role", [
    ("x", False, None), ("x,kexguess2@matt.ucc.asn.au", False, None), ("ext-info-c,x", False, "client"), ("x,ext-info-s", False, "server"),
    ("x,kex-strict-s-v00@openssh.com", True, "server"),
])
def test_markers_tell_the_role(names, strict, role):
    value = ssh.kexinit(kexinit_payload(names))
    assert (value.key_exchange, value.strict_kex, value.role) == (("x",), strict, role)


def test_names_that_are_none_are_left_out():
    value = ssh.kexinit(kexinit_payload("a,,b\x1b[31m,\xe9," + "c" * 65 + ",d"))
    assert value.key_exchange == ("a", "d")


@pytest.mark.parametrize("payload", [
    b"", b"\x15", kexinit_payload()[:-1], kexinit_payload()[:40], b"\x14" + COOKIE + b"\xff" * 40, kexinit_payload(",".join("abc" for name in range(257)))])
def test_what_is_no_kexinit_is_refused(payload):
    with pytest.raises(ssh.MalformedMessage):
        ssh.kexinit(payload)


def test_the_client_chooses_from_what_the_server_has():
    client = offer(key_exchange="k1,k2,k3", host_keys="h1,h2", ciphers_client_to_server="c1,c2", ciphers_server_to_client="c3,c1", macs_client_to_server="m1,m2",
                   macs_server_to_client="m2,m1")
    server = offer(key_exchange="k3,k2", host_keys="h2,h1", ciphers_client_to_server="c2,c1", ciphers_server_to_client="c1,c2", macs_client_to_server="m2",
                   macs_server_to_client="m1,m2")
    assert ssh.negotiate(client, server) == ssh.Negotiated("k2", "h1", "c1", "c1", "m2", "m2", False, ())


@pytest.mark.parametrize("cipher", [
    "chacha20-poly1305@openssh.com", "chacha20-poly1305", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-gcm", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"])
def test_ciphers_that_authenticate_have_no_mac_and_need_none(cipher):
    client = offer(ciphers_client_to_server=cipher, macs_client_to_server="only-mine")
    value = ssh.negotiate(client, offer(ciphers_client_to_server="x," + cipher))
    assert (value.cipher_client_to_server, value.mac_client_to_server, value.failed) == (cipher, None, ())
    assert (value.cipher_server_to_client, value.mac_server_to_client) == ("aes128-ctr", "hmac-sha2-256")


@pytest.mark.parametrize("cipher", ["aes128-ctr", "aes256-cbc", "3des-cbc", "chacha20", "aes128-gcmx"])
def test_other_ciphers_have_one(cipher):
    assert ssh.negotiate(offer(ciphers_client_to_server=cipher), offer(ciphers_client_to_server=cipher)).mac_client_to_server == "hmac-sha2-256"


@pytest.mark.parametrize("field, failed", [
    ("key_exchange", "key_exchange"), ("host_keys", "host_key"), ("ciphers_client_to_server", "cipher_client_to_server"),
    ("ciphers_server_to_client", "cipher_server_to_client"), ("macs_client_to_server", "mac_client_to_server"), ("macs_server_to_client", "mac_server_to_client"),
    ("compressions_client_to_server", "compression_client_to_server"), ("compressions_server_to_client", "compression_server_to_client")])
def test_what_has_nothing_in_common_is_named(field, failed):
    value = ssh.negotiate(offer(**{field: "only-mine"}), offer())
    assert value.failed == (failed,)
    assert getattr(value, failed, None) is None


def test_strict_key_exchange_needs_both():
    for client in (True, False):
        for server in (True, False):
            assert ssh.negotiate(offer(strict_kex=client), offer(strict_kex=server)).strict_kex is (client and server)


def test_only_methods_of_gss_go_without_a_host_key():
    null = dict(key_exchange="curve25519-sha256,gss-gex-sha1-toWM5Slw5Ew8Mqkay+al2g==", host_keys="null")
    value = ssh.negotiate(offer(**null), offer(**null))
    assert (value.key_exchange, value.host_key, value.failed) == ("gss-gex-sha1-toWM5Slw5Ew8Mqkay+al2g==", "null", ())
    value = ssh.negotiate(offer(host_keys="null"), offer(host_keys="null"))
    assert (value.key_exchange, value.host_key, value.failed) == ("curve25519-sha256", None, ("host_key",))


def mpint(value):
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


RSA = mpint(65537) + mpint(1 << 3071)


@pytest.mark.parametrize("blob, expected", [
    (string(b"ssh-rsa") + RSA, ("ssh-rsa", 3072)),
    (string(b"ssh-dss") + mpint(1 << 1023) + mpint(3), ("ssh-dss", 1024)),
    (string(b"ssh-ed25519") + string(bytes(32)), ("ssh-ed25519", 256)),
    (string(b"ssh-ed448") + string(bytes(57)), ("ssh-ed448", 456)),
    (string(b"ecdsa-sha2-nistp384") + string(b"nistp384") + string(bytes(97)), ("ecdsa-sha2-nistp384", 384)),
    (string(b"ssh-rsa-cert-v01@openssh.com") + string(bytes(32)) + RSA, ("ssh-rsa-cert-v01@openssh.com", 3072)),
    (string(b"ssh-ed25519-cert-v01@openssh.com") + string(bytes(32)) + string(bytes(32)), ("ssh-ed25519-cert-v01@openssh.com", 256)),
    (string(b"ssh-mldsa-65") + string(bytes(1952)), ("ssh-mldsa-65", None)),
])
@pytest.mark.parametrize("number", [30, 31, 32, 33])
def test_host_keys(number, blob, expected):
    assert ssh.host_key(bytes([number]) + string(blob) + string(b"point") + string(b"signature")) == expected


@pytest.mark.parametrize("payload", [
    b"\x1f", b"\x1f\0\0\0\5abc", b"\x1f" + mpint(1 << 2047) + mpint(2), b"\x1e" + string(bytes(32)), b"\x1f" + string(string(b"ssh-rsa")),
    b"\x1f" + string(string(b"a b") + b"x"), b"\x1f" + string(b"")])
def test_other_messages_of_the_method_hold_no_host_key(payload):
    assert ssh.host_key(payload) is None


def test_disconnect_says_why():
    assert ssh.disconnect(b"\1\0\0\0\3" + string(b"no \x1b[2Jcommon") + string(b"")) == ssh.Disconnect(3, "key_exchange_failed", "no ?[2Jcommon")
    assert ssh.disconnect(b"\1\0\0\1\0" + string(b"x" * 999)) == ssh.Disconnect(256, None, "x" * 200)
    with pytest.raises(ssh.MalformedMessage):
        ssh.disconnect(b"\1\0\0")


def test_banners():
    assert ssh.banner(b"SSH-2.0-OpenSSH_9.2p1 Debian-2") == ssh.Banner("2.0", "OpenSSH_9.2p1 Debian-2")
    assert ssh.banner(b"SSH-1.99-Cisco\x07\xff") == ssh.Banner("1.99", "Cisco??")
    for line in (b"SSH-", b"SSH-2.0", b"SSH-two-x", b"SSH--x", b""):
        with pytest.raises(ssh.MalformedMessage):
            ssh.banner(line)


@given(st.binary(max_size=300), st.sampled_from([ssh.kexinit, ssh.host_key, ssh.disconnect, ssh.banner]), st.sampled_from([b"", b"\x14" + COOKIE, b"\1", b"SSH-"]))
def test_anything_is_read_or_refused(data, function, beginning):
    try:
        function(beginning + data)
    except ssh.MalformedMessage:
        assert function is not ssh.host_key


NAMES = st.lists(st.sampled_from(["a", "b", "c", "null", "gss-x", "aes128-gcm@openssh.com"]), max_size=4).map(",".join)


@given(st.lists(NAMES, min_size=8, max_size=8), st.lists(NAMES, min_size=8, max_size=8))
def test_whatever_is_chosen_was_offered_by_both_and_what_is_missing_is_named(ours, theirs):
    client, server = ssh.kexinit(kexinit_payload(*ours)), ssh.kexinit(kexinit_payload(*theirs))
    value = ssh.negotiate(client, server)
    for at, name in enumerate(ssh.Negotiated._fields[:6]):
        chosen = value[at]
        assert chosen is None or chosen in client[at] and chosen in server[at]
        assert (name in value.failed) <= (chosen is None)
        if chosen is None and name not in value.failed:
            assert getattr(value, name.replace("mac", "cipher")) == "aes128-gcm@openssh.com"
