# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security associations and policies, from messages built as include/uapi/linux/xfrm.h has them; and the buffer they come in."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._host import ipsec, netlink
from ansible_collections.cryptofleet.audit.tests.unit.support.host_world import Host

KEY = bytes(range(200, 236))  # what must not be seen again
SELECTOR = struct.pack("=16s16sHHHHHBBB3xiI", b"D" * 16, b"S" * 16, 0, 0, 0, 0, socket.AF_INET, 32, 32, 0, 0, 0)
IDENTITY = "=16sIB3x"  # struct xfrm_id
LIFETIMES = bytes(64 + 32)


def attribute(kind, content):
    return struct.pack("=HH", len(content) + 4, kind) + content + bytes(-len(content) % 4)


def algorithm(name, bits, *more):
    """struct xfrm_algo, xfrm_algo_aead, xfrm_algo_auth: with a key."""
    return struct.pack("=64s%dI" % (1 + len(more)), name, bits, *more) + KEY[:bits // 8]


def association(protocol=50, mode=1, *attributes):
    """struct xfrm_usersa_info, field by field, and what follows it."""
    body = SELECTOR + struct.pack(IDENTITY, b"D" * 16, 0x1234, protocol) + b"S" * 16 + LIFETIMES + bytes(12)
    body += struct.pack("=IIHBBB7x", 0, 7, socket.AF_INET, mode, 32, 0)
    assert len(SELECTOR) == 56 and len(body) == 224
    return body + b"".join(attributes)


def policy(direction, action, *templates):
    body = SELECTOR + LIFETIMES + struct.pack("=IIBBBB4x", 0, 0, direction, action, 0, 0)
    assert len(body) == 168
    packed = b"".join(struct.pack(IDENTITY + "H2x16sIBBB1xIII", b"D" * 16, 0, protocol, socket.AF_INET, b"S" * 16, 0, mode, 0, 0, 0, 0, 0)
                      for protocol, mode in templates)
    assert len(packed) == 64 * len(templates)
    return body + (attribute(5, packed) if templates else b"")


AEAD = association(50, 1, attribute(18, algorithm(b"rfc4106(gcm(aes))", 288, 128)), attribute(4, bytes(24)))
CBC = association(50, 0, attribute(1, algorithm(b"hmac(sha256)", 256)), attribute(20, algorithm(b"hmac(sha256)", 256, 128)),
                  attribute(2, algorithm(b"cbc(aes)", 128)))


def set_fields(pairs):
    return {name: value for name, value in pairs if value not in (None, False)}


def test_associations():
    assert set_fields(ipsec.association(memoryview(AEAD))) == {
        "protocol": "ESP", "mode": "tunnel", "encryption": "rfc4106(gcm(aes))", "encryption_key_bits": 288, "tag_bits": 128, "aead": True,
        "encapsulated": True}
    assert set_fields(ipsec.association(memoryview(CBC))) == {
        "protocol": "ESP", "mode": "transport", "encryption": "cbc(aes)", "encryption_key_bits": 128, "authentication": "hmac(sha256)",
        "authentication_key_bits": 256, "tag_bits": 128}
    assert set_fields(ipsec.association(memoryview(association(51, 4, attribute(1, algorithm(b"hmac(md5)", 128)))))) == {
        "protocol": "AH", "mode": "beet", "authentication": "hmac(md5)", "authentication_key_bits": 128}
    assert set_fields(ipsec.association(memoryview(association(108, 9, attribute(3, algorithm(b"deflate", 0)), attribute(28, bytes(8)))))) == {
        "protocol": "IPCOMP", "mode": "9", "compression": "deflate", "offloaded": True}


def test_policies():
    assert dict(ipsec.policy(memoryview(policy(1, 0, (108, 1), (50, 1))))) == {
        "direction": "out", "action": "allow", "templates": ((("protocol", "IPCOMP"), ("mode", "tunnel")), (("protocol", "ESP"), ("mode", "tunnel")))}
    assert dict(ipsec.policy(memoryview(policy(0, 1)))) == {"direction": "in", "action": "block", "templates": ()}


@pytest.mark.parametrize("decode, whole", [(ipsec.association, AEAD), (ipsec.association, CBC), (ipsec.policy, policy(1, 0, (50, 0)))])
def test_cut_anywhere(decode, whole):
    for length in range(len(whole)):
        found = decode(memoryview(whole[:length]))
        assert found is None or len(found) >= 3


class Kernel:
    """A netlink socket that answers with the datagrams given."""

    def __init__(self, datagrams):
        self.datagrams = list(datagrams)
        self.buffers = []
        self.asked = []

    def __call__(self, *_arguments):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def settimeout(self, seconds):
        pass

    def bind(self, address):
        pass

    def sendto(self, data, address):
        self.asked.append(data)

    def recvmsg_into(self, buffers):
        assert not any(buffers[0]), "what came before is still in the buffer"
        self.buffers.append(buffers[0])
        if not self.datagrams:
            raise socket.timeout
        data, flags, port = self.datagrams.pop(0)
        buffers[0][:len(data)] = data
        return len(data), [], flags, (port, 0)


def message(kind, body, flags=2):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


DONE = message(3, bytes(4))


@pytest.fixture
def kernel(monkeypatch):
    def make(*datagrams):
        made = Kernel([(data, 0, 0) if isinstance(data, bytes) else data for data in datagrams])
        monkeypatch.setattr(netlink.socket, "socket", made)
        return made
    return make


def part(tmp_path, served=True):
    host = Host(tmp_path)
    host.put("/proc/net/netlink", "sk               Eth Pid        Groups\n0000 0   0          0\n0000 %d   0          0\n0000 6   77 0\n" % (6 if served else 9))
    return ipsec.read_ipsec(host.reader())


def test_associations_alike_are_one_entry_and_no_key_is_left(tmp_path, kernel):
    made = kernel(message(0x10, AEAD) + message(0x10, CBC), message(0x10, AEAD), DONE, message(0x13, policy(1, 0, (50, 1))) + DONE)
    found = part(tmp_path)
    assert [(entry["encryption"], entry["count"]) for entry in found["associations"]] == [("rfc4106(gcm(aes))", 2), ("cbc(aes)", 1)]
    assert found["policies"] == [{"direction": "out", "action": "allow", "templates": [{"protocol": "ESP", "mode": "tunnel"}], "count": 1}]
    assert found["available"] is True and found["unreadable"] == []
    assert made.buffers and not any(any(buffer) for buffer in made.buffers), "keys stay in memory"
    assert repr(KEY[:8])[2:-1] not in repr(found)
    assert [struct.unpack("=IHHII", data)[1:3] for data in made.asked] == [(0x12, 0x301), (0x15, 0x301)]


def test_another_process_is_not_the_kernel(tmp_path, kernel):
    kernel((message(0x10, CBC), 0, 4711), message(0x10, AEAD), DONE, DONE)
    assert [entry["count"] for entry in part(tmp_path)["associations"]] == [1]


@pytest.mark.parametrize("datagram, reason", [
    (message(2, struct.pack("=i", -errno.EPERM)), "not permitted"),
    ((message(0x10, AEAD), socket.MSG_TRUNC, 0), "too long"),
    (message(0x10, AEAD, flags=0x12), "Interrupted"),
    (struct.pack("=IHHII", 9999, 0x10, 2, 1, 0), "Bad message"),
    (struct.pack("=IHHII", 3, 0x10, 2, 1, 0), "Bad message"),
    (message(0x10, AEAD[:100]) + DONE, "shorter"),
])
def test_what_goes_wrong_is_said(tmp_path, kernel, datagram, reason):
    made = kernel(datagram, DONE)
    entry = next(entry for entry in part(tmp_path)["unreadable"] if entry["source"] == "XFRM associations")
    assert reason in entry["reason"] and not any(any(buffer) for buffer in made.buffers)


def test_silence_ends(tmp_path, kernel):
    kernel(message(0x10, AEAD))
    found = part(tmp_path)
    assert [entry["count"] for entry in found["associations"]] == [1]
    assert [entry["source"] for entry in found["unreadable"]] == ["XFRM associations", "XFRM policies"]


def test_a_socket_that_would_load_a_module_is_not_opened(tmp_path, kernel):
    made = kernel()
    assert part(tmp_path, served=False) == {"available": False, "associations": [], "policies": [], "counters": {}, "unreadable": []}
    Host(tmp_path).put("/proc/net/pfkey", "sk\n")
    assert "PF_KEY" in part(tmp_path, served=False)["unreadable"][0]["reason"] and not made.asked
    assert ipsec.read_ipsec(Host(tmp_path / "empty").reader())["available"] is None


def test_more_associations_than_are_taken(tmp_path, kernel, monkeypatch):
    monkeypatch.setattr(ipsec, "_MAX_MESSAGES", 3)
    kernel(message(0x10, AEAD) * 5 + DONE, DONE)
    found = part(tmp_path)
    assert found["associations"][0]["count"] == 3 and "more than 3" in found["unreadable"][0]["reason"]


def test_counters_of_errors(tmp_path):
    host = Host(tmp_path)
    host.put("/proc/net/xfrm_stat", "XfrmInError             \t0\nXfrmInNoStates          \t12\n")
    assert ipsec.read_ipsec(host.reader())["counters"] == {"XfrmInNoStates": 12}
