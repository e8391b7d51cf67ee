# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In a long window the kernel's counter maps are emptied of what has ended: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import openssl
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

PROCESSES = 24
OPENS = 7
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")
ROUNDS = 11


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    certificate = tmp_path_factory.mktemp("long") / "server.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(certificate) + ".key", "-out", str(certificate),
            "-subj", "/CN=long.example")
    with traced(constants={"_window.tracer._MOST_SIGHTINGS": 30}) as window:
        pids = []
        for _number in range(PROCESSES):
            pids.append(python("digests_and_opens.py", certificate, OPENS, ROUNDS, *DIGESTS).pid)
            window.settle()
    return window.profile, pids, str(certificate)


def test_every_process_has_its_exact_counts(seen):
    profile, pids, certificate = seen
    entries = {entry["pid"]: entry for entry in profile["processes"] if entry["pid"] in pids}
    assert sorted(entries) == sorted(pids)
    for entry in entries.values():
        assert [file["count"] for file in entry["files"] if file["path"] == certificate] == [OPENS]
        digests = [operation["count"] for operation in entry["operations"] if operation["operation"] == "digest" and not operation.get("internal")]
        # importing hashlib tries each digest once
        assert sorted(digests)[-len(DIGESTS):] == [ROUNDS + 1] * len(DIGESTS), entry["operations"]
