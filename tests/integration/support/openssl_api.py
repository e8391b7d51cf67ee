# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that call a libcrypto in known ways and known numbers, and what a profile has to say of each.

Each scenario runs in a process of its own, so that its counts are exact: nothing else of that process calls libcrypto.
"""

from __future__ import annotations

import os
import pathlib

from .profile import functions, operations, process
from .programs import python

_PREAMBLE = """
import ctypes, sys, threading
crypto = ctypes.CDLL(sys.argv[1])
P = ctypes.c_void_p
def f(name, *arguments):
    function = getattr(crypto, name)
    function.restype = P
    return function(*[ctypes.c_void_p(each) if isinstance(each, int) and each > 0xFFFF else each for each in arguments])
def ok(name, *arguments):
    answer = f(name, *arguments)
    assert answer is not None and ctypes.c_int(answer).value > 0, (name, answer)
    return answer
def times(number, name, *arguments):
    for _count in range(number):
        ok(name, *arguments)
KEY, IV, DATA = b"k" * 64, b"i" * 16, b"d" * 32
OUT, SIZE = ctypes.create_string_buffer(4096), ctypes.byref(ctypes.c_uint(4096))
def cipher(name):
    return f("EVP_CIPHER_fetch", None, name, None) or sys.exit("no cipher %s" % name)
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
"""

# name -> (code, {(function, algorithm, operation, key bits): count})
BOTH = {
    "EncryptInit": ('c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_EncryptInit_ex", c, f("EVP_aes_256_gcm"), None, KEY, IV)',
                    {("EVP_EncryptInit_ex", "AES-256-GCM", "encrypt", 256): 1000}),
    "DecryptInit": ('c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_DecryptInit_ex", c, f("EVP_aes_128_cbc"), None, KEY, IV)',
                    {("EVP_DecryptInit_ex", "AES-128-CBC", "decrypt", 128): 1000}),
    "CipherInit": ('c = f("EVP_CIPHER_CTX_new"); times(400, "EVP_CipherInit_ex", c, f("EVP_chacha20_poly1305"), None, KEY, IV, 1);'
                   'times(600, "EVP_CipherInit_ex", c, f("EVP_chacha20_poly1305"), None, KEY, IV, 0)',
                   {("EVP_CipherInit_ex", "CHACHA20-POLY1305", "encrypt", 256): 400, ("EVP_CipherInit_ex", "CHACHA20-POLY1305", "decrypt", 256): 600}),
    "new key": ('c = f("EVP_CIPHER_CTX_new"); times(1, "EVP_EncryptInit_ex", c, f("EVP_camellia_192_cbc"), None, KEY, IV);'
                'times(99, "EVP_EncryptInit_ex", c, None, None, KEY, IV); times(10, "EVP_CipherInit_ex", c, None, None, KEY, IV, -1)',
                {("EVP_EncryptInit_ex", "CAMELLIA-192-CBC", "encrypt", 192): 100, ("EVP_CipherInit_ex", "CAMELLIA-192-CBC", "cipher", 192): 10}),
    "DigestInit": ('c = f("EVP_MD_CTX_new"); times(1000, "EVP_DigestInit_ex", c, f("EVP_sha3_256"), None)',
                   {("EVP_DigestInit_ex", "SHA3-256", "digest", None): 1000}),
    "Digest": ('times(1000, "EVP_Digest", DATA, 32, OUT, SIZE, f("EVP_sha256"), None)', {("EVP_Digest", "SHA256", "digest", None): 1000}),
    "HMAC": ('times(1000, "HMAC", f("EVP_sha384"), KEY, 32, DATA, 32, OUT, SIZE)', {("HMAC", "HMAC-SHA384", "mac", None): 1000}),
    "HMAC_Init": ('c = f("HMAC_CTX_new"); times(1000, "HMAC_Init_ex", c, KEY, 32, f("EVP_sha1"), None)',
                  {("HMAC_Init_ex", "HMAC-SHA1", "mac", None): 1000}),
    "PBKDF2": ('times(1000, "PKCS5_PBKDF2_HMAC", b"password", 8, IV, 16, 1, f("EVP_sha512"), 32, OUT)',
               {("PKCS5_PBKDF2_HMAC", "PBKDF2-HMAC-SHA512", "derive", None): 1000}),
    "scrypt": ('times(100, "EVP_PBE_scrypt", b"password", 8, IV, 16, ctypes.c_uint64(2), ctypes.c_uint64(1), ctypes.c_uint64(1), ctypes.c_uint64(0), OUT, 32)',
               {("EVP_PBE_scrypt", "SCRYPT", "derive", None): 100}),
    "keygen EC": ("keygen(408, 415, 100)", {("EVP_PKEY_keygen", "EC", "key_generation", None): 100}),
    "keygen Ed25519": ("keygen(1087, 0, 100)", {("EVP_PKEY_keygen", "ED25519", "key_generation", None): 100}),
    "sign": ('k = keygen(408, 415); c = f("EVP_MD_CTX_new")\n'
             'for _count in range(1000):\n f("EVP_MD_CTX_reset", c); ok("EVP_DigestSignInit", c, None, f("EVP_sha256"), None, k)',
             {("EVP_DigestSignInit", "EC-SHA256", "sign", None): 1000, ("EVP_PKEY_keygen", "EC", "key_generation", None): 1}),
    "verify": ('k = keygen(1087); c = f("EVP_MD_CTX_new")\n'
               'for _count in range(1000):\n f("EVP_MD_CTX_reset", c); ok("EVP_DigestVerifyInit", c, None, None, None, k)',
               {("EVP_DigestVerifyInit", "ED25519", "verify", None): 1000, ("EVP_PKEY_keygen", "ED25519", "key_generation", None): 1}),
    "key sign": ('k = keygen(408, 415); c = f("EVP_PKEY_CTX_new", k, None); times(300, "EVP_PKEY_sign_init", c); times(200, "EVP_PKEY_verify_init", c)',
                 {("EVP_PKEY_sign_init", "EC", "sign", None): 300, ("EVP_PKEY_verify_init", "EC", "verify", None): 200,
                  ("EVP_PKEY_keygen", "EC", "key_generation", None): 1}),
    "derive": ('k = keygen(1034); c = f("EVP_PKEY_CTX_new", k, None); times(1000, "EVP_PKEY_derive_init", c)',
               {("EVP_PKEY_derive_init", "X25519", "key_agreement", None): 1000, ("EVP_PKEY_keygen", "X25519", "key_generation", None): 1}),
    "RSA": ('e = f("BN_new"); ok("BN_set_word", e, ctypes.c_ulong(65537))\n'
            'for bits in (1024, 1536, 1024):\n ok("RSA_generate_key_ex", f("RSA_new"), bits, e, None)',
            {("RSA_generate_key_ex", "RSA", "key_generation", 1024): 2, ("RSA_generate_key_ex", "RSA", "key_generation", 1536): 1}),
    "threads": ('def work():\n c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_EncryptInit_ex", c, f("EVP_aes_128_ctr"), None, KEY, IV)\n'
                'threads = [threading.Thread(target=work) for _number in range(4)]\n'
                'for thread in threads: thread.start()\nfor thread in threads: thread.join()',
                {("EVP_EncryptInit_ex", "AES-128-CTR", "encrypt", 128): 4000}),
}
# Functions and algorithms that came with OpenSSL 3.
ONLY_3 = {
    "EncryptInit2": ('c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_EncryptInit_ex2", c, cipher(b"AES-192-CCM"), KEY, IV, None)',
                     {("EVP_EncryptInit_ex2", "AES-192-CCM", "encrypt", 192): 1000}),
    "fetched": ('c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_EncryptInit_ex", c, cipher(b"aes-256-gcm"), None, KEY, IV)',
                {("EVP_EncryptInit_ex", "AES-256-GCM", "encrypt", 256): 1000}),
    "no number": ('c = f("EVP_CIPHER_CTX_new"); times(1000, "EVP_EncryptInit_ex", c, cipher(b"AES-128-SIV"), None, KEY, None)',
                  {("EVP_EncryptInit_ex", "AES-128-SIV", "encrypt", 256): 1000}),
    "digest without a number": ('c = f("EVP_MD_CTX_new"); times(1000, "EVP_DigestInit_ex2", c, f("EVP_MD_fetch", None, b"KECCAK-KMAC-128", None), None)',
                                {("EVP_DigestInit_ex2", "KECCAK-KMAC-128", "digest", None): 1000}),
    "Q_digest": ('times(1000, "EVP_Q_digest", None, b"sha384", None, DATA, ctypes.c_size_t(32), OUT, None)',
                 {("EVP_Q_digest", "SHA384", "digest", None): 1000}),
    "MAC": ('c = f("EVP_MAC_CTX_new", f("EVP_MAC_fetch", None, b"poly1305", None)); times(1000, "EVP_MAC_init", c, KEY, ctypes.c_size_t(32), None)',
            {("EVP_MAC_init", "POLY1305", "mac", None): 1000}),
    "Q_keygen": ('for _count in range(3): ok("EVP_PKEY_Q_keygen", None, None, b"RSA", ctypes.c_size_t(1024))',
                 {("EVP_PKEY_Q_keygen", "RSA", "key_generation", None): 3}),
    "generate": ('k = P(); c = f("EVP_PKEY_CTX_new_from_name", None, b"X448", None); ok("EVP_PKEY_keygen_init", c)\n'
                 'times(50, "EVP_PKEY_generate", c, ctypes.byref(k))', {("EVP_PKEY_generate", "X448", "key_generation", None): 50}),
    "sign by name": ('k = keygen(408, 415); c = f("EVP_MD_CTX_new")\n'
                     'for _count in range(500):\n f("EVP_MD_CTX_reset", c); ok("EVP_DigestSignInit_ex", c, None, b"sha256", None, None, k, None)',
                     {("EVP_DigestSignInit_ex", "EC-SHA256", "sign", None): 500, ("EVP_PKEY_keygen", "EC", "key_generation", None): 1}),
}
# Names as long as the kernel side keeps them whole (23 bytes), and longer ones. No such digest is there: that it was asked for counts.
LONG_NAMES = ("AES-128-CBC-HMAC-SHA256", "AES-128-CBC-HMAC-SHA256-ETM", "DIGEST-OF-TWENTY-4-BYTES", "DIGEST-OF-22-BYTES-LONG")
ASK_FOR_LONG_NAMES = "".join('for _count in range(10): f("EVP_Q_digest", None, %r, None, DATA, ctypes.c_size_t(32), OUT, None)\n' % name.encode()
                             for name in LONG_NAMES)


def libcrypto():
    """The system's libcrypto, by its real path."""
    machine = os.uname().machine
    return os.path.realpath("/usr/lib/%s-linux-gnu/libcrypto.so.3" % machine)


def perform(scenarios, library):
    """Run each scenario: dict of name -> pid."""
    return {name: python(_PREAMBLE + code, pathlib.Path(library)).pid for name, (code, _expected) in scenarios.items()}


def try_scenario(code, library):
    """Run one that may fail: its Ran."""
    return python(_PREAMBLE + code, pathlib.Path(library), check=False)


def assert_counts(profile, pid, library, expected):
    """What a scenario asked for, all of it, no more, and of this library."""
    entry = process(profile, pid)
    assert dict(functions(entry)) == expected
    for item in entry["operations"]:
        assert item["library"] == str(library)
        assert profile["window"]["started_at"] < item["first_seen"] <= item["last_seen"] < profile["window"]["ended_at"]
        assert item["evidence"] == {"source": "library", "grade": "observed"}
    inside = {(item["algorithm"], item["operation"]) for item in entry["operations"] if item.get("internal")}
    assert not inside & set(operations(entry)), "what was asked for is told once, not again as something the library did inside"
