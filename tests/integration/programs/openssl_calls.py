# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One use of a libcrypto, so often that its counts can be checked: ``openssl_calls.py LIBRARY SCENARIO [ARGUMENT...]``.

A scenario is a function of this file. What a profile has to say of each is in support/openssl_api.py. Nothing else of this process
calls libcrypto.
"""

import ctypes
import mmap
import sys
import threading

crypto = ctypes.CDLL(sys.argv[1])
P = ctypes.c_void_p
KEY, IV, DATA = b"k" * 64, b"i" * 16, b"d" * 32
OUT, SIZE = ctypes.create_string_buffer(4096), ctypes.byref(ctypes.c_uint(4096))
EC, P256, X25519, ED25519 = 408, 415, 1034, 1087  # NIDs, openssl/obj_mac.h


def f(name, *arguments):
    function = getattr(crypto, name)
    function.restype = P
    return function(*[P(each) if isinstance(each, int) and each > 0xFFFF else each for each in arguments])


def ok(name, *arguments):
    answer = f(name, *arguments)
    assert answer is not None and ctypes.c_int(answer).value > 0, (name, answer)
    return answer


def times(number, name, *arguments):
    for _count in range(number):
        ok(name, *arguments)


def fetch_cipher(name):
    return f("EVP_CIPHER_fetch", None, name, None) or sys.exit("no cipher %s" % name)


def cipher_context():
    return f("EVP_CIPHER_CTX_new")


def digest_context():
    return f("EVP_MD_CTX_new")


def keygen(nid, curve=0, number=1):
    key = P()
    for _count in range(number):
        context = ok("EVP_PKEY_CTX_new_id", nid, None)
        ok("EVP_PKEY_keygen_init", context)
        if curve:  # EVP_PKEY_OP_PARAMGEN | EVP_PKEY_OP_KEYGEN, EVP_PKEY_CTRL_EC_PARAMGEN_CURVE_NID, of openssl/evp.h and openssl/ec.h
            ok("EVP_PKEY_CTX_ctrl", context, 408, 6, 0x1001, curve, None)
        key = P()
        ok("EVP_PKEY_keygen", context, ctypes.byref(key))
        f("EVP_PKEY_CTX_free", context)
    return key


# --- of every OpenSSL -----------------------------------------------------------------------------------------------------------

def encrypt_init():
    times(1000, "EVP_EncryptInit_ex", cipher_context(), f("EVP_aes_256_gcm"), None, KEY, IV)


def decrypt_init():
    times(1000, "EVP_DecryptInit_ex", cipher_context(), f("EVP_aes_128_cbc"), None, KEY, IV)


def cipher_init():
    context = cipher_context()
    times(400, "EVP_CipherInit_ex", context, f("EVP_chacha20_poly1305"), None, KEY, IV, 1)
    times(600, "EVP_CipherInit_ex", context, f("EVP_chacha20_poly1305"), None, KEY, IV, 0)


def new_key():
    context = cipher_context()
    times(1, "EVP_EncryptInit_ex", context, f("EVP_camellia_192_cbc"), None, KEY, IV)
    times(99, "EVP_EncryptInit_ex", context, None, None, KEY, IV)
    times(10, "EVP_CipherInit_ex", context, None, None, KEY, IV, -1)


def digest_init():
    times(1000, "EVP_DigestInit_ex", digest_context(), f("EVP_sha3_256"), None)


def digest():
    times(1000, "EVP_Digest", DATA, 32, OUT, SIZE, f("EVP_sha256"), None)


def hmac():
    times(1000, "HMAC", f("EVP_sha384"), KEY, 32, DATA, 32, OUT, SIZE)


def hmac_init():
    times(1000, "HMAC_Init_ex", f("HMAC_CTX_new"), KEY, 32, f("EVP_sha1"), None)


def pbkdf2():
    times(1000, "PKCS5_PBKDF2_HMAC", b"password", 8, IV, 16, 1, f("EVP_sha512"), 32, OUT)


def scrypt():
    times(100, "EVP_PBE_scrypt", b"password", 8, IV, 16, ctypes.c_uint64(2), ctypes.c_uint64(1), ctypes.c_uint64(1), ctypes.c_uint64(0), OUT, 32)


def keygen_ec():
    keygen(EC, P256, 100)


def keygen_ed25519():
    keygen(ED25519, 0, 100)


def sign():
    key, context = keygen(EC, P256), digest_context()
    for _count in range(1000):
        f("EVP_MD_CTX_reset", context)
        ok("EVP_DigestSignInit", context, None, f("EVP_sha256"), None, key)


def verify():
    key, context = keygen(ED25519), digest_context()
    for _count in range(1000):
        f("EVP_MD_CTX_reset", context)
        ok("EVP_DigestVerifyInit", context, None, None, None, key)


def key_sign():
    context = f("EVP_PKEY_CTX_new", keygen(EC, P256), None)
    times(300, "EVP_PKEY_sign_init", context)
    times(200, "EVP_PKEY_verify_init", context)


def derive():
    times(1000, "EVP_PKEY_derive_init", f("EVP_PKEY_CTX_new", keygen(X25519), None))


def rsa():
    exponent = f("BN_new")
    ok("BN_set_word", exponent, ctypes.c_ulong(65537))
    for bits in (1024, 1536, 1024):
        ok("RSA_generate_key_ex", f("RSA_new"), bits, exponent, None)


def four_threads():
    def work():
        times(1000, "EVP_EncryptInit_ex", cipher_context(), f("EVP_aes_128_ctr"), None, KEY, IV)
    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- since OpenSSL 3 ------------------------------------------------------------------------------------------------------------

def encrypt_init2():
    times(1000, "EVP_EncryptInit_ex2", cipher_context(), fetch_cipher(b"AES-192-CCM"), KEY, IV, None)


def fetched():
    times(1000, "EVP_EncryptInit_ex", cipher_context(), fetch_cipher(b"aes-256-gcm"), None, KEY, IV)


def cipher_without_nid():
    times(1000, "EVP_EncryptInit_ex", cipher_context(), fetch_cipher(b"AES-128-SIV"), None, KEY, None)


def digest_without_nid():
    times(1000, "EVP_DigestInit_ex2", digest_context(), f("EVP_MD_fetch", None, b"KECCAK-KMAC-128", None), None)


def q_digest():
    times(1000, "EVP_Q_digest", None, b"sha384", None, DATA, ctypes.c_size_t(32), OUT, None)


def mac():
    context = f("EVP_MAC_CTX_new", f("EVP_MAC_fetch", None, b"poly1305", None))
    times(1000, "EVP_MAC_init", context, KEY, ctypes.c_size_t(32), None)


def q_keygen():
    times(3, "EVP_PKEY_Q_keygen", None, None, b"RSA", ctypes.c_size_t(1024))


def generate():
    key, context = P(), f("EVP_PKEY_CTX_new_from_name", None, b"X448", None)
    ok("EVP_PKEY_keygen_init", context)
    times(50, "EVP_PKEY_generate", context, ctypes.byref(key))


def sign_by_name():
    key, context = keygen(EC, P256), digest_context()
    for _count in range(500):
        f("EVP_MD_CTX_reset", context)
        ok("EVP_DigestSignInit_ex", context, None, b"sha256", None, None, key, None)


# --- names ----------------------------------------------------------------------------------------------------------------------

def digest_names():
    """``digest_names NAME...``: no digest has to exist; that it was asked for counts."""
    for name in sys.argv[3:]:
        for _count in range(10):
            f("EVP_Q_digest", None, name.encode(), None, DATA, ctypes.c_size_t(32), OUT, None)


def untouched_name():
    """``untouched_name FILE NUMBER``: the digest's name is in a file that is mapped anew each time: its page is not there until the library reads it."""
    with open(sys.argv[3], "r+b") as file:
        for _count in range(int(sys.argv[4])):
            page = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            ok("EVP_Q_digest", None, ctypes.addressof(ctypes.c_char.from_buffer(page)), None, DATA, ctypes.c_size_t(32), OUT, None)


def null_page():
    """A cipher at an address where nothing is: the process dies of it."""
    f("EVP_EncryptInit_ex", cipher_context(), 0x10000, None, KEY, IV)


globals()[sys.argv[2]]()
