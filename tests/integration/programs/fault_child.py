# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of the host side in a process of its own, after something was broken in it.

Run by support/faults.py: ``python3 fault_child.py WHAT REQUEST_JSON [ANNOUNCE_FD]``. $FAULTS is JSON: names of functions of
injected_faults.py, each with its arguments. The answer is JSON on standard output: ``{"document": ...}`` or, where a user would get an
error, ``{"error": text}``.
"""

import json
import os
import sys

from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import monitor as monitor_module
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import preflight, tracer
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import request as request_module

NO_FILTERS = {"events": [], "files": [], "libraries": []}


def monitor(request):
    lines = []
    monitor_module.monitor(request, NO_FILTERS, lines.append)
    return lines


def main():
    for name, arguments in json.loads(os.environ.get("FAULTS", "[]")):
        import injected_faults  # not there where the child was copied alone
        getattr(injected_faults, name)(**arguments)
    what = sys.argv[1]
    if what == "window":
        import tracer_child
        sys.argv = sys.argv[1:]
        tracer_child.main()
        return
    answer = {"trace": tracer.trace, "snapshot": tracer.snapshot, "preflight": preflight.preflight, "monitor": monitor}[what]
    try:
        json.dump({"document": answer(request_module.Request(**json.loads(sys.argv[2])))}, sys.stdout)
    except AuditError as error:
        json.dump({"error": str(error)}, sys.stdout)


if __name__ == "__main__":
    main()
