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

    used: bool, an operation or a handshake of it was seen.
    denied: bool, permission to read something of it was denied.
    libraries: int, crypto libraries it maps.
    probed: int, of these those that had a probe in time.
    late: bool, one of them got its probe only after the process had ended.
    unobservable: tuple of str, names of the stacks inside it that no probe observes, or None where its files could not be searched.
    connections: int, connections it holds on ports that mean TLS.
    wire: bool, handshakes on the wire were watched.
    polled: bool, the engine attaches nothing.
    """

    used: bool
    denied: bool
    libraries: int
    probed: int
    late: bool
    unobservable: Optional[Tuple[str, ...]]
    connections: int
    wire: bool
    polled: bool


def state(facts):
    """How far one process was covered.

    :arg facts: Facts.
    :returns: ``(word of STATES or None, sentence or None)``. The word is None where the process has neither a connection that looks like
        TLS nor a crypto library or stack; with a sentence where that is only not known.
    """
    if facts.used:
        return OBSERVED, None
    if facts.denied:
        return PERMISSION_DENIED, "permission denied reading its maps or descriptors"
    if facts.late and not facts.probed:
        return EXITED_BEFORE_ATTACH, "it exited before a probe was on its libraries"
    if not (facts.libraries or facts.connections or facts.unobservable):
        return None, None if facts.unobservable is not None else "it exited before its program files could be searched for crypto stacks"
    if facts.polled:
        return UNOBSERVABLE, "nothing was attached: only what /proc shows is known"
    older = "; its %d TLS connections are from before the window" % facts.connections if facts.connections else ""
    if facts.unobservable:
        return UNOBSERVABLE, "no probe observes %s, and %s%s" % (", ".join(facts.unobservable), _wire(facts), older)
    if not facts.libraries:
        return UNOBSERVABLE, "it has TLS connections and no known library or stack, and %s%s" % (_wire(facts), older)
    if facts.probed:
        return IDLE, older[2:] or None
    if facts.wire:
        return UNOBSERVABLE, "its libraries have no probe: only handshakes could have been seen%s" % older
    return UNOBSERVABLE, "its libraries have no probe, and %s" % _wire(facts)


def _wire(facts):
    return "no handshake of it was on the wire" if facts.wire else "the wire was not watched"
