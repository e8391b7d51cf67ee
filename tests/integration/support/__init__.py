# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests on the real kernel share: the tracer in a process of its own, programs that make a load, and the look into a profile."""
