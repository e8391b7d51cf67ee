# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel itself encrypts, set up for real and compared with host_crypto: IPsec, WireGuard, kTLS, dm-crypt, signed modules.

A guest is the place for it: its kernel has these as modules, and what is set up is gone with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from checks import Checks
from window import collections

# the second line would be loaded by the kernel when it looks for an algorithm, but not always in time where it is emulated
_MODULES = ("xfrm_user", "esp4", "wireguard", "dm-crypt", "loop",
            "ctr", "gcm", "seqiv", "authenc", "echainiv")
_SECRETS = {"aead": os.urandom(36), "cipher": os.urandom(16), "mac": os.urandom(32)}
_READER = Path(__file__).resolve().parents[1] / "integration" / "programs" / "read_host_crypto.py"
_ENDS = ("src", "192.0.2.1", "dst", "192.0.2.2")


def check_host() -> Checks:
    """Sets everything up, reads host_crypto and compares."""
    for module in _MODULES:
        _run("modprobe", module)
    ktls = subprocess.run(["modprobe", "-q", "tls"], check=False).returncode == 0  # not every kernel has it
    _run("ip", "link", "add", "wg-test", "type", "wireguard")
    for spi in ("0x101", "0x102"):
        _run("ip", "xfrm", "state", "add", *_ENDS, "proto", "esp", "spi", spi, "mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x" + _SECRETS["aead"].hex(), "128")
    _run("ip", "xfrm", "state", "add", *_ENDS, "proto", "esp", "spi", "0x103", "mode", "transport", "enc", "cbc(aes)", "0x" + _SECRETS["cipher"].hex(),
         "auth-trunc", "hmac(sha256)", "0x" + _SECRETS["mac"].hex(), "128", "encap", "espinudp", "4500", "4500", "0.0.0.0")
    _run("ip", "xfrm", "policy", "add", "src", "10.0.0.0/24", "dst", "10.1.0.0/24", "dir", "out", "tmpl", *_ENDS, "proto", "esp", "mode", "tunnel")
    device = _volume()
    checks = Checks()
    with subprocess.Popen([sys.executable, _READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=collections())) as reader:
        reported = json.loads(reader.stdout.readline())
        known = [name for name, place in (("its own result", b"rfc4106(gcm(aes))"), *_SECRETS.items()) if _in_memory(reader.pid, place)]
        reader.stdin.close()
    checks.equal("host_crypto: no key of IPsec is left in the reader's memory", ["its own result"], known)
    _check_ipsec(checks, reported["ipsec"])
    checks.equal("host_crypto: WireGuard interfaces", [{"name": "wg-test"}], reported["wireguard"]["interfaces"])
    checks.equal("host_crypto: kTLS has counters where its module is loaded", (ktls, ktls), (reported["ktls"]["available"], "TlsTxSw" in reported["ktls"]["counters"]))
    checks.equal("host_crypto: the mapping", [{"device": "dm-0", "type": "LUKS2", "underlying": [device], "name": "vault"}], reported["storage"]["mappings"])
    checks.equal("host_crypto: its header", [(device, 2, "aes-xts-plain64", 512, "pbkdf2", "sha256", 1000)],
                 [(header["device"], header["version"], header["cipher"], header["key_bits"], slot["kdf"], slot["kdf_hash"], slot["iterations"])
                  for header in reported["storage"]["luks"] for slot in header["slots"]])
    signatures = reported["modules"]["signatures"]
    checks.equal("host_crypto: signatures of modules could be read", [], [entry for entry in signatures if entry["signed"] is None])
    for signature in signatures:
        path = signature["path"]
        checks.equal(f"host_crypto: the hash {signature['module']} is signed with", _said_of(path, "sig_hashalgo"), (signature["hash"] or "").replace("-", "").lower())
    checks.holds("host_crypto: modules are loaded", len(signatures) == 5, "5 signatures", signatures)
    return checks


def _check_ipsec(checks: Checks, reported: dict[str, Any]) -> None:
    fields = ("protocol", "mode", "encryption", "encryption_key_bits", "authentication", "authentication_key_bits", "tag_bits", "aead", "encapsulated", "count")
    checks.equal("host_crypto: IPsec associations", [
        ("ESP", "tunnel", "rfc4106(gcm(aes))", 288, None, None, 128, True, False, 2),
        ("ESP", "transport", "cbc(aes)", 128, "hmac(sha256)", 256, 128, False, True, 1)],
        [tuple(entry[field] for field in fields) for entry in reported["associations"]])
    checks.equal("host_crypto: IPsec policies", [{"direction": "out", "action": "allow", "templates": [{"protocol": "ESP", "mode": "tunnel"}], "count": 1}],
                 reported["policies"])
    checks.equal("host_crypto: all of IPsec could be read", [], reported["unreadable"])


def _in_memory(pid: int, data: bytes) -> bool:
    """Whether data are in the memory of a process."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if "w" not in fields[1]:
                continue
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            memory.seek(begin)
            if data in memory.read(end - begin):
                return True
    return False


def _volume() -> str:
    """An open LUKS2 volume on a loop device, whose name is returned."""
    image = Path(tempfile.mkdtemp()) / "image"
    with open(image, "wb") as stream:
        stream.truncate(20 << 20)
    device = _run("losetup", "-f", "--show", str(image)).strip()
    _run("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", device, stdin="secret")
    _run("cryptsetup", "open", device, "vault", stdin="secret")
    return Path(device).name


def _said_of(path: str, field: str) -> str:
    """A field of a module, as modinfo prints it."""
    return _run("modinfo", "-F", field, path).strip().lower()


def _run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout
