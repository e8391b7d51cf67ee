# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of libraries' numbers, compared with what each library, or its header, calls the number itself."""

from __future__ import annotations

import ctypes
import pathlib
import re
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import function as function_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import names as names_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.families import FUNCTIONS
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.names import meaning
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.numbers import names_in

INCLUDE = pathlib.Path("/usr/include")
ALGORITHMS = names_module._ALGORITHMS


def pair_meaning(rule, first, second):
    return ALGORITHMS[rule](first, second)


# Words of the libraries -> ours, where those are OpenSSL's
WORDS = (("RIPEMD160", "RIPEMD-160"), ("RMD160", "RIPEMD-160"), ("ARCFOUR-128", "RC4"), ("ARC4-128", "RC4"), ("ARCFOUR", "RC4"), ("3DES", "DES-EDE3"), ("BLOWFISH", "BF"),
         ("RFC2268", "RC2"), ("STRIBOG", "STREEBOG-"), ("GOSTR3411-94", "GOSTR341194"), ("GOSTR3411-CP", "GOSTR341194-CP"), ("SALSA20R12", "SALSA20-12"),
         ("CFB128", "CFB"), ("CFB64", "CFB"), ("SHAKE-", "SHAKE"), ("SALSA20-256", "SALSA20"))
# What needs more than other words
NAMES = {
    "MAC-NULL": "NULL", "MD5+SHA1": "MD5-SHA1", "RC2-40": "RC2-40-CBC", "OMAC-MAGMA": "MAGMA-OMAC", "OMAC-KUZNYECHIK": "KUZNYECHIK-OMAC",
    "EC/ECDSA": "EC", "ECDH (X25519)": "X25519", "ECDH (X448)": "X448", "EDDSA (ED25519)": "ED25519", "EDDSA (ED448)": "ED448",
    "GOST R 34.10-2001": "GOST2001", "GOST R 34.10-2012-256": "GOST2012-256", "GOST R 34.10-2012-512": "GOST2012-512",
    "EDDSA-ED25519": "ED25519", "EDDSA-ED448": "ED448", "RSA-RAW": "RSA", "GOSTR341001": "GOST2001", "GOSTR341012-256": "GOST2012-256",
    "GOSTR341012-512": "GOST2012-512", "AES": "AES-128", "TWOFISH": "TWOFISH-256", "CRC32RFC1510": "CRC32-RFC1510", "CRC24RFC2440": "CRC24-RFC2440",
}


def ours(name):
    """A library's name of an algorithm as the tables have it."""
    name = name.upper().replace("_", "-")
    if name in NAMES:
        return NAMES[name]
    for theirs, word in WORDS:
        name = name.replace(theirs, word)
    return re.sub(r"(AES|CAMELLIA|SERPENT|TWOFISH)(\d{3})$", r"\1-\2", name)


def loaded(name):
    """A library. Its absence fails the test with its name."""
    return ctypes.CDLL(name)


def told(function, numbers, unknown=("?", "Unknown")):
    """Number -> name, of a function of a library that names numbers."""
    function.restype = ctypes.c_char_p
    names = {number: (function(number) or b"?").decode() for number in numbers}
    return {number: name for number, name in names.items() if name not in unknown}


def test_gnutls():
    library = loaded("libgnutls.so.30")
    for table, function, last in (("gnutls_cipher", "cipher", 300), ("gnutls_mac", "mac", 300), ("gnutls_mac", "digest", 300), ("gnutls_pk", "pk", 60)):
        names = told(getattr(library, "gnutls_%s_get_name" % function), range(1, last))
        assert len(names) > 10
        names.pop(200, None)  # GNUTLS_MAC_AEAD: no MAC
        assert {number: meaning(table, number) for number in names} == {number: ours(name) for number, name in names.items()}
    for number, name in told(library.gnutls_sign_get_name, range(1, 80)).items():
        name = re.sub(r"^ECDSA(-SECP\d+R1)?", "EC", name).replace("-RSAE", "")
        assert meaning("gnutls_sign", number) == ours(name)
    assert meaning("gnutls_init", 1 << 1) == "TLS" and meaning("gnutls_init", 1 << 2 | 1 << 1) == "DTLS"


