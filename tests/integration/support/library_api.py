# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that call crypto libraries other than OpenSSL in known ways and known numbers, and what a profile has to say of each."""

from __future__ import annotations

from .profile import functions, process
from .programs import python

_PREAMBLE = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
P, U64, Z = ctypes.c_void_p, ctypes.c_ulonglong, ctypes.c_size_t
def f(name, *arguments):
    function = getattr(lib, name)
    function.restype = P
    return function(*[P(each) if isinstance(each, int) and each > 0xFFFFFFFF else each for each in arguments])
def ok(name, *arguments):
    answer = f(name, *arguments)
    assert not answer or answer > 0xFFFFFFFF, (name, answer)
    return answer
def times(number, name, *arguments):
    for _count in range(number):
        ok(name, *arguments)
def calls(number, name, *arguments):
    for _count in range(number):
        f(name, *arguments)
ref = ctypes.byref
KEY, IV, DATA = b"k" * 64, b"i" * 32, b"d" * 32
OUT, SIZE, CTX = ctypes.create_string_buffer(8192), ctypes.c_ulong(8192), ctypes.create_string_buffer(16384)
"""

# library -> what is done before; {scenario: (code, {(function, algorithm, operation, key bits): count})}
_GNUTLS = ("libgnutls.so.30", """
class Datum(ctypes.Structure): _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]
datum = lambda data: ref(Datum(data, len(data)))
h = P()
def key(algorithm, bits):
    found = P(); ok("gnutls_privkey_init", ref(found)); ok("gnutls_privkey_generate", found, algorithm, bits, 0); return found
""", {
    "digests": ('times(1000, "gnutls_hash_fast", 6, DATA, Z(32), OUT); times(500, "gnutls_hash_init", ref(h), 8)',
                {("gnutls_hash_fast", "SHA256", "digest", None): 1000, ("gnutls_hash_init", "SHA512", "digest", None): 500}),
    "macs": ('times(1000, "gnutls_hmac_fast", 3, KEY, Z(20), DATA, Z(32), OUT); times(10, "gnutls_hmac_init", ref(h), 7, KEY, Z(20))',
             {("gnutls_hmac_fast", "HMAC-SHA1", "mac", None): 1000, ("gnutls_hmac_init", "HMAC-SHA384", "mac", None): 10}),
    "ciphers": ('times(1000, "gnutls_aead_cipher_init", ref(h), 11, datum(KEY[:32])); times(7, "gnutls_cipher_init", ref(h), 4, datum(KEY[:16]), datum(IV[:16]))\n'
                'times(2, "gnutls_aead_cipher_init", ref(h), 23, datum(KEY[:32]))',
                {("gnutls_aead_cipher_init", "AES-256-GCM", "cipher", 256): 1000, ("gnutls_cipher_init", "AES-128-CBC", "cipher", 128): 7,
                 ("gnutls_aead_cipher_init", "CHACHA20-POLY1305", "cipher", 256): 2}),
    "derivation": ('times(100, "gnutls_pbkdf2", 6, datum(KEY), datum(IV), 1, OUT, Z(32)); times(3, "gnutls_hkdf_extract", 6, datum(KEY), datum(IV), OUT)',
                   {("gnutls_pbkdf2", "PBKDF2-HMAC-SHA256", "derive", None): 100, ("gnutls_hkdf_extract", "HKDF-SHA256", "derive", None): 3}),
    "signatures": ('k, s = key(4, 256), Datum()\ntimes(100, "gnutls_privkey_sign_data", k, 6, 0, datum(DATA), ref(s))\n'
                   'times(50, "gnutls_privkey_sign_data2", k, 15, 0, datum(DATA), ref(s))\n'
                   'p = P(); ok("gnutls_pubkey_init", ref(p)); ok("gnutls_pubkey_import_privkey", p, k, 0, 0)\n'
                   'times(20, "gnutls_pubkey_verify_data2", p, 15, 0, datum(DATA), ref(s)); key(7, 256); key(1, 2048)\n'
                   'e = key(7, 256); times(5, "gnutls_privkey_sign_data2", e, 35, 0, datum(DATA), ref(s))',
                   {("gnutls_privkey_generate", "EC", "key_generation", 256): 1, ("gnutls_privkey_sign_data", "EC-SHA256", "sign", None): 100,
                    ("gnutls_privkey_sign_data2", "EC-SHA384", "sign", None): 50, ("gnutls_pubkey_verify_data2", "EC-SHA384", "verify", None): 20,
                    ("gnutls_privkey_generate", "ED25519", "key_generation", 256): 2, ("gnutls_privkey_generate", "RSA", "key_generation", 2048): 1,
                    ("gnutls_privkey_sign_data2", "ED25519", "sign", None): 5}),
    "sessions": ('times(30, "gnutls_init", ref(h), 2); times(10, "gnutls_init", ref(h), 2 | 4)',
                 {("gnutls_init", "TLS", "tls_context", None): 30, ("gnutls_init", "DTLS", "tls_context", None): 10}),
})
_GCRYPT = ("libgcrypt.so.20", """
f("gcry_check_version", None)
h = P()
def sexp(text):
    found = P(); ok("gcry_sexp_new", ref(found), text, Z(len(text)), 1); return found
