# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tracer without the root cgroup, because another program held it exclusively when the tracer attached."""

from __future__ import annotations

import contextlib
import errno
import time

from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.events import LOOK_SSH, LOOK_TLS
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.libbpf import Libbpf
from ansible_collections.cryptofleet.audit.plugins.module_utils._probes import wire

from .faults import probe
from .window import traced
from .wire import foreign_program

_PATIENCE = 120.0


def take_root(holding):
    """Hold the root cgroup exclusively until an ExitStack closes. Waits until no other program, such as another test's window, is attached there."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            holding.enter_context(foreign_program(1, wire.mounted_root(), 0))
            return
        except OSError as error:
            if error.errno != errno.EPERM or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@contextlib.contextmanager
def tap_at_calls(looks=LOOK_TLS | LOOK_SSH):
    """A WireTap at the system calls for the time of the block. The root is held only while it attaches: others of this host need it too."""
    made = wire.WireTap(Libbpf(), looks)
    with contextlib.ExitStack() as holding:
        take_root(holding)
        made.open(True)
    try:
        assert (made.status, made.errno) == ("partial", errno.EPERM), (made.status, made.reason, made.verifier_log)
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def traced_at_calls(**request):
    """traced() likewise, without the probes that look at libraries and files."""
    with contextlib.ExitStack() as holding, contextlib.ExitStack() as running:
        take_root(holding)
        window = running.enter_context(traced(probes=dict.fromkeys(("openssl_api", "library_api", "file_open"), False), **request))
        holding.close()
        yield window
    coverage = window.profile["coverage"]
    for name in ("tls_handshake", "ssh_kex"):
        assert (probe(window.profile, name)["status"], probe(window.profile, name)["errno"]) == ("partial", "EPERM")
    assert not set(coverage["lost"]) & {"ring_full", "socket_storage_full", "user_fault", "truncated_handshakes"}, coverage["lost"]
