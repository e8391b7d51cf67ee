# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the tracer gives way to others, and when it must not."""

from __future__ import annotations

import os

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import priority


class Scheduler:
    """The kernel's side of setpriority(2)."""

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
def test_it_gives_way_and_comes_back(scheduler, low):
    own = scheduler.nice
    courtesy = priority.Priority()
    assert scheduler.nice == own
    courtesy.lower(True)
    assert scheduler.nice == low
    calls = scheduler.calls
    courtesy.lower(True)
    assert scheduler.calls == calls, "a system call for nothing"
    courtesy.lower(False)
    assert scheduler.nice == own


@pytest.mark.parametrize("scheduler", [(0, False)], indirect=True)
def test_what_could_not_be_taken_back_is_not_done(scheduler):
    courtesy = priority.Priority()
    courtesy.lower(True)
    assert scheduler.nice == 0