def keys(parameters):
    found = P(); ok("gcry_pk_genkey", ref(found), sexp(parameters))
    return f("gcry_sexp_find_token", found, b"private-key", Z(0)), f("gcry_sexp_find_token", found, b"public-key", Z(0))
""", {
    "digests": ('times(1000, "gcry_md_hash_buffer", 8, OUT, DATA, Z(32)); times(300, "gcry_md_open", ref(h), 10, 0); times(200, "gcry_md_open", ref(h), 2, 2)\n'
                'ok("gcry_md_open", ref(h), 8, 0); times(4, "gcry_md_enable", h, 1)',
                {("gcry_md_hash_buffer", "SHA256", "digest", None): 1000, ("gcry_md_open", "SHA512", "digest", None): 300,
                 ("gcry_md_open", "HMAC-SHA1", "mac", None): 200, ("gcry_md_open", "SHA256", "digest", None): 1,
                 ("gcry_md_enable", "MD5", "digest", None): 4}),
    "ciphers": ('times(1000, "gcry_cipher_open", ref(h), 9, 9, 0); times(10, "gcry_cipher_open", ref(h), 2, 3, 0); times(5, "gcry_mac_open", ref(h), 201, 0, None)',
                {("gcry_cipher_open", "AES-256-GCM", "cipher", 256): 1000, ("gcry_cipher_open", "DES-EDE3-CBC", "cipher", 192): 10,
                 ("gcry_mac_open", "AES-CMAC", "mac", None): 5}),
    "derivation": ('times(100, "gcry_kdf_derive", KEY, Z(8), 34, 8, IV, Z(8), ctypes.c_ulong(1), Z(32), OUT)',
                   {("gcry_kdf_derive", "PBKDF2-HMAC-SHA256", "derive", None): 100}),
    "RSA": ('private, public = keys(b"(genkey(rsa(nbits 4:2048)))"); s, d = P(), sexp(b"(data(flags pkcs1)(hash sha256 #%s#))" % (b"61" * 32))\n'
            'times(20, "gcry_pk_sign", ref(s), d, private); times(30, "gcry_pk_verify", s, d, public)\n'
            'e, plain = P(), P(); times(7, "gcry_pk_encrypt", ref(e), sexp(b"(data(flags oaep)(value 3:abc))"), public)\n'
            'times(3, "gcry_pk_decrypt", ref(plain), e, private)',
            {("gcry_pk_genkey", "RSA", "key_generation", None): 1, ("gcry_pk_sign", "RSA", "sign", None): 20, ("gcry_pk_verify", "RSA", "verify", None): 30,
             ("gcry_pk_encrypt", "RSA", "encrypt", None): 7, ("gcry_pk_decrypt", "RSA", "decrypt", None): 3}),
    "EC": ('private, public = keys(b"(genkey(ecc(curve \\"NIST P-256\\")))"); s = P(); d = sexp(b"(data(flags raw)(value #%s#))" % (b"61" * 32))\n'
           'times(10, "gcry_pk_sign", ref(s), d, private); times(11, "gcry_pk_verify", s, d, public)',
           {("gcry_pk_genkey", "EC", "key_generation", None): 1, ("gcry_pk_sign", "EC", "sign", None): 10, ("gcry_pk_verify", "EC", "verify", None): 11}),
})
_SODIUM = ("libsodium.so.23", 'f("sodium_init")\n', {
    "boxes": ('times(1000, "crypto_secretbox_easy", OUT, DATA, U64(32), IV, KEY); times(10, "crypto_secretbox_open_easy", CTX, OUT, U64(48), IV, KEY)\n'
              'times(5, "crypto_box_keypair", CTX, OUT); times(4, "crypto_box_seal", OUT, DATA, U64(32), CTX)',
              {("crypto_secretbox_easy", "XSALSA20-POLY1305", "encrypt", None): 1000, ("crypto_secretbox_open_easy", "XSALSA20-POLY1305", "decrypt", None): 10,
               ("crypto_box_keypair", "X25519", "key_generation", None): 5, ("crypto_box_seal", "X25519-XSALSA20-POLY1305", "encrypt", None): 4}),
    "AEAD": ('times(1000, "crypto_aead_xchacha20poly1305_ietf_encrypt", OUT, None, DATA, U64(32), None, U64(0), None, IV, KEY)\n'
             'times(9, "crypto_secretstream_xchacha20poly1305_init_push", CTX, OUT, KEY)',
             {("crypto_aead_xchacha20poly1305_ietf_encrypt", "XCHACHA20-POLY1305", "encrypt", None): 1000,
              ("crypto_secretstream_xchacha20poly1305_init_push", "XCHACHA20-POLY1305", "encrypt", None): 9}),
    "digests": ('times(1000, "crypto_generichash", OUT, Z(32), DATA, U64(32), None, Z(0)); times(800, "crypto_hash", OUT, DATA, U64(32))\n'
                'times(70, "crypto_hash_sha256", OUT, DATA, U64(32)); times(60, "crypto_auth", OUT, DATA, U64(32), KEY)',
                {("crypto_generichash", "BLAKE2B", "digest", None): 1000, ("crypto_hash", "SHA512", "digest", None): 800,
                 ("crypto_hash_sha256", "SHA256", "digest", None): 70, ("crypto_auth", "HMAC-SHA512-256", "mac", None): 60}),
    "signatures": ('p, s, g = (ctypes.create_string_buffer(64) for _each in range(3)); times(3, "crypto_sign_keypair", p, s)\n'
                   'times(100, "crypto_sign_detached", g, None, DATA, U64(32), s); times(50, "crypto_sign_verify_detached", g, DATA, U64(32), p)',
                   {("crypto_sign_keypair", "ED25519", "key_generation", None): 3, ("crypto_sign_detached", "ED25519", "sign", None): 100,
                    ("crypto_sign_verify_detached", "ED25519", "verify", None): 50}),
    "passwords": ('times(2, "crypto_pwhash_argon2id", OUT, U64(32), KEY, U64(8), IV, U64(1), Z(8192), 2)',
                  {("crypto_pwhash_argon2id", "ARGON2ID", "derive", None): 2}),
})
_NETTLE = ("libnettle.so.8", "", {
    "keys": ('calls(1000, "nettle_aes256_set_encrypt_key", CTX, KEY); calls(6, "nettle_aes128_set_decrypt_key", CTX, KEY); calls(5, "nettle_gcm_aes128_set_key", CTX, KEY)',
             {("nettle_aes256_set_encrypt_key", "AES-256", "encrypt", 256): 1000, ("nettle_aes128_set_decrypt_key", "AES-128", "decrypt", 128): 6,
              ("nettle_gcm_aes128_set_key", "AES-128-GCM", "cipher", 128): 5}),
    "digests": ('calls(1, "nettle_sha3_256_init", CTX); calls(1000, "nettle_sha3_256_digest", CTX, Z(32), OUT); calls(40, "nettle_hmac_sha256_set_key", CTX, Z(20), KEY)\n'
                'sha384 = P.in_dll(lib, "nettle_sha384"); calls(8, "nettle_hmac_set_key", OUT, CTX, ctypes.byref(CTX, 8192), ref(sha384), Z(20), KEY)',
                {("nettle_sha3_256_digest", "SHA3-256", "digest", None): 1000, ("nettle_hmac_sha256_set_key", "HMAC-SHA256", "mac", None): 40,
                 ("nettle_hmac_set_key", "HMAC-SHA384", "mac", None): 8}),
})
_NSS = ("libnss3.so", """
assert not f("NSS_NoDB_Init", b".")
slot = P(f("PK11_GetInternalKeySlot"))
U = ctypes.c_ulong
class Item(ctypes.Structure): _fields_ = [("kind", ctypes.c_int), ("data", ctypes.c_char_p), ("size", ctypes.c_uint)]
new = lambda mechanism, size: P(f("PK11_KeyGen", slot, U(mechanism), None, size, None))
def some(number, name, *arguments):
    for _count in range(number): assert f(name, *arguments), name
