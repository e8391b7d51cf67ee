# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much CPU time the hits of probed functions may cost the traced processes before the costliest functions are detached.

A burst is worth its cost, because it shows who uses what; a server that calls a function all day shows nothing new after the first
second. So a window has CPU time to spend at its beginning, and 0.5 % of one core from then on. When that is spent the costliest
functions are detached, and the coverage says so. Functions that are called almost only from inside their own library matter least, and
have a smaller burst among them: a TLS handshake makes half of its hits in them.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .._kernel import syscalls
from . import hit_cost

# 50,000 operations of a program that do two hits each fit in, where a hit costs less than 2 microseconds.
BURST_NS = 200000000
INTERNAL_BURST_NS = BURST_NS // 4
NS_PER_SECOND = 5000000

_MOSTLY_INTERNAL = 0.9
_SELDOM = 1.0  # seconds between two looks where there is little to see


class Calls(NamedTuple):
    """Calls of one function; internal are those from inside its own library."""

    all: int
    internal: int


_NEVER = Calls(0, 0)  # most functions of a library


class FunctionCalls:
    """The kernel side's counts of calls: map function_calls of bpf/functions/functions.bpf.c."""

    def __init__(self, fd, cpus, rows):
        """
        :arg fd: int, descriptor of the map, not owned.
        :arg cpus: int, values it has.
        :arg rows: int, functions of one value.
        """
        self._row_words = 2 * rows
        self._map = syscalls.Map(fd, 4, 8 * self._row_words * cpus)

    def read(self, functions):
        """Calls so far of the first functions (int): list of Calls."""
        octets, used, row = self._map.first().cast("B"), 16 * functions, 8 * self._row_words
        # the rows of all processors as large numbers: no sum of 64 bits carries into the next
        total = sum([int.from_bytes(octets[first:first + used], "little") for first in range(0, len(octets), row)])
        numbers = struct.unpack("<%dQ" % (2 * functions), total.to_bytes(used, "little"))
        return [Calls(number, internal) if number else _NEVER for number, internal in zip(numbers[::2], numbers[1::2])]


class Detached(NamedTuple):
    """A function that was detached: when (ns since boot), and its calls until then."""

    since: int
    calls: Calls


class Budget:
    """The CPU time of one window."""

    def __init__(self):
        self.cost = hit_cost.DEFAULT
        self.detached = {}  # row -> Detached
        self._stepped = set()  # rows that the kernel single-steps in one file at least
        self._last = {}  # row -> Calls
        self._looked = 0.0
        self._hits = 0

    def add(self, row, emulated):
        """A function is probed.

        :arg row: int, its number.
        :arg emulated: bool, whether the kernel emulates the probed instruction; else it single-steps it.
        """
        if not emulated:
            self._stepped.add(row)

    def spent(self, calls):
        """ns that so many calls cost. calls: list of Calls, by row."""
        return sum(self._cost(row, one) for row, one in enumerate(calls) if one.all)

    def _cost(self, row, calls):
        return calls.all * self.cost.of(row not in self._stepped)

    def check_due(self, seconds, hits):
        """Whether over_budget() could find anything: looking at each function costs more than counting the hits of all.

        :arg seconds: float, since the window began.
        :arg hits: int, of all functions so far.
        """
        interval = seconds - self._looked
        if interval < _SELDOM and (hits - self._hits) * self.cost.of(not self._stepped) <= NS_PER_SECOND * interval:
            return False
        self._hits = hits
        return True

    def over_budget(self, seconds, calls):
        """Which functions have to be detached.

        :arg seconds: float, since the window began.
        :arg calls: list of Calls so far, by row.
        :returns: list of rows; detaching them brings the rest below NS_PER_SECOND. Empty while the window is within its budget.
        """
        interval = max(seconds - self._looked, 0.001)
        called = {row: one for row, one in enumerate(calls) if one.all}
        costs = {row: self._cost(row, one) for row, one in called.items()}
        rates = {row: (cost - self._cost(row, self._last.get(row, _NEVER))) / interval for row, cost in costs.items()}
        self._last, self._looked = called, seconds
        internal = {row for row, one in called.items() if one.internal >= _MOSTLY_INTERNAL * one.all}
        going = _costliest(internal, INTERNAL_BURST_NS, seconds, costs, rates)
        return going + _costliest(set(called) - set(going), BURST_NS, seconds, costs, rates)

    def record_detached(self, rows, now, calls):
        """Remember that functions were detached, as it first was.

        :arg rows: iterable of int.
        :arg now: int, ns since boot.
        :arg calls: list of Calls, by row.
        """
        for row in rows:
            self.detached.setdefault(row, Detached(now, calls[row]))


def _costliest(rows, burst, seconds, costs, rates):
    """Those of rows that have to be detached when these have spent a burst and their rate, the costliest since the last look first."""
    if sum(costs[row] for row in rows) <= burst + NS_PER_SECOND * seconds:
        return []
    left, going = sum(rates[row] for row in rows), []
    for row in sorted(rows, key=lambda row: (-rates[row], row)):
        if left <= NS_PER_SECOND or rates[row] <= 0:
            break
        going.append(row)
        left -= rates[row]
    return going