def test_libgcrypt():
    library = loaded("libgcrypt.so.20")
    library.gcry_check_version(None)
    for table, function, last in (("gcry_cipher", library.gcry_cipher_algo_name, 400), ("gcry_md", library.gcry_md_algo_name, 400)):
        names = told(function, range(1, last))
        assert len(names) > 20
        names = {number: {"TIGER": "TIGER1", "TIGER192": "TIGER"}.get(name, name) for number, name in names.items()}
        assert {number: meaning(table, number) for number in names} == {number: ours(name) for number, name in names.items()}
    for number, name in told(library.gcry_mac_algo_name, range(1, 600)).items():
        kind, _, algorithm = name.partition("_")
        expected = "%s-%s" % (ours(algorithm).replace("-128", "").replace("-256", ""), kind) if kind in ("CMAC", "GMAC") else ours(name.replace("TIGER", "TIGER1"))
        assert meaning("gcry_mac", number) == expected
    modes = dict(re.findall(r"GCRY_CIPHER_MODE_(\w+)\s*= (\d+)", (INCLUDE / "gcrypt.h").read_text()))
    for mode, number in modes.items():
        expected = {"NONE": "AES-256", "STREAM": "AES-256", "AESWRAP": "AES-256-WRAP"}.get(mode, "AES-256-" + mode.replace("_", "-"))
        assert pair_meaning("gcry_cipher_open", 9, int(number)) == (expected, None)


def test_libgcrypt_flags_and_derivation():
    assert pair_meaning("gcry_md_open", 8, 0) == ("SHA256", None) and pair_meaning("gcry_md_open", 8, 2 | 1) == ("HMAC-SHA256", "mac")
    assert pair_meaning("gcry_md_open", 0, 0) == (None, None), "the algorithm comes with gcry_md_enable()"
    assert [pair_meaning("gcry_kdf_open", *numbers)[0] for numbers in ((34, 10), (19, 2), (48, 16384), (64, 2))] == [
        "PBKDF2-HMAC-SHA512", "S2K-ITERATED-SHA1", "SCRYPT", "ARGON2ID"]


def test_mbedtls():
    library = loaded("libmbedcrypto.so.7")
    for function in (library.mbedtls_cipher_info_from_type, library.mbedtls_md_info_from_type):
        function.restype = ctypes.c_void_p
    infos = {number: library.mbedtls_cipher_info_from_type(number) for number in range(1, 100)}
    names = {number: ctypes.c_char_p.from_address(info + 16).value.decode() for number, info in infos.items() if info}  # struct mbedtls_cipher_info_t
    assert len(names) > 40
    assert {number: meaning("mbedtls_cipher", number) for number in names} == {number: ours(name) for number, name in names.items()}
    library.mbedtls_md_get_name.argtypes, library.mbedtls_md_get_name.restype = [ctypes.c_void_p], ctypes.c_char_p
    infos = {number: library.mbedtls_md_info_from_type(number) for number in range(1, 30)}
    names = {number: library.mbedtls_md_get_name(info).decode() for number, info in infos.items() if info}
    assert len(names) == 9 and {number: meaning("mbedtls_md", number) for number in names} == {number: ours(name) for number, name in names.items()}


def enumerators(path, prefix):
    """Name -> number of an enumeration whose members count up from 0."""
    names = re.findall(r"^\s*%s(\w+)(?:\s*=\s*(\d+))?\s*,?" % prefix, (INCLUDE / path).read_text(), re.MULTILINE)
    numbers, following = {}, 0
    for name, number in names:
        numbers[name] = int(number) if number else following
        following = numbers[name] + 1
    return numbers


