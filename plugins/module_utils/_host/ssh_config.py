# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of OpenSSH: which value of a keyword is in force.

sshd_config(5) and ssh_config(5): the first value of a keyword wins. Match (in ssh_config also Host) opens a block whose lines apply to some
connections only; it ends at the next Match or Host or at the end of the file. Include stands for the files it names; a block opened in an
included file ends with that file.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

_MAX_DEPTH = 16  # SERVCONF_MAX_DEPTH, READCONF_MAX_DEPTH
_MAX_FILES = 256
_MAX_LINES = 20000
_MAX_BLOCKS = 200
_MAX_COLLECTED = 100  # values of a collected keyword
_DIRECTORY = "/etc/ssh/"  # SSHDIR: a relative Include starts there

_UNCONDITIONAL = {("match", "all"), ("host", "*")}


class Setting(NamedTuple):
    """A setting.

    :ivar value: str, the arguments as written.
    :ivar path: str, the file.
    :ivar line: int from 1; None where the file holds options for the command line.
    """

    value: str
    path: Optional[str]
    line: Optional[int]


class SshConfig:
    """The settings of a configuration file and of the files that it includes.

    :arg reader: `Reader`.
    :arg keywords: dict of str (keyword in lower case) -> str (name to report it under); other keywords are ignored.
    :arg collected: frozenset of str, the names of which every value is in force, not only the first.
    :ivar settings: dict of name -> list of `Setting` in force.
    :ivar blocks: list of ``(criteria, dict like settings)`` in the order of the files, without blocks that have none of the keywords.
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
        """Read a file and those that it includes.

        :arg path: str.
        :returns: bool, whether the file could be read.
        """
        found = self._read(path, None, 0)
        self.blocks = [(criteria, settings) for criteria, settings in self.blocks if settings]
        if len(self.blocks) > _MAX_BLOCKS:
            self._reader.add_unreadable(path, "more than %d Match or Host blocks; the rest are omitted" % _MAX_BLOCKS)
            del self.blocks[_MAX_BLOCKS:]
        return found

    def add(self, keyword, value, path, line, block=None):
        """Add a setting unless an earlier one is in force.

        :arg keyword: str, in any case.
        :arg value: str, the arguments as written.
        :arg path: str, the file.
        :arg line: int from 1, or None.
        :arg block: dict like `settings`, the block that the line is in; None outside of blocks.
        """
        name = self._keywords.get(keyword.lower())
        if name is None:
            return
        values = (self.settings if block is None else block).setdefault(name, [])
        if not values or name in self._collected and len(values) < _MAX_COLLECTED:
            values.append(Setting(value, path, line))

    def _read(self, path, block, depth):
        """Read one file.

        :arg path: str.
        :arg block: dict, the block that its Include is in; None outside of blocks.
        :arg depth: int, Includes around it.
        :returns: bool, whether it could be read.
        """
        if self._files >= _MAX_FILES or depth > _MAX_DEPTH:
            self._reader.add_unreadable(path, "not read: too many includes")
            return False
        self._files += 1
        data = self._reader.read(path)
        if data is None:
            return False
        current, outer = block, block
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            self._lines += 1
            if self._lines > _MAX_LINES:
                self._reader.add_unreadable(path, "more than %d lines in all files; the rest were skipped" % _MAX_LINES)
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
        if (keyword, " ".join(rest.lower().split())) in _UNCONDITIONAL:
            return outer  # in a file that a block includes, it applies where that block does
        block = {}
        self.blocks.append(("%s %s" % (keyword.capitalize(), rest), block))
        return block

    def _include(self, pattern, block, depth):
        if pattern.startswith("~"):
            return  # ssh_config(5): allowed in a user's own file only
        if not pattern.startswith("/"):
            pattern = _DIRECTORY + pattern
        for path in self._reader.glob(pattern):
            self._read(path, block, depth + 1)


def _split(line):
    """Split a line into keyword and arguments.

    :arg line: str.
    :returns: tuple of str: keyword in lower case (empty for a blank line or a comment), arguments as written.
    """
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
    """Arguments without a trailing comment: since OpenSSH 8.5 a word that begins with '#' outside of quotes (argv_split() of misc.c)."""
    quoted = False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "#" and not quoted and (at == 0 or text[at - 1] in " \t"):
            return text[:at].rstrip()
    return text.rstrip()


def _words(text):
    """Split arguments at white space outside of quotes: list of str, without the quotes."""
    words, word, in_word, quoted = [], [], False, False
    for char in text:
        if char == '"':
            quoted, in_word = not quoted, True
        elif char in " \t" and not quoted:
            if in_word:
                words.append("".join(word))
            word, in_word = [], False
        else:
            word.append(char)
            in_word = True
    if in_word:
        words.append("".join(word))
    return words


def first_word(text):
    """The first of the arguments in a text, a str, without quotes; empty where there is none."""
    return next(iter(_words(text)), "")
