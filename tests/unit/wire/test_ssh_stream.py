# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.ssh_messages import Banner, HostKey, negotiate
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.ssh_stream import Message, SshStream
from ansible_collections.cryptofleet.audit.tests.unit.support.recorded import recordings
from hypothesis import given
from hypothesis import strategies as st

RECORDED = {title: dict(sent) for title, sent in recordings("ssh.txt").items()}
BANNER = b"SSH-2.0-x\r\n"


def packet(payload):
    padding = 8 - (5 + len(payload)) % 8 + 4
    return (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


def string(data):
    return len(data).to_bytes(4, "big") + data


def read(*parts):
    """All messages of a stream that comes in these parts, and the stream."""
    stream = SshStream()
    found, sequence = [], 1000
    for part in parts:
        found += stream.feed(sequence, part, len(part))
        sequence += len(part)
    return found, stream


def only(messages, kind):
    found = [message.value for message in messages if message.kind == kind]
    assert len(found) == 1
    return found[0]


CHACHA = ("chacha20-poly1305@openssh.com", None)
DEBIAN = "OpenSSH_9.2p1 Debian-2+deb12u10"
# title -> software of client and server, key exchange, host key algorithm, host key, cipher and MAC, strict
EXPECTED = {
    "OpenSSH 9.2 with OpenSSH 9.2": (DEBIAN, DEBIAN, "sntrup761x25519-sha512", "ssh-ed25519", ("ssh-ed25519", 256), CHACHA, True),
    "OpenSSH 9.2 with OpenSSH 9.2, group exchange": (
        DEBIAN, DEBIAN, "diffie-hellman-group-exchange-sha256", "rsa-sha2-512", ("ssh-rsa", 3072), ("aes256-ctr", "hmac-sha2-256-etm@openssh.com"), True),
    "OpenSSH 9.2 with OpenSSH 9.2, certificate": (
        DEBIAN, DEBIAN, "ecdh-sha2-nistp256", "rsa-sha2-256-cert-v01@openssh.com", ("ssh-rsa-cert-v01@openssh.com", 3072), CHACHA, True),
    "dropbear 2022.83 with OpenSSH 9.2": ("dropbear_2022.83", DEBIAN, "curve25519-sha256", "ssh-ed25519", ("ssh-ed25519", 256), CHACHA, True),
    "OpenSSH 9.2 with dropbear 2022.83": (DEBIAN, "dropbear_2022.83", "curve25519-sha256", "ecdsa-sha2-nistp521", ("ecdsa-sha2-nistp521", 521), CHACHA, True),
    "libssh2 1.10 (curl) with OpenSSH 9.2": (
        "libssh2_1.10.0", DEBIAN, "curve25519-sha256", "ecdsa-sha2-nistp256", ("ecdsa-sha2-nistp256", 256), ("aes128-ctr", "hmac-sha2-256"), False),
    "libssh (ansible-pylibssh) with OpenSSH 9.2": ("libssh_0.12.0", DEBIAN, "sntrup761x25519-sha512", "ssh-ed25519", ("ssh-ed25519", 256), CHACHA, True),
    "paramiko with dropbear 2022.83": (
        "paramiko_5.1.0", "dropbear_2022.83", "curve25519-sha256@libssh.org", "ecdsa-sha2-nistp521", ("ecdsa-sha2-nistp521", 521), ("aes128-ctr", "hmac-sha2-256"), True),
    "asyncssh with asyncssh": ("AsyncSSH_2.24.1", "AsyncSSH_2.24.1", "mlkem768x25519-sha256", "ecdsa-sha2-nistp384", ("ecdsa-sha2-nistp384", 384), CHACHA, True),
}


@pytest.mark.parametrize("title", EXPECTED)
def test_real_connections(title):
    client, near = read(RECORDED[title]["client"])
    server, far = read(RECORDED[title]["server"])
    value = negotiate(only(client, "kexinit"), only(server, "kexinit"))
    assert value.failed == ()
    assert EXPECTED[title] == (
        only(client, "banner").software, only(server, "banner").software, value.key_exchange, value.host_key, only(server, "host_key"),
        (value.cipher_client_to_server, value.mac_client_to_server), value.strict_kex)
    assert (near.role, far.role) == ("client", "server")
    assert [message.kind for message in client] == ["banner", "kexinit", "new_keys"]
    assert [message.kind for message in server] == ["banner", "kexinit", "host_key", "new_keys"]
    assert near.done and far.done


def test_a_real_connection_that_has_nothing_in_common():
    title, = set(RECORDED) - set(EXPECTED)
    client, server = (read(RECORDED[title][side])[0] for side in ("client", "server"))
    assert [message.kind for message in client + server] == ["banner", "kexinit"] * 2
    assert negotiate(client[1].value, server[1].value).failed == ("key_exchange",)


@given(st.sampled_from(sorted(EXPECTED)), st.sampled_from(["client", "server"]), st.data())
def test_any_segmentation_and_order_gives_the_same(title, side, data):
    stream = RECORDED[title][side]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)) | {len(stream)})
    pieces = [(begin, end) for begin, end in zip([0] + cuts, cuts)]
    later = pieces[1:] + data.draw(st.lists(st.sampled_from(pieces), max_size=3))
    near = sorted(enumerate(later), key=lambda item: (item[0] + data.draw(st.integers(0, 3)), item[0]))  # as far apart as segments really come
    start = data.draw(st.integers(0, 2**32 - 1))
    reader, found = SshStream(), []
    for begin, end in pieces[:1] + [piece for at, piece in near]:
        found += reader.feed((start + begin) & 0xFFFFFFFF, stream[begin:end], end - begin)
        assert len(reader._buffer) + (reader._segments.held if reader._segments else 0) <= 40 << 10
    if found[-1] == Message("unreadable", "gap"):  # more waited than is held
        assert max(end - begin for begin, end in pieces) > 1000
    else:
        assert found == read(stream)[0]