def test_mbedtls_other_enumerations():
    ids = {"3DES": "DES-EDE3", "BLOWFISH": "BF", "ARC4": "RC4"}
    for name, number in enumerators("mbedtls/cipher.h", "MBEDTLS_CIPHER_ID_").items():
        if name not in ("NONE", "NULL"):
            assert meaning("mbedtls_cipher_id", number) == ids.get(name, name)
    for name, number in enumerators("mbedtls/ecp.h", "MBEDTLS_ECP_DP_").items():
        if name not in ("NONE", "MAX"):
            assert meaning("mbedtls_curve", number) == {"CURVE25519": "X25519", "CURVE448": "X448"}.get(name, "EC")
    kinds = enumerators("mbedtls/pk.h", "MBEDTLS_PK_")
    assert kinds["ECDSA"] == 4
    for name, word in (("RSA", "RSA"), ("ECKEY", "EC"), ("ECKEY_DH", "EC"), ("ECDSA", "ECDSA"), ("RSASSA_PSS", "RSA-PSS")):
        assert meaning("mbedtls_pk", kinds[name]) == word


PSA = [("PSA_ALG_SHA_256", "SHA256"), ("PSA_ALG_SHA3_384", "SHA3-384"), ("PSA_ALG_HMAC(PSA_ALG_SHA_256)", "HMAC-SHA256"), ("PSA_ALG_CMAC", "CMAC"),
       ("PSA_ALG_TRUNCATED_MAC(PSA_ALG_HMAC(PSA_ALG_SHA_512), 16)", "HMAC-SHA512"), ("PSA_ALG_CTR", "CTR"), ("PSA_ALG_XTS", "XTS"), ("PSA_ALG_GCM", "GCM"),
       ("PSA_ALG_CBC_PKCS7", "CBC"), ("PSA_ALG_CCM", "CCM"), ("PSA_ALG_AEAD_WITH_SHORTENED_TAG(PSA_ALG_CCM, 8)", "CCM"),
       ("PSA_ALG_CHACHA20_POLY1305", "CHACHA20-POLY1305"), ("PSA_ALG_ECDSA(PSA_ALG_SHA_384)", "ECDSA-SHA384"), ("PSA_ALG_ECDSA_ANY", "ECDSA"),
       ("PSA_ALG_DETERMINISTIC_ECDSA(PSA_ALG_SHA_256)", "ECDSA-SHA256"), ("PSA_ALG_RSA_PSS(PSA_ALG_SHA_256)", "RSA-PSS-SHA256"),
       ("PSA_ALG_RSA_PKCS1V15_SIGN(PSA_ALG_SHA_1)", "RSA-SHA1"), ("PSA_ALG_RSA_PKCS1V15_SIGN_RAW", "RSA"), ("PSA_ALG_PURE_EDDSA", "EDDSA"),
       ("PSA_ALG_RSA_OAEP(PSA_ALG_SHA_256)", "RSA-OAEP-SHA256"), ("PSA_ALG_RSA_PKCS1V15_CRYPT", "RSA"), ("PSA_ALG_HKDF(PSA_ALG_SHA_256)", "HKDF-SHA256"),
       ("PSA_ALG_TLS12_PRF(PSA_ALG_SHA_384)", "TLS12-PRF-SHA384"), ("PSA_ALG_ECDH", "ECDH"), ("PSA_ALG_FFDH", "DH"),
       ("PSA_ALG_KEY_AGREEMENT(PSA_ALG_ECDH, PSA_ALG_HKDF(PSA_ALG_SHA_256))", "ECDH")]
PSA_KEYS = [("PSA_KEY_TYPE_AES", "AES"), ("PSA_KEY_TYPE_RSA_KEY_PAIR", "RSA"), ("PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1)", "EC"),
            ("PSA_KEY_TYPE_DH_KEY_PAIR(PSA_DH_FAMILY_RFC7919)", "DH"), ("PSA_KEY_TYPE_HMAC", "HMAC"), ("PSA_KEY_TYPE_CHACHA20", "CHACHA20")]


def test_psa(tmp_path):
    """The compiler says what the macros are."""
    source = tmp_path / "psa.c"
    lines = "".join('printf("%%u\\n", (unsigned)(%s));\n' % macro for macro, _name in PSA + PSA_KEYS)
    source.write_text("#include <stdio.h>\n#include <psa/crypto.h>\nint main(void) {\n%sreturn 0; }\n" % lines)
    subprocess.run(["gcc", "-o", tmp_path / "psa", source], check=True)
    numbers = list(map(int, subprocess.run([tmp_path / "psa"], check=True, capture_output=True).stdout.split()))
    assert [meaning("psa", number) for number in numbers[:len(PSA)]] == [name for _macro, name in PSA]
    assert [meaning("psa_key", number | 256 << 16) for number in numbers[len(PSA):]] == [name for _macro, name in PSA_KEYS]


