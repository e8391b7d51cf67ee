# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much probed functions may be called before the busiest of them are let go.

A hit costs the traced process about a microsecond (measured by tests/bench). A burst is worth it, because it tells who uses what; a
server that calls a function all day tells nothing new after the first seconds. So each window has hits to spend, and some more each
second; when they are spent the busiest functions are detached, and the coverage says so.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

# About 0.4 s of CPU, and one hundredth of one CPU from then on. 50,000 calls a second for 5 s stay within it.
BURST_HITS = 300000
HITS_PER_SECOND = 10000


class Budget:
    """The hits of one window."""

    def __init__(self):
        self._last = {}
        self._looked = 0.0

    def overspent(self, seconds, hits):
        """Which functions have to go.

        :arg seconds: float, since the window began.
        :arg hits: dict of row -> hits so far, of those that are attached or were.
        :returns: list of rows, the busiest since the last call first, whose going brings the rest below HITS_PER_SECOND; empty
            while the window is within its budget.
        """
        interval = max(seconds - self._looked, 0.001)
        rates = {row: (count - self._last.get(row, 0)) / interval for row, count in hits.items()}
        self._last, self._looked = dict(hits), seconds
        if sum(hits.values()) <= BURST_HITS + HITS_PER_SECOND * seconds:
            return []
        left, going = sum(rates.values()), []
        for row in sorted(rates, key=lambda row: (-rates[row], row)):
            if left <= HITS_PER_SECOND or not rates[row]:
                break
            going.append(row)
            left -= rates[row]
        return going
