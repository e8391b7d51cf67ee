# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of OpenSSH: which value of a keyword counts.

sshd_config(5) and ssh_config(5): the first value of a keyword wins; Match (of ssh: Host too) opens a block of lines that hold for some
connections alone, up to the next one or the end of the file; Include takes the place of the files it names, and a block opened
inside of one ends with it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

_MAX_DEPTH = 16  # SERVCONF_MAX_DEPTH, READCONF_MAX_DEPTH
_MAX_FILES = 256
_MAX_LINES = 20000
_MAX_BLOCKS = 200
_FOLDER = "/etc/ssh/"  # where a relative Include starts: SSHDIR

_ALWAYS = {("match", "all"), ("host", "*")}


class Setting(NamedTuple):
    """One line. value: str, its arguments as written. path: str or None for the command line. line: int from 1, or None."""

    value: str
    path: Optional[str]
    line: Optional[int]


class SshConfig:
    """The settings of a configuration file and of those it includes.

    :arg reader: `Reader`. :arg keywords: dict of keyword in lower case -> the name it counts as; others are not kept.
    :arg collected: frozenset of names of which every value counts, not the first one alone.
    :ivar settings: dict of name -> list of `Setting`, the one that counts (or all that do).
    :ivar blocks: list of ``(criteria, dict like settings)`` in the files' order, without those that hold none of the keywords.
    """

    def __init__(self, reader, keywords, collected=frozenset()):
        self._reader = reader
        self._keywords = keywords
        self._collected = collected
        self._files = 0
        self._lines = 0
        self.settings = {}
        self.blocks = []

    def read(self, path):
        """Read a file and what it includes. :returns: whether it could be read."""
        found = self._read(path, None, 0)
        self.blocks = [(criteria, held) for criteria, held in self.blocks if held]
        if len(self.blocks) > _MAX_BLOCKS:
            self._reader.problem(path, "more than %d blocks: the others are not listed" % _MAX_BLOCKS)
            del self.blocks[_MAX_BLOCKS:]
        return found

    def add(self, keyword, value, path, line, block=None):
        """Let one line count, in the settings or in a block's."""
        name = self._keywords.get(keyword.lower())
        if name is None:
            return
        held = (self.settings if block is None else block).setdefault(name, [])
        if not held or name in self._collected and len(held) < 100:
            held.append(Setting(value, path, line))

    def _read(self, path, block, depth):
        """block: the dict of the block that the Include stands in, or None."""
        if self._files >= _MAX_FILES or depth > _MAX_DEPTH:
            self._reader.problem(path, "not followed: too many includes")
            return False
        self._files += 1
        data = self._reader.read(path)
        if data is None:
            return False
        current, outer = block, block
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            self._lines += 1
            if self._lines > _MAX_LINES:
                self._reader.problem(path, "more than %d lines in all: the others were not looked at" % _MAX_LINES)
                break
            keyword, rest = _split(line)
            if keyword in ("match", "host") and (keyword == "match" or "host" in self._keywords):
                current = self._block(keyword, rest, outer)
            elif keyword == "include":
                for pattern in _words(rest):
                    self._include(pattern, current, depth)
            elif keyword:
                self.add(keyword, rest, path, number, current)
        return True

    def _block(self, keyword, rest, outer):
        if (keyword, " ".join(rest.lower().split())) in _ALWAYS:
            return outer  # of an Include in a block, it holds where the block does
        block = {}
        self.blocks.append(("%s %s" % (keyword.capitalize(), rest), block))
        return block

    def _include(self, pattern, block, depth):
        if pattern.startswith("~"):
            return  # ssh_config(5): of a user's own file alone
        if not pattern.startswith("/"):
            pattern = _FOLDER + pattern
        for path in self._reader.glob(pattern):
            self._read(path, block, depth + 1)


def _split(line):
    """``(keyword in lower case, the rest as written)`` of a line; the keyword is empty where it is blank or a comment."""
    line = line.strip(" \t\r\f")
    if not line or line.startswith("#"):
        return "", ""
    # strdelim() of misc.c: white space or one '=' ends the keyword
    end = next((at for at, char in enumerate(line) if char in " \t="), len(line))
    rest = line[end:].lstrip(" \t")
    if rest.startswith("="):
        rest = rest[1:].lstrip(" \t")
    keyword = line[:end].strip('"').lower()
    return keyword, _without_comment(rest)


def _without_comment(text):
    """A trailing comment is allowed since OpenSSH 8.5 where a word begins with '#' outside of quotes (argv_split() of misc.c)."""
    quoted = False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "#" and not quoted and (at == 0 or text[at - 1] in " \t"):
            return text[:at].rstrip()
    return text.rstrip()


def _words(text):
    """Arguments separated by white space; quotes keep it."""
    words, word, quoted, begun = [], [], False, False
    for char in text:
        if char == '"':
            quoted, begun = not quoted, True
        elif char in " \t" and not quoted:
            if begun:
                words.append("".join(word))
            word, begun = [], False
        else:
            word.append(char)
            begun = True
    if begun:
        words.append("".join(word))
    return words


def first_word(text):
    """The first argument of a value, without quotes."""
    return next(iter(_words(text)), "")