@given(st.sampled_from(sorted(EXPECTED)), st.sampled_from(["client", "server"]), st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_survived(title, side, changes):
    stream = bytearray(RECORDED[title][side])
    for at, value in changes:
        stream[at % len(stream)] = value
    found, reader = read(bytes(stream))
    assert not {"unreadable", "new_keys", "disconnect"} & {message.kind for message in found[:-1]}  # these end it
    assert reader.done == (bool(found) and found[-1].kind in ("unreadable", "new_keys", "disconnect"))


@given(st.binary(max_size=200))
def test_anything_is_survived(data):
    for stream in (data, BANNER + data, BANNER + packet(b"\x14" + data), BANNER + packet(b"\x1f" + data)):
        read(stream)


def test_text_before_the_banner():
    found, stream = read(b"Welcome\r\nto SSH-2.0-nothing\r\n\nSSH-2.0-real\n")
    assert found == [Message("banner", Banner("2.0", "real"))]


def test_endless_text_is_no_banner():
    assert read(b"x" * 9000)[0] == [Message("unreadable", "malformed")]
    assert read(*[b"y\n"] * 5000)[0] == [Message("unreadable", "malformed")]
    assert read(b"SSH-2.0-" + b"x" * 300)[0] == [Message("unreadable", "malformed")]


def test_version_1_is_recognized_and_not_read():
    found, stream = read(b"SSH-1.5-old\n" + bytes(100))
    assert found == [Message("banner", Banner("1.5", "old")), Message("unreadable", "protocol")]
    assert stream.done
    assert read(b"SSH-1.99-both\n")[0] == [Message("banner", Banner("1.99", "both"))]


def test_disconnect_before_the_keys():
    found, stream = read(BANNER, packet(b"\2" + string(b"ignored")), packet(b"\1\0\0\0\x0c" + string(b"full") + string(b"")) + b"rest")
    assert [message.kind for message in found] == ["banner", "disconnect"]
    assert found[1].value == (12, "too_many_connections", "full")
    assert stream.done


@pytest.mark.parametrize("header", [b"\0\0\x88\xb9\4", b"\xff\xff\xff\xff\4", b"\0\0\0\5\4", b"\0\0\0\0\0", b"\0\0\0\1\0"])
def test_what_is_no_packet_ends_the_reading(header):
    found, stream = read(BANNER + header + bytes(40))
    assert found[-1] == Message("unreadable", "malformed")
    assert stream.done and read(BANNER + header + bytes(40), b"more")[0] == found


def test_the_largest_packet_is_held_within_the_bound():
    payload = b"\2" + bytes(34980)
    stream = SshStream()
    sequence = 0
    for part in [BANNER] + [packet(payload)[at:at + 1000] for at in range(0, 35000, 1000)]:
        stream.feed(sequence, part, len(part))
        sequence += len(part)
        assert len(stream._buffer) <= 35004
    assert stream.feed(sequence, packet(b"\x15"), 16) == [Message("new_keys", None)]


def test_missing_bytes_end_the_reading():
    stream = SshStream()
    assert stream.feed(0, BANNER, 5000) == [Message("banner", Banner("2.0", "x")), Message("unreadable", "gap")]
    assert stream.feed(5000, packet(b"\x15"), 16) == []


def test_the_role_without_markers():
    key = string(string(b"ssh-ed25519") + string(bytes(32)))
    assert read(BANNER + packet(b"\x1e" + string(bytes(32))))[1].role == "client"
    assert read(BANNER + packet(b"\x22" + bytes(12)))[1].role == "client"
    assert read(BANNER + packet(b"\x1f" + string(b"\1" * 256)))[1].role == "server"
    found, stream = read(BANNER + packet(b"\x1f" + key))
    assert (found[-1], stream.role) == (Message("host_key", HostKey("ssh-ed25519", 256)), "server")
    assert [message.kind for message in read(BANNER + packet(b"\x1e" + string(bytes(32))) + packet(b"\x1e" + key))[0]] == ["banner"]  # a client has no host key


def test_single_bytes_cost_no_more_than_all_at_once_by_a_factor():
    stream = BANNER + packet(b"\2" + bytes(34000)) + packet(b"\x15")
    begin = time.process_time()
    found = read(*[stream[at:at + 1] for at in range(len(stream))])[0]
    assert found[-1] == Message("new_keys", None)
    assert time.process_time() - begin < 5
