# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share, their ranges, and their conversion to a Request.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from .._engines.choose import PROBES
from .._errors import AuditError
from .request import Request

# option -> (lowest, highest). plugins/doc_fragments/_options.py states them too.
_RANGES = {
    "duration": (1, 3600),
    "max_processes": (1, 100000),
    "max_files": (1, 100000),
    "max_libraries": (1, 10000),
    "max_operations": (1, 100000),
    "max_handshakes": (2, 100000),
    "max_events": (1, 1000000),
}


def target_options():
    """Options that select processes: argument spec, dict."""
    return {
        "pid": {"type": "list", "elements": "int", "default": [], "aliases": ["pids"]},
        "name": {"type": "list", "elements": "str", "default": [], "aliases": ["names"]},
        "unit": {"type": "list", "elements": "str", "default": [], "aliases": ["units"]},
        "container": {"type": "list", "elements": "str", "default": [], "aliases": ["containers"]},
        "follow_children": {"type": "bool", "default": True},
    }


def window_options():
    """Options for the duration, the engine and the probes: argument spec, dict."""
    return {
        "duration": {"type": "int", "default": 30},
        "engine": {"type": "str", "default": "auto", "choices": ["auto", "libbpf", "procfs"]},
        "probes": {
            "type": "dict",
            "default": {},
            "options": {probe: {"type": "bool", "default": True} for probe in PROBES + ("host_crypto",)},
        },
    }


def document_options():
    """Options for the content and the destination of a profile or snapshot: argument spec, dict."""
    return {
        "redact": {"type": "bool", "default": True},
        "max_processes": {"type": "int", "default": 2000},
        "max_files": {"type": "int", "default": 500},
        "max_libraries": {"type": "int", "default": 200},
        "max_operations": {"type": "int", "default": 500},
        "max_handshakes": {"type": "int", "default": 500},
        "dest": {"type": "path"},
        "return_document": {"type": "bool", "default": False},
    }


def request_from(params):
    """Convert a module's parameters.

    :arg params: dict, the module's parameters by option.
    :returns: Request.
    :raises AuditError: a number is out of its range, every probe is disabled, or a name is empty.
    """
    for option, (low, high) in _RANGES.items():
        value = params.get(option)
        if value is not None and not low <= value <= high:
            raise AuditError("%s must be from %d to %d, not %d" % (option, low, high, value))
    for pid in params["pid"]:
        if pid < 1:
            raise AuditError("pid must be 1 or more, not %d" % pid)
    for option in ("name", "unit", "container"):
        if any(not text.strip() for text in params[option]):
            raise AuditError("%s contains an empty string, which matches nothing; omit the option to select the whole host" % option)
    wanted = params.get("probes") or {}
    probes = {probe: wanted.get(probe, True) for probe in PROBES}
    if not any(probes.values()):
        raise AuditError("every probe is disabled in 'probes', so nothing would be observed; enable at least one")
    known = {option: params[option] for option in (
        "follow_children", "duration", "engine", "redact",
        "max_processes", "max_files", "max_libraries", "max_operations", "max_handshakes", "max_events",
    ) if params.get(option) is not None}
    return Request(
        pids=sorted(set(params["pid"])),
        names=sorted(set(params["name"])),
        units=sorted(set(params["unit"])),
        containers=sorted(set(params["container"])),
        probes=probes,
        host_crypto=wanted.get("host_crypto", True),
        **known
    )
