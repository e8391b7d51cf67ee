# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes QUIC Initial packets, with another implementation of AES than that which is tested, and the example of the RFCs."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

V1, V2 = 1, 0x6B3343CF
SALTS = {V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9"}

# RFC 9001, A.2 and RFC 9369, A.2: the client's first connection ID, its ClientHello and packet number 2
EXAMPLE_ID = bytes.fromhex("8394c8f03e515708")
EXAMPLE_HELLO = bytes.fromhex(
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017"
    "001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e04030503060302"
    "03080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff")
# RFC 9001, A.3
EXAMPLE_SERVER_ID = bytes.fromhex("f067a5502a4262b5")
EXAMPLE_SERVER_HELLO = bytes.fromhex(
    "020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a"
    "002b00020304")
# RFC 9001, A.4 and RFC 9369, A.4: Retry packets with the token "token"
EXAMPLE_RETRY = {
    V1: bytes.fromhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"),
    V2: bytes.fromhex("cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6"),
}


def varint(value):
    for power, limit in enumerate((1 << 6, 1 << 14, 1 << 30, 1 << 62)):
        if value < limit:
            return (value | power << (8 * (1 << power) - 2)).to_bytes(1 << power, "big")
    raise ValueError(value)


def crypto(offset, data):
    return b"\x06" + varint(offset) + varint(len(data)) + data


def expand(secret, label, size):
    label = b"tls13 " + label
    return hmac.new(secret, size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\1", hashlib.sha256).digest()[:size]


def initial(frames, number=0, of_client=True, origin=EXAMPLE_ID, destination=None, source=b"", version=V1, token=b"", size=0, number_size=4):
    """An Initial packet that holds frames, and PADDING up to `size` octets of them. origin: what the keys follow from."""
    side = expand(hmac.new(bytes.fromhex(SALTS[version]), origin, hashlib.sha256).digest(), b"client in" if of_client else b"server in", 32)
    prefix = b"quicv2" if version == V2 else b"quic"
    key, iv, mask_key = (expand(side, prefix + name, octets) for name, octets in ((b" key", 16), (b" iv", 12), (b" hp", 16)))
    frames += bytes(max(0, size - len(frames)))
    destination = origin if destination is None else destination
    first = (0xD0 if version == V2 else 0xC0) | number_size - 1
    short = (number & (1 << 8 * number_size) - 1).to_bytes(number_size, "big")
    head = bytes([first]) + version.to_bytes(4, "big") + bytes([len(destination)]) + destination + bytes([len(source)]) + source + varint(len(token)) + token
    head += (0x4000 | number_size + len(frames) + 16).to_bytes(2, "big")
    nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, head + short)
    mask = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor().update((short + sealed)[4:20])
    hidden = bytes(a ^ b for a, b in zip(short, mask[1:]))
    return bytes([first ^ mask[0] & 0x0F]) + head[1:] + hidden + sealed