NSS_NAMES = {
    "RSA_PKCS": "RSA", "RSA_X_509": "RSA", "RSA_PKCS_PSS": "RSA-PSS", "RSA_PKCS_OAEP": "RSA-OAEP", "RSA_PKCS_KEY_PAIR_GEN": "RSA", "DH_PKCS_KEY_PAIR_GEN": "DH",
    "DH_PKCS_DERIVE": "DH", "SHA_1": "SHA1", "ECDSA_KEY_PAIR_GEN": "EC", "EC_KEY_PAIR_GEN": "EC", "ECDH1_DERIVE": "ECDH", "ECDH1_COFACTOR_DERIVE": "ECDH",
    "EC_EDWARDS_KEY_PAIR_GEN": "ED25519", "EC_MONTGOMERY_KEY_PAIR_GEN": "X25519", "PKCS5_PBKD2": "PBKDF2", "AES_MAC": "AES-CBC-MAC", "TLS_PRF": "TLS-PRF",
    "HKDF_DERIVE": "HKDF", "HKDF_DATA": "HKDF", "HKDF_KEY_GEN": "HKDF", "AES_XCBC_MAC_96": "AES-XCBC-MAC", "GENERIC_SECRET_KEY_GEN": "GENERIC-SECRET",
    "AES_KEY_WRAP": "AES-WRAP", "AES_KEY_WRAP_PAD": "AES-WRAP-PAD", "AES_KEY_WRAP_KWP": "AES-WRAP-PAD", "DSA_PARAMETER_GEN": "DSA-PARAMETERS",
    "DH_PKCS_PARAMETER_GEN": "DH-PARAMETERS", "TLS_PRE_MASTER_KEY_GEN": "TLS-MASTER-SECRET", "TLS_MASTER_KEY_DERIVE": "TLS-MASTER-SECRET",
    "TLS_MASTER_KEY_DERIVE_DH": "TLS-MASTER-SECRET", "TLS_KEY_AND_MAC_DERIVE": "TLS-KEYS", "TLS12_MASTER_KEY_DERIVE": "TLS12-MASTER-SECRET",
    "TLS12_MASTER_KEY_DERIVE_DH": "TLS12-MASTER-SECRET", "TLS12_KEY_AND_MAC_DERIVE": "TLS12-KEYS", "TLS_MAC": "TLS12-MAC", "NSS_AES_KEY_WRAP": "AES-WRAP",
    "NSS_AES_KEY_WRAP_PAD": "AES-WRAP-PAD", "NSS_HKDF_SHA1": "HKDF-SHA1", "NSS_HKDF_SHA256": "HKDF-SHA256", "NSS_HKDF_SHA384": "HKDF-SHA384",
    "NSS_HKDF_SHA512": "HKDF-SHA512", "SP800_108_COUNTER_KDF": "SP800-108-COUNTER", "SP800_108_FEEDBACK_KDF": "SP800-108-FEEDBACK",
    "TLS_PRF_GENERAL": "TLS-PRF", "NSS_TLS_PRF_GENERAL_SHA256": "TLS12-PRF", "NSS_TLS_MASTER_KEY_DERIVE_SHA256": "TLS12-MASTER-SECRET",
    "NSS_TLS_KEY_AND_MAC_DERIVE_SHA256": "TLS12-KEYS", "NSS_TLS_MASTER_KEY_DERIVE_DH_SHA256": "TLS12-MASTER-SECRET",
    "NSS_TLS_EXTENDED_MASTER_KEY_DERIVE": "TLS-MASTER-SECRET", "NSS_TLS_EXTENDED_MASTER_KEY_DERIVE_DH": "TLS-MASTER-SECRET",
    "NSS_CHACHA20_KEY_GEN": "CHACHA20", "NSS_CHACHA20_POLY1305": "CHACHA20-POLY1305",
    "SP800_108_DOUBLE_PIPELINE_KDF": "SP800-108-DOUBLE-PIPELINE",
}