""", {
    "digests": ('some(1000, "HASH_Create", 4); times(900, "PK11_HashBuf", 191, OUT, DATA, 32); some(3, "PK11_CreateDigestContext", 193)',
                {("HASH_Create", "SHA256", "digest", None): 1000, ("PK11_HashBuf", "SHA256", "digest", None): 900,
                 ("PK11_CreateDigestContext", "SHA512", "digest", None): 3}),
    "contexts": ('k = new(0x1080, 32); iv = Item(0, IV[:16], 16); some(100, "PK11_CreateContextBySymKey", U(0x1082), U(0x104), k, ref(iv))\n'
                 'some(90, "PK11_CreateContextBySymKey", U(0x1085), U(0x105), k, ref(iv)); m = new(0x350, 20); none = Item(0, None, 0)\n'
                 'some(80, "PK11_CreateContextBySymKey", U(0x251), U(0x108), m, ref(none))',
                 {("PK11_KeyGen", "AES", "key_generation", 256): 1, ("PK11_KeyGen", "GENERIC-SECRET", "key_generation", 160): 1,
                  ("PK11_CreateContextBySymKey", "AES-CBC", "encrypt", None): 100, ("PK11_CreateContextBySymKey", "AES-CBC", "decrypt", None): 90,
                  ("PK11_CreateContextBySymKey", "HMAC-SHA256", "mac", None): 80}),
    "signatures": ('class Parameters(ctypes.Structure): _fields_ = [("bits", ctypes.c_int), ("exponent", U)]\n'
                   'public = P(); k = P(f("PK11_GenerateKeyPair", slot, U(0), ref(Parameters(2048, 65537)), ref(public), 0, 0, None)); assert k\n'
                   'h, s = Item(0, DATA, 32), Item(0, None, 0)\n'
                   'for _count in range(10): assert not f("SEC_SignData", ref(s), DATA, 32, k, 194)\n'
                   'for _count in range(5): assert not f("VFY_VerifyDataDirect", DATA, 32, public, ref(s), 16, 191, None, None)',
                   {("PK11_GenerateKeyPair", "RSA", "key_generation", None): 1, ("SEC_SignData", "RSA-SHA256", "sign", None): 10,
                    ("VFY_VerifyDataDirect", "RSA-SHA256", "verify", None): 5}),
})
_WOLFSSL = ("libwolfssl.so.35", "", {
    "ciphers": ('times(1000, "wc_AesSetKey", CTX, KEY, 32, IV, 0); times(500, "wc_AesSetKey", CTX, KEY, 16, IV, 1); times(20, "wc_AesGcmSetKey", CTX, KEY, 24)',
                {("wc_AesSetKey", "AES", "encrypt", 256): 1000, ("wc_AesSetKey", "AES", "decrypt", 128): 500, ("wc_AesGcmSetKey", "AES-GCM", "cipher", 192): 20}),
    "digests": ('times(1000, "wc_InitSha256", CTX); times(300, "wc_Hash", 8, DATA, 32, OUT, 64); ok("wc_HmacInit", CTX, None, -2)\n'
                'times(200, "wc_HmacSetKey", CTX, 6, KEY, 32); times(30, "wc_PBKDF2", OUT, KEY, 8, IV, 8, 1, 32, 6); times(4, "wc_Sha384Hash", DATA, 32, OUT)',
                {("wc_InitSha256", "SHA256", "digest", None): 1000, ("wc_Hash", "SHA512", "digest", None): 300, ("wc_HmacSetKey", "HMAC-SHA256", "mac", None): 200,
                 ("wc_PBKDF2", "PBKDF2", "derive", None): 30, ("wc_Sha384Hash", "SHA384", "digest", None): 4}),
    "keys": ('rng, e = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(32768); ok("wc_InitRng", rng); ok("wc_ecc_init", e)\n'
             'times(3, "wc_ecc_make_key", rng, 32, e); size = ctypes.c_uint(256)\n'
             'for _count in range(50):\n size.value = 256; ok("wc_ecc_sign_hash", DATA, 32, OUT, ref(size), rng, e)',
             {("wc_ecc_make_key", "EC", "key_generation", 256): 3, ("wc_ecc_sign_hash", "ECDSA", "sign", None): 50}),
})
_MBEDTLS = ("libmbedcrypto.so.7", """
def cipher(number):
    context = ctypes.create_string_buffer(4096); f("mbedtls_cipher_init", context)
    ok("mbedtls_cipher_setup", context, P(f("mbedtls_cipher_info_from_type", number))); return context
