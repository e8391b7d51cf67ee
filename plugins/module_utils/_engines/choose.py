# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine runs: the best that this host allows. The room for further ones (bcc, perf).

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._errors import AuditError
from . import libbpf
from .libbpf import LibbpfEngine

PROBES = ("process", "file_open", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex")


def choose_engine(request):
    """Attach the best engine there is, or the one that was asked for.

    :arg request: Request of _window.request.
    :returns: ``(engine, rejected)``: the Engine, and for each better one its name and why it can't run: list of ``(str, AuditError)``.
    :raises AuditError: the one that was asked for by name can't run.
    """
    wanted = {name: request.probes.get(name, True) for name in PROBES}

    def procfs_engine():
        from .procfs import ProcfsEngine  # its readers of files are not compiled where they are not needed yet
        return ProcfsEngine(wanted)

    if request.engine == "procfs":
        return procfs_engine(), []
    why = libbpf.rejection()
    if why is None:
        try:
            return LibbpfEngine(wanted), []
        except AuditError as error:
            why = error
    if request.engine == "libbpf":
        raise AuditError("engine libbpf can't run here: %s" % why, why.code)
    return procfs_engine(), [("libbpf", why)]