def of_mechanism(name):
    """A PKCS #11 mechanism's name as the table has it."""
    if name in NSS_NAMES:
        return NSS_NAMES[name]
    name = re.sub(r"(_KEY_PAIR_GEN|_KEY_GEN|_GENERAL)$", "", name).replace("_CBC_PAD", "_CBC").replace("SHA_1", "SHA1")
    name = re.sub(r"^(\w+)_RSA_PKCS_PSS$", r"RSA-PSS-\1", name)
    name = re.sub(r"^(\w+)_RSA_PKCS$", r"RSA-\1", name)
    name = re.sub(r"^(\w+)_HMAC$", r"HMAC-\1", name)
    return re.sub(r"^DES2", "DES-EDE", re.sub(r"^DES3", "DES-EDE3", name)).replace("_", "-")


def test_nss_mechanisms():
    text = (INCLUDE / "nss/pkcs11t.h").read_text()
    named = {}
    for name, number in re.findall(r"^#define CKM_(\w+)\s+(0x[0-9a-fA-F]+)", text + (INCLUDE / "nss/pkcs11n.h").read_text(), re.MULTILINE):
        named.setdefault(int(number, 16), []).append(name)
    for name, number in re.findall(r"^#define CKM_(NSS_\w+)\s+\(CKM_NSS \+ (\d+)\)", (INCLUDE / "nss/pkcs11n.h").read_text(), re.MULTILINE):
        named.setdefault(0xCE534350 + int(number), []).append(name)  # CKM_VENDOR_DEFINED | NSSCK_VENDOR_NSS
    table = names_in(ALGORITHMS["ckm"])
    assert len(table) > 120
    for number, name in table.items():
        assert name in map(of_mechanism, named[number]), (hex(number), named[number])


def test_nss_contexts():
    """The operation of a context is an attribute's number."""
    text = (INCLUDE / "nss/pkcs11t.h").read_text()
    attributes = {name: int(number, 16) for name, number in re.findall(r"^#define CKA_(\w+)\s+(0x[0-9a-fA-F]+)", text, re.MULTILINE)}
    for name, word in (("ENCRYPT", "encrypt"), ("DECRYPT", "decrypt"), ("WRAP", "encrypt"), ("UNWRAP", "decrypt"), ("SIGN", "mac"), ("VERIFY", "mac")):
        assert pair_meaning("ckm_context", 0x1087, attributes[name]) == ("AES-GCM", word)
        assert pair_meaning("ckm_context", 0x1087, attributes[name] | 0x82000000) == ("AES-GCM", word), "CKA_NSS_MESSAGE"


OIDS = {
    "X500 RSA Encryption": "RSA", "ISO SHA with RSA Signature": "RSA-SHA1", "ISO SHA-1 with RSA Signature": "RSA-SHA1", "ANSI X9.57 DSA Signature": "DSA",
    "ANSI X9.57 DSA Signature with SHA-1 Digest": "DSA-SHA1", "FORTEZZA DSA Signature with SHA-1 Digest": "DSA-SHA1", "SDN.702 DSA Signature": "DSA-SHA1",
    "X9.62 elliptic curve public key": "EC", "Curve25519": "X25519", "PKCS #1 RSA Encryption": "RSA", "PKCS #1 RSA-OAEP Encryption": "RSA-OAEP",
    "PKCS #1 RSA-PSS Signature": "RSA-PSS",
}