md = lambda number: P(f("mbedtls_md_info_from_type", number))
def context(number):
    found = ctypes.create_string_buffer(4096); f("mbedtls_md_init", found); ok("mbedtls_md_setup", found, md(number), 1); return found
""", {
    "ciphers": ('times(1000, "mbedtls_cipher_setkey", cipher(7), KEY, 256, 1); times(400, "mbedtls_cipher_setkey", cipher(14), KEY, 128, 0)\n'
                'times(30, "mbedtls_aes_setkey_enc", CTX, KEY, 192); f("mbedtls_gcm_init", CTX); times(7, "mbedtls_gcm_setkey", CTX, 2, KEY, 256)',
                {("mbedtls_cipher_setkey", "AES-256-CBC", "encrypt", 256): 1000, ("mbedtls_cipher_setkey", "AES-128-GCM", "decrypt", 128): 400,
                 ("mbedtls_aes_setkey_enc", "AES", "encrypt", 192): 30, ("mbedtls_gcm_setkey", "AES-GCM", "cipher", 256): 7}),
    "digests": ('times(1000, "mbedtls_md", md(6), DATA, Z(32), OUT); times(500, "mbedtls_md_starts", context(8)); times(300, "mbedtls_md_hmac_starts", context(4), KEY, Z(20))\n'
                'times(200, "mbedtls_md_hmac", md(6), KEY, Z(20), DATA, Z(32), OUT); times(90, "mbedtls_sha256_ret", DATA, Z(32), OUT, 1)',
                {("mbedtls_md", "SHA256", "digest", None): 1000, ("mbedtls_md_starts", "SHA512", "digest", None): 500,
                 ("mbedtls_md_hmac_starts", "HMAC-SHA1", "mac", None): 300, ("mbedtls_md_hmac", "HMAC-SHA256", "mac", None): 200,
                 ("mbedtls_sha256_ret", "SHA224", "digest", None): 90}),
    "PSA": ('ok("psa_crypto_init"); times(1000, "psa_hash_compute", 0x02000009, DATA, Z(32), OUT, Z(64), ref(SIZE))',
            {("psa_hash_compute", "SHA256", "digest", None): 1000}),
})
SCENARIOS = {"%s %s" % (library.split(".")[0], name): (library, before + code, expected)
             for library, before, scenarios in (_GNUTLS, _GCRYPT, _SODIUM, _NETTLE, _NSS, _WOLFSSL, _MBEDTLS)
             for name, (code, expected) in scenarios.items()}


def perform(names=tuple(SCENARIOS)):
    """Run scenarios, each in a process of its own: dict of name -> pid."""
    return {name: python(_PREAMBLE + SCENARIOS[name][1], SCENARIOS[name][0]).pid for name in names}


def assert_counts(profile, pid, library, expected):
    """What a scenario asked of that library, all of it and no more."""
    entry = process(profile, pid)
    stem = "/" + library.split(".so")[0] + ".so"
    asked = dict(entry, operations=[item for item in entry["operations"] if stem in item["library"]])
    assert dict(functions(asked)) == expected
    for item in asked["operations"]:
        assert profile["window"]["started_at"] < item["first_seen"] <= item["last_seen"] < profile["window"]["ended_at"]
        assert item["evidence"] == {"source": "library", "grade": "observed"}
    assert entry["coverage"] == "observed", entry.get("coverage_reason")
