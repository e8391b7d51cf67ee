# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason that a coverage can have, as data: its code, what it concerns, whether it can hide cryptography, its text and its remedy.

A new reason is a line of REASONS. docs/reference/reasons.md is generated from here.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

# incomplete: cryptography of any process may be missing. excluded: only that of the named processes may be. note: none can be.
INCOMPLETE, EXCLUDED, NOTE = "incomplete", "excluded", "note"

# Names in one reason. With more excluded programs, or processes of these, a reason is "incomplete": nobody reads a scope with more exceptions.
MOST_NAMES = 20
MOST_EXCLUDED = 200


class Reason(NamedTuple):
    """One kind of reason.

    effect: INCOMPLETE, EXCLUDED or NOTE. concerns: what its names are: host, probe, engine, library, process, target, handshake,
    package_database or file. singular, plural: the text for a count of one and of more, with ``%(count)d`` and other words of add();
    plural is None where nothing is counted. remedy: what the reader can do, or None where there is nothing to do.
    """

    effect: str
    concerns: str
    singular: str
    plural: Optional[str]
    remedy: Optional[str]


_QUIETER = "The host made events faster than they could be read. Repeat the window at a quieter time."
_PREFLIGHT = "Run crypto_preflight on this host: it gives the kernel's own words and what to do."

