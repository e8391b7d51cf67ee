# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty-one windows in a row in one process; prints what it held after each: descriptors by kind, threads, and resident memory in KiB."""

import json
import os
import sys

from ansible_collections.cryptofleet.audit.plugins.module_utils._window import request, tracer


def held():
    kinds = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            kinds.setdefault(os.readlink("/proc/self/fd/" + name), []).append(name)
        except OSError:
            pass
    return {kind: len(names) for kind, names in kinds.items() if not kind.startswith(("/proc/", "pipe:", "/dev/null"))}


def threads():
    return len(os.listdir("/proc/self/task"))


def memory():
    with open("/proc/self/status") as stream:
        return int(next(line.split()[1] for line in stream if line.startswith("VmRSS")))


seen = []
for _number in range(21):
    document = tracer.trace(request.Request(duration=1, pids=[os.getppid()]))
    assert document["engine"]["name"] == "libbpf", document["engine"]
    seen.append((held(), threads(), memory()))
json.dump(seen, sys.stdout)
