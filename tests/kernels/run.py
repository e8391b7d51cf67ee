# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the tracer under other kernels, or run any command under one.

  run.py                        every kernel of the matrix
  run.py --short                the oldest, with the libbpf of its time, and the newest
  run.py --kernel 6.1           one series (may be given more than once)
  run.py --old-libbpf           with libbpf 0.3 in every guest
  run.py --selftest             the guests only, not the tracer
  run.py --kernel 5.10 -- CMD   any command, in this folder, under that kernel: its output and exit code are the guest's
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import guest
import report
from debian_suites import KernelTestError
from kernels import SERIES, Kernel, KernelStore
from userland import old_libbpf, userland

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
RESULTS = CHECKOUT / "tests" / "output" / "kernels"
SHORT = (SERIES[0], SERIES[-1])
OLD_LIBBPF_AT = Path("/run/old-libbpf")
# only ever run in a guest, whose / is thrown away
_TAKE_OLD_LIBBPF = f'rm -f /usr/lib/*/libbpf.so.1*; export LD_LIBRARY_PATH={OLD_LIBBPF_AT}; exec "$@"'


class Case(NamedTuple):
    """One guest: a kernel, with this machine's libbpf or with libbpf 0.3."""

    kernel: Kernel
    old_libbpf: bool

    @property
    def name(self) -> str:
        return self.kernel.release + ("+libbpf0" if self.old_libbpf else "")


class Runner:
    """Carries the options, and the one event that ends every guest early."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.stop = threading.Event()

    def resolve(self) -> list[Kernel]:
        """The kernels asked for, each once: the newest may be of a series that is asked for as well."""
        options = self._options
        store = KernelStore(options.arch, options.flavour)
        wanted = options.kernel or (SHORT if options.short else SERIES)
        found = {}
        for series in wanted:
            kernel = store.resolve(series, refresh=options.refresh)
            found.setdefault(kernel.release, kernel)
        return list(found.values())

    def cases(self) -> list[Case]:
        """The guests of a run. The oldest kernel runs with the library of its time, and in the long form with the machine's as well."""
        options = self._options
        found = []
        for kernel in self.resolve():
            both = kernel.series == SERIES[0] and not options.kernel
            if options.old_libbpf or both:
                found.append(Case(kernel, True))
            if not options.old_libbpf and not (both and options.short):
                found.append(Case(kernel, False))
        return found

    def job(self, kernel: Kernel, command: list[str], directory: str, shares: tuple[tuple[Path, Path], ...] = ()) -> guest.Job:
        options = self._options
        foreign = kernel.arch != guest.host_arch()
        return guest.Job(kernel=kernel, command=command, directory=directory, timeout=options.timeout, memory_mib=options.memory, cpus=options.cpus,
                         tracefs=options.tracefs, root=userland(kernel.arch, options.refresh) if foreign else Path("/"),
                         shares=shares or (((CHECKOUT, CHECKOUT),) if foreign else ()))

    def test(self, case: Case, checkout: Path) -> report.KernelReport:
        """Boot, check, and say what came of it; never raises for what a guest does. checkout: what the guest sees as the checkout."""
        kernel = case.kernel
        outcome = report.KernelReport(kernel.series, case.name)
        results = RESULTS / kernel.arch / case.name
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        # the interpreter behind a virtual environment: the copy of the checkout has none, and the checks need the standard library only
        python = os.path.realpath(sys.executable) if kernel.arch == guest.host_arch() else "/usr/bin/python3"
        command = [python, str(HERE / "check_in_guest.py"), "--release", kernel.release]
        command += [flag for flag, given in (("--tracefs", self._options.tracefs), ("--selftest", self._options.selftest)) if given]
        shares = [(checkout, CHECKOUT)]
        try:
            if case.old_libbpf:
                # libbpf before 0.6 does not export its version: the engine says its name
                command = ["sh", "-c", _TAKE_OLD_LIBBPF, "sh", *command, "--libbpf", "libbpf.so.0"]
                shares.append((old_libbpf(kernel.arch, self._options.refresh), OLD_LIBBPF_AT))
            job = self.job(kernel, command, str(CHECKOUT), tuple(shares))
            ran = guest.run(job, results, self._printer(case), self.stop)
        except KernelTestError as error:
            outcome.fail("the guest boots and runs the checks", "an exit code", str(error))
            return outcome
        outcome.boot_seconds, outcome.command_seconds = ran.boot_seconds, ran.command_seconds
        outcome.read_result(results)
        outcome.read_dmesg(ran.dmesg)
        if ran.exit_code not in (0, 1):
            outcome.fail("the checks ran to their end", "exit code 0 or 1", ran.exit_code)
        return outcome

    def _printer(self, case: Case) -> Callable[[str], None]:
        return lambda line: print(f"[{case.name}] {line}", flush=True)