def test_nss_oids():
    library = loaded("libnss3.so")
    assert library.NSS_NoDB_Init(b".") == 0
    library.SECOID_FindOIDTagDescription.restype = ctypes.c_char_p
    table = names_in(ALGORITHMS["sec_oid"])
    assert len(table) > 55
    for number, name in table.items():
        text = library.SECOID_FindOIDTagDescription(number).decode()
        expected = OIDS.get(text) or re.sub(r"SHA-(?=\d)", "SHA", text)
        expected = re.sub(r"^PKCS #1 (\w+) With RSA Encryption$", r"RSA-\1", expected)
        expected = re.sub(r"^X9.62 ECDSA signature with (\w+)$", r"ECDSA-\1", expected)
        expected = re.sub(r"^DSA with (\w+) Signature$", r"DSA-\1", expected)
        assert name == expected.replace("HMAC ", "HMAC-").upper(), (number, text)
    hashes = dict(re.findall(r"HASH_Alg(\w+) = (\d+)", (INCLUDE / "nss/hasht.h").read_text()))
    assert {int(number): name for name, number in hashes.items() if name not in ("NULL", "TOTAL")} == names_in(ALGORITHMS["nss_hash"])
    keys = {name: int(number) for name, number in re.findall(r"(\w+)Key = (\d+)", (INCLUDE / "nss/keythi.h").read_text())}
    for name, word in (("rsa", "RSA"), ("dsa", "DSA"), ("dh", "DH"), ("ec", "EC"), ("rsaPss", "RSA-PSS"), ("rsaOaep", "RSA-OAEP")):
        assert meaning("nss_key", keys[name]) == word


def test_wolfssl():
    text = (INCLUDE / "wolfssl/wolfcrypt/types.h").read_text()
    text = text[text.index("WC_HASH_TYPE_NONE = 0"):]
    names = re.findall(r"WC_HASH_TYPE_(\w+) = (\d+)", text[:text.index("};")])
    assert len(names) > 15
    for name, number in names:
        if name != "NONE":
            expected = {"SHA": "SHA1", "MD5_SHA": "MD5-SHA1"}.get(name, name.replace("_", "-"))
            assert meaning("wc_hash", int(number)) == expected
    assert pair_meaning("wc_signature", 6, 1) == ("ECDSA-SHA256", None) and pair_meaning("wc_signature", 8, 3) == ("RSA-SHA512", None)


def test_every_table_that_a_row_names_is_there():
    tables = {function.table for function in FUNCTIONS} | {function.digest_table for function in FUNCTIONS}
    assert tables - {None, "sexp"} <= set(ALGORITHMS)
    assert {function.table for function in FUNCTIONS if function.pair} == {
        "gcry_cipher_open", "gcry_md_open", "gcry_kdf_open", "ckm_context", "sec_oids", "wc_signature"}


def test_a_number_of_a_later_release_is_its_own_name():
    assert meaning("gnutls_pk", 99) == "gnutls_pk 99" and meaning("psa", 0x0A001200) == "psa 0x0a001200" and meaning("gnutls_pk", 0) is None


@pytest.mark.parametrize("raw, name", [
    (b"rsa\3\1\1", "RSA"), (b"ecc\3\1\5", "EC"), (b"elg\3\1\1", "ELGAMAL"), (b"openpgp-dsa\3\1\1", "DSA"), (b"", None), (b"\3\1\x40\7rsa", None),
    (b"secret-in-another-form", None)])
def test_names_in_expressions(raw, name):
    assert names_module.key_word(raw) == name


FUNCTION = function_module.Function("f", "cipher", function_module.NID, table="gnutls_cipher")


@pytest.mark.parametrize("function, number, name, bits", [
    (FUNCTION, 0, "AES-256-GCM", 256), (FUNCTION, 0, "CAMELLIA-192-CBC", 192), (FUNCTION, 0, "AES-256-XTS", 512), (FUNCTION, 0, "AES-128-SIV", 256),
    (FUNCTION, 0, "CHACHA20-POLY1305", 256), (FUNCTION, 0, "DES-EDE3-CBC", 192), (FUNCTION, 0, "SHA256", 0), (FUNCTION, 0, None, 0),
    (FUNCTION._replace(in_bytes=True), 32, "AES", 256), (FUNCTION, 2048, "RSA", 2048), (FUNCTION, 7, "EC", 0),
    (FUNCTION._replace(table="nid"), 0, "AES-256-XTS", 0)])
def test_key_sizes(function, number, name, bits):
    assert names_module.key_bits(function, number, name) == bits
