# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enters a cgroup and sends one UDP packet to a port of the loopback interface: ``send_from_cgroup.py FOLDER PORT``."""

import socket
import sys

with open(sys.argv[1] + "/cgroup.procs", "w") as stream:
    stream.write("0")
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(sys.argv[2])))
