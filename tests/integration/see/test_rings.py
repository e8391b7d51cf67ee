# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens through io_uring: reported like all others where the kernel's function can be probed, else counted as lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.cryptofleet.audit.tests.integration.support.files import open_folder
from ansible_collections.cryptofleet.audit.tests.integration.support.pki import make_site
from ansible_collections.cryptofleet.audit.tests.integration.support.profile import assert_attached, files, images
from ansible_collections.cryptofleet.audit.tests.integration.support.programs import python
from ansible_collections.cryptofleet.audit.tests.integration.support.window import traced

# scenarios of programs/ring_opens.py, and how many opens each makes
OPENS = {"inline": 8, "worker": 6, "polled": 3, "directory": 1, "refused": 5, "slot": 2}
EXPECTED = {
    "inline": [("site.key", "ok", 8)],
    "worker": [("made.pem", "ok", 1), ("site.key", "ok", 5)],
    "polled": [("site.key", "ok", 3)],
    "directory": [("site.key", "ok", 1)],
    "refused": [("none.key", "ENOENT", 4)],
    "slot": [],
}


@pytest.fixture(scope="module")
def seen():
    with open_folder() as folder:
        make_site(folder)
        (folder / "sub").mkdir()
        with traced() as window:
            pids = {name: python("ring_opens.py", name, cwd=folder).pid for name in OPENS}
        assert_attached(window.profile)
        probe = next(probe for probe in window.profile["coverage"]["probes"] if probe["name"] == "file_open")
        # a process of which nothing is reported is in no profile
        entries = {name: images(window.profile, pid) for name, pid in pids.items()}
        yield SimpleNamespace(folder=folder, images=entries, lost=probe["lost"], coverage=window.profile["coverage"],
                              # where functions of the kernel can be probed, its opens are hooked there
                              probed=probe["hook"].startswith("fexit/"))


@pytest.mark.parametrize("name", OPENS)
def test_each_open_is_reported_or_none(seen, name):
    reported = sorted((item["path"], item["result"], item["count"]) for image in seen.images[name] for item in files(image)
                  if item["path"].startswith(str(seen.folder)))
    assert reported == [("%s/%s" % (seen.folder, path), result, count) for path, result, count in EXPECTED[name] if seen.probed]


def test_what_is_not_reported_is_lost(seen):
    lost = OPENS["slot"] if seen.probed else sum(OPENS.values())
    assert seen.lost == {"io_uring_opens": lost}
    assert seen.coverage["complete"] is False
    assert [entry["count"] for entry in seen.coverage["reasons"] if entry["code"] == "io_uring_opens"] == [lost]


def test_threads_of_the_kernel_are_not_taken_for_processes(seen):
    assert {image["name"] for each in seen.images.values() for image in each} == ({"python3"} if seen.probed else set())
