# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of libsodium, so often that its counts can be checked: ``sodium_calls.py LIBRARY SCENARIO``. See support/library_api.py."""

import ctypes
import sys

from calls import CTX, DATA, IV, KEY, OUT, U64, Z, f, times


def boxes():
    times(1000, "crypto_secretbox_easy", OUT, DATA, U64(32), IV, KEY)
    times(10, "crypto_secretbox_open_easy", CTX, OUT, U64(48), IV, KEY)
    times(5, "crypto_box_keypair", CTX, OUT)
    times(4, "crypto_box_seal", OUT, DATA, U64(32), CTX)


def aead():
    times(1000, "crypto_aead_xchacha20poly1305_ietf_encrypt", OUT, None, DATA, U64(32), None, U64(0), None, IV, KEY)
    times(9, "crypto_secretstream_xchacha20poly1305_init_push", CTX, OUT, KEY)


def digests():
    times(1000, "crypto_generichash", OUT, Z(32), DATA, U64(32), None, Z(0))
    times(800, "crypto_hash", OUT, DATA, U64(32))
    times(70, "crypto_hash_sha256", OUT, DATA, U64(32))
    times(60, "crypto_auth", OUT, DATA, U64(32), KEY)


def signatures():
    public, secret, signature = (ctypes.create_string_buffer(64) for _each in range(3))
    times(3, "crypto_sign_keypair", public, secret)
    times(100, "crypto_sign_detached", signature, None, DATA, U64(32), secret)
    times(50, "crypto_sign_verify_detached", signature, DATA, U64(32), public)


def passwords():
    times(2, "crypto_pwhash_argon2id", OUT, U64(32), KEY, U64(8), IV, U64(1), Z(8192), 2)


def waits():
    """Says that it is there; hashes 500 times after a line came, and waits for another."""
    print("there")
    input()
    times(500, "crypto_hash_sha256", OUT, b"abc", U64(3))
    print("done")
    input()


f("sodium_init")
globals()[sys.argv[2]]()
