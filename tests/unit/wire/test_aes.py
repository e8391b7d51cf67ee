# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.aes import Aes128Gcm, encrypt_blocks, expand_key
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.binary(min_size=16, max_size=16)


def test_fips_197_appendix_b_and_c():
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert expand_key(key)[10].hex() == "d014f9a8c9ee2589e13f0cc8b6630ca6"
    assert encrypt_blocks(expand_key(key), bytes.fromhex("3243f6a8885a308d313198a2e0370734")).hex() == "3925841d02dc09fbdc118597196a0b32"
    assert encrypt_blocks(expand_key(bytes(range(16))), bytes.fromhex("00112233445566778899aabbccddeeff")).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


@given(KEYS, st.integers(0, 20), st.data())
def test_blocks_are_encrypted_as_another_implementation_does(key, count, data):
    blocks = data.draw(st.binary(min_size=16 * count, max_size=16 * count))
    assert encrypt_blocks(expand_key(key), blocks) == Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)


@given(KEYS, st.binary(min_size=12, max_size=12), st.binary(max_size=300), st.binary(max_size=50))
def test_what_another_implementation_sealed_opens(key, nonce, clear, associated):
    sealed = AESGCM(key).encrypt(nonce, clear, associated)
    assert Aes128Gcm(key).open(nonce, sealed, associated) == clear


@given(KEYS, st.binary(min_size=12, max_size=12), st.binary(max_size=100), st.binary(min_size=1, max_size=30), st.data())
def test_a_changed_bit_does_not_open(key, nonce, clear, associated, data):
    sealed = bytearray(AESGCM(key).encrypt(nonce, clear, associated))
    changed = bytearray(associated)
    victim = data.draw(st.sampled_from([sealed, changed]))
    victim[data.draw(st.integers(0, len(victim) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert Aes128Gcm(key).open(nonce, bytes(sealed), bytes(changed)) is None


def test_what_is_shorter_than_a_tag_does_not_open():
    assert Aes128Gcm(bytes(16)).open(bytes(12), bytes(15), b"") is None
