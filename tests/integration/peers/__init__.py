# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Software that speaks TLS or SSH, as server and as client, and that says what it negotiated: one file a stack.

Each says it in its own words; here they become the names IANA has. What a stack does not say is None, and is not compared.
"""