REASONS = {
    # the engine and its probes
    "engine_reduced": Reason(
        INCOMPLETE, "engine",
        "engine %(name)s polls /proc: what happens between two polls, function calls and handshakes are not seen", None,
        "Run crypto_profile as root with engine auto. Where that was done, engine.rejected says what the better engine lacks."),
    "probe_failed": Reason(
        INCOMPLETE, "probe",
        "probe %(name)s failed: %(detail)s", None,
        _PREFLIGHT),
    "probe_partial": Reason(
        INCOMPLETE, "probe",
        "probe %(name)s is attached only in part: %(detail)s", None,
        "See its entry in coverage.probes: targets say which files could not be probed, and why."),
    "probe_unsupported": Reason(
        INCOMPLETE, "probe",
        "probe %(name)s is not supported: %(detail)s", None,
        "Run crypto_profile as root with engine auto. Where that was done, engine.rejected says what the better engine lacks."),
    "probe_disabled": Reason(
        INCOMPLETE, "probe",
        "probe %(name)s was disabled by the option probes", None,
        "Leave it enabled if its findings are needed."),
    "functions_detached": Reason(
        INCOMPLETE, "probe",
        "probe %(name)s: %(detail)s", None,
        "What was counted before is exact. For later calls run a shorter window, or one at a quieter time."),
    # observations that were lost; the code is the cause in coverage.lost
    "ring_full": Reason(
        INCOMPLETE, "host",
        "%(count)d event was lost because the ring buffer was full",
        "%(count)d events were lost because the ring buffer was full",
        _QUIETER),
    "map_full": Reason(
        INCOMPLETE, "host",
        "%(count)d counter did not fit the kernel map: counts may be low, and a first use may be missing",
        "%(count)d counters did not fit the kernel map: counts may be low, and first uses may be missing",
        _QUIETER),
    "user_fault": Reason(
        INCOMPLETE, "host",
        "the memory of a process could not be read once: an algorithm or a file name may be missing",
        "the memory of a process could not be read %(count)d times: algorithms or file names may be missing",
        None),
    "perf_records": Reason(
        INCOMPLETE, "host",
        "%(count)d mapping record was lost because perf's buffer was full: a library load may be missing",
        "%(count)d mapping records were lost because perf's buffer was full: library loads may be missing",
        _QUIETER),
    "unnamed_mappings": Reason(
        INCOMPLETE, "host",
        "%(count)d executable mapping is of a file whose path is too long for perf: it may be a crypto library",
        "%(count)d executable mappings are of files whose path is too long for perf: they may be crypto libraries",
        None),
    "unclassified_opens": Reason(
        INCOMPLETE, "host",
        "%(count)d open of a file of unknown content was not looked at: too many at once",
        "%(count)d opens of files of unknown content were not looked at: too many at once",
        _QUIETER),
    "io_uring_opens": Reason(
        INCOMPLETE, "host",
        "%(count)d file was opened through io_uring and not looked at: this kernel has no hook for it",
        "%(count)d files were opened through io_uring and not looked at: this kernel has no hook for them",
        "Linux 6.0 or later (6.4 on aarch64) shows these opens."),
    "socket_storage_full": Reason(
        INCOMPLETE, "host",
        "no memory for the state of %(count)d connection: of its handshake only the first packet was read",
        "no memory for the state of %(count)d connections: of their handshakes only the first packet was read",
        None),
    "unparsed_packets": Reason(
        INCOMPLETE, "host",
        "%(count)d packet has IPv6 extension headers that are not parsed",
        "%(count)d packets have IPv6 extension headers that are not parsed",
        None),
    "truncated_handshakes": Reason(
        INCOMPLETE, "host",
        "%(count)d handshake is longer, or in more segments, than what is copied of one",
        "%(count)d handshakes are longer, or in more segments, than what is copied of one",
        None),
    "skipped_runs": Reason(
        INCOMPLETE, "host",
        "the kernel skipped %(count)d program run (recursion): as many events may be missing",
        "the kernel skipped %(count)d program runs (recursion): as many events may be missing",
        None),
    "path_truncated": Reason(
        INCOMPLETE, "host",
        "%(count)d path is longer or deeper than the kernel side reads: the file was judged by its name alone",
        "%(count)d paths are longer or deeper than the kernel side reads: the files were judged by their names alone",
        None),
    "handshake_parts": Reason(
        INCOMPLETE, "host",
        "%(count)d part of a handshake could not be reassembled: the handshake may be missing",
        "%(count)d parts of handshakes could not be reassembled: the handshakes may be missing",
        None),
    "quic_datagrams": Reason(
        INCOMPLETE, "host",
        "%(count)d QUIC datagram was not decrypted: too many at once",
        "%(count)d QUIC datagrams were not decrypted: too many at once",
        _QUIETER),
    "other_loss": Reason(
        INCOMPLETE, "host",
        "%(count)d observation was lost: %(name)s",
        "%(count)d observations were lost: %(name)s",
        None),
    "unattributed_libraries": Reason(
        INCOMPLETE, "library",
        "%(count)d library load is by a process that exited before it was identified",
        "%(count)d library loads are by processes that exited before they were identified",
        None),
    # what was found and not searched
    "sockets_not_read": Reason(
        INCOMPLETE, "host",
        "the descriptors of %(count)d process were not searched for TLS connections: the time for that was spent",
        "the descriptors of %(count)d processes were not searched for TLS connections: the time for that was spent",
        "Choose fewer processes with pid, name, unit or container."),
    # bounds of the request
    "processes_over_bound": Reason(
        INCOMPLETE, "host",
        "%(count)d process is left out: max_processes is %(bound)d",
        "%(count)d processes are left out: max_processes is %(bound)d",
        "Raise max_processes, or choose fewer processes."),
    "processes_not_held": Reason(
        INCOMPLETE, "host",
        "%(count)d observation is of a process beyond the most that are held at once",
        "%(count)d observations are of processes beyond the most that are held at once",
        "Run a shorter window."),
    "files_over_bound": Reason(
        INCOMPLETE, "host",
        "%(count)d file omitted: a process has reached max_files",
        "%(count)d files omitted: processes have reached max_files",
        "Raise max_files."),
    "libraries_over_bound": Reason(
        INCOMPLETE, "host",
        "%(count)d library omitted: a process has reached max_libraries",
        "%(count)d libraries omitted: processes have reached max_libraries",
        "Raise max_libraries."),
    "operations_over_bound": Reason(
        INCOMPLETE, "host",
        "%(count)d operation omitted: a process has reached max_operations",
        "%(count)d operations omitted: processes have reached max_operations",
        "Raise max_operations."),
    "handshakes_over_bound": Reason(
        INCOMPLETE, "host",
        "%(count)d handshake omitted: a process has reached max_handshakes",
        "%(count)d handshakes omitted: processes have reached max_handshakes",
        "Raise max_handshakes."),
    "unattributed_over_bound": Reason(
        INCOMPLETE, "handshake",
        "%(count)d handshake without a known process omitted: max_handshakes is reached",
        "%(count)d handshakes without a known process omitted: max_handshakes is reached",
        "Raise max_handshakes."),
    "unattributed_of_host": Reason(
        INCOMPLETE, "handshake",
        "%(count)d handshake of this host could not be attributed to a process: it may be of a selected one",
        "%(count)d handshakes of this host could not be attributed to processes: they may be of selected ones",
        "Choose the whole host: such handshakes are then listed under unattributed."),
    "stream_ended": Reason(
        INCOMPLETE, "host",
        "the stream ended at max_events, %(bound)d: later events are not in it", None,
        "Raise max_events, or choose events."),
    # single processes of which something may be missing
    "permission_denied": Reason(
        EXCLUDED, "process",
        "permission denied reading the maps or descriptors of %(count)d process",
        "permission denied reading the maps or descriptors of %(count)d processes",
        "Run with become: true on the host itself. Root may be refused by a container, a security module or a user namespace."),
    "unobservable": Reason(
        EXCLUDED, "process",
        "%(count)d process has a crypto stack or library that no probe can observe, and no use of it was seen",
        "%(count)d processes have a crypto stack or library that no probe can observe, and no use of it was seen",
        "See stacks and libraries of the process. Handshakes inside a window are seen whatever library makes them."),
    "exited_before_attach": Reason(
        EXCLUDED, "process",
        "%(count)d process exited before a probe was on its libraries",
        "%(count)d processes exited before a probe was on their libraries",
        None),
    "library_first_mapped": Reason(
        EXCLUDED, "library",
        "%(count)d library was first mapped inside the window: calls in the moments before it was probed were not seen",
        "%(count)d libraries were first mapped inside the window: calls in the moments before they were probed were not seen",
        "Repeat the window while a process has it mapped."),
    "program_not_searched": Reason(
        EXCLUDED, "process",
        "%(count)d process exited before its program files could be searched for crypto stacks",
        "%(count)d processes exited before their program files could be searched for crypto stacks",
        None),
    "stacks_not_searched": Reason(
        EXCLUDED, "process",
        "%(count)d process has files that were not searched to their end for crypto stacks: a limit of size or time was reached",
        "%(count)d processes have files that were not searched to their end for crypto stacks: a limit of size or time was reached",
        "Choose fewer processes with pid, name, unit or container."),
    "files_not_read": Reason(
        EXCLUDED, "process",
        "%(count)d process opened a file whose content could not be read: it was gone or leased, or is in no mounted file system",
        "%(count)d processes opened files whose content could not be read: they were gone or leased, or are in no mounted file system",
        None),
    # nothing can be hidden by these
    "unattributed_handshakes": Reason(
        NOTE, "handshake",
        "%(count)d handshake could not be attributed to a process: it is listed under unattributed, and per-process counts may be low",
        "%(count)d handshakes could not be attributed to processes: they are listed under unattributed, and per-process counts may be low",
        None),
    "exited_while_opening": Reason(
        NOTE, "process",
        "%(count)d process exited while the window opened: it is no part of the window",
        "%(count)d processes exited while the window opened: they are no part of the window",
        None),
    "target_not_found": Reason(
        NOTE, "target",
        "no process matched %(name)s in the window", None,
        "Check its spelling, and that it runs."),
    "package_database": Reason(
        NOTE, "package_database",
        "package names may be missing: %(detail)s", None,
        None),
    "host_crypto_disabled": Reason(
        NOTE, "host",
        "the host's configuration was not read: host_crypto is disabled by the option probes", None,
        None),
}

