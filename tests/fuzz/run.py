# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided fuzzing of what reads hostile bytes: run.py [--seconds N] [TARGET...]

A target is a file fuzz_*.py in this folder (or any file, by its path) with two functions:

    seeds() -> iterable of bytes to begin with
    check(data) -> None; what it raises is a finding

What it imports of the collection is instrumented. Inputs that reach something new are kept in tests/output/fuzz/TARGET for the next run, and the input
that made a finding as well. The exit status is the number of targets with a finding.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parent.parent
COLLECTIONS = CHECKOUT / ".ansible" / "collections"
OUTPUT = CHECKOUT / "tests" / "output" / "fuzz"
INSTRUMENTED = "ansible_collections.cryptofleet.audit.plugins"
MAX_INPUT = 8192  # octets
MAX_SECONDS_AN_INPUT = 5
MAX_MEMORY_MB = 1024


def targets():
    """The files of this folder that are targets."""
    return sorted(FOLDER.glob("fuzz_*.py"))


def fuzz(path, seconds, output):
    """Fuzz one target in this process, which libFuzzer ends. output: the folder that has a folder of inputs for each target."""
    import atheris  # here, because it changes how the process ends

    sys.path.insert(0, str(COLLECTIONS))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    target = importlib.util.module_from_spec(specification)
    with atheris.instrument_imports(include=[INSTRUMENTED]):
        specification.loader.exec_module(target)
    atheris.instrument_func(target.check)
    corpus = output / path.stem
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    atheris.Setup([path.name, str(corpus), "-max_total_time=%d" % seconds, "-max_len=%d" % MAX_INPUT, "-timeout=%d" % MAX_SECONDS_AN_INPUT,
                   "-rss_limit_mb=%d" % MAX_MEMORY_MB, "-artifact_prefix=%s/found-" % corpus, "-print_final_stats=1", "-verbosity=0"], target.check)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description="Fuzz what reads hostile bytes.")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where inputs are kept")
    parser.add_argument("--here", action="store_true", help="in this process; one target")
    parser.add_argument("target", nargs="*", type=Path)
    options = parser.parse_args()
    chosen = options.target or targets()
    if options.here:
        fuzz(chosen[0], options.seconds, options.output)
    findings = 0
    for path in chosen:
        print("---", path.stem, flush=True)
        command = [sys.executable, __file__, "--here", "--seconds", str(options.seconds), "--output", str(options.output), str(path)]
        findings += subprocess.run(command, check=False).returncode != 0
    return findings


if __name__ == "__main__":
    sys.exit(main())
