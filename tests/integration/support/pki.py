# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates for tests, made by openssl, and what openssl, readelf and dpkg say of a file."""

from __future__ import annotations

import datetime
import pathlib
import re

from .programs import run, tool


def openssl(*arguments, **options):
    """Run openssl, before a window mostly."""
    return run(tool("openssl", "openssl"), *arguments, **options)


def make_site(folder, name="localhost", newkey="rsa:2048"):
    """A server's key and self-signed certificate: ``(key path, certificate path)`` in PEM."""
    folder = pathlib.Path(folder)
    key, certificate = folder / "site.key", folder / "site.crt"
    options = ["-newkey", newkey] if not newkey.startswith("ec:") else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + newkey[3:]]
    openssl("req", "-x509", *options, "-nodes", "-days", "30", "-subj", "/O=cryptofleet tests/CN=" + name, "-addext", "subjectAltName=DNS:" + name,
            "-keyout", key, "-out", certificate)
    return key, certificate


def certificate_facts(path):
    """What `openssl x509` prints of a certificate, in the words of the profile."""
    text = openssl("x509", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256", "-startdate", "-enddate", "-dateopt", "iso_8601").stdout
    values = dict(line.split("=", 1) for line in text.splitlines())
    return {
        "serial": values["serial"].lower().lstrip("0"), "fingerprint_sha256": values["sha256 Fingerprint"].replace(":", "").lower(),
        "not_before": _utc(values["notBefore"]), "not_after": _utc(values["notAfter"]),
    }


def _utc(text):
    return datetime.datetime.strptime(text.replace(" ", "T"), "%Y-%m-%dT%H:%M:%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")


def build_id(path):
    """The build id of an ELF file as readelf prints it."""
    return re.search(r"Build ID: ([0-9a-f]+)", run(tool("readelf", "binutils"), "-n", path).stdout).group(1)


def package_of(path):
    """The dpkg package of a file, as the profile has it, from dpkg itself."""
    path = str(path)
    owner = run("dpkg", "-S", path, check=False)
    if owner.returncode and path.startswith("/usr/lib"):
        owner = run("dpkg", "-S", path[4:], check=False)  # packages of before the /usr merge
    assert owner.returncode == 0, "no package owns %s" % path
    name = owner.stdout.rpartition("\n")[0].splitlines()[-1].split(": ")[0].split(", ")[0]
    version = run("dpkg-query", "-W", "-f", "${Version}", name).stdout
    return {"manager": "dpkg", "name": name.split(":")[0], "version": version}
