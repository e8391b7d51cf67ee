# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re

from ansible_collections.cryptofleet.audit.plugins.module_utils._host.identity import host_identity


def test_host():
    host = host_identity()
    assert set(host) == {"hostname", "machine_id_hash", "boot_id", "kernel", "arch", "os", "virtualisation"}
    assert host["kernel"] == os.uname().release
    assert host["machine_id_hash"] is None or re.match("[0-9a-f]{64}$", host["machine_id_hash"])
    assert set(host["os"]) == {"id", "version_id", "name"}
