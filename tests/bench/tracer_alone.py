# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracer without Ansible, for its start-up time: ``python3 tracer_alone.py SECONDS ANNOUNCE_FD``; the profile goes to standard output.

Says "open" when every probe is attached and the processes that were there are entered.
"""

import json
import os
import sys

from ansible_collections.cryptofleet.audit.plugins.module_utils._window import request, tracer


def main():
    run = tracer.Window.run

    def announced(window):
        os.write(int(sys.argv[2]), b"open\n")
        return run(window)

    tracer.Window.run = announced
    json.dump(tracer.trace(request.Request(duration=int(sys.argv[1]))), sys.stdout)


if __name__ == "__main__":
    main()