# Why a better engine can't run -> what to do; the codes of an AuditError of _engines.
ENGINE_REMEDIES = {
    "not_root": "Run it with become: true.",
    "no_btf": "Use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions have since about 2021.",
    "pid_namespace": "Run it on the host itself, not in a container.",
    "no_libbpf": "Install the distribution's libbpf: libbpf1, libbpf0 or libbpf.",
    "no_ring_buffer": "Use Linux 5.8 or later. On such a kernel see whether lockdown, seccomp or a missing capability forbids it.",
    "engine_failed": "Report the message with the kernel's version.",
    "probes_refused": "See the verifier's lines in the message and docs/troubleshooting.md, and report them with the kernel's version.",
}


def rejected_engines(rejected):
    """engine.rejected of a document.

    :arg rejected: list of ``(name, AuditError)``, as choose_engine() returns it.
    :returns: list of dict of ``name``, ``code``, ``message`` and ``remedy``.
    """
    codes = [(name, error.code or "engine_failed", str(error)) for name, error in rejected]
    return [{"name": name, "code": code, "message": message, "remedy": ENGINE_REMEDIES[code]} for name, code, message in codes]


def _by_program(processes):
    """ProcessRecords of one program together: list of list, in the order of the first ones."""
    groups = {}
    for record in processes:
        groups.setdefault((record.exe, record.comm), []).append(record)
    return list(groups.values())


