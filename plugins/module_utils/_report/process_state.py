# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each process was covered: facts in, one word and a sentence out.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

OBSERVED = "observed"
IDLE = "idle"
UNOBSERVABLE = "unobservable"
EXITED_BEFORE_ATTACH = "exited_before_attach"
PERMISSION_DENIED = "permission_denied"
STATES = (OBSERVED, IDLE, UNOBSERVABLE, EXITED_BEFORE_ATTACH, PERMISSION_DENIED)


class Facts(NamedTuple):
    """What is known of one process.

    used: bool, an operation or a handshake of it was seen. refused: bool, something of it must not be read. libraries: int, crypto
    libraries it maps; probed: int, of these those with a probe; late: bool, one of them got its probe only when the process had ended.
    unseen: names (str) of the stacks inside it that no probe sees into, or None where its program could not be searched. connections:
    int, TLS-like ones it held. wire: bool, handshakes on the wire were watched. polled: bool, nothing at all was attached.
    """

    used: bool
    refused: bool
    libraries: int
    probed: int
    late: bool
    unseen: Optional[Tuple[str, ...]]
    connections: int
    wire: bool
    polled: bool


def state(facts):
    """``(word of STATES or None, sentence or None)``: None where the process has neither a TLS-like connection nor a library or stack."""
    if facts.used:
        return OBSERVED, None
    if facts.refused:
        return PERMISSION_DENIED, "its maps or descriptors must not be read"
    if facts.late and not facts.probed:
        return EXITED_BEFORE_ATTACH, "it ended before a probe was on its libraries"
    if not (facts.libraries or facts.connections or facts.unseen):
        return None, None if facts.unseen is not None else "its program was gone before it could be searched for crypto stacks"
    if facts.polled:
        return UNOBSERVABLE, "nothing was attached: only what /proc shows is known"
    older = "; its %d TLS connections are from before the window" % facts.connections if facts.connections else ""
    if facts.unseen:
        return UNOBSERVABLE, "no probe sees into %s, and %s%s" % (", ".join(facts.unseen), _wire(facts), older)
    if not facts.libraries:
        return UNOBSERVABLE, "it has TLS connections and no library or stack that is known, and %s%s" % (_wire(facts), older)
    if facts.probed:
        return IDLE, older[2:] or None
    if facts.wire:
        return IDLE, "no probe is on its libraries: only handshakes could have been seen%s" % older
    return UNOBSERVABLE, "no probe is on its libraries, and %s" % _wire(facts)


def _wire(facts):
    return "no handshake of it was on the wire" if facts.wire else "the wire was not watched"


# The states that make a profile incomplete, in sentences; those that must not be read are counted where the ledger is.
_INCOMPLETE = (
    (UNOBSERVABLE, "%d processes have cryptography that nothing here sees into, and none of it was seen"),
    (EXITED_BEFORE_ATTACH, "%d processes ended before a probe was on their libraries"),
)


def reasons(counts):
    """Why a profile is not complete. :arg counts: dict of state -> int. :returns: list of sentences."""
    return [sentence % counts[word] for word, sentence in _INCOMPLETE if counts.get(word)]
