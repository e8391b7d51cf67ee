# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of a summary: neutralised, counted, cut and wrapped.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import textwrap

WIDTH = 110  # columns of a page
_LABEL = 18  # columns of a label, indent included


def plain(text):
    """Neutralise text from a host: nothing in the result moves a terminal's cursor, changes its direction or breaks a line.

    :arg text: str, anything.
    :returns: str, each character that can't be printed written as ``\\xHH``.
    """
    return "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in text)


def cut(text, width=WIDTH):
    """Neutralise and shorten a text.

    :arg text: str, anything.
    :arg width: int, characters of the result at most.
    :returns: str.
    """
    text = plain(text)
    return text if len(text) <= width else text[:width - 3] + "..."


def counted(number, singular, plural=None):
    """A number with its noun.

    :arg number: int.
    :arg singular: str, the noun for 1.
    :arg plural: str or None, the noun for every other number; None: the singular with an s.
    :returns: str such as ``1 host`` or ``2 hosts``.
    """
    return "%d %s" % (number, singular if number == 1 else plural or singular + "s")


def minute(moment):
    """A document's time to the minute.

    :arg moment: str, such as ``2026-01-31T12:00:00.123456Z``.
    :returns: str, such as ``2026-01-31 12:00``; the zone is UTC.
    """
    return moment[:16].replace("T", " ")


def labelled(label, lines, most=None):
    """Lines of one row of a section: the label in front of the first.

    :arg label: str, at most 15 characters.
    :arg lines: list of str; each is neutralised, and cut to the page's width.
    :arg most: int or None, lines at most; beside the last of them stands how many are left out.
    :returns: list of str.
    """
    width = WIDTH - _LABEL
    kept = [cut(line, width) for line in lines[:most]]
    labels = ["  " + label] + [""] * (len(kept) - 1)
    left = len(lines) - len(kept)
    if left and len(kept) > 1:
        labels[-1] = "  (%d more)" % left
    elif left:
        rest = "   ... %d more" % left
        kept[0] = cut(lines[0], width - len(rest)) + rest
    return [label.ljust(_LABEL) + line for label, line in zip(labels, kept)]


def flowing(label, text, most=None):
    """One text as a row of a section, wrapped at blanks.

    :arg label: str, at most 15 characters.
    :arg text: str, neutralised.
    :arg most: int or None, lines at most; the last of them then says that there is more.
    :returns: list of str.
    """
    # textwrap's placeholder takes the place of the words that do not fit
    lines = textwrap.wrap(text, WIDTH - _LABEL, max_lines=most, placeholder=" ... more", break_on_hyphens=False)
    return labelled(label, lines)


def paired(pairs):
    """Texts in two columns, of which the second is never cut.

    :arg pairs: list of tuples of str, a name and what is said of it.
    :returns: list of str, each fit for a row.
    """
    names = [plain(name) for name, _text in pairs]
    texts = [plain(text) for _name, text in pairs]
    column = max(20, min(max(map(len, names), default=0), WIDTH - _LABEL - 2 - max(map(len, texts), default=0)))
    return ["%s  %s" % (cut(name, column).ljust(column), text) for name, text in zip(names, texts)]


def wrapped(text, indent):
    """A text as indented lines, wrapped at blanks; further lines are indented by two more columns.

    :arg text: str, neutralised.
    :arg indent: int, columns.
    :returns: list of str.
    """
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_on_hyphens=False)