def _program_name(name, records):
    """``nginx (pid 4711)``, or ``nginx (pid 4711 and 3 more)``."""
    more = " and %d more" % (len(records) - 1) if len(records) > 1 else ""
    return "%s (pid %d%s)" % (name, records[0].pid, more)


class Named(NamedTuple):
    """One reason of one coverage. names: bytes (paths) or str. processes: ProcessRecords that it excludes."""

    code: str
    count: int
    names: tuple
    words: dict
    processes: tuple


class Reasons:
    """The reasons of one coverage."""

    def __init__(self):
        self._found = []

    def add(self, code, count=1, names=(), processes=(), **words):
        """Add a reason; with a count of 0, none.

        :arg code: str, a key of REASONS.
        :arg count: int, how many of what its text counts.
        :arg names: iterable of bytes (a path) or str, what it concerns.
        :arg processes: iterable of ProcessRecord, where the effect is EXCLUDED.
        :arg words: what else its text names.
        """
        if count:
            self._found.append(Named(code, count, tuple(names), words, tuple(processes)))

    def entries(self, writer):
        """The reasons as they are in a document, those that matter most first.

        :arg writer: Writer, which redacts paths.
        :returns: list of dict.
        """
        order = (INCOMPLETE, EXCLUDED, NOTE)
        entries = [self._entry(found, writer) for found in self._found]
        return sorted(entries, key=lambda entry: (order.index(entry["effect"]), list(REASONS).index(entry["code"])))

    @staticmethod
    def _effect(found):
        effect = REASONS[found.code].effect
        if effect == EXCLUDED and (len(_by_program(found.processes)) > MOST_NAMES or len(found.processes) > MOST_EXCLUDED):
            return INCOMPLETE
        return effect

    def _entry(self, found, writer):
        reason = REASONS[found.code]
        names = found.names or [_program_name(writer.process_name(records[0]), records) for records in _by_program(found.processes)]
        shown = [writer.path_text(name) if isinstance(name, bytes) else name for name in names[:MOST_NAMES]]
        text = reason.singular if found.count == 1 or reason.plural is None else reason.plural
        return {"code": found.code, "effect": self._effect(found), "count": found.count,
                "concerns": {"kind": reason.concerns, "names": shown, "omitted": max(0, len(names) - MOST_NAMES)},
                "message": text % dict(found.words, count=found.count), "remedy": reason.remedy}

    def excluded(self, writer):
        """The processes that a complete profile is not complete for.

        :returns: list of dict, a process once, with the code of the first reason that excludes it.
        """
        entries = {}
        for found in self._found:
            if self._effect(found) == EXCLUDED:
                for record in found.processes:
                    entries.setdefault(record.key, writer.excluded(record, found.code))
        return sorted(entries.values(), key=lambda entry: (entry["pid"], entry["started_at"] or ""))

    def is_complete(self):
        """Whether no reason concerns more than the processes it names (bool)."""
        return not any(self._effect(found) == INCOMPLETE for found in self._found)
