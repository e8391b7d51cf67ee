# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under a storm of other files nothing of cryptography is lost; under a flood of it, what is lost is counted to the last one."""

from __future__ import annotations

import contextlib
import os
import signal
from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.files import open_folder
from ansible_collections.cryptofleet.audit.tests.integration.support.openssl_api import libcrypto
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import openssl
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import file, files, process, reason
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python, talking
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

STORM_SECONDS = 5
STORM_PROCESSES = 4
STORM_RATE = 100_000
HINTED, KNOWN, FRESH = 100, 50, 50  # files whose names hint at keys; whose names do not, but which are known; and others that were never seen before
MANY = 20_000
FLOOD = 6_000  # files; and names, which make shorter records:
FLOOD_NAMES = 20_000


def _fill(folder, number, name, content):
    folder.mkdir(parents=True)
    for each in range(number):
        (folder / (name % each)).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def place():
    """Keys in files whose names hint at them or do not, and files of no interest, few and many."""
    with open_folder("/dev/shm") as folder:  # tens of thousands of files: seconds on a disk, in memory none
        key = folder / "one"
        openssl("genpkey", "-algorithm", "ED25519", "-out", key)
        content = key.read_bytes()
        yield SimpleNamespace(
            folder=folder, content=content, hinted=_fill(folder / "hinted", HINTED, "key-%d.pem", content),
            known=_fill(folder / "known", KNOWN, "note-%d.txt", content), fresh=_fill(folder / "fresh", FRESH, "note-%d.txt", content),
            few=_fill(folder / "few", 8, "text-%d", b"text"), many=_fill(folder / "many", MANY, "text-%d", b"text"))


def _storm(place, files_of_storm):
    """Returns what happened: the profile, the pid that opened the keys, and how many opens a second this machine's CPUs make of it."""
    with contextlib.ExitStack() as stack:
        opens = STORM_SECONDS * STORM_RATE // STORM_PROCESSES
        storms = [stack.enter_context(talking("open_storm.py", files_of_storm, number, STORM_PROCESSES, STORM_SECONDS, opens))
                  for number in range(STORM_PROCESSES)]
        for storm in storms:
            assert storm.hear() == "ready"
        with traced(max_files=10 ** 6) as window:
            python("open_spread.py", 0, place.known)
            window.settle()
            for storm in storms:
                storm.tell()
            spread = python("open_spread.py", STORM_SECONDS * 0.8, place.hinted, place.known, place.fresh)
            said = [storm.hear().split() for storm in storms]
    opened, cpu_seconds = sum(int(opened) for opened, _cpu in said), sum(float(cpu) for _opened, cpu in said)
    return SimpleNamespace(profile=window.profile, pid=spread.pid, opened=opened, rate=opened / cpu_seconds * os.cpu_count())


@pytest.mark.parametrize("kind", ["few", "many"])
def test_a_storm_of_other_files_loses_no_crypto_file(place, kind):
    seen = _storm(place, getattr(place, kind))
    assert seen.opened >= STORM_SECONDS * STORM_RATE
    # by the CPU time it took: what else runs on this machine makes the storm longer, not weaker
    assert seen.rate >= STORM_RATE, "the storm was no storm: %d opens a second" % seen.rate
    entry, coverage = process(seen.profile, seen.pid), seen.profile["coverage"]
    for folder in (place.hinted, place.known):
        for path in folder.iterdir():
            found = file(entry, path)
            assert (found["kind"], found["classified_by"], found["count"], found["result"]) == ("private_key", "content", 1, "ok")
    missing = [path for path in place.fresh.iterdir() if not files(entry, path)]
    assert len(missing) <= coverage["lost"].get("unclassified_opens", 0)
    assert not coverage["lost"].get("ring_full")
    assert coverage["complete"] is False or not coverage["lost"]
    if kind == "few":
        assert not missing and not coverage["lost"].get("unclassified_opens")
    for each in seen.profile["processes"]:
        assert not [item for item in each["files"] if item["path"].startswith((str(place.few), str(place.many)))]


def _others(profile, own):
    """How many events of other processes of the host could have been lost as well (the most)."""
    hits = {probe["name"]: probe["hits"] for probe in profile["coverage"]["probes"]}
    return hits["process"] + hits["file_open"] + hits["openssl_api"] - own


def _flood(folder):
    """Every file of a folder opened once, while the tracer stands still."""
    with talking("open_each.py", folder, 1) as load:
        assert load.hear() == "ready"
        with traced(max_files=10 ** 6) as window:
            window.signal(signal.SIGSTOP)
            load.tell()
            try:
                assert load.hear() == "done"
            finally:
                window.signal(signal.SIGCONT)
            window.settle()
            load.tell()
    entry = process(window.profile, load.pid)
    return sum(item["count"] for item in entry["files"] if item["path"].startswith(str(folder))), window.profile


@pytest.mark.parametrize("name, cause", [("key-%d.pem", "ring_full"), ("note-%d.txt", "unclassified_opens")])
def test_a_flood_of_keys_is_counted_to_the_last_one(place, name, cause):
    folder = place.folder.joinpath(cause, *["a folder whose name makes each record of it long " * 5] * 4)
    _fill(folder, FLOOD, name, place.content)
    seen, profile = _flood(folder)
    lost = profile["coverage"]["lost"].get(cause, 0)
    assert 0 < seen < FLOOD, "the flood was no flood"
    assert FLOOD <= seen + lost <= FLOOD + _others(profile, FLOOD)
    assert profile["coverage"]["complete"] is False
    assert reason(profile, cause)["count"] == lost


def test_opens_that_can_not_wait_are_each_counted(place):
    """A file that the tracer had no time to read is lost with every open of it, not with the first alone."""
    folder = _fill(place.folder / "waiting", 3000, "note-%d.txt", place.content)
    with talking("open_each.py", folder, 3) as load:
        assert load.hear() == "ready"
        with traced(max_files=10 ** 6, constants={"_probes.file_open._MOST_WAITING": 100}) as window:
            load.tell()
            assert load.hear() == "done"
            load.tell()
    entry = process(window.profile, load.pid)
    seen = sum(item["count"] for item in entry["files"] if item["path"].startswith(str(folder)))
    lost = window.profile["coverage"]["lost"]["unclassified_opens"]
    assert seen < 9000 <= seen + lost <= 9000 + _others(window.profile, 9000)


def test_a_flood_of_operations_is_counted_to_the_last_one():
    with talking("digest_name_flood.py", libcrypto(), FLOOD_NAMES) as load:
        assert load.hear() == "ready"
        with traced(max_operations=10 ** 6) as window:
            load.tell()
            assert load.hear() == "done"
            load.tell()
    coverage = window.profile["coverage"]
    seen = sum(item["count"] for item in process(window.profile, load.pid)["operations"] if item["algorithm"].startswith("FLOOD-"))
    assert 0 < seen < FLOOD_NAMES, "the flood was no flood"
    assert FLOOD_NAMES <= seen + coverage["lost"]["map_full"] <= FLOOD_NAMES + _others(window.profile, FLOOD_NAMES)
    assert coverage["complete"] is False


def test_a_bound_of_the_request_is_reported_exactly(place):
    """What is over max_files is left out of the process with its number."""
    with traced(max_files=10) as window:
        done = python("open_spread.py", 0, place.hinted)
    entry = process(window.profile, done.pid)
    assert len(entry["files"]) == 10
    opened = len(os.listdir(place.hinted))
    assert entry["files_omitted"] >= opened - 10
