# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From numbers to the table: medians, spread, and pairs of untraced and traced measurements taken in turn."""

from __future__ import annotations

import statistics
from typing import Callable, Dict, List, NamedTuple, Optional


class Row(NamedTuple):
    """One line of the table. met: None where there is no budget."""

    what: str
    budget: str
    measured: str
    spread: str
    noise: str
    met: Optional[str]
    n: int


class Result(NamedTuple):
    """What a benchmark hands back. raw: JSON-ready."""

    rows: List[Row]
    raw: dict


def quartiles(values):
    """``(first, median, third)``; a single value is all three."""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def judge(values, good):
    """yes or no by the median; with a question mark where the quartiles do not agree with it."""
    first, median, third = quartiles(values)
    return ("yes" if good(median) else "no") + ("" if good(first) == good(third) else "?")


def short(value):
    """A number in three figures, but never with an exponent."""
    return ("%.0f" if abs(value) >= 100 else "%.3g") % value


def value_row(what, values, unit, most=None, form="%.3g"):
    """A row of plain values. most: float, the budget, which they must not exceed."""
    first, median, third = quartiles(values)
    return Row(what, "" if most is None else "<= %s %s" % (form % most, unit), "%s %s" % (form % median, unit),
               "%s .. %s" % (form % first, form % third), "", None if most is None else judge(values, lambda value: value <= most), len(values))


class Pairs:
    """Untraced and traced measurements, taken in turn and beginning and ending with an untraced one.

    Each traced one is compared with the mean of the two untraced ones beside it, so a machine that slowly becomes slower does not count
    as overhead. How far untraced ones differ from the next is the noise.
    """

    def __init__(self, untraced, traced):
        self.untraced = untraced
        self.traced = traced

    def beside(self, number):
        """What would have been measured instead of a traced one."""
        return (self.untraced[number] + self.untraced[number + 1]) / 2

    def shares(self, cost=False):
        """Traced speed as % of untraced speed. cost: the numbers are costs, of which less is better."""
        ratios = [value / self.beside(number) for number, value in enumerate(self.traced)]
        return [100 / ratio if cost else 100 * ratio for ratio in ratios]

    def added(self):
        """Traced minus untraced."""
        return [value - self.beside(number) for number, value in enumerate(self.traced)]

    def noise(self):
        """Half the range of quartiles that untraced pairs have, as % of their speed."""
        ratios = [100 * later / earlier for earlier, later in zip(self.untraced, self.untraced[1:])]
        first, _median, third = quartiles(ratios)
        return max(abs(first - 100), abs(third - 100))

    def share_row(self, what, least=None, cost=False):
        """A row of speed kept while traced. least: float, the budget in %."""
        shares = self.shares(cost)
        first, median, third = quartiles(shares)
        return Row(what, "" if least is None else ">= %g %%" % least, "%.1f %%" % median, "%.1f .. %.1f" % (first, third),
                   "+-%.1f %%" % self.noise(), None if least is None else judge(shares, lambda value: value >= least), len(shares))

    def added_row(self, what, unit, scale=1.0):
        """A row of what tracing adds to a cost."""
        values = [scale * value for value in self.added()]
        first, median, third = quartiles(values)
        return Row(what, "", "%s%s %s (%s without)" % ("+" if median >= 0 else "", short(median), unit, short(scale * statistics.median(self.untraced))),
                   "%s .. %s" % (short(first), short(third)), "+-%.1f %%" % self.noise(), None, len(values))

    def raw(self):
        return {"untraced": self.untraced, "traced": self.traced}


def interleave(number, measure: Callable[[], Dict[str, float]], window, measure_traced=None):
    """Untraced, traced, untraced, ..., traced, untraced.

    :arg measure: does the work once and returns its numbers by name.
    :arg window: makes a context manager within which the host is traced.
    :arg measure_traced: what to do within it instead, where it has to take longer.
    :returns: dict of name -> Pairs.
    """
    untraced, traced = [measure()], []
    for _each in range(number):
        with window():
            traced.append((measure_traced or measure)())
        untraced.append((measure_traced or measure)())
    return {name: Pairs([one[name] for one in untraced], [one[name] for one in traced]) for name in untraced[0]}


def table(rows):
    """The rows as text."""
    header = Row("what", "budget", "measured", "quartiles", "noise", "met", "n")
    cells = [[("" if cell is None else str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths)] + lines[1:])
