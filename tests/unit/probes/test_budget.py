# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which functions are detached, and when: those that cost most, those that tell least first, and no more of them than needed."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import budget as budget_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import hit_cost
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.budget import BURST_NS, INTERNAL_BURST_NS, NS_PER_SECOND, Budget, Calls
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes.hit_cost import DEFAULT, HitCost
from hypothesis import given
from hypothesis import strategies as st

NS = 1000


def budget(stepped=()):
    made = Budget()
    made.cost = HitCost(NS, 10 * NS, True)
    for row in range(8):
        made.add(row, row not in stepped)
    return made


def outside(*numbers):
    return [Calls(number, 0) for number in numbers]


def test_a_burst_is_free():
    assert budget().over_budget(0.2, outside(BURST_NS // NS, 0)) == []


def test_what_goes_is_the_costliest_of_the_last_look():
    spender = budget()
    assert spender.over_budget(1.0, outside(150000, 10, 0)) == []
    assert spender.over_budget(2.0, outside(150000, 30000, 50000)) == [2, 1]  # the first is not called any more, so its going would help nobody


def test_no_more_go_than_needed():
    spender = budget()
    assert spender.over_budget(1.0, outside(300000, 2000, 3000)) == [0]
    assert spender.over_budget(2.0, outside(300000, 4000, 6000)) == []  # 5000 calls a second cost no more than half a hundredth of a core


def test_a_single_stepped_function_costs_more_than_one_called_oftener():
    spender = budget(stepped={1})
    assert spender.over_budget(1.0, outside(100000, 20000)) == [1, 0]
    assert budget(stepped={1}).spent(outside(5, 7)) == 75 * NS


def test_a_function_is_as_dear_as_its_dearest_file():
    spender = budget(stepped={0})
    spender.add(0, True)
    assert spender.spent(outside(1)) == 10 * NS


def test_calls_from_inside_a_library_have_a_smaller_burst_of_their_own():
    calls = [Calls(10000, 0), Calls(60000, 58000), Calls(20000, 20000), Calls(200, 200)]
    assert INTERNAL_BURST_NS < 80200 * NS < 90200 * NS < BURST_NS
    assert budget().over_budget(0.2, calls) == [1, 2]  # what is left of them is within the rate
    assert budget().over_budget(0.2, [Calls(90000, 0), Calls(90000, 50000)]) == []


def test_others_go_when_those_from_inside_are_not_enough():
    assert budget().over_budget(0.2, [Calls(210000, 0), Calls(100, 0), Calls(60000, 60000)]) == [2, 0]


def test_half_a_hundredth_of_a_core_may_be_spent_for_ever():
    spender = budget()
    for second in range(1, 3600):
        assert spender.over_budget(second, [Calls(second * NS_PER_SECOND // NS, 0), Calls(0, 0)]) == []


def test_a_look_at_each_function_is_taken_where_it_could_matter():
    spender = budget(stepped={1})
    allowed = NS_PER_SECOND // 5 // (10 * NS)  # in a tick, if each hit were the dearest
    assert not budget().check_due(0.2, 10 * allowed)
    assert not spender.check_due(0.2, allowed)
    assert spender.check_due(0.2, allowed + 1)
    spender.over_budget(0.2, outside(allowed + 1, 0))
    assert not spender.check_due(0.4, 2 * allowed)
    assert spender.check_due(1.3, 2 * allowed), "once a second at least"


def test_learning_the_cost_is_no_burst():
    spender = Budget()
    assert spender.over_budget(0.2, outside(100000, 0)) == []
    spender.cost = HitCost(3 * DEFAULT.emulated, DEFAULT.single_stepped, True)
    assert spender.over_budget(1.0, outside(100000, 0)) == []


def test_what_was_detached_is_remembered_as_it_first_was():
    spender = budget()
    spender.record_detached([1], 5, outside(1, 2))
    spender.record_detached([1, 0], 6, outside(3, 4))
    assert spender.detached == {1: (5, (2, 0)), 0: (6, (3, 0))}


@given(st.lists(st.tuples(st.integers(0, 10 ** 7), st.integers(0, 10 ** 7)), min_size=1, max_size=8), st.floats(0.05, 100))
def test_what_stays_is_within_the_rate(numbers, seconds):
    calls = [Calls(all_ + internal, internal) for all_, internal in numbers]
    spender = budget()
    going = spender.over_budget(seconds, calls)
    if spender.spent([one for row, one in enumerate(calls) if row not in going]) > BURST_NS + NS_PER_SECOND * seconds:
        left = sum(one.all for row, one in enumerate(calls) if row not in going) * NS / seconds
        assert left <= NS_PER_SECOND * 1.001 + 1
    assert len(set(going)) == len(going)


def test_calls_of_all_cpus_are_one(monkeypatch):
    rows = 3
    content = struct.pack("<12Q", 1, 0, 2, 1, 99, 99, 10, 5, 20, 10, 99, 99)  # two CPUs with three rows of (all, internal)
    monkeypatch.setattr(budget_module.syscalls, "map_sizes", lambda fd: (6, 4, 16 * rows))
    monkeypatch.setattr(budget_module.syscalls.Map, "first", lambda self: memoryview(content).cast("Q"))
    assert budget_module.FunctionCalls(3, 2, rows).read(2) == [(11, 5), (22, 11)]


class Attached:
    closed = 0

    def close(self):
        Attached.closed += 1


def test_our_own_functions_run_and_are_measured():
    asked = []
    Attached.closed = 0

    def attach(path, offset):
        asked.append((os.stat(path).st_size, offset))
        return Attached()

    cost = hit_cost.measure(attach)  # nothing was attached, so nothing is what it costs
    assert cost.measured and 1 <= cost.emulated < 100000
    assert len(asked) == Attached.closed == 2 and all(0 < offset < size for size, offset in asked)


@pytest.mark.parametrize("error", [PermissionError(1, "no"), OSError(22, "no")])
def test_where_nothing_can_be_attached_the_default_is_told(error):
    def attach(_path, _offset):
        raise error

    before = len(os.listdir("/proc/self/fd"))
    assert hit_cost.measure(attach) == DEFAULT and not DEFAULT.measured
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_memory_may_not_be_executable(monkeypatch):
    monkeypatch.setattr(hit_cost.syscalls._libc, "mmap", lambda *_arguments: 2 ** 64 - 1)
    assert hit_cost.measure(None) == DEFAULT


def test_an_architecture_without_code(monkeypatch):
    monkeypatch.setattr(hit_cost.syscalls, "architecture", lambda: "riscv64")
    assert hit_cost.measure(None) == DEFAULT