def main() -> int:
    options = _options()
    runner = Runner(options)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: runner.stop.set())
    try:
        guest.check_host(options.arch)
        if options.list:
            print("\n".join(f"{kernel.series}\t{kernel.release}\t{kernel.image}" for kernel in runner.resolve()))
            return 0
        if options.command:
            return _run_command(runner, runner.resolve(), options.command)
        return _run_tests(runner, runner.cases(), options.jobs)
    except KernelTestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run_command(runner: Runner, kernels: list[Kernel], command: list[str]) -> int:
    worst = 0
    for kernel in kernels:
        results = RESULTS / kernel.arch / kernel.release
        ran = guest.run(runner.job(kernel, command, str(Path.cwd())), results, lambda line: print(line, flush=True), runner.stop)
        print(f"{kernel.release}: exit code {ran.exit_code}, boot {ran.boot_seconds:.1f} s, run {ran.command_seconds:.1f} s", file=sys.stderr)
        worst = max(worst, ran.exit_code)
    return worst


def _run_tests(runner: Runner, cases: list[Case], jobs: int) -> int:
    with tempfile.TemporaryDirectory(prefix="cryptofleet-checkout-") as name, ThreadPoolExecutor(max_workers=jobs) as pool:
        checkout = _copy_of_checkout(Path(name))
        reports = list(pool.map(lambda case: runner.test(case, checkout), cases))
    for outcome in reports:
        if outcome.failed:
            print(report.failures(outcome))
    print()
    print(report.table(reports))
    failed = sum(len(outcome.failed) for outcome in reports)
    print(f"\n{sum(len(outcome.checks) for outcome in reports) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _copy_of_checkout(folder: Path) -> Path:
    """Every kernel tests the same state, though the run takes minutes and files may be edited meanwhile."""
    return Path(shutil.copytree(CHECKOUT, folder / "checkout", symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__", "output")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", action="append", metavar="SERIES", help=f"such as 6.1; {', '.join(SERIES)} where left out")
    parser.add_argument("--short", action="store_true", help=f"only {' and '.join(SHORT)}")
    parser.add_argument("--old-libbpf", action="store_true", help="libbpf 0.3 of Debian 11 in place of the machine's")
    parser.add_argument("--arch", choices=sorted(guest.MACHINES), default=guest.host_arch())
    parser.add_argument("--flavour", default="cloud", help="cloud (default), rt, or nothing for the full kernel")
    parser.add_argument("--selftest", action="store_true", help="check the guests only, not the tracer")
    parser.add_argument("--tracefs", action="store_true", help="mount tracefs, which some hosts do not")
    parser.add_argument("--jobs", type=int, default=1, help="guests at once; two on two processors save little")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one guest")
    parser.add_argument("--memory", type=int, default=2048, help="MiB of a guest")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--refresh", action="store_true", help="look for newer kernels now, not once a week")
    parser.add_argument("--list", action="store_true", help="say which kernels are taken, and fetch them")
    parser.add_argument("command", nargs="*", help="a command to run instead of the tests, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
