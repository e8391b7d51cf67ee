# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""crypto_preflight: loads and attaches every probe, detaches, and says what this host can run, with a remedy where it can't.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os

from .._engines.choose import choose_engine
from .._errors import AuditError
from .._host.identity import host_identity
from .._kernel import proc
from .._kernel.libbpf import Libbpf
from .._probes.base import ATTACHED, DISABLED, PARTIAL, UNSUPPORTED
from .._report.coverage import probe_entry
from .._report.reasons import rejected_engines
from .._report.writer import COLLECTION_VERSION, SCHEMA_VERSION, Writer
from .limits import within_limits

# include/uapi/linux/capability.h
_CAPABILITIES = {21: "CAP_SYS_ADMIN", 19: "CAP_SYS_PTRACE", 12: "CAP_NET_ADMIN", 38: "CAP_PERFMON", 39: "CAP_BPF", 2: "CAP_DAC_READ_SEARCH"}

# errno name -> what to do. Where the kernel's refusals come from: bpf(2), perf_event_open(2)
_REMEDIES = {
    "EPERM": "The kernel forbids it to this process: run as root with become, outside of a container, and check the kernel's lockdown mode.",
    "EACCES": "The verifier or perf_event_paranoid refused it: report the verifier's lines with the kernel's version.",
    "EINVAL": "This kernel does not know the program or attach type: report the kernel's version. Other probes are not affected.",
    "E2BIG": "The verifier gave up on the program's size: report the kernel's version.",
    "ENOMEM": "The kernel had no memory for the probe's maps.",
    "ENOENT": "The kernel has no such hook: it was built without it.",
}
_REMEDY_UNSUPPORTED = "Only a better engine sees it: see engine.rejected for what that needs."
_REMEDY_ELSE = "See docs/troubleshooting.md, and report the reason with the kernel's version."


def _line(path):
    try:
        with open(path, "r", encoding="utf-8", errors="replace") as stream:
            return stream.read(4096).strip()
    except OSError:
        return None


def _number(path):
    text = _line(path)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _lines(path):
    with open(path, "r", encoding="utf-8", errors="replace") as stream:
        return stream.read(1 << 20).splitlines()


def _cgroup_mode(mounts):
    kinds = {fields[2] for fields in mounts if len(fields) > 2}
    if "cgroup2" in kinds:
        return "hybrid" if "cgroup" in kinds else "v2"
    return "v1" if "cgroup" in kinds else None


def _lockdown():
    text = _line("/sys/kernel/security/lockdown")
    return text.partition("[")[2].partition("]")[0] or None if text else None


def _capabilities():
    for line in _lines("/proc/self/status"):
        if line.startswith("CapEff:"):
            bits = int(line.split()[1], 16)
            return sorted(name for number, name in _CAPABILITIES.items() if bits >> number & 1)
    return []


def kernel_facts():
    """What decides which probes run: the preflight document's ``kernel``."""
    mounts = [line.split() for line in _lines("/proc/self/mounts")]
    try:
        version = Libbpf().version
    except AuditError:
        version = None
    return {
        "btf": os.path.exists("/sys/kernel/btf/vmlinux"), "libbpf_version": version,
        "tracefs": next((fields[1] for fields in mounts if len(fields) > 2 and fields[2] == "tracefs"), None),
        "lockdown": _lockdown(), "capabilities": _capabilities(), "euid": os.geteuid(), "cgroup_mode": _cgroup_mode(mounts),
        "unprivileged_bpf_disabled": _number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        "perf_event_paranoid": _number("/proc/sys/kernel/perf_event_paranoid"),
    }


def _probe(probe, writer):
    entry = probe_entry(probe, writer)
    for of_a_window in ("hits", "lost", "ns_per_hit", "cost_ns", "budget", "detached"):
        entry.pop(of_a_window, None)
    entry["attach_ms"] = round(probe.open_seconds * 1000, 1) if probe.status in (ATTACHED, PARTIAL) else None
    entry["remedy"] = None
    if probe.status not in (ATTACHED, DISABLED, PARTIAL):
        entry["remedy"] = _REMEDIES.get(entry["errno"], _REMEDY_ELSE) if probe.status != UNSUPPORTED else _REMEDY_UNSUPPORTED
    return entry


@within_limits()
def preflight(request):
    """Try everything and take it down again.

    :arg request: Request of _window.request; its engine and probes count.
    :returns: the preflight document.
    :raises AuditError: the engine asked for by name can't run.
    """
    writer = Writer(False, proc.boot_time_offset())
    engine, rejected = choose_engine(request)
    try:
        probes = [_probe(probe, writer) for probe in engine.probes]
    finally:
        engine.close()
    attached = [probe["name"] for probe in probes if probe["status"] in (ATTACHED, PARTIAL)]
    rejected = rejected_engines(rejected)
    remedies = [{"concerns": item["name"], "code": item["code"], "remedy": item["remedy"]} for item in rejected]
    remedies += [{"concerns": probe["name"], "code": "probe_" + probe["status"], "remedy": probe["remedy"]} for probe in probes if probe["remedy"]]
    full = engine.grade == "full" and all(probe["status"] in (ATTACHED, DISABLED) for probe in probes)
    return {
        "schema_version": SCHEMA_VERSION, "collection_version": COLLECTION_VERSION, "document": "preflight", "host": host_identity(),
        "engine": {"name": engine.name, "grade": engine.grade, "version": engine.version, "rejected": rejected},
        "probes": probes, "kernel": kernel_facts(),
        "supports": {"profile": bool(attached), "grade": "full" if full else "reduced" if attached else "none", "probes": attached},
        "remedies": remedies,
    }
