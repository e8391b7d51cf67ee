# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that the modules share. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return the same as without it.
    details:
      - Nothing on the managed host is ever changed, so the window opens in check mode as well. Nothing is written to O(dest) then.
  diff_mode:
    support: N/A
    description: Returns details on what has changed, or possibly needs changing, in C(diff) mode.
    details:
      - There is nothing to change.
  platform:
    support: full
    platforms: linux
    description: Target operating systems that can be operated against.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
    details:
      - "With C(poll) above V(0) the action plugin waits by itself, then validates and stores as always."
      - "With C(poll: 0) collect the job with M(cryptofleet.audit.crypto_collect), which validates and stores the job's document."
"""

    CONTROLLER = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return a prediction without writing anything.
  diff_mode:
    support: N/A
    description: Returns details on what has changed, or possibly needs changing, in C(diff) mode.
  platform:
    support: full
    platforms: posix
    description: Target operating systems that can be operated against.
  async:
    support: none
    description: Supports being used with the C(async) keyword.
"""

    INSTANT = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return the same as without it.
    details:
      - Nothing on the managed host is ever changed. Nothing is written to a O(dest) in check mode.
  diff_mode:
    support: N/A
    description: Returns details on what has changed, or possibly needs changing, in C(diff) mode.
    details:
      - There is nothing to change.
  platform:
    support: full
    platforms: linux
    description: Target operating systems that can be operated against.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
"""
