# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the tracer lowers its priority, and when it must not."""

from __future__ import annotations

import os

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import priority


class Scheduler:
    """A fake of getpriority(2) and setpriority(2)."""

    def __init__(self, nice, privileged):
        self.nice = nice
        self.privileged = privileged
        self.calls = 0

    def get(self, _which, _who):
        return self.nice

    def set(self, _which, _who, nice):
        self.calls += 1
        if nice < self.nice and not self.privileged:
            raise PermissionError(13, "Permission denied")
        self.nice = max(-20, min(nice, 19))


@pytest.fixture
def scheduler(monkeypatch, request):
    made = Scheduler(*request.param)
    monkeypatch.setattr(os, "getpriority", made.get)
    monkeypatch.setattr(os, "setpriority", made.set)
    return made


@pytest.mark.parametrize("scheduler, low", [((0, True), 10), ((5, True), 15), ((-20, True), -10), ((15, True), 19), ((19, True), 19)], indirect=["scheduler"])
def test_lowered_and_restored(scheduler, low):
    own = scheduler.nice
    own_priority = priority.Priority()
    assert scheduler.nice == own
    own_priority.lower(True)
    assert scheduler.nice == low
    calls = scheduler.calls
    own_priority.lower(True)
    assert scheduler.calls == calls, "an unnecessary system call"
    own_priority.lower(False)
    assert scheduler.nice == own


@pytest.mark.parametrize("scheduler", [(0, False)], indirect=True)
def test_not_lowered_where_it_could_not_be_restored(scheduler):
    own_priority = priority.Priority()
    own_priority.lower(True)
    assert scheduler.nice == 0
