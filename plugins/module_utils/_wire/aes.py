# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AES-128 (FIPS 197) and the opening of AES-128-GCM (NIST SP 800-38D), only for keys that anyone can compute: those of QUIC Initial packets.

Not for secrets: table look-ups and Python's integers take a time that depends on the data. Blocks are encrypted side by side: one translate() or one
exclusive or works on a row of all of them, which is ten times as fast as block after block.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hmac

BLOCK = 16  # bytes
_ROUNDS = 10
_REDUCE = 0xE1 << 120  # x^128 = x^7 + x^2 + x + 1, bits of a block from the left (SP 800-38D, 6.3)


def _double(value):
    """Multiply by x in the field of FIPS 197, 4.2."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def _substitutions():
    """FIPS 197, 5.1.1: the inverse in the field, then an affine map. Powers of the generator 3 and of its inverse meet each other's inverse."""
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ _double(powers[-1]))
    inverse = {0: 0}
    for exponent, value in enumerate(powers):
        inverse[value] = powers[-exponent % 255]
    table = bytearray()
    for value in range(256):
        bits = inverse[value] * 0x0101  # so that a shift rotates
        table.append((bits ^ bits >> 4 ^ bits >> 5 ^ bits >> 6 ^ bits >> 7 ^ 0x63) & 0xFF)
    return bytes(table)


_ONCE = _substitutions()
_TWICE = bytes(_double(value) for value in _ONCE)
_THRICE = bytes(once ^ twice for once, twice in zip(_ONCE, _TWICE))


def expand_key(key):
    """The round keys of AES-128 (FIPS 197, 5.2).

    :arg key: 16 bytes.
    :returns: list of 11 times 16 bytes.
    """
    words = [key[at:at + 4] for at in range(0, BLOCK, 4)]
    constant = 1
    while len(words) < 4 * (_ROUNDS + 1):
        word = words[-1]
        if len(words) % 4 == 0:
            word = (word[1:] + word[:1]).translate(_ONCE)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _double(constant)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word)))
    return [b"".join(words[at:at + 4]) for at in range(0, len(words), 4)]


def encrypt_blocks(round_keys, blocks):
    """Encrypt each block for itself.

    :arg round_keys: what `expand_key` gives.
    :arg blocks: bytes, a multiple of 16.
    :returns: bytes, as many.
    """
    count = len(blocks) // BLOCK
    width = 4 * count  # a row of the state: its octet of column 0 of all blocks, then those of column 1, 2, 3
    rows = [_number(b"".join(blocks[row + column::BLOCK] for column in (0, 4, 8, 12))) for row in range(4)]
    rows = _add(rows, round_keys[0], count)
    for key in round_keys[1:-1]:
        once, twice, thrice = zip(*(
            [_number(row.translate(table)) for table in (_ONCE, _TWICE, _THRICE)] for row in _shifted(rows, width, count)))
        rows = [twice[row] ^ thrice[row - 3] ^ once[row - 2] ^ once[row - 1] for row in range(4)]
        rows = _add(rows, key, count)
    rows = _add([_number(row.translate(_ONCE)) for row in _shifted(rows, width, count)], round_keys[-1], count)
    out = bytearray(len(blocks))
    for at, row in enumerate(rows):
        row = row.to_bytes(width, "big")
        for column in range(4):
            out[at + 4 * column::BLOCK] = row[column * count:(column + 1) * count]
    return bytes(out)


def _number(data):
    return int.from_bytes(data, "big")


def _add(rows, key, count):
    """FIPS 197, 5.1.4."""
    return [row ^ _number(b"".join(key[at + column:at + column + 1] * count for column in (0, 4, 8, 12))) for at, row in enumerate(rows)]


def _shifted(rows, width, count):
    """FIPS 197, 5.1.2: row n goes n columns to the left."""
    for at, row in enumerate(rows):
        row = row.to_bytes(width, "big")
        yield row[at * count:] + row[:at * count]


def _times_x(block):
    return block >> 1 ^ (_REDUCE if block & 1 else 0)


def _multiples(block):
    """The products of a block with all polynomials of degree 7 and less: 256 integers, by the octet that holds the polynomial, highest bit 1."""
    table = [0] * 256
    bit = 0x80
    while bit:
        table[bit] = block
        block = _times_x(block)
        bit >>= 1
    for value in range(256):
        low = value & -value
        table[value] = table[low] ^ table[value ^ low]
    return table


def _overflows():
    """What the last octet of a block becomes where the block is multiplied by x^8."""
    table = []
    for block in range(256):
        for bit in range(8):
            block = _times_x(block)
        table.append(block)
    return table


_OVERFLOW = _overflows()


class Aes128Gcm:
    """AES-128-GCM with nonces of 12 octets and tags of 16."""

    TAG = 16

    def __init__(self, key):
        """:arg key: 16 bytes."""
        self._round_keys = expand_key(key)
        self._multiples = _multiples(_number(encrypt_blocks(self._round_keys, bytes(BLOCK))))

    def open(self, nonce, sealed, associated):
        """Check and decrypt.

        :arg nonce: 12 bytes.
        :arg sealed: bytes, ciphertext and tag.
        :arg associated: bytes that are authenticated, too.
        :returns: bytes, or None where the tag is wrong.
        """
        if len(sealed) < self.TAG:
            return None
        hidden, tag = sealed[:-self.TAG], sealed[-self.TAG:]
        count = -(-len(hidden) // BLOCK)
        counters = b"".join(nonce + at.to_bytes(4, "big") for at in range(1, count + 2))
        stream = encrypt_blocks(self._round_keys, counters)
        right = self._hash(associated, hidden) ^ _number(stream[:BLOCK])
        if not hmac.compare_digest(right.to_bytes(BLOCK, "big"), tag):
            return None
        return (_number(hidden) ^ _number(stream[BLOCK:BLOCK + len(hidden)])).to_bytes(len(hidden), "big")

    def _hash(self, associated, hidden):
        """GHASH (SP 800-38D, 6.4) of both, padded, and their lengths in bits."""
        data = b"".join(part + bytes(-len(part) % BLOCK) for part in (associated, hidden))
        data += (8 * len(associated)).to_bytes(8, "big") + (8 * len(hidden)).to_bytes(8, "big")
        multiples, overflow = self._multiples, _OVERFLOW
        value = 0
        for at in range(0, len(data), BLOCK):
            octets = (value ^ _number(data[at:at + BLOCK])).to_bytes(BLOCK, "little")  # the highest powers first
            value = 0
            for octet in octets:
                value = value >> 8 ^ overflow[value & 0xFF] ^ multiples[octet]
        return value
