# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as they are after something went wrong."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def damaged(draw, content, beginning):
    """content with junk at some places, often within so many octets of its beginning, and maybe cut short."""
    octets = bytearray(content)
    for _number in range(draw(st.integers(1, 6))):
        at = draw(st.one_of(st.integers(0, beginning), st.integers(0, len(octets) - 1)))
        junk = draw(st.binary(min_size=1, max_size=8))
        octets[at:at + len(junk)] = junk
    return bytes(octets[:draw(st.one_of(st.just(len(octets)), st.integers(0, len(octets))))])
