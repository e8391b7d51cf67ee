# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged file contents, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def damaged(draw, content, head_size):
    """A content with random bytes written into it at some offsets, half of them in its head, and possibly truncated.

    :arg content: bytes.
    :arg head_size: int, bytes of the head: the part with the headers.
    :returns: bytes.
    """
    data = bytearray(content)
    for _number in range(draw(st.integers(1, 6))):
        offset = draw(st.one_of(st.integers(0, head_size), st.integers(0, len(data) - 1)))
        junk = draw(st.binary(min_size=1, max_size=8))
        data[offset:offset + len(junk)] = junk
    return bytes(data[:draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])
