# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads ssl, and the default certificates after a line came; a line is printed after each."""

import ssl

print(flush=True)
input()
ssl.create_default_context()
print(flush=True)
input()
